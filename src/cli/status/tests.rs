use super::text::render;
use super::*;
use crate::cli::output::width_of;
use crate::cli::screens::{PIPE, terminal};
use crate::fixture::{ADA, Fixture, at};

fn shown(fixture: &Fixture, screen: Screen) -> String {
    let mut status = Reader::open(&fixture.path).unwrap().status().unwrap();
    status.next_due_at = Some(format_timestamp(at(60)));
    let around = Surroundings {
        now: at(50),
        screen,
        warning: status.warning_of_source("https://other.example.com"),
        size_bytes: 123_456,
        wal_bytes: 0,
        schedule: "*/15 * * * * UTC".to_owned(),
        requests_not_before: Some(format_timestamp(at(55))),
    };
    render(&status, &around)
}

#[test]
fn the_first_line_says_how_fresh_and_complete() {
    let mut fixture = Fixture::empty();
    let first_line = |fixture: &Fixture| shown(fixture, PIPE).lines().next().unwrap().to_owned();
    assert_eq!(
        first_line(&fixture),
        "Not complete: no pass has been completed yet. So far: 0 live customers, 0 deleted."
    );
    fixture.pages(0, &[&[ADA]], Some("more"));
    assert_eq!(
        first_line(&fixture),
        "Not complete: no pass has been completed yet. So far: 1 live customer, 0 deleted."
    );
    assert_eq!(
        first_line(&Fixture::filled()),
        "Complete as of 2026-01-31 09:45 UTC (5 min ago): 3 live customers, 1 deleted."
    );
}

#[test]
fn what_waits_for_a_person_is_shown_with_the_commands() {
    let mut fixture = Fixture::filled();
    fixture.pass(46, &[&[]]);
    let pass_id = fixture.pages(48, &[&[ADA]], Some("more"));
    fixture
        .mirror
        .interrupt_pass(pass_id, "503 \x1b[2J from the server", 3)
        .unwrap();
    for screen in [PIPE, terminal(80), terminal(40)] {
        let text = shown(&fixture, screen);
        assert!(
            screen
                .width
                .is_none_or(|width| text.lines().all(|line| width_of(line) <= width)),
            "{text}"
        );
        assert!(!text.contains('\x1b'), "{text}");
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for part in [
            "deletions approve",
            "deletions discard",
            "`customer-mirror quarantine`",
            "query reference-conflicts",
            "held",
            "other.example.com",
            "*/15",
        ] {
            assert!(words.contains(part), "{part}: {text}");
        }
    }
}

#[test]
fn the_json_has_the_promised_keys() {
    let status = Reader::open(&Fixture::filled().path)
        .unwrap()
        .status()
        .unwrap();
    let json = serde_json::to_value(&status).unwrap();
    let mut keys: Vec<&str> = json
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    keys.sort_unstable();
    let promised = "freshness held_sweep last_passes lock mirror next_due_at quarantined reference_conflicts retry running_pass";
    assert_eq!(keys.join(" "), promised);
}
