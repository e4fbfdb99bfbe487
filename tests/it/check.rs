//! `check` stops at nothing, says what to do, and changes nothing.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;

use customer_mirror::simulator::{Fault, Listing, Options, ParameterNames, WaitHint};
use serde_json::Value;

use crate::service::Service;
use crate::support::{Bench, KEY, Run, Running, bytes, customers, quoted};

/// What isn't ok, as `name status`.
fn trouble(run: &Run) -> Vec<String> {
    let report = run.report();
    let checks = report["checks"].as_array().unwrap().iter();
    let text = |check: &Value, name: &str| check[name].as_str().unwrap().to_owned();
    checks
        .filter(|check| check["status"] != "ok")
        .map(|check| format!("{} {}", text(check, "name"), text(check, "status")))
        .collect()
}

/// What a check found.
#[track_caller]
fn found(run: &Run, name: &str) -> String {
    let report = run.report();
    let mut checks = report["checks"].as_array().unwrap().iter();
    let check = checks.find(|check| check["name"] == name).unwrap();
    check["found"].as_str().unwrap().to_owned()
}

async fn check(bench: &Bench) -> Run {
    bench.run(&["check", "--json"]).await
}

/// A bench with a mirror of thirty customers.
async fn synced() -> Bench {
    let bench = Bench::of(customers(1..=30)).await;
    bench.synced().await;
    bench
}

#[tokio::test]
async fn all_is_well_by_one_request_for_one_customer() {
    let bench = synced().await;
    let before = bench.sim.request_count();
    let run = check(&bench).await;
    run.exits(0);
    assert_eq!(trouble(&run), [""; 0], "{run:?}");
    assert_eq!(
        (&run.report()["status"], run.stderr.as_str()),
        (&"ok".into(), "")
    );
    assert_eq!(bench.sim.request_count(), before + 1);
    let request = bench.sim.requests().pop().unwrap();
    assert_eq!(
        (request.limit.as_deref(), request.cursor),
        (Some("1"), None)
    );
    bench.run(&["check", "--full"]).await.exits(0);
}

#[tokio::test]
async fn nothing_is_written() {
    let bench = synced().await;
    let files = || {
        let files = std::fs::read_dir(bench.folder.path()).unwrap();
        let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
        files.sort();
        // What SQLite's readers share is in -shm.
        files.retain(|file| !file.to_string_lossy().ends_with("-shm"));
        let contents: Vec<_> = files.iter().map(|file| bytes(file)).collect();
        (files, contents)
    };
    let before = files();
    for arguments in [&["check"][..], &["check", "--full", "--offline"]] {
        bench.run(arguments).await.exits(0);
        assert_eq!(files(), before);
    }
}

#[tokio::test]
async fn the_text_says_what_the_json_says() {
    let bench = synced().await;
    bench.sim.set_key("another");
    let json = check(&bench).await;
    let text = bench.run(&["check"]).await;
    for run in [&json, &text] {
        run.exits(77);
        assert_eq!(run.stderr, "");
    }
    let shown = |word: &str| match word {
        "ok" => "ok",
        "warn" => "WARN",
        "fail" => "FAIL",
        _ => "skip",
    };
    let report = json.report();
    let checks = report["checks"].as_array().unwrap();
    let lines: Vec<&str> = text.stdout.lines().collect();
    let mut at = 0;
    for check in checks {
        let word = |name: &str| check[name].as_str().unwrap();
        if word("status") == "skipped"
            && text.stdout.contains(&format!("(and so {})", word("name")))
        {
            continue;
        }
        let line = format!("{:4}  {:10}", shown(word("status")), word("name"));
        at += lines[at..]
            .iter()
            .position(|there| there.starts_with(&line))
            .unwrap_or_else(|| panic!("{line}: {text:?}"));
        if let Some(remedy) = check["remedy"].as_str() {
            assert_eq!(lines[at + 1].trim(), format!("-> {remedy}"));
        }
    }
    assert!(!text.stdout.contains('\x1b'));
    let last = lines.last().unwrap();
    assert!(
        last.starts_with("1 failure (access), ") && last.ends_with("exit status 77."),
        "{last}"
    );
    assert_eq!(
        (&report["status"], &report["exit_status"]),
        (&"fail".into(), &77.into())
    );
}

#[tokio::test]
async fn a_refused_key_costs_one_request() {
    let bench = synced().await;
    bench.sim.set_key("another");
    let before = bench.sim.request_count();
    let run = check(&bench).await;
    run.exits(77);
    assert_eq!(
        trouble(&run),
        ["access fail", "listing skipped", "parameters skipped"]
    );
    assert_eq!(bench.sim.request_count(), before + 1);
    bench.run(&["-q", "sync"]).await.exits(77);
}

#[tokio::test]
async fn a_server_that_is_away_does_not_hide_the_rest() {
    let mut bench = synced().await;
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", nobody.local_addr().unwrap());
    drop(nobody);
    bench.set("api.base_url", &quoted(&url));
    bench
        .db_to_write()
        .execute(
            "UPDATE mirror_meta SET value = ?1 WHERE key = 'source'",
            [&url],
        )
        .unwrap();
    let run = check(&bench).await;
    run.exits(69);
    assert!(
        found(&run, "server").ends_with("connection refused"),
        "{run:?}"
    );
    assert!(
        trouble(&run)
            .iter()
            .all(|trouble| trouble == "server fail" || trouble.ends_with("skipped"))
    );
    assert!(found(&run, "mirror").contains("30 live customers"));
}

#[rstest::rstest]
#[case::ill(Fault::Status { status: 500, wait: None }, 69, "server fail")]
#[case::busy(Fault::Status { status: 429, wait: Some(WaitHint::RetryAfter(9)) }, 0, "server warn")]
#[case::no_listing(Fault::WrongShape, 76, "listing fail")]
#[case::a_login_page(Fault::Html { status: 200 }, 76, "listing fail")]
#[case::elsewhere(Fault::Redirect { to: "https://example.com".to_owned() }, 76, "listing fail")]
#[case::broken_off(Fault::Truncate, 69, "server fail")]
#[tokio::test]
async fn an_ill_server_is_asked_once(
    #[case] fault: Fault,
    #[case] exit: i32,
    #[case] expected: &str,
) {
    let bench = synced().await;
    let before = bench.sim.request_count();
    bench.sim.push_fault(fault);
    let run = check(&bench).await;
    run.exits(exit);
    assert!(trouble(&run).contains(&expected.to_owned()), "{run:?}");
    assert_eq!(bench.sim.request_count(), before + 1);
}

#[tokio::test]
async fn the_wait_that_a_server_asked_for_is_obeyed() {
    let bench = synced().await;
    bench.sim.push_fault(
        Fault::Status {
            status: 429,
            wait: Some(WaitHint::RetryAfter(3600)),
        }
        .once(),
    );
    bench.sync().await.exits(69);
    let before = bench.sim.request_count();
    let run = check(&bench).await;
    run.exits(0);
    assert!(trouble(&run).contains(&"server warn".to_owned()), "{run:?}");
    assert!(
        found(&run, "server").contains("left alone until"),
        "{run:?}"
    );
    assert_eq!(bench.sim.request_count(), before);
}

#[tokio::test]
async fn offline_sends_nothing() {
    let bench = synced().await;
    let before = bench.sim.request_count();
    let run = bench.run(&["check", "--offline", "--json"]).await;
    run.exits(0);
    assert_eq!(trouble(&run).len(), 7, "{run:?}");
    assert_eq!(found(&run, "server"), "not asked: --offline");
    assert_eq!(bench.sim.request_count(), before);
}

#[tokio::test]
async fn a_server_that_calls_its_parameters_otherwise_is_noticed() {
    let bench = Bench::with(Options {
        listing: customers(1..=30),
        parameters: ParameterNames {
            limit: "count".to_owned(),
            ..ParameterNames::default()
        },
        ..Options::default()
    })
    .await;
    let run = check(&bench).await;
    run.exits(0);
    assert!(
        trouble(&run).contains(&"parameters warn".to_owned()),
        "{run:?}"
    );
    assert!(found(&run, "parameters").contains("sent 30"), "{run:?}");
}

#[tokio::test]
async fn before_the_first_pass_nothing_has_failed() {
    let bench = Bench::of(customers(1..=30)).await;
    let run = check(&bench).await;
    run.exits(0);
    assert_eq!(trouble(&run)[0], "mirror warn", "{run:?}");
    assert_eq!(bench.sim.request_count(), 1);
    assert!(!bench.db_path().exists());
}

#[tokio::test]
async fn a_broken_configuration_is_told_in_full_and_the_mirror_is_looked_at() {
    let mut bench = synced().await;
    let before = bench.sim.request_count();
    bench
        .set("schedule.cron", "\"soon\"")
        .set("retry.max_delay", "5");
    let run = check(&bench).await;
    run.exits(78);
    assert_eq!(
        trouble(&run),
        ["config fail", "config fail", "schedule skipped"]
    );
    for part in ["config.toml:", "retry.max_delay = 5"] {
        assert!(found(&run, "config").contains(part), "{run:?}");
    }
    // Whom to ask is clear.
    assert_eq!(bench.sim.request_count(), before + 1);

    bench.unset("retry.max_delay").set("api.paeg_size", "7");
    let run = check(&bench).await;
    run.exits(78);
    assert!(found(&run, "config").contains("api.paeg_size"), "{run:?}");
    assert!(
        found(&run, "mirror").contains("30 live customers"),
        "{run:?}"
    );
    assert_eq!(bench.sim.request_count(), before + 1);
    bench.run(&["-q", "sync"]).await.exits(78);
}

#[tokio::test]
async fn no_key_is_a_failure_and_the_service_s_key_is_found() {
    let bench = synced().await;
    let without_key = || {
        let mut command = bench.command(&["check", "--json"]);
        command.env_remove("CUSTOMER_MIRROR__API__KEY");
        Running::spawn(command).end()
    };
    let run = without_key().await;
    run.exits(78);
    assert_eq!(trouble(&run)[0], "key fail", "{run:?}");

    let path = bench.folder.path().join("api-key");
    std::fs::write(&path, format!("{KEY}\n")).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
    let run = without_key().await;
    run.exits(0);
    assert_eq!(trouble(&run), [""; 0]);
    assert!(
        found(&run, "key").contains("hands it to the service"),
        "{run:?}"
    );
}

#[tokio::test]
async fn what_others_could_read_or_change_is_told() {
    let mut bench = synced().await;
    let path = bench.folder.path().join("key");
    std::fs::write(&path, KEY).unwrap();
    bench.set("api.key_file", &quoted(path.to_str().unwrap()));
    bench.write_config();
    for (file, mode) in [
        (&path, 0o644),
        (&bench.config_path(), 0o666),
        (&bench.db_path(), 0o644),
    ] {
        std::fs::set_permissions(file, PermissionsExt::from_mode(mode)).unwrap();
    }
    let run = check(&bench).await;
    run.exits(0);
    assert_eq!(trouble(&run), ["config warn", "key warn", "files warn"]);
}

#[tokio::test]
async fn the_key_is_never_shown() {
    let bench = synced().await;
    for (fault, exit) in [(Some(Fault::EchoKey), 77), (None, 0)] {
        bench.sim.clear_faults();
        if let Some(fault) = fault {
            bench.sim.push_fault(fault);
        }
        for arguments in [&["-vv", "check"][..], &["-vv", "check", "--json"]] {
            let run = bench.run(arguments).await;
            run.exits(exit);
            assert!(
                !run.stdout.contains(KEY) && !run.stderr.contains(KEY),
                "{run:?}"
            );
            assert_eq!(run.stdout.contains("[key]"), exit == 77, "{run:?}");
        }
    }
}

/// Flips a byte in the first page of a table.
fn damage(bench: &Bench, table: &str) {
    let sql = format!("SELECT rootpage FROM sqlite_schema WHERE name = '{table}'");
    let page: usize = bench.one::<u32>(&sql).try_into().unwrap();
    let mut content = bytes(&bench.db_path());
    content[(page - 1) * bench.page_bytes()] ^= 0xff;
    std::fs::write(bench.db_path(), content).unwrap();
}

#[rstest::rstest]
#[case::that_nobody_stumbles_over("customer_state", &["integrity fail"])]
#[case::that_nothing_can_be_read_of("passes", &["mirror fail", "integrity fail"])]
#[tokio::test]
async fn damage_is_found(#[case] table: &str, #[case] failures: &[&str]) {
    let bench = synced().await;
    damage(&bench, table);
    let run = check(&bench).await;
    run.exits(74);
    let failed: Vec<_> = trouble(&run)
        .into_iter()
        .filter(|trouble| trouble.ends_with("fail"))
        .collect();
    assert_eq!(failed, failures, "{run:?}");
}

#[tokio::test]
async fn a_changed_record_is_found_by_a_close_look() {
    let bench = synced().await;
    bench
        .db_to_write()
        .execute(
            "UPDATE customers SET raw = replace(raw, 'c7', 'c8') WHERE customer_id = 'c7'",
            [],
        )
        .unwrap();
    check(&bench).await.exits(0);
    let run = bench.run(&["check", "--full", "--json"]).await;
    run.exits(74);
    assert!(found(&run, "integrity").contains("c7 the first"), "{run:?}");
}

#[tokio::test]
async fn a_mirror_that_sync_would_refuse() {
    let mut bench = synced().await;
    bench.set("api.filter", "\"ACME\"");
    let run = check(&bench).await;
    run.exits(78);
    assert!(trouble(&run).contains(&"source fail".to_owned()), "{run:?}");
    bench.unset("api.filter");

    let requests = bench.sim.request_count();
    bench
        .db_to_write()
        .pragma_update(None, "user_version", 999)
        .unwrap();
    let run = check(&bench).await;
    run.exits(78);
    assert!(found(&run, "mirror").contains("999"), "{run:?}");
    assert_eq!(found(&run, "access"), "the key is accepted");
    assert_eq!(bench.sim.request_count(), requests + 1);

    std::fs::write(bench.db_path(), "Dear diary").unwrap();
    let run = check(&bench).await;
    run.exits(78);
    assert!(
        found(&run, "mirror").contains("not a customer mirror"),
        "{run:?}"
    );
}

#[tokio::test]
async fn what_waits_for_a_person_is_a_warning() {
    let mut bench = synced().await;
    bench
        .set("deletions.confirm_passes", "1")
        .set("deletions.always_allow", "2");
    bench.sim.set_listing(customers(1..=10));
    bench.sync().await.exits(65);
    let run = check(&bench).await;
    run.exits(0);
    assert_eq!(trouble(&run), ["held sweep warn"]);
    assert!(
        found(&run, "held sweep").starts_with("20 customers were missing"),
        "{run:?}"
    );

    bench
        .db_to_write()
        .execute("UPDATE passes SET started_at = '2026-01-01T00:00:00.000Z', finished_at = '2026-01-01T00:01:00.000Z'", [])
        .unwrap();
    let run = check(&bench).await;
    run.exits(0);
    assert_eq!(trouble(&run), ["freshness warn", "held sweep warn"]);
}

#[tokio::test]
async fn an_interrupted_pass_and_who_was_killed_in_it() {
    let bench = synced().await;
    bench
        .sync_killed_at_request(bench.sim.request_count() + 2)
        .await;
    let run = check(&bench).await;
    run.exits(0);
    assert_eq!(trouble(&run), ["pass warn"]);
    assert!(
        found(&run, "lock").contains("`customer-mirror sync`"),
        "{run:?}"
    );
}

#[tokio::test]
async fn beside_a_daemon_all_is_well() {
    let bench = Bench::for_daemon(Listing::seeded(7, 47)).await;
    let mut service = Service::start(&bench).await;
    service.is_idle().await;
    for arguments in [&["check", "--json"][..], &["check", "--json", "--full"]] {
        let run = bench.run(arguments).await;
        run.exits(0);
        assert_eq!(trouble(&run), [""; 0], "{run:?}");
        assert!(
            found(&run, "lock").starts_with("held by `customer-mirror run`"),
            "{run:?}"
        );
    }
    service.makes_a_pass(&bench).await;
    service.stop().await;
}
