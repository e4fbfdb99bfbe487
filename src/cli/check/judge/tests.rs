//! Each judge, by a healthy installation that one thing is changed in.

mod passes;
mod server;

use std::path::PathBuf;
use std::time::Duration;

use chrono::TimeDelta;

use super::*;
use crate::cli::check::facts::*;
use crate::cli::{Exit, Failure};
use crate::config::{Listen, Parameters, Timing};
use crate::fixture::{ADA, Fixture, at};
use crate::mirror::{
    Disk, FileFacts, Files, LockState, Owner, Reader, Remedy, RetryStatus, SCHEMA_VERSION,
    Soundness, WAL_BYTES,
};
use crate::schedule::{Schedule, Zone};
use crate::source::{Head, Listed, Refusal, Trouble, Visit};

const SOURCE: &str = "https://api.example.com/v1";

fn file(path: &str, mode: u32) -> FileFacts {
    FileFacts {
        path: PathBuf::from(path),
        size_bytes: 1 << 20,
        mode,
        user: 7,
        group: 7,
    }
}

fn files() -> Files {
    Files {
        own: vec![file("/lib/m.db", 0o640), file("/lib/m.db.lock", 0o640)],
        folder: Some(file("/lib", 0o750)),
        disk: Some(Disk {
            free_bytes: 1 << 40,
            is_read_only: false,
        }),
        ..Files::default()
    }
}

fn visited() -> Visit {
    Visit {
        request: format!("GET {SOURCE}/customers (limit=1)"),
        took: Duration::from_millis(12),
        head: Some(Head {
            status: 200,
            protocol: "HTTP/2.0".to_owned(),
            clock_ahead: Some(TimeDelta::seconds(1)),
            quota: None,
        }),
        result: Ok(Listed {
            customers: 1,
            leads_on: true,
        }),
    }
}

fn schedule() -> Timing {
    Timing {
        when: Schedule::parse("*/15 * * * *", Zone::UTC, at(0)).unwrap(),
        jitter: Duration::ZERO,
        run_on_start: true,
    }
}

/// A mirror of two passes, of two pages each, the last one begun at minute 15; it is minute 20.
fn well() -> Facts {
    let mut fixture = Fixture::empty();
    for minutes in [0, 15] {
        fixture.pass(minutes, &[&[ADA], &["{\"customerId\": \"c-2\"}"]]);
    }
    with(&fixture)
}

fn with(fixture: &Fixture) -> Facts {
    let now = at(20);
    let reader = Reader::open(&fixture.path).unwrap();
    let contents = Contents {
        status: reader.status().unwrap(),
        health: reader.health(now).unwrap(),
    };
    Facts {
        now,
        config: ConfigFacts {
            file: Some(file("/etc/config.toml", 0o644)),
            api: Some(ApiFacts {
                source: SOURCE.to_owned(),
                parameters: Parameters {
                    filter: "filter".to_owned(),
                    limit: "limit".to_owned(),
                    cursor: "cursor".to_owned(),
                },
                has_filter: false,
            }),
            ..ConfigFacts::default()
        },
        schedule: Some(schedule()),
        key: KeyFacts::InFile(file("/etc/api-key", 0o600), KeyFile::Configured, None),
        http: HttpFacts::Off,
        mirror: Some(MirrorFacts {
            path: PathBuf::from("/lib/m.db"),
            files: files(),
            lock: LockState::Free(None),
            state: State::Open {
                contents: Ok(Box::new(contents)),
                examined: Ok(Examined {
                    soundness: Soundness::Sound,
                    is_full: false,
                    took: Duration::from_millis(100),
                }),
            },
        }),
        server: ServerFacts::Asked(visited()),
    }
}

fn mirror(facts: &mut Facts) -> &mut MirrorFacts {
    facts.mirror.as_mut().unwrap()
}

fn contents(facts: &mut Facts) -> &mut Contents {
    match &mut mirror(facts).state {
        State::Open {
            contents: Ok(contents),
            ..
        } => contents,
        _ => panic!("it is open"),
    }
}

fn visit(facts: &mut Facts) -> &mut Visit {
    match &mut facts.server {
        ServerFacts::Asked(visit) => visit,
        _ => panic!("it was asked"),
    }
}

fn refuse(facts: &mut Facts, trouble: Trouble) {
    visit(facts).result = Err(Refusal {
        trouble,
        what: "refused".to_owned(),
        remedy: "do something",
    });
}

fn held_for(facts: &mut Facts, command: &str, minutes: i64) {
    mirror(facts).lock = LockState::Held(Owner {
        pid: 123,
        started_at: crate::model::format_timestamp(facts.now - TimeDelta::minutes(minutes)),
        command: command.to_owned(),
    });
}

/// The checks that are not ok, as `name status`.
fn trouble(facts: &Facts) -> Vec<String> {
    let report = judge(facts);
    let checks = report
        .checks()
        .filter(|check| check.verdict.status() != "ok");
    let shown = checks.map(|check| format!("{} {}", check.name, check.verdict.status()));
    shown.collect()
}

#[track_caller]
fn assert_found(facts: &Facts, name: &str, part: &str) {
    let report = judge(facts);
    let check = report.checks().find(|check| check.name == name).unwrap();
    let found = check.verdict.found();
    assert!(found.contains(part), "{name}: {found}");
}

/// What is changed, and what is then not ok.
type Case = (fn(&mut Facts), &'static [&'static str]);

#[track_caller]
fn assert_troubles(cases: &[Case]) {
    for (index, (change, expected)) in cases.iter().enumerate() {
        let mut facts = well();
        change(&mut facts);
        assert_eq!(trouble(&facts), *expected, "case {index}");
    }
}

#[test]
fn a_healthy_installation_is_well() {
    assert_eq!(trouble(&well()), [""; 0]);
    let report = judge(&well());
    assert_eq!((report.status(), report.exit()), ("ok", Exit::Done));
}

#[test]
fn configuration_and_key() {
    assert_troubles(&[
        (
            |facts| facts.config.errors = vec!["a; b".to_owned(), "c".to_owned()],
            &["config fail", "config fail"],
        ),
        (
            |facts| facts.config.warnings = vec!["a".to_owned()],
            &["config warn"],
        ),
        (|facts| facts.config.file = None, &[]),
        (|facts| facts.schedule = None, &["schedule skipped"]),
        (
            |facts| facts.key = KeyFacts::NotLookedFor("x"),
            &["key skipped"],
        ),
        (
            |facts| facts.key = KeyFacts::Unusable(Failure::new(Exit::Config, "there is none")),
            &["key fail"],
        ),
        (
            |facts| facts.key = KeyFacts::OutOfReach(PathBuf::from("/etc/api-key")),
            &["key skipped"],
        ),
        (
            |facts| facts.key = KeyFacts::InEnvironment("X".to_owned()),
            &[],
        ),
        (|facts| facts.http = HttpFacts::Unclear, &["http skipped"]),
        (
            |facts| facts.http = HttpFacts::On(listen(), Err("there is none".to_owned())),
            &["http warn"],
        ),
        (|facts| facts.http = with_token(true, &[]), &[]),
        (|facts| facts.http = with_token(false, &[]), &[]),
        (
            |facts| facts.http = with_token(true, &["all can read it; chmod"]),
            &["http warn"],
        ),
        (
            |facts| {
                let file = file("/etc/api-key", 0o600);
                let doubt = Finding {
                    found: "somebody can change it".to_owned(),
                    remedy: "chmod".to_owned(),
                };
                facts.key = KeyFacts::InFile(file, KeyFile::Configured, Some(doubt));
            },
            &["key warn"],
        ),
    ]);
}

fn with_token(is_there: bool, warnings: &[&str]) -> HttpFacts {
    let warnings = warnings.iter().map(|&text| text.to_owned()).collect();
    HttpFacts::On(listen(), Ok(TokenFacts { is_there, warnings }))
}

fn listen() -> Listen {
    Listen::parse("127.0.0.1:9480").unwrap()
}

#[test]
fn who_can_get_at_the_key() {
    let of = |mode, user, kind| {
        let mut facts = well();
        let file = FileFacts {
            user,
            ..file("/etc/api-key", mode)
        };
        facts.key = KeyFacts::InFile(file, kind, None);
        !trouble(&facts).is_empty()
    };
    for (mode, user, kind, is_bad) in [
        (0o600, 7, KeyFile::Configured, false),
        (0o640, 7, KeyFile::Configured, true),
        (0o640, 0, KeyFile::Configured, false),
        (0o644, 0, KeyFile::Configured, true),
        (0o640, 7, KeyFile::OfService, true),
        (0o440, 7, KeyFile::Credential, false),
        (0o444, 7, KeyFile::Credential, true),
    ] {
        assert_eq!(of(mode, user, kind), is_bad, "{mode:o} {user} {kind:?}");
    }
}

#[test]
fn the_mirror_and_its_files() {
    assert_troubles(&[
        (
            |facts| mirror(facts).files.own[0].mode = 0o644,
            &["files warn"],
        ),
        (
            |facts| mirror(facts).files.copies = vec![file("/lib/m.db.v1-backup", 0o644)],
            &["files warn"],
        ),
        (|facts| mirror(facts).files.own[1].user = 0, &["files warn"]),
        (
            |facts| {
                let files = &mut mirror(facts).files;
                files.folder.as_mut().unwrap().user = 0;
            },
            &[],
        ),
        (
            |facts| contents(facts).health.schema_version = SCHEMA_VERSION - 1,
            &["schema warn"],
        ),
        (
            |facts| facts.config.api.as_mut().unwrap().source = "https://x".to_owned(),
            &["source fail"],
        ),
        (
            |facts| {
                held_for(facts, "customer-mirror run", 60 * 24 * 90);
            },
            &[],
        ),
        (
            |facts| held_for(facts, "customer-mirror sync", 60 * 25),
            &["lock warn"],
        ),
        (
            |facts| mirror(facts).files.wal_bytes = 2 * WAL_BYTES + 1,
            &["wal warn"],
        ),
        (
            |facts| mirror(facts).files.disk.as_mut().unwrap().free_bytes = WAL_BYTES - 1,
            &["disk fail"],
        ),
        (
            |facts| mirror(facts).files.disk.as_mut().unwrap().free_bytes = 2 * WAL_BYTES,
            &["disk warn"],
        ),
        (
            |facts| mirror(facts).files.disk.as_mut().unwrap().is_read_only = true,
            &["disk fail"],
        ),
        (
            |facts| mirror(facts).files.unfinished_copies = vec![file("/lib/x.part", 0o640)],
            &["copies warn"],
        ),
    ]);
}

#[test]
fn without_a_mirror_nothing_is_said_of_it() {
    let skipped = [
        "schema",
        "source",
        "integrity",
        "wal",
        "freshness",
        "pass",
        "attempts",
        "held sweep",
        "quarantine",
        "conflicts",
        "erasure",
    ];
    let closed = State::Closed(Failure::new(Exit::Storage, "damaged; restore it"));
    for (state, of_mirror) in [(State::Missing, "mirror warn"), (closed, "mirror fail")] {
        let mut facts = well();
        mirror(&mut facts).state = state;
        let troubles = trouble(&facts);
        assert_eq!(troubles[0], of_mirror);
        let others = troubles[1..]
            .iter()
            .filter(|trouble| !trouble.starts_with("wal"));
        for trouble in others {
            let name = trouble.strip_suffix(" skipped").unwrap();
            assert!(skipped.contains(&name), "{name}");
        }
    }
}

#[test]
fn damage_is_a_failure_and_doubt_is_none() {
    for (soundness, status) in [
        (Soundness::Sound, vec![]),
        (Soundness::Unfinished, vec!["integrity skipped"]),
        (
            Soundness::Unsound(vec!["x".to_owned()]),
            vec!["integrity fail"],
        ),
    ] {
        let mut facts = well();
        if let State::Open {
            examined: Ok(examined),
            ..
        } = &mut mirror(&mut facts).state
        {
            examined.soundness = soundness;
        }
        assert_eq!(trouble(&facts), status);
    }
}
