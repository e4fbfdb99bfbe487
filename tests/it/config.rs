//! §5 and §6: usage and configuration, through the program.

use rstest::rstest;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use customer_mirror::simulator::Fault;

use crate::support::{Bench, KEY, Running, customers, program};

#[rstest]
#[case::an_unknown_key("api.page_sise", "5", &["config.toml", "api.page_sise", "page_size"])]
#[case::an_unknown_section("delitions.confirm_passes", "5", &["config.toml", "delitions", "deletions"])]
#[case::a_number_out_of_bounds("api.page_size", "0", &["config.toml", "api.page_size", "0", "1 to 1000"])]
#[case::a_wrong_type("api.page_size", "\"many\"", &["config.toml", "api.page_size", "many"])]
#[case::no_unit("retry.max_delay", "\"60\"", &["config.toml", "retry.max_delay", "60s"])]
#[case::no_cron("schedule.cron", "\"whenever\"", &["config.toml", "schedule.cron", "whenever"])]
#[case::no_url("api.base_url", "\"example\"", &["config.toml", "api.base_url", "example", "https://"])]
#[case::no_toml("api.filter", "\"", &["config.toml"])]
#[tokio::test]
async fn a_bad_setting_is_one_line(#[case] key: &str, #[case] value: &str, #[case] said: &[&str]) {
    let mut bench = Bench::of(customers(1..=30)).await;
    bench.set(key, value);
    for arguments in [&["sync"][..], &["-vv", "sync", "--dry-run"], &["status"]] {
        bench
            .run(arguments)
            .await
            .exits(78)
            .says(said)
            .says_nothing_else();
    }
    assert!(!bench.db_path().exists());
}

#[tokio::test]
async fn what_a_pass_needs_is_asked_for() {
    let mut bench = Bench::of(customers(1..=30)).await;
    bench.unset("api.base_url");
    bench
        .run(&["sync"])
        .await
        .exits(78)
        .says(&["api.base_url"])
        .says_nothing_else();

    let bench = Bench::of(customers(1..=30)).await;
    let mut command = bench.command(&["sync"]);
    command.env_remove("CUSTOMER_MIRROR__API__KEY");
    let run = Running::spawn(command).end().await;
    run.exits(78)
        .says(&["API key", "api.key_file", "CUSTOMER_MIRROR__API__KEY"])
        .says_nothing_else();

    let mut bench = Bench::of(customers(1..=30)).await;
    bench.set("api.key_file", "\"/nowhere/at/all\"");
    let run = bench.run(&["sync"]).await;
    run.exits(78).says(&["/nowhere/at/all"]).says_nothing_else();

    let mut command = bench.command(&["sync"]);
    std::fs::remove_file(bench.config_path()).unwrap();
    command.env("CUSTOMER_MIRROR__API__BASE_URL", bench.sim.base_url());
    let run = Running::spawn(command).end().await;
    run.exits(78)
        .says(&["config.toml", "no such configuration file"])
        .says_nothing_else();
    assert!(!bench.db_path().exists());
}

#[tokio::test]
async fn the_environment_wins_over_the_file() {
    let bench = Bench::of(customers(1..=30)).await;
    let mut command = program();
    command
        .arg("sync")
        .env("CUSTOMER_MIRROR_CONFIG", bench.write_config())
        .env("CUSTOMER_MIRROR__API__KEY", KEY)
        .env("CUSTOMER_MIRROR__API__PAGE_SIZE", "7");
    Running::spawn(command).end().await.exits(0);
    assert_eq!(bench.sim.requests()[0].limit.as_deref(), Some("7"));
    bench.assert_mirrors();
}

#[tokio::test]
async fn an_unknown_variable_is_refused_with_the_one_that_is_meant() {
    let bench = Bench::of(customers(1..=30)).await;
    let mut command = bench.command(&["sync"]);
    command.env("CUSTOMER_MIRROR__API__PAGE_SISE", "7");
    let run = Running::spawn(command).end().await;
    run.exits(78)
        .says(&[
            "CUSTOMER_MIRROR__API__PAGE_SISE",
            "CUSTOMER_MIRROR__API__PAGE_SIZE",
        ])
        .says_nothing_else();
}

#[rstest]
#[case::no_command(&[])]
#[case::an_unknown_command(&["sink"])]
#[case::an_unknown_flag(&["sync", "--dry"])]
#[case::flags_at_odds(&["sync", "--dry-run", "--restart"])]
#[case::loud_and_quiet(&["-v", "-q", "sync"])]
#[case::too_many_words(&["sync", "now"])]
#[case::a_bad_port(&["simulate-api", "--port", "99999"])]
#[case::a_bad_fault(&["simulate-api", "--fault", "earthquake"])]
#[tokio::test]
async fn wrong_usage_has_its_exit_status(#[case] arguments: &[&str]) {
    let mut command = program();
    command.args(arguments);
    let run = Running::spawn(command).end().await;
    assert!(
        run.exits(64).stdout.is_empty() && !run.stderr.is_empty(),
        "{run:?}"
    );
}

#[rstest]
#[case(&["--version"], env!("CARGO_PKG_VERSION"))]
#[case(&["--help"], "Usage: customer-mirror")]
#[case(&["-h"], "simulate-api")]
#[case(&["sync", "--help"], "Examples:")]
#[case(&["simulate-api", "--help"], "Examples:")]
#[tokio::test]
async fn help_is_no_error(#[case] arguments: &[&str], #[case] shown: &str) {
    let mut command = program();
    command.args(arguments);
    let run = Running::spawn(command).end().await;
    assert!(
        run.exits(0).stdout.contains(shown) && run.stderr.is_empty(),
        "{run:?}"
    );
}

#[tokio::test]
async fn a_report_is_for_people_unless_asked_otherwise() {
    let bench = Bench::of(customers(1..=30)).await;
    let run = bench.run(&["-q", "sync"]).await;
    assert!(
        run.exits(0).stdout.starts_with("pass 1 complete in "),
        "{run:?}"
    );
    assert!(
        run.stdout.contains("created 30,") && run.stderr.is_empty(),
        "{run:?}"
    );

    // As JSON, it is the row in the mirror.
    let report = bench.synced().await;
    let columns = bench.column::<String>("SELECT name FROM pragma_table_info('passes')");
    assert_eq!(report.as_object().unwrap().len(), columns.len());
    let as_json = columns
        .iter()
        .map(|name| format!("'{name}', {name}"))
        .collect::<Vec<_>>()
        .join(", ");
    let row: String = bench.one(&format!(
        "SELECT json_object({as_json}) FROM passes WHERE pass_id = 2"
    ));
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&row).unwrap(),
        report
    );
}

#[rstest]
#[case::complete(None, 0)]
#[case::failed(Some(Fault::WrongShape), 76)]
#[tokio::test]
async fn nobody_reading_the_report_does_not_change_how_the_pass_ended(
    #[case] fault: Option<Fault>,
    #[case] status: i32,
) {
    let bench = Bench::of(customers(1..=30)).await;
    if let Some(fault) = fault {
        bench.sim.push_fault(fault);
    }
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let running = Running::spawn_into(bench.command(&["sync"]), writer);
    running.end().await.exits(status);
}

/// The URL that a simulator says it listens at.
async fn base_url(simulator: &mut Running) -> String {
    let line = simulator.line().await;
    line.strip_prefix("base_url: ")
        .unwrap_or_else(|| panic!("{line}"))
        .trim()
        .to_owned()
}

#[tokio::test]
async fn the_simulator_alone_can_be_mirrored_day_by_day() {
    let mut bench = Bench::of(customers(1..=1)).await;
    let mut command = program();
    command.args([
        "simulate-api",
        "--port",
        "0",
        "--customers",
        "500",
        "--seed",
        "3",
        "--key",
        KEY,
        "--fault",
        "503@page=2",
    ]);
    let mut simulator = Running::spawn(command);
    let url = base_url(&mut simulator).await;
    bench
        .set("api.base_url", &format!("{url:?}"))
        .set("api.page_size", "100")
        .set("deletions.confirm_passes", "1");
    let report = bench.synced().await;
    assert_eq!(
        (&report["created"], &report["retries"]),
        (&500.into(), &1.into())
    );

    let mut control = TcpStream::connect(url.strip_prefix("http://").unwrap())
        .await
        .unwrap();
    control
        .write_all(
            b"POST /_simulator/day?day=30 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        )
        .await
        .unwrap();
    let mut answer = String::new();
    control.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let report = bench.synced().await;
    assert!(
        report["updated"].as_i64() > Some(0) && report["created"].as_i64() > Some(0),
        "{report}"
    );

    simulator.signal("TERM").await;
    let run = simulator.end().await;
    assert!(run.exits(0).stderr.contains("GET /customers"), "{run:?}");
    assert!(!run.stderr.contains(KEY), "{run:?}");
}

#[tokio::test]
async fn a_port_that_is_taken_is_said_so() {
    let bench = Bench::of(customers(1..=1)).await;
    let port = bench.sim.address().port().to_string();
    let mut command = program();
    command.args(["simulate-api", "--port", &port]);
    let run = Running::spawn(command).end().await;
    run.exits(69).says(&[&port, "--port"]).says_nothing_else();
}
