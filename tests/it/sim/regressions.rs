//! What the simulation found, each as short as it can be told.

use std::time::Duration;

use chrono::{TimeDelta, Utc};

use customer_mirror::config::{Changes, Deletions};
use customer_mirror::decode;
use customer_mirror::mirror::{Cost, Mirror, Reader, Standing};
use customer_mirror::plan;

fn mirror() -> (tempfile::TempDir, Mirror) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mirror.db");
    let mirror = Mirror::open_or_create(&path, super::SOURCE, "test").unwrap();
    (folder, mirror)
}

/// Walks a listing of one page; returns the pass, which is not judged yet.
fn walk(mirror: &mut Mirror, items: &[u8]) -> i64 {
    let body = [b"{\"items\":[", items, b"],\"pagination\":{}}"].concat();
    let pass_id = mirror.begin_pass(Utc::now()).unwrap().pass_id;
    let page = decode::page(body).unwrap();
    mirror
        .commit_page(pass_id, None, &page, Cost::default(), Utc::now())
        .unwrap();
    pass_id
}

/// A crash between the walk's end and its judgement leaves a walk that needs no cursor: however old, it is no use to throw it away.
#[test]
fn a_walk_at_its_end_has_no_cursor_to_grow_old() {
    let (_folder, mut mirror) = mirror();
    mirror
        .learn_cursor_lifetime(Duration::from_secs(60))
        .unwrap();
    walk(&mut mirror, br#"{"customerId":"c"}"#);
    let later = Utc::now() + TimeDelta::hours(1);
    let checkpoint = mirror.interrupted_pass(later).unwrap().unwrap();
    assert_eq!(checkpoint.standing, Standing::Walked);
    assert_eq!(checkpoint.cursor_age, None);
}

/// A record that was bad once and came again just as the mirror knows it is no trouble any more.
#[test]
fn a_record_that_comes_in_good_order_again_leaves_the_quarantine() {
    let limits = Deletions {
        confirm_passes: 2,
        max_percent: 10.0,
        always_allow: 20,
        purge_after: None,
    };
    let (_folder, mut mirror) = mirror();
    let good = br#"{"customerId":"c"},{"customerId":"d"}"#.as_slice();
    let bad = b"{\"customerId\":\"c\",\"name\":\"\xff\"},{\"customerId\":\"d\"}".as_slice();
    let unreadable = b"{\"customerId\":\"c\",\"name\":\"\xfe\"},{\"customerId\":\"\"}".as_slice();
    for (listed, quarantined) in [(good, 0), (bad, 1), (unreadable, 3), (good, 1)] {
        let pass_id = walk(&mut mirror, listed);
        let proof = plan::prove_complete(&mirror.walk_evidence(pass_id).unwrap()).unwrap();
        let changes = Changes { keep: None };
        mirror
            .finish_pass(pass_id, &proof, &limits, &changes, Utc::now())
            .unwrap();
        let status = Reader::open(mirror.path()).unwrap().status().unwrap();
        assert_eq!(status.quarantined, quarantined, "pass {pass_id}");
    }
}
