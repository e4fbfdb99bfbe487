//! Each fault of the simulator on the first page, on one in the middle and on the last, for `sync` and for the daemon: what passes is
//! got over, what stays ends the pass, and once it is gone the mirror equals the server.

use customer_mirror::simulator::{FaultPlan, Listing};
use rstest::rstest;
use serde_json::Value;

use crate::service::Service;
use crate::support::{Bench, until};

/// Each passes when it is repeated.
const PASSING: &[&str] = &[
    "429",
    "503",
    "500",
    "502-html",
    "408",
    "425",
    "html-200",
    "reset",
    "truncate",
    "malformed",
    "wrong-shape",
    "413:above=4",
    "huge-body=200000",
    "latency=5ms",
    "empty-page",
    "short-page",
    "duplicate",
    "shift=4",
];

/// Each leaves something behind that the next clean pass mends.
const MARKING: &[&str] = &[
    "bad-record=missing",
    "bad-record=number",
    "bad-record=empty",
    "drift",
    "garbage-utf8",
    "skip=3",
];

/// Each ends a pass if it stays, with that exit status.
const LASTING: &[(&str, i32)] = &[
    ("429", 69),
    ("503", 69),
    ("500", 69),
    ("502-html", 69),
    ("501", 69),
    ("418", 69),
    ("408", 69),
    ("reset", 69),
    ("truncate", 69),
    ("413:above=0", 69),
    ("huge-body=200000", 69),
    ("401", 77),
    ("403", 77),
    ("echo-key", 77),
    ("redirect=https://example.com/", 76),
    ("html-200", 76),
    ("malformed", 76),
    ("wrong-shape", 76),
    ("reject-cursor=410", 69),
    ("same-cursor", 76),
    ("cycle", 76),
];

/// Those of them that are tried for `retry.max_elapsed`.
const TRANSIENT: &[&str] = &["429", "503", "500", "502-html", "408", "reset", "truncate"];

const PAGES: [u32; 3] = [1, 3, 5];

impl Bench {
    async fn of_five_pages() -> Self {
        let mut bench = Self::for_daemon(Listing::seeded(11, 45)).await;
        bench.set("api.max_response_bytes", "100000");
        bench
    }

    fn orders(&self, fault: &str, when: &str) {
        let plan = format!("{fault}@{when}");
        self.sim.push_fault(plan.parse::<FaultPlan>().unwrap());
    }

    /// On each of the pages, once.
    fn orders_on_each(&self, fault: &str) {
        for page in PAGES {
            self.orders(fault, &format!("page={page}"));
        }
    }

    /// What ends the attempts on record, if the last one has failed.
    fn failure(&self) -> Option<String> {
        let text: String = self
            .column("SELECT value FROM mirror_meta WHERE key = 'attempts'")
            .pop()?;
        let attempts: Value = serde_json::from_str(&text).unwrap();
        let reason = attempts["failure"]["reason"].as_str().map(str::to_owned);
        reason.filter(|_| attempts["is_over"] == true)
    }
}

#[tokio::test]
async fn sync_gets_over_what_passes_on_any_page() {
    for fault in PASSING {
        let bench = Bench::of_five_pages().await;
        bench.orders_on_each(fault);
        bench.synced().await;
        bench.assert_mirrors();
    }
}

#[tokio::test]
async fn sync_mirrors_the_rest_of_a_page_that_is_not_as_it_should_be() {
    let bench = Bench::of_five_pages().await;
    for fault in MARKING {
        bench.orders_on_each(fault);
        bench.synced().await;
        bench.sim.clear_faults();
        bench.synced().await;
        bench.assert_mirrors();
        assert_eq!(
            bench.one::<i64>(
                "SELECT count(*) FROM quarantine WHERE pass_id = (SELECT max(pass_id) FROM passes)"
            ),
            0,
            "{fault}"
        );
    }
}

#[rstest]
#[tokio::test]
async fn sync_ends_with_what_stays_on_a_page(#[values(1, 3, 5)] page: u32) {
    let mut bench = Bench::of_five_pages().await;
    for (fault, status) in LASTING {
        // Short only where it is what ends the pass, so that a slow machine changes nothing.
        let max_elapsed = if TRANSIENT.contains(fault) {
            "60ms"
        } else {
            "30s"
        };
        bench.set("retry.max_elapsed", &format!("\"{max_elapsed}\""));
        let needs_cursor = matches!(*fault, "same-cursor" | "cycle" | "reject-cursor=410");
        if page == 1 && needs_cursor {
            continue;
        }
        bench.orders(fault, &format!("page={page},times=always"));
        let run = bench.sync().await;
        run.exits(*status);
        let report = run.report();
        // Nothing is lost: what was there before is kept, or the pass has failed for a reason that a checkpoint can't survive.
        let pages = report["pages"].as_u64().unwrap();
        if report["state"] == "running" {
            assert_eq!(pages, u64::from(page) - 1, "{fault}: {run:?}");
        } else {
            assert!(needs_cursor, "{fault}: {run:?}");
        }
        assert_eq!(report["sweep"], "none");
        bench.sim.clear_faults();
    }
    bench.set("retry.max_elapsed", "\"30s\"");
    bench.synced().await;
    bench.assert_mirrors();
}

#[tokio::test]
async fn the_daemon_gets_over_what_passes_on_any_page() {
    let bench = Bench::of_five_pages().await;
    let mut service = Service::start(&bench).await;
    service.is_idle().await;
    for fault in PASSING.iter().chain(MARKING) {
        bench.orders_on_each(fault);
        service.makes_a_pass(&bench).await;
        service.overhears();
        bench.sim.clear_faults();
        service.makes_a_pass(&bench).await;
        service.overhears();
        bench.assert_mirrors();
    }
    service.stop().await;
}

#[rstest]
#[tokio::test]
async fn the_daemon_outlives_what_stays_on_a_page(#[values(1, 3, 5)] page: u32) {
    let mut bench = Bench::of_five_pages().await;
    bench.set("retry.max_elapsed", "\"60ms\"");
    let mut service = Service::start(&bench).await;
    service.is_idle().await;
    for (fault, _) in LASTING {
        if page == 1 && matches!(*fault, "same-cursor" | "cycle" | "reject-cursor=410") {
            continue;
        }
        bench.orders(fault, &format!("page={page},times=always"));
        service.signal("USR1").await;
        until(|| bench.failure().is_some()).await;
        service.overhears();
        bench.sim.clear_faults();
        service.makes_a_pass(&bench).await;
        service.overhears();
        until(|| bench.failure().is_none()).await;
        bench.assert_mirrors();
    }
    service.stop().await;
}
