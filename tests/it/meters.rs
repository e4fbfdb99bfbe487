//! What is counted agrees with the two who know: the server, by its log, and the mirror, by its rows of `passes`.

use std::collections::BTreeMap;
use std::time::Duration;

use customer_mirror::clock::Clock;
use customer_mirror::config::{Api, ApiKey, Changes, Deletions, Parameters, Retry};
use customer_mirror::mirror::{Mirror, Preview};
use customer_mirror::model::PageSize;
use customer_mirror::pass::{self, End, Outcome, PassError, Resume, Rules, SharedMirror};
use customer_mirror::simulator::{Answer, FaultPlan, Listing, Request};
use customer_mirror::source::HttpSource;
use customer_mirror::status::Publisher;
use rstest::rstest;
use tokio::sync::watch;

use crate::support::{Bench, KEY, customers};

/// A process that makes passes, and counts.
struct Process {
    bench: Bench,
    publisher: Publisher,
    mirror: SharedMirror,
    api: Api,
    patience: Duration,
    resume: Resume,
}

impl Process {
    async fn of(listing: Listing) -> Self {
        let bench = Bench::of(listing).await;
        let mirror = Mirror::open_or_create(&bench.db_path(), "x", "a test").unwrap();
        let api = Api {
            base_url: bench.sim.base_url().parse().unwrap(),
            filter: None,
            page_size: PageSize::new(10).unwrap(),
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(30),
            max_response_bytes: 100_000,
            max_requests_per_second: None,
            parameters: Parameters {
                filter: "filter".to_owned(),
                limit: "limit".to_owned(),
                cursor: "cursor".to_owned(),
            },
            key_file: None,
        };
        Self {
            bench,
            publisher: Publisher::new().0,
            mirror: SharedMirror::new(mirror),
            api,
            patience: Duration::from_secs(60),
            resume: Resume::Yes,
        }
    }

    fn order(&self, faults: &str) {
        for fault in faults.split_whitespace() {
            self.bench
                .sim
                .push_fault(fault.parse::<FaultPlan>().unwrap());
        }
    }

    fn source(&self) -> HttpSource {
        let retry = Retry {
            initial_delay: Duration::from_millis(1),
            max_delay: Duration::from_millis(5),
            max_elapsed: self.patience,
        };
        HttpSource::new(&self.api, &retry, &ApiKey::new(KEY).unwrap()).unwrap()
    }

    /// One pass; it is told to stop when the server has got this request.
    async fn pass(&self, stop_at: Option<u64>) -> Result<Outcome, PassError> {
        let rules = Rules {
            deletions: Deletions {
                confirm_passes: 1,
                ..deletions()
            },
            changes: Changes { keep: None },
            resume: self.resume,
            clock: Clock::system(),
        };
        let (stop, stopped) = watch::channel(false);
        let mut source = self.source();
        let pass = pass::run(&mut source, &self.mirror, &rules, &self.publisher, stopped);
        let stopping = async {
            if let Some(request) = stop_at {
                self.bench.sim.hold_request(request);
                self.bench.sim.wait_for_requests(request).await;
                stop.send_replace(true);
            }
        };
        let (result, ()) = tokio::join!(pass, stopping);
        self.bench.sim.release();
        result
    }

    /// What is counted by now, by metric and labels, without what all names begin with.
    fn counted(&self) -> BTreeMap<String, f64> {
        let mut text = String::new();
        self.publisher.meters().encode(&mut text).unwrap();
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let samples = lines.map(|line| {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let series = series.strip_prefix("customer_mirror_").unwrap();
            (series.to_owned(), value.parse().unwrap())
        });
        samples.collect()
    }

    /// The series of a metric that aren't 0, by the value of their label.
    fn counted_by(&self, metric: &str) -> BTreeMap<String, u64> {
        let counted = self.counted();
        let of_metric = counted.iter().filter_map(|(series, value)| {
            let label = series.strip_prefix(metric)?.split('"').nth(1)?;
            (*value > 0.0).then(|| (label.to_owned(), *value as u64))
        });
        of_metric.collect()
    }

    /// A counter or gauge that is a whole number.
    fn number(&self, series: &str) -> u64 {
        self.counted()[series] as u64
    }

    /// Of all passes.
    fn sum(&self, column: &str) -> u64 {
        self.bench
            .one::<i64>(&format!("SELECT sum({column}) FROM passes"))
            .unsigned_abs()
    }
}

fn deletions() -> Deletions {
    Deletions {
        confirm_passes: 2,
        max_percent: 10.0,
        always_allow: 20,
        purge_after: None,
    }
}

/// What the server would call the way a request ended.
fn outcome(request: &Request) -> &'static str {
    let is = |fault: &str| {
        request
            .faults
            .iter()
            .any(|struck| struck.starts_with(fault))
    };
    match request.answer {
        Answer::Status(200) if is("malformed") || is("html-200") => "malformed",
        Answer::Status(200) if is("huge-body") => "too_large",
        Answer::Status(200) if is("truncate") => "transport",
        Answer::Status(200) => "ok",
        Answer::Status(429) => "throttled",
        Answer::Status(503) if is("503:retry-after") => "throttled",
        Answer::Status(413) => "too_large",
        Answer::Status(400..500) => "client_error",
        Answer::Status(_) => "server_error",
        Answer::Reset => "transport",
        Answer::Stalled | Answer::Pending => "timeout",
    }
}

fn count(words: impl IntoIterator<Item = &'static str>) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for word in words {
        *counts.entry(word.to_owned()).or_default() += 1;
    }
    counts
}

#[tokio::test]
async fn a_walk_through_faults_is_counted_as_the_server_and_the_mirror_have_it() {
    let mut process = Process::of(Listing::seeded(7, 400)).await;
    process.api.page_size = PageSize::new(40).unwrap();
    process.api.request_timeout = Duration::from_secs(2);
    process.order(
        "429:retry-after=1@page=2 500@page=3,times=2 503:retry-after=1@page=4 reset@page=5 \
         malformed@page=6 html-200@page=7 413:above=4@page=8 truncate@page=10 stall@page=11 408@page=12 \
         huge-body=200000@page=13 bad-record@page=14 drift@page=15",
    );
    for _ in 0..2 {
        let ended = process.pass(None).await.unwrap().end;
        assert!(matches!(ended, End::Complete { .. }), "{ended:?}");
    }

    let log = process.bench.sim.requests();
    assert_eq!(
        process.counted_by("requests_total"),
        count(log.iter().map(outcome))
    );
    let repeated = log
        .windows(2)
        .filter(|pair| pair[0].cursor == pair[1].cursor)
        .map(|pair| outcome(&pair[0]));
    let retries = process.counted_by("retries_total");
    assert_eq!(retries, count(repeated));
    assert!(retries.len() >= 7, "{retries:?}");

    let counted = process.counted();
    for column in [
        "pages",
        "created",
        "updated",
        "unchanged",
        "restored",
        "quarantined",
    ] {
        let series = match column {
            "pages" => "pages_total".to_owned(),
            result => format!("records_total{{result=\"{result}\"}}"),
        };
        assert_eq!(process.number(&series), process.sum(column), "{column}");
    }
    assert_eq!(process.number("page_bytes_total"), process.sum("bytes"));
    assert_eq!(retries.values().sum::<u64>(), process.sum("retries"));
    assert_eq!(
        process.number("request_duration_seconds_count") as usize,
        log.len()
    );
    assert_eq!(
        process.number("commit_duration_seconds_count"),
        process.sum("pages")
    );
    assert_eq!(
        process.counted_by("passes_total"),
        count(["complete", "complete"])
    );
    assert_eq!(process.number("pass_under_way"), 0);
    let last = log.last().unwrap().limit.clone().unwrap();
    assert_eq!(process.number("page_size_customers").to_string(), last);

    // Its name had a wrong type in the first pass; the record of that page was another one in the second.
    assert_eq!(process.number("drift_records_total{field=\"/name\"}"), 1);
    assert!(counted["wait_seconds_total{reason=\"server\"}"] > 0.0);
    assert!(counted["wait_seconds_total{reason=\"backoff\"}"] > 0.0);
    assert_eq!(process.number("wait_seconds_total{reason=\"rate_cap\"}"), 0);
}

/// What ends a pass, and as what it is counted.
#[rstest]
#[case("", &["complete"])]
#[case("501@page=3", &["unavailable"])]
#[case("401@page=3", &["auth_refused"])]
#[case("redirect=https://example.com@page=3", &["protocol"])]
#[case("cycle@page=3", &["protocol"])]
#[case("reject-cursor@page=3", &["abandoned", "complete"])]
#[case("reject-cursor@page=3,times=2", &["abandoned", "cursor_rejected"])]
#[tokio::test]
async fn each_end_of_a_pass_is_counted(#[case] faults: &str, #[case] expected: &[&'static str]) {
    let process = Process::of(customers(1..=45)).await;
    process.order(faults);
    process.pass(None).await.unwrap();
    assert_eq!(
        process.counted_by("passes_total"),
        count(expected.iter().copied())
    );
    let log = process.bench.sim.requests();
    let answered: u64 = process.counted_by("requests_total").values().sum();
    // A circle is noticed by the commit, while the next page is asked for: that request may be given up.
    let given_up = log.len() - answered as usize;
    assert!(
        given_up <= usize::from(faults.starts_with("cycle")),
        "{given_up}"
    );
}

#[tokio::test]
async fn a_pass_that_is_told_to_stop_is_interrupted_and_goes_on() {
    let process = Process::of(customers(1..=45)).await;
    process.pass(Some(3)).await.unwrap();
    assert_eq!(process.counted_by("passes_total"), count(["interrupted"]));
    // The request that was given up has no answer.
    assert_eq!(process.counted_by("requests_total"), count(["ok", "ok"]));
    process.pass(None).await.unwrap();
    assert_eq!(
        process.counted_by("passes_total"),
        count(["interrupted", "complete"])
    );
    assert_eq!(process.number("pages_total"), 5);
}

#[tokio::test]
async fn a_look_at_the_first_page_is_counted() {
    let mut process = Process::of(customers(1..=45)).await;
    process.pass(Some(3)).await.unwrap();
    process.resume = Resume::UnlessStuck;
    process.pass(None).await.unwrap();
    assert_eq!(
        process.counted_by("passes_total"),
        count(["interrupted", "abandoned", "complete"])
    );
    // All but the one that was given up: 2, then one to look, then 5.
    assert_eq!(process.counted_by("requests_total"), count(["ok"; 8]));
    assert_eq!(process.number("pages_total"), 7);
}

#[tokio::test]
async fn a_mirror_that_fails_is_counted() {
    let process = Process::of(customers(1..=45)).await;
    process
        .bench
        .db_to_write()
        .execute_batch("ALTER TABLE pass_pages RENAME TO gone")
        .unwrap();
    process.pass(None).await.unwrap_err();
    assert_eq!(process.number("passes_total{end=\"mirror_failed\"}"), 1);
    assert_eq!(process.number("pages_total"), 0);
    assert_eq!(process.number("pass_under_way"), 0);
}

#[tokio::test]
async fn deletions_and_returns_are_counted() {
    let process = Process::of(customers(1..=45)).await;
    process.pass(None).await.unwrap();
    process.bench.sim.set_listing(customers(1..=38));
    process.pass(None).await.unwrap();
    assert_eq!(process.number("deletions_total"), 7);
    process.bench.sim.set_listing(customers(1..=40));
    process.pass(None).await.unwrap();
    assert_eq!(process.number("deletions_total"), 7);
    assert_eq!(process.number("records_total{result=\"restored\"}"), 2);
    assert_eq!(process.sum("deleted"), 7);
}

#[tokio::test]
async fn the_rate_cap_is_counted_as_one() {
    let mut process = Process::of(customers(1..=15)).await;
    process.api.max_requests_per_second = Some(2.0);
    process.pass(None).await.unwrap();
    let counted = process.counted();
    assert!(counted["wait_seconds_total{reason=\"rate_cap\"}"] > 0.0);
    assert_eq!(process.number("wait_seconds_total{reason=\"server\"}"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_makes_requests_and_no_pass() {
    let process = Process::of(customers(1..=45)).await;
    process.order("500@page=2");
    let preview = Preview::open(&process.bench.db_path(), "x").unwrap();
    let (_stop, stopped) = watch::channel(false);
    let mut source = process.source();
    pass::preview(
        &mut source,
        preview,
        &deletions(),
        &process.publisher,
        stopped,
    )
    .await
    .unwrap();
    assert_eq!(
        process.counted_by("requests_total"),
        count(["ok", "ok", "ok", "ok", "ok", "server_error"])
    );
    assert_eq!(process.counted_by("retries_total"), count(["server_error"]));
    assert_eq!(process.counted_by("passes_total"), BTreeMap::new());
    assert_eq!(process.number("pages_total"), 0);
}
