//! The text, read back by a parser that takes nothing but what OpenMetrics allows; and the files of `docs/` held against it.

mod documents;
mod exposition;

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::fixture::{Fixture, at};
use crate::mirror::{HeldSweep, PageCommit, Reader, RetryStatus};
use crate::model::{PageSize, format_timestamp};
use crate::source::{Activity, Ending, WaitReason};
use exposition::Exposition;

/// The status of a mirror that has everything to show at once.
fn eventful() -> Status {
    let mut fixture = Fixture::filled();
    fixture.pages(60, &[&["{\"customerId\": \"c-1\"}"]], Some("a-cursor"));
    let mut status = Reader::open(&fixture.path).unwrap().status().unwrap();
    status.held_sweep = Some(HeldSweep {
        pass_id: 4,
        customers: 42,
    });
    status.retry = Some(RetryStatus {
        failures: 3,
        waits_for: Remedy::Key,
        not_before: format_timestamp(at(75)),
        reason: "402: a text of the server's".to_owned(),
    });
    status.next_due_at = Some(format_timestamp(at(90)));
    status
}

fn facts(status: &Status) -> Facts<'_> {
    Facts {
        status,
        mirror_bytes: Some(4096),
        wal_bytes: Some(0),
        schedule_period_seconds: Some(900.0),
        is_ready: true,
        is_damaged: false,
        started_at: at(-5),
    }
}

/// Meters that have counted a little of everything.
fn counted() -> Meters {
    let meters = Meters::default();
    let limit = PageSize::new(500).unwrap();
    let bound = Duration::from_secs(60);
    let took = Duration::from_millis(300);
    for activity in [
        Activity::Request {
            bound,
            limit,
            repeats: None,
        },
        Activity::Answered {
            ending: Ending::Throttled,
            took,
        },
        Activity::Waited {
            reason: WaitReason::Server,
            took: Duration::from_millis(1500),
        },
        Activity::Request {
            bound,
            limit,
            repeats: Some(Ending::Throttled),
        },
        Activity::Answered {
            ending: Ending::Ok,
            took,
        },
    ] {
        meters.hear(&activity);
    }
    let drift = [("/contact/email", 2), ("/of the server's making", 7)];
    let commit = PageCommit {
        page: 1,
        records: 15,
        created: 1,
        updated: 2,
        unchanged: 3,
        restored: 4,
        quarantined: 5,
        drift: drift
            .map(|(pointer, records)| (pointer.to_owned(), records))
            .into(),
    };
    meters.committed(&commit, 1000, Duration::from_millis(3));
    meters.deleted(6);
    meters.pass_ended(crate::meters::PassEnd::Complete);
    meters
}

/// Everything there is, as text.
fn everything() -> String {
    render(Format::OpenMetrics, &facts(&eventful()), Some(&counted())).unwrap()
}

#[test]
fn all_of_it_is_well_formed() {
    let text = everything();
    let shown = Exposition::parse(&text);
    assert!(shown.families.len() > 35, "{}", shown.families.len());
    // What a process of the program says, and nobody else.
    for name in shown.families.keys() {
        assert!(
            name.starts_with("customer_mirror_") || name.starts_with("process_"),
            "{name}"
        );
    }
}

#[test]
fn the_state_of_the_mirror_is_shown() {
    let shown = Exposition::parse(&everything());
    let epoch = at(0).timestamp() as f64;
    for (series, value) in [
        (
            "last_complete_pass_started_timestamp_seconds",
            epoch + 2700.0,
        ),
        (
            "last_complete_pass_finished_timestamp_seconds",
            epoch + 2760.0,
        ),
        ("last_complete_pass_duration_seconds", 60.0),
        ("ready", 1.0),
        ("damaged", 0.0),
        ("customers{state=\"live\"}", 3.0),
        ("customers{state=\"deleted\"}", 1.0),
        ("held_sweep_customers", 42.0),
        ("quarantined_records", 1.0),
        ("reference_conflicts", 1.0),
        ("running_pass", 1.0),
        ("running_pass_pages", 1.0),
        ("running_pass_records", 1.0),
        ("expected_records", 4.0),
        ("failed_attempts", 3.0),
        ("failing{waits_for=\"key\"}", 1.0),
        ("failing{waits_for=\"server\"}", 0.0),
        ("next_due_timestamp_seconds", epoch + 5400.0),
        ("schedule_period_seconds", 900.0),
        ("file_size_bytes{file=\"mirror\"}", 4096.0),
        ("file_size_bytes{file=\"wal\"}", 0.0),
    ] {
        assert_eq!(
            shown.value(&format!("customer_mirror_{series}")),
            Some(value),
            "{series}"
        );
    }
    let started_at = at(-5).timestamp() as f64;
    assert_eq!(shown.value("process_start_time_seconds"), Some(started_at));
    let version = env!("CARGO_PKG_VERSION");
    let schema_version = crate::mirror::SCHEMA_VERSION;
    let build = format!(
        "customer_mirror_build_info{{version=\"{version}\",schema_version=\"{schema_version}\"}}"
    );
    assert_eq!(shown.value(&build), Some(1.0), "{build}");
}

#[test]
fn what_the_process_did_is_shown() {
    let shown = Exposition::parse(&everything());
    for (series, value) in [
        ("passes_total{end=\"complete\"}", 1.0),
        ("passes_total{end=\"interrupted\"}", 0.0),
        ("pass_under_way", 0.0),
        ("pages_total", 1.0),
        ("page_bytes_total", 1000.0),
        ("page_size_customers", 500.0),
        ("records_total{result=\"created\"}", 1.0),
        ("records_total{result=\"updated\"}", 2.0),
        ("records_total{result=\"unchanged\"}", 3.0),
        ("records_total{result=\"restored\"}", 4.0),
        ("records_total{result=\"quarantined\"}", 5.0),
        ("deletions_total", 6.0),
        ("drift_records_total{field=\"/contact/email\"}", 2.0),
        ("drift_records_total{field=\"/users/*/userId\"}", 0.0),
        ("requests_total{outcome=\"ok\"}", 1.0),
        ("requests_total{outcome=\"throttled\"}", 1.0),
        ("requests_total{outcome=\"auth_refused\"}", 0.0),
        ("request_duration_seconds_count", 2.0),
        ("request_duration_seconds_sum", 0.6),
        ("request_duration_seconds_bucket{le=\"0.25\"}", 0.0),
        ("request_duration_seconds_bucket{le=\"0.5\"}", 2.0),
        ("retries_total{reason=\"throttled\"}", 1.0),
        ("retries_total{reason=\"transport\"}", 0.0),
        ("wait_seconds_total{reason=\"server\"}", 1.5),
        ("wait_seconds_total{reason=\"rate_cap\"}", 0.0),
        ("commit_duration_seconds_count", 1.0),
    ] {
        assert_eq!(
            shown.value(&format!("customer_mirror_{series}")),
            Some(value),
            "{series}"
        );
    }
    // An answer with a page is no reason for another request.
    assert_eq!(
        shown.value("customer_mirror_retries_total{reason=\"ok\"}"),
        None
    );
}

#[test]
fn what_is_not_known_is_left_out() {
    let status = Reader::open(&Fixture::empty().path)
        .unwrap()
        .status()
        .unwrap();
    let unknown = Facts {
        mirror_bytes: None,
        wal_bytes: None,
        schedule_period_seconds: None,
        is_ready: false,
        ..facts(&status)
    };
    let without_daemon = Exposition::parse(&render(Format::OpenMetrics, &unknown, None).unwrap());
    let just_started = Exposition::parse(
        &render(Format::OpenMetrics, &unknown, Some(&Meters::default())).unwrap(),
    );
    for name in [
        "last_complete_pass_started_timestamp_seconds",
        "last_complete_pass_finished_timestamp_seconds",
        "last_complete_pass_duration_seconds",
        "running_pass_pages",
        "running_pass_records",
        "expected_records",
        "next_due_timestamp_seconds",
        "schedule_period_seconds",
        "file_size_bytes",
        "page_size_customers",
    ] {
        let name = format!("customer_mirror_{name}");
        assert!(!without_daemon.families.contains_key(&name), "{name}");
        assert!(!just_started.families.contains_key(&name), "{name}");
    }
    for (name, with_daemon) in [
        ("requests", true),
        ("pass_under_way", true),
        ("ready", false),
    ] {
        let name = format!("customer_mirror_{name}");
        assert!(just_started.families.contains_key(&name), "{name}");
        assert_eq!(
            without_daemon.families.contains_key(&name),
            !with_daemon,
            "{name}"
        );
    }
    assert_eq!(
        without_daemon.value("customer_mirror_held_sweep_customers"),
        Some(0.0)
    );
}

#[test]
fn a_pass_is_under_way_until_it_is_over() {
    let meters = Meters::default();
    let status = eventful();
    let under_way = || {
        let shown = Exposition::parse(
            &render(Format::OpenMetrics, &facts(&status), Some(&meters)).unwrap(),
        );
        shown.value("customer_mirror_pass_under_way")
    };
    let pass = meters.pass_begins();
    assert_eq!(under_way(), Some(1.0));
    drop(pass);
    assert_eq!(under_way(), Some(0.0));
}

#[test]
fn nothing_of_a_customer_or_of_the_server_is_in_it() {
    let text = everything();
    for word in [
        "Ada",
        "c-1",
        "twin",
        "a-cursor",
        "402:",
        "the server's",
        "api.example.com",
    ] {
        assert!(!text.contains(word), "{word:?} is in {text}");
    }
}

/// Where the words of the labels come from is closed: their number is known.
#[test]
fn the_number_of_series_is_bounded() {
    let series = |meters: &Meters| {
        let shown = Exposition::parse(
            &render(Format::OpenMetrics, &facts(&eventful()), Some(meters)).unwrap(),
        );
        shown.samples.len()
    };
    // Only the page size isn't there before the first request.
    assert_eq!(series(&counted()), series(&Meters::default()) + 1);
}

#[test]
fn whoever_asks_for_openmetrics_gets_it() {
    let prometheus =
        "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2,*/*;q=0.1";
    for (accept, expected) in [
        (Some(prometheus), Format::OpenMetrics),
        (
            Some("text/plain;q=0.5, Application/OpenMetrics-Text"),
            Format::OpenMetrics,
        ),
        (Some("application/openmetrics-text; q=0"), Format::Plain),
        (Some("text/html,*/*;q=0.8"), Format::Plain),
        (Some(""), Format::Plain),
        (None, Format::Plain),
    ] {
        assert_eq!(Format::for_accept(accept), expected, "{accept:?}");
    }
    // Who is given one of them by its media type asks for no other.
    for format in [Format::OpenMetrics, Format::Plain] {
        assert_eq!(Format::for_accept(Some(format.content_type())), format);
    }
}

#[test]
fn both_formats_say_the_same() {
    let (status, meters) = (eventful(), counted());
    let samples = |format: Format| -> BTreeMap<String, f64> {
        let text = render(format, &facts(&status), Some(&meters)).unwrap();
        assert_eq!(text.ends_with("# EOF\n"), format == Format::OpenMetrics);
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        // Some of the process's own differ from one moment to the next.
        let lines = lines.filter(|line| !line.starts_with("process_"));
        let samples = lines.map(|line| {
            let (series, value) = line.rsplit_once(' ').unwrap();
            (series.replace(".0\"}", "\"}"), value.parse().unwrap())
        });
        samples.collect()
    };
    let (new, old) = (samples(Format::OpenMetrics), samples(Format::Plain));
    assert_eq!(new.len(), old.len());
    for (series, value) in new {
        assert_eq!(old.get(&series), Some(&value), "{series}");
    }
}

/// Writes the text into the file that the environment names, for promtool; see tests/tools.sh.
#[test]
#[ignore = "writes a file for another program; run by tests/tools.sh"]
fn writes_the_text_for_promtool() {
    let path = std::env::var_os("METRICS_TEXT").unwrap();
    let text = render(Format::Plain, &facts(&eventful()), Some(&counted())).unwrap();
    std::fs::write(path, text).unwrap();
}
