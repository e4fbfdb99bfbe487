//! What the simulation found, each as short as it can be told.

use std::time::Duration;

use chrono::{TimeDelta, Utc};

use customer_mirror::decode;
use customer_mirror::mirror::{Cost, Mirror, Standing};

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
