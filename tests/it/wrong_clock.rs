//! What a clock that is wrong, or was, must not do to the mirror: erase what can't be had again, keep for ever what must go, or stand
//! in the way of a pass. In faked time; what the daemon makes of it is in `life`, and the real program's clock is set by tests/time.sh.

use std::process::Command;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chrono::TimeDelta;
use customer_mirror::clock::Clock;
use customer_mirror::config::{Changes, Deletions};
use customer_mirror::decode;
use customer_mirror::mirror::Mirror;
use customer_mirror::model::{Cursor, Timestamp, format_timestamp, parse_timestamp};
use customer_mirror::pass::{self, End, Resume, Rules, SharedMirror};
use customer_mirror::source::{Activity, Fetched, PageSource, SourceError};
use customer_mirror::status::Publisher;
use rstest::rstest;
use rusqlite::Connection;
use tokio::sync::watch;

const DAY: Duration = Duration::from_secs(86_400);

/// A server that lists these on one page, and knows what time it is.
struct Server {
    listed: Vec<String>,
    ahead: Option<TimeDelta>,
}

impl PageSource for Server {
    async fn fetch(
        &mut self,
        _cursor: Option<&Cursor>,
        _on_activity: &(dyn Fn(Activity) + Sync),
    ) -> Result<Fetched, SourceError> {
        let body = format!(
            r#"{{"items":[{}],"pagination":{{}}}}"#,
            self.listed.join(",")
        );
        Ok(Fetched {
            page: decode::page(body.into_bytes()).unwrap(),
            bytes: 0,
            retries: 0,
        })
    }

    fn hold_until(&mut self, _at: Timestamp) {}

    fn clock_ahead(&self) -> Option<TimeDelta> {
        self.ahead
    }
}

/// A mirror that keeps things for thirty days, and what the time is on the server.
struct World {
    mirror: SharedMirror,
    folder: tempfile::TempDir,
    server_time: Timestamp,
    tells_time: bool,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mirror = Mirror::open_or_create(&folder.path().join("m.db"), "x", "a test").unwrap();
        Self {
            mirror: SharedMirror::new(mirror),
            folder,
            server_time: at("2026-01-31T09:30:00.000Z"),
            tells_time: true,
        }
    }

    /// A pass that lists customers of these names, with a clock that is so many days ahead.
    async fn pass(&self, names: &[&str], days_ahead: i64) {
        let ahead = TimeDelta::days(days_ahead);
        let now = self.server_time + ahead;
        self.pass_at(names, Clock::new(move || now), ahead).await;
    }

    async fn pass_at(&self, names: &[&str], clock: Clock, ahead: TimeDelta) {
        let listed = names
            .iter()
            .map(|name| format!(r#"{{"customerId":"{name}"}}"#));
        let mut server = Server {
            listed: listed.chain([r#"{"customerId":7}"#.to_owned()]).collect(),
            ahead: self.tells_time.then_some(ahead),
        };
        // A record without an ID keeps a pass from believing absences.
        if !names.contains(&"bad") {
            server.listed.pop();
        }
        let rules = Rules {
            deletions: Deletions {
                confirm_passes: 1,
                max_percent: 100.0,
                always_allow: 20,
                purge_after: Some(30 * DAY),
            },
            changes: Changes {
                keep: Some(30 * DAY),
            },
            resume: Resume::Yes,
            clock,
        };
        let (publisher, _progress) = Publisher::new();
        let (_stop, stopped) = watch::channel(false);
        let outcome = pass::run(&mut server, &self.mirror, &rules, &publisher, stopped)
            .await
            .unwrap();
        assert!(
            matches!(outcome.end, End::Complete { held: 0 }),
            "{outcome:?}"
        );
    }

    fn wait(&mut self, days: i64) {
        self.server_time += TimeDelta::days(days);
    }

    fn all(&self, sql: &str) -> String {
        let db = Connection::open(self.folder.path().join("m.db")).unwrap();
        let mut statement = db.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| row.get::<_, String>(0));
        let rows: Vec<String> = rows.unwrap().collect::<Result<_, _>>().unwrap();
        rows.join(" ")
    }

    fn tombstones(&self) -> String {
        self.all("SELECT customer_id FROM customers WHERE deleted_at IS NOT NULL ORDER BY 1")
    }

    fn changes(&self) -> String {
        self.all("SELECT customer_id || ':' || kind FROM customer_changes ORDER BY seq")
    }

    fn bad_records(&self) -> String {
        self.all("SELECT CAST(count(*) AS TEXT) FROM quarantine")
    }
}

fn at(text: &str) -> Timestamp {
    parse_timestamp(text).unwrap()
}

#[rstest]
#[case::ten_years(3650)]
#[case::two_months(61)]
#[tokio::test]
async fn a_clock_that_is_ahead_erases_nothing(#[case] days_ahead: i64) {
    let mut world = World::new();
    world.pass(&["a", "b", "bad"], 0).await;
    world.wait(1);
    world.pass(&["a"], 0).await;
    let known = (world.tombstones(), world.changes(), world.bad_records());
    assert_eq!(
        known,
        (
            "b bad".to_owned(),
            "a:created b:created bad:created b:deleted bad:deleted".to_owned(),
            "1".to_owned()
        )
    );
    for _ in 0..3 {
        world.pass(&["a"], days_ahead).await;
    }
    assert_eq!(
        known,
        (world.tombstones(), world.changes(), world.bad_records())
    );
    // The clock is right again, and time passes.
    world.wait(29);
    world.pass(&["a"], 0).await;
    assert_eq!(world.tombstones(), "b bad");
    world.wait(2);
    world.pass(&["a"], 0).await;
    assert_eq!(
        (world.tombstones(), world.changes(), world.bad_records()),
        (String::new(), String::new(), "0".to_owned())
    );
}

#[tokio::test]
async fn what_a_clock_that_was_ahead_has_dated_goes_all_the_same() {
    let mut world = World::new();
    world.pass(&["a", "b", "c", "bad"], 3650).await;
    world.pass(&["a", "c"], 3650).await;
    assert_eq!(world.tombstones(), "b bad");
    world.wait(1);
    world.pass(&["a"], 0).await;
    world.wait(1);
    world.pass(&["a", "d"], 0).await;
    assert_eq!(world.tombstones(), "b bad c");
    // From the first pass with a clock that is right they are as old as any.
    world.wait(28);
    world.pass(&["a", "d"], 0).await;
    assert_eq!(world.tombstones(), "b bad c");
    world.wait(2);
    world.pass(&["a", "d"], 0).await;
    assert_eq!(
        (world.tombstones(), world.bad_records()),
        (String::new(), "0".to_owned())
    );
    assert_eq!(world.changes(), "d:created");
    world.wait(30);
    world.pass(&["a", "d"], 0).await;
    assert_eq!(world.changes(), "");
}

#[tokio::test]
async fn a_clock_that_is_behind_dates_nothing_anew() {
    let mut world = World::new();
    world.pass(&["a", "b"], 0).await;
    world.pass(&["a"], 0).await;
    world.pass(&["a"], -3650).await;
    world.wait(1);
    world.pass(&["a"], 0).await;
    assert_eq!(world.tombstones(), "b");
}

/// Without a second clock, ours is the only one there is.
#[tokio::test]
async fn where_the_server_does_not_tell_the_time_ours_decides() {
    let mut world = World::new();
    world.tells_time = false;
    world.pass(&["a", "b"], 0).await;
    world.pass(&["a"], 0).await;
    world.wait(31);
    world.pass(&["a"], 0).await;
    assert_eq!(
        (world.tombstones(), world.changes()),
        (String::new(), String::new())
    );
}

/// Beyond 32 bits of seconds, signed and unsigned; on leap days, and across a leap second, which our clock doesn't have.
#[rstest]
#[case("2038-01-19T03:14:07.999Z")]
#[case("2038-01-19T03:14:08.000Z")]
#[case("2106-02-07T06:28:16.000Z")]
#[case("2028-02-29T23:59:59.999Z")]
#[case("2100-02-28T23:59:59.999Z")]
#[case("2016-12-31T23:59:59.999Z")]
#[case("1970-01-01T00:00:00.000Z")]
#[case("9999-12-31T23:59:59.999Z")]
#[tokio::test]
async fn any_moment_is_as_good_as_another(#[case] moment: &str) {
    let now = at(moment);
    let world = World::new();
    for names in [&["a", "b"][..], &["a", "c"]] {
        let clock = Clock::new(move || now);
        world.pass_at(names, clock, TimeDelta::zero()).await;
    }
    assert_eq!(world.changes(), "a:created b:created c:created b:deleted");
    assert_eq!(
        world.all("SELECT DISTINCT changed_at FROM customer_changes"),
        moment
    );
    look_at(&world);
}

#[tokio::test]
async fn a_clock_that_only_goes_back_does_not_keep_a_pass_from_its_end() {
    let world = World::new();
    let looks = std::sync::Arc::new(AtomicI64::new(0));
    for names in [&["a", "b"][..], &["a", "c"], &["a", "c"]] {
        let (looks, start) = (std::sync::Arc::clone(&looks), world.server_time);
        let clock =
            Clock::new(move || start - TimeDelta::hours(looks.fetch_add(1, Ordering::Relaxed)));
        world.pass_at(names, clock, TimeDelta::zero()).await;
    }
    assert_eq!(
        world.all("SELECT customer_id FROM live_customers ORDER BY 1"),
        "a c"
    );
    assert!(looks.load(Ordering::Relaxed) > 6);
    look_at(&world);
}

/// The program shows such a mirror, whatever is strange about its dates.
fn look_at(world: &World) {
    let path = world.folder.path().join("m.db");
    for words in [
        &["status"][..],
        &["status", "--json"],
        &["changes", "--since", "2h"],
        &["get", "a"],
        &["get", "a", "--as-of", &format_timestamp(world.server_time)],
        &["search", "a"],
        &["query", "SELECT * FROM mirror_freshness"],
    ] {
        let run = Command::new(env!("CARGO_BIN_EXE_customer-mirror"))
            .args(words)
            .env("CUSTOMER_MIRROR__MIRROR__PATH", &path)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&run.stderr);
        assert!(
            matches!(run.status.code(), Some(0 | 66)) && !said.contains("panicked"),
            "{words:?}: {:?} {said}",
            run.status
        );
    }
}
