//! A mirror with all that one can have, damaged in every way; and consumers of its feed, who must all end with the server's customers,
//! wherever they were when it happened.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use fastrand::Rng;
use rusqlite::Connection;

use super::*;
use crate::config::{Changes, Deletions};
use crate::fixture::{Fixture, SOURCE, at};
use crate::mirror::{Cost, FeedFilter, FeedPosition, Mirror};
use crate::model::PassState;

const PAGE: usize = 4096;
/// Cases of each kind of damage, unless more are asked for.
const CASES: usize = 6;

fn cases() -> usize {
    let asked = std::env::var("RECOVER_CASES").ok();
    asked.map_or(CASES, |cases| cases.parse().unwrap())
}

/// Customer `number` as of a day; a few have records of many pages.
fn record(number: usize, day: usize) -> String {
    let day = if number.is_multiple_of(7) { day } else { 1 };
    let long = "and so on ".repeat(if number.is_multiple_of(23) {
        2000
    } else {
        number % 11
    });
    format!(
        "{{\"customerId\":\"c-{number}\",\"referenceId\":\"r-{}\",\"name\":\"Ada{number} Day{day}\",\"contact\":{{\"email\":\"a{number}@example.com\"}},\
         \"users\":[{{\"userId\":\"u{number}\",\"name\":\"{long}\"}}]}}",
        number / 2
    )
}

/// The server's customers on a day: some leave, some come, some change.
fn listing(day: usize) -> Vec<String> {
    (day..150 + 2 * day)
        .map(|number| record(number, day))
        .collect()
}

fn pass(fixture: &mut Fixture, minutes: i64, listing: &[String]) {
    let records: Vec<&str> = listing.iter().map(String::as_str).collect();
    let pages: Vec<&[&str]> = records.chunks(20).collect();
    fixture.pass(minutes, &pages);
}

/// The bytes of a mirror's files.
#[derive(Clone)]
struct Image {
    file: Vec<u8>,
    wal: Vec<u8>,
}

impl Image {
    fn of(path: &Path) -> Self {
        let read = |suffix: &str| std::fs::read(format!("{}{suffix}", path.display())).unwrap();
        Self {
            file: read(""),
            wal: read("-wal"),
        }
    }

    /// Days 1 to 5, of which the last is in the -wal file only.
    fn whole() -> Self {
        let mut fixture = Fixture::empty();
        for day in 1..5 {
            pass(&mut fixture, 10 * day as i64, &listing(day));
            fixture.mirror.settle().unwrap();
        }
        let mut last = listing(5);
        last.push("{\"customerId\":\"\"}".to_owned());
        pass(&mut fixture, 50, &last);
        let image = Self::of(&fixture.path);
        assert!(!image.wal.is_empty());
        image
    }

    /// All in the file, nothing in the -wal file.
    fn settled(&self) -> Self {
        let (path, _folder) = self.unfold();
        drop(Mirror::open_existing(&path, "a test").unwrap());
        let image = Self::of(&path);
        assert_eq!(image.wal.len(), 0);
        image
    }

    fn unfold(&self) -> (PathBuf, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("customers.db");
        std::fs::write(&path, &self.file).unwrap();
        std::fs::write(folder.path().join("customers.db-wal"), &self.wal).unwrap();
        (path, folder)
    }
}

/// Somebody who keeps a copy by the feed.
#[derive(Debug, Clone, Default)]
struct Copy {
    seq: i64,
    customers: BTreeMap<String, String>,
}

impl Copy {
    /// Up to `seqs` changes later.
    fn follow(&mut self, path: &Path, seqs: i64) {
        let reader = Reader::open(path).unwrap();
        let mirror = reader.feed_bounds().unwrap().mirror;
        loop {
            let position = FeedPosition {
                seq: self.seq,
                known_missing: 0,
                mirror,
            };
            match reader
                .feed_batch(position, &FeedFilter::default(), Some(seqs as u64))
                .unwrap()
            {
                Ok(batch) => {
                    for change in batch.changes {
                        match change.after {
                            Some(after) => self.customers.insert(change.customer_id, after),
                            None => self.customers.remove(&change.customer_id),
                        };
                    }
                    self.seq = batch.position;
                    if batch.is_last || seqs < i64::MAX {
                        return;
                    }
                }
                Err(_gap) => {
                    self.seq = reader.feed_bounds().unwrap().newest;
                    self.customers = live(path);
                    return;
                }
            }
        }
    }
}

fn live(path: &Path) -> BTreeMap<String, String> {
    let db = Connection::open(path).unwrap();
    let mut statement = db
        .prepare("SELECT customer_id, raw FROM live_customers")
        .unwrap();
    let rows = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    rows.collect::<rusqlite::Result<_>>().unwrap()
}

fn order() -> Order<'static> {
    Order {
        source: Some(SOURCE),
        force: false,
        now: at(55),
    }
}

fn recovered(path: &Path, order: Order<'_>) -> Recovered {
    match recover(path, order, &|_| ()).unwrap() {
        Recovery::Done(recovered) => *recovered,
        Recovery::NotNeeded => panic!("it was recovered from nothing"),
    }
}

/// What consumers have at the end of day 5, and in the midst of it.
fn consumers(image: &Image) -> Vec<Copy> {
    let (path, _folder) = image.unfold();
    [0, 5, 170, 185, i64::MAX]
        .map(|seqs| {
            let mut copy = Copy::default();
            if seqs > 0 {
                copy.follow(&path, seqs);
            }
            copy
        })
        .into()
}

/// Who uses a damaged mirror gets what is there, or is told that it is damaged; nothing else.
fn is_told(what: &str, damaged: &Image) {
    let (path, _folder) = damaged.unfold();
    let told = |use_it: &str, error: &MirrorError| {
        let is_said = matches!(
            error,
            MirrorError::Damaged { .. } | MirrorError::NotAMirror { .. }
        );
        assert!(is_said, "{what}: {use_it}: {error:?}");
    };
    let look = || -> crate::mirror::Result<()> {
        let reader = Reader::open(&path)?;
        reader.status()?;
        reader.health(at(55))?;
        reader.last_passes(9)?;
        reader.history("c-7", None, 9)?;
        reader.conflicts(None, 9)?;
        let position = FeedPosition {
            seq: 0,
            known_missing: i64::MAX,
            mirror: reader.feed_bounds()?.mirror,
        };
        reader
            .feed_batch(position, &FeedFilter::default(), None)
            .map(drop)
    };
    if let Err(error) = look() {
        told("a look", &error);
    }
    let pass = || -> crate::mirror::Result<()> {
        let mut mirror = Mirror::open_or_create(&path, SOURCE, "a test")?;
        if let Some(interrupted) = mirror.interrupted_pass(at(60))? {
            mirror.end_pass(
                interrupted.pass_id,
                PassState::Abandoned,
                "for another",
                at(60),
            )?;
        }
        let pass_id = mirror.begin_pass(at(60))?.pass_id;
        let body = format!(
            "{{\"items\":[{}],\"pagination\":{{}}}}",
            listing(6).join(",")
        );
        let page = crate::decode::page(body.into_bytes()).unwrap();
        mirror.commit_page(pass_id, None, &page, Cost::default(), at(60))?;
        let Ok(proof) = crate::plan::prove_complete(&mirror.walk_evidence(pass_id)?) else {
            return Ok(());
        };
        let deletions = Deletions {
            confirm_passes: 1,
            max_percent: 100.0,
            always_allow: 1,
            purge_after: None,
        };
        mirror.finish_pass(
            pass_id,
            &proof,
            &deletions,
            &Changes {
                keep: Some(Duration::from_secs(60)),
            },
            at(61),
        )?;
        mirror.purge(Duration::ZERO, at(62))?;
        mirror.clean_up(Duration::ZERO).map(drop)
    };
    if let Err(error) = pass() {
        told("a pass", &error);
    }
}

/// Recovers a damaged mirror, and goes on with it: mirror and consumers come to equal the server.
fn heals(what: &str, damaged: &Image, consumers: &[Copy]) -> Option<Recovered> {
    is_told(what, damaged);
    let (path, folder) = damaged.unfold();
    let done = match recover(&path, order(), &|_| ()) {
        Ok(Recovery::Done(recovered)) => Some(*recovered),
        // What was damaged belongs to nothing, or is an earlier true state.
        Ok(Recovery::NotNeeded) => None,
        Err(error) => panic!("{what}: {error}"),
    };
    let mut at_once = consumers.to_vec();
    for copy in &mut at_once {
        copy.follow(&path, i64::MAX);
    }
    let listed = listing(6);
    let mut fixture = Fixture::at(path.clone(), folder);
    if let Some(interrupted) = fixture.mirror.interrupted_pass(at(60)).unwrap() {
        // Where a -wal file ends in the midst of a pass.
        let abandoned = PassState::Abandoned;
        let ended = fixture
            .mirror
            .end_pass(interrupted.pass_id, abandoned, "for another", at(60));
        ended.unwrap();
    }
    if let Some(recovered) = &done {
        let complete = Reader::open(&path).unwrap().status().unwrap().freshness;
        assert!(
            !recovered.is_incomplete() || complete.pass_id.is_none(),
            "{what}"
        );
    }
    for minutes in [60, 70, 80] {
        pass(&mut fixture, minutes, &listed);
    }
    let soundness = Reader::open(&path)
        .unwrap()
        .examine(Depth::Full, &|_| ())
        .unwrap();
    assert_eq!(soundness, Soundness::Sound, "{what}");
    let expected: BTreeMap<String, String> = listed
        .into_iter()
        .map(|raw| (crate::decode::customer(&raw).unwrap().id, raw))
        .collect();
    assert!(
        live(&path) == expected,
        "{what}: the mirror is not the server's: {done:?}"
    );
    // Where SQLite takes a damaged -wal file for a shorter one, who asks in time is told, and who asks later can't be.
    let mut late = if done.is_some() {
        consumers.to_vec()
    } else {
        Vec::new()
    };
    for (index, copy) in at_once.iter_mut().chain(&mut late).enumerate() {
        let seq = copy.seq;
        copy.follow(&path, i64::MAX);
        let differing: Vec<_> = expected
            .iter()
            .filter(|(id, raw)| copy.customers.get(*id) != Some(raw))
            .map(|(id, _)| id)
            .chain(
                copy.customers
                    .keys()
                    .filter(|id| !expected.contains_key(*id)),
            )
            .collect();
        assert!(
            differing.is_empty(),
            "{what}: consumer {index} at {seq} ends wrong: {differing:?}; {done:?}"
        );
    }
    done
}

fn dump(path: &Path) -> Vec<String> {
    let db = Connection::open(path).unwrap();
    let mut rows = Vec::new();
    for sql in [
        "SELECT * FROM customers ORDER BY row_id",
        "SELECT * FROM customer_users ORDER BY 1, 2",
        "SELECT * FROM customer_state ORDER BY 1",
        "SELECT * FROM customer_changes ORDER BY 1",
        "SELECT * FROM passes ORDER BY 1",
        "SELECT * FROM absences ORDER BY 1",
        "SELECT * FROM quarantine ORDER BY 1",
        "SELECT * FROM shared_references ORDER BY 1",
        "SELECT * FROM mirror_meta ORDER BY 1",
        "SELECT * FROM sqlite_sequence ORDER BY 1",
        "SELECT name, type, sql FROM sqlite_schema ORDER BY name",
    ] {
        let mut statement = db.prepare(sql).unwrap();
        let columns = statement.column_count();
        let found = statement.query_map([], |row| {
            let values = (0..columns).map(|column| row.get::<_, rusqlite::types::Value>(column));
            Ok(format!(
                "{:?}",
                values.collect::<rusqlite::Result<Vec<_>>>()?
            ))
        });
        rows.extend(found.unwrap().map(|row| row.unwrap()));
    }
    rows
}

#[test]
fn of_a_mirror_that_is_well_everything_is_saved() {
    let image = Image::whole();
    for image in [image.settled(), image] {
        let (path, _folder) = image.unfold();
        assert_eq!(
            recover(&path, order(), &|_| ()).unwrap(),
            Recovery::NotNeeded
        );
        let before = dump(&path);
        let recovered = recovered(
            &path,
            Order {
                force: true,
                ..order()
            },
        );
        let after = dump(&path);
        for (before, after) in before.iter().zip(&after) {
            assert_eq!(before, after);
        }
        assert_eq!(before.len(), after.len());
        assert!(
            !recovered.is_incomplete() && recovered.changes_lost_through.is_none(),
            "{recovered:?}"
        );
        assert_eq!(
            std::fs::read(&recovered.kept).unwrap().len(),
            image.file.len()
        );
    }
}

#[test]
fn each_page_can_be_lost() {
    let image = Image::whole().settled();
    let consumers = consumers(&image);
    let pages = image.file.len() / PAGE;
    let mut rng = Rng::with_seed(1);
    // The first ones are the schema and the roots of all tables.
    let some = (0..cases()).map(|_| rng.usize(0..pages));
    let chosen: Vec<usize> = if cases() > pages {
        (0..pages).collect()
    } else {
        (0..30).step_by(3).chain(some).collect()
    };
    for page in chosen {
        let mut damaged = image.clone();
        damaged.file[page * PAGE..(page + 1) * PAGE].fill(if page % 2 == 0 { 0 } else { 0xAA });
        heals(&format!("page {}", page + 1), &damaged, &consumers);
    }
}

#[test]
fn a_file_can_end_anywhere() {
    let image = Image::whole().settled();
    let consumers = consumers(&image);
    let mut rng = Rng::with_seed(2);
    for _ in 0..cases() {
        let mut damaged = image.clone();
        damaged
            .file
            .truncate(rng.usize(40 * PAGE..image.file.len()));
        let what = format!("{} of {} bytes", damaged.file.len(), image.file.len());
        heals(&what, &damaged, &consumers);
    }
}

#[test]
fn bytes_can_be_anything() {
    let image = Image::whole();
    let consumers = consumers(&image);
    for seed in 0..cases() as u64 {
        let mut rng = Rng::with_seed(seed);
        let mut damaged = if seed % 2 == 0 {
            image.settled()
        } else {
            image.clone()
        };
        for _ in 0..rng.usize(1..30) {
            let bytes = if rng.bool() || damaged.wal.is_empty() {
                &mut damaged.file
            } else {
                &mut damaged.wal
            };
            let start = rng.usize(0..bytes.len());
            let end = (start + rng.usize(1..600)).min(bytes.len());
            bytes[start..end].fill_with(|| rng.u8(..));
        }
        heals(&format!("seed {seed}"), &damaged, &consumers);
    }
}

#[test]
fn a_lost_wal_file_is_an_earlier_state() {
    let mut image = Image::whole();
    let consumers = consumers(&image);
    image.wal.clear();
    assert_eq!(heals("no -wal file", &image, &consumers), None);
}

#[test]
fn what_is_no_mirror_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("letters.db");
    let missing = recover(&path, order(), &|_| ()).unwrap_err();
    assert!(matches!(missing, MirrorError::Missing { .. }), "{missing}");
    let other = Connection::open(&path).unwrap();
    other
        .execute_batch("CREATE TABLE letters (a); INSERT INTO letters VALUES ('Dear diary')")
        .unwrap();
    drop(other);
    let texts = [
        std::fs::read(&path).unwrap(),
        b"Dear diary, ".repeat(1000),
        Vec::new(),
    ];
    for content in texts {
        std::fs::write(&path, &content).unwrap();
        let error = recover(
            &path,
            Order {
                force: true,
                ..order()
            },
            &|_| (),
        )
        .unwrap_err();
        assert!(matches!(error, MirrorError::NotAMirror { .. }), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), content);
        let names: Vec<_> = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(names.len(), 2, "{names:?}");
    }
}

#[test]
fn cut_short_while_it_takes_the_place_it_ends_at_the_next_run() {
    let image = Image::whole();
    let (path, folder) = image.unfold();
    let kept = folder.path().join("customers.db.damaged-20260131T090000Z");
    let kept_wal = folder
        .path()
        .join("customers.db.damaged-20260131T090000Z-wal");
    let expected = live(&path);
    let wal = folder.path().join("customers.db-wal");
    std::fs::write(&path, &image.file).unwrap();
    std::fs::write(&wal, &image.wal).unwrap();
    std::fs::hard_link(&path, &kept).unwrap();
    std::fs::rename(&wal, &kept_wal).unwrap();
    // Though nothing is wrong with the file that is there.
    let recovered = recovered(&path, order());
    assert_eq!(recovered.kept, kept);
    assert!(live(&path) == expected);
    assert_eq!(
        recover(&path, order(), &|_| ()).unwrap(),
        Recovery::NotNeeded
    );
}
