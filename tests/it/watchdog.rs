//! Promise 15: systemd's watchdog is fed as long as every step is within its own bound, and not by a step that overruns it. In
//! faked time: hours pass in an instant.

use std::time::Duration;

use customer_mirror::clock::Clock;
use customer_mirror::config::{Changes, Deletions};
use customer_mirror::mirror::Mirror;
use customer_mirror::model::{Cursor, PageSize, Timestamp, Wait};
use customer_mirror::pass::{self, Resume, Rules, SharedMirror};
use customer_mirror::source::{Activity, Fetched, PageSource, SourceError};
use customer_mirror::status::Publisher;
use tokio::sync::watch;
use tokio::time::sleep;

const BEAT_INTERVAL: Duration = Duration::from_secs(10);
const REQUEST_BOUND: Duration = Duration::from_secs(60);

/// A server in an outage.
enum Outage {
    /// Each request fails just before its timeout, and is tried again after a wait.
    Endless,
    /// The request neither ends nor times out: the program is broken.
    Stuck,
    /// The wait doesn't end.
    Asleep,
}

impl PageSource for Outage {
    async fn fetch(
        &mut self,
        _cursor: Option<&Cursor>,
        on_activity: &(dyn Fn(Activity) + Sync),
    ) -> Result<Fetched, SourceError> {
        loop {
            on_activity(Activity::Request {
                bound: REQUEST_BOUND,
                limit: PageSize::MAX,
                repeats: None,
            });
            match self {
                Self::Stuck => std::future::pending().await,
                Self::Endless | Self::Asleep => sleep(REQUEST_BOUND).await,
            }
            let delay = Duration::from_secs(300);
            let wait = Wait {
                until: Timestamp::UNIX_EPOCH,
                reason: "503".to_owned(),
                asked_by_server: false,
                retry: 1,
            };
            on_activity(Activity::Wait { wait, delay });
            match self {
                Self::Asleep => std::future::pending().await,
                Self::Endless | Self::Stuck => sleep(delay).await,
            }
        }
    }

    fn hold_until(&mut self, _at: Timestamp) {}
}

/// How many beats come in each of so many stretches of three intervals.
async fn beats(mut outage: Outage, stretches: usize) -> Vec<u64> {
    let folder = tempfile::tempdir().unwrap();
    let mirror = Mirror::open_or_create(&folder.path().join("m.db"), "x", "a test").unwrap();
    let rules = Rules {
        deletions: Deletions {
            confirm_passes: 1,
            max_percent: 10.0,
            always_allow: 20,
            purge_after: None,
        },
        changes: Changes { keep: None },
        resume: Resume::Yes,
        clock: Clock::system(),
    };
    let (publisher, progress) = Publisher::with_beat(Some(BEAT_INTERVAL));
    let (_stop, stopped) = watch::channel(false);
    let mirror = SharedMirror::new(mirror);
    let pass = pass::run(&mut outage, &mirror, &rules, &publisher, stopped);
    let count = async {
        let mut counts = Vec::new();
        for _ in 0..stretches {
            let before = progress.borrow().beats;
            sleep(3 * BEAT_INTERVAL).await;
            counts.push(progress.borrow().beats - before);
        }
        counts
    };
    tokio::select! {
        _ = pass => panic!("the pass should not end"),
        counts = count => counts,
    }
}

#[tokio::test(start_paused = true)]
async fn it_is_fed_through_hours_of_retries() {
    let counts = beats(Outage::Endless, 1000).await;
    assert!(counts.iter().all(|count| *count >= 2), "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn it_is_not_fed_by_a_request_that_overruns_its_timeout() {
    let counts = beats(Outage::Stuck, 100).await;
    assert!(counts[0] > 0 && counts[1] > 0, "{counts:?}");
    assert!(counts[4..].iter().all(|count| *count == 0), "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn it_is_not_fed_by_a_wait_without_an_end() {
    let counts = beats(Outage::Asleep, 100).await;
    assert!(counts[..10].iter().all(|count| *count > 0), "{counts:?}");
    assert!(counts[14..].iter().all(|count| *count == 0), "{counts:?}");
}
