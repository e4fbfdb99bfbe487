//! `query`: SQL on the mirror, and what can be asked without knowing any.

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;

use rstest::rstest;
use serde_json::{Value, json};

use crate::support::{Bench, Run, customer, customers};
use customer_mirror::simulator::Listing;

/// What one statement must not need, however many rows it has.
const PEAK_KIB_MAX: u64 = 48 * 1024;

async fn query(bench: &Bench, arguments: &[&str]) -> Run {
    let mut all = vec!["-q", "query"];
    all.extend_from_slice(arguments);
    bench.run(&all).await
}

async fn rows(bench: &Bench, arguments: &[&str]) -> Vec<Value> {
    let run = query(bench, arguments).await;
    run.exits(0);
    run.stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

async fn bench_of_people() -> Bench {
    let person = |id: &str, email: &str, phone: &str, country: &str| {
        let rest = format!(
            r#","name":"N {id}","contact":{{"email":"{email}","msisdn":"{phone}"}},
               "billing":{{"autoPay":true,"address":{{"country":"{country}"}}}}"#
        );
        customer(id, &rest)
    };
    let bench = Bench::of(Listing::explicit([
        person("a", "Twin@example.com", "+46 70-123 45 67", "SE"),
        person("b", "twin@example.com ", "0046701234567", "SE"),
        person("c", "other@example.com", "+4799999999", "NO"),
        customer("d", r#","referenceId":"r1""#),
    ]))
    .await;
    bench.synced().await;
    bench
}

#[rstest]
#[case("by-country", &[], json!([["SE", 2], [null, 1], ["NO", 1]]), &["country", "customers"])]
#[case("without-email", &[], json!([["d"]]), &["customer_id"])]
#[case("without-reference", &[], json!([["a"], ["b"], ["c"]]), &["customer_id"])]
#[case("duplicate-emails", &[], json!([["twin@example.com", 2, "[\"a\",\"b\"]"]]), &["email", "customers", "customer_ids"])]
#[case("duplicate-phones", &[], json!([["46701234567", 2]]), &["phone", "customers"])]
#[case("autopay-without-profile", &[], json!([["a"], ["b"], ["c"]]), &["customer_id"])]
#[case("recently-changed", &[], json!([["d", "created"], ["c", "created"], ["b", "created"], ["a", "created"]]), &["customer_id", "kind"])]
#[case("recently-changed", &["-p", "days:=-1"], json!([]), &["customer_id"])]
#[case("passes-by-day", &[], json!([[1, 1, 4]]), &["passes", "complete", "created"])]
#[case("reference-conflicts", &[], json!([]), &["customer_id"])]
#[tokio::test]
async fn a_ready_query_answers(
    #[case] name: &str,
    #[case] parameters: &[&str],
    #[case] expected: Value,
    #[case] columns: &[&str],
) {
    let bench = bench_of_people().await;
    let found = rows(&bench, &[&[name], parameters].concat()).await;
    let found: Vec<Vec<&Value>> = found
        .iter()
        .map(|row| columns.iter().map(|column| &row[*column]).collect())
        .collect();
    assert_eq!(json!(found), expected);
}

#[tokio::test]
async fn a_ready_query_is_sql_to_make_one_s_own_of() {
    let bench = bench_of_people().await;
    for ready in rows(&bench, &["--list"]).await {
        let name = ready["name"].as_str().unwrap();
        let sql = query(&bench, &["--list", name]).await;
        sql.exits(0);
        assert_eq!(ready["sql"], json!(sql.stdout));
        let mut arguments = vec![sql.stdout.clone()];
        for (parameter, value) in ready["parameters"].as_object().unwrap() {
            arguments.extend(["-p".to_owned(), format!("{parameter}:={value}")]);
        }
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        assert_eq!(
            rows(&bench, &arguments).await,
            rows(&bench, &[name]).await,
            "{name}"
        );
    }
    query(&bench, &["by-contry"]).await.exits(64).says(&[
        "by-contry",
        "did you mean `by-country`?",
        "--list",
    ]);
}

#[tokio::test]
async fn the_schema_is_explained_as_it_is() {
    let bench = bench_of_people().await;
    let explained = rows(&bench, &["--schema"]).await;
    for row in &explained {
        let sql = format!(
            "SELECT count(*) FROM pragma_table_info('{}') WHERE name = '{}' AND type = '{}'",
            row["table"].as_str().unwrap(),
            row["column"].as_str().unwrap(),
            row["type"].as_str().unwrap()
        );
        assert_eq!(bench.one::<i64>(&sql), 1, "{row}");
    }
    let has_all_of = |table: &str| {
        let listed = explained.iter().filter(|row| row["table"] == table).count() as i64;
        bench.one::<i64>(&format!(
            "SELECT count(*) FROM pragma_table_info('{table}')"
        )) == listed
    };
    for table in ["customers", "live_customers", "customer_changes", "passes"] {
        assert!(has_all_of(table), "{table}");
    }
}

#[rstest]
#[case("SELECT nme FROM live_customers", &["no such column: nme", "did you mean `name`?"], "SELECT nme")]
#[case("SELECT 1 FROM live_customer", &["no such table", "did you mean `live_customers`?"], "FROM live_customer\n                ^")]
#[case("SELECT", &["incomplete input"], "  SELECT\n        ^")]
#[case("SELECT '\u{1b}[31m", &["unrecognized token"], "SELECT '␛[31m")]
#[case("customers", &["is no SQL, but a table", "SELECT * FROM customers"], "")]
#[case("by_contry", &["no ready query `by_contry`", "did you mean `by-country`?"], "")]
#[case("SELECT 1\nFRM x", &["near \"x\""], "FRM x")]
#[case("DELETE FROM customers", &["DELETE from customers is refused"], "")]
#[case("INSERT INTO customer_search(customer_search) VALUES('rebuild')", &["INSERT into customer_search is refused"], "")]
#[case("SELECT 1 FROM customer_search WHERE customer_search MATCH '\"'", &["unterminated string"], "")]
#[case("ATTACH 'x.db' AS x", &["ATTACH is refused"], "")]
#[case("PRAGMA journal_mode = DELETE", &["PRAGMA journal_mode is refused"], "")]
#[case("SELECT :x", &[":x has no value", "-p x="], "")]
#[tokio::test]
async fn what_is_wrong_is_told_and_where(
    #[case] sql: &str,
    #[case] parts: &[&str],
    #[case] place: &str,
) {
    let bench = bench_of_people().await;
    let run = query(&bench, &[sql]).await;
    run.exits(64);
    for part in parts {
        assert!(run.stderr.contains(part), "{part:?}: {run:?}");
    }
    assert!(run.stderr.contains(place), "{run:?}");
    assert!(!run.stderr.contains('\x1b'), "{run:?}");
    assert_eq!(run.stdout, "");
    bench.assert_mirrors();
}

#[tokio::test]
async fn sql_is_not_cut_at_a_nul() {
    let bench = bench_of_people().await;
    let file = bench.folder.path().join("report.sql");
    std::fs::write(&file, "SELECT 1\0 FROM nowhere").unwrap();
    let run = query(&bench, &["-f", file.to_str().unwrap()]).await;
    run.exits(64);
    assert!(
        run.stderr.contains("NUL in the SQL\n  SELECT 1␀"),
        "{run:?}"
    );
    assert_eq!(run.stdout, "");
}

#[rstest]
#[case("table")]
#[case("json")]
#[case("ndjson")]
#[case("csv")]
#[tokio::test]
async fn a_reader_that_goes_away_is_no_error(#[case] format: &str) {
    let bench = Bench::of(customers(1..=3)).await;
    bench.synced().await;
    let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n";
    let mut running = bench.spawn(&["query", "--format", format, endless]);
    running.line().await;
    running.stop_reading();
    let run = running.end().await;
    run.exits(0);
    assert_eq!(run.stderr, "");
}

/// The peak memory of a process in KiB.
fn peak_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let peak = line.unwrap().split_whitespace().nth(1);
    peak.unwrap().parse().unwrap()
}

#[rstest]
#[case("ndjson")]
#[case("csv")]
#[case("table")]
#[tokio::test]
async fn memory_does_not_grow_with_the_rows(#[case] format: &str) {
    const ROWS: usize = 50_000;
    let bench = Bench::of(customers(1..=3)).await;
    bench.synced().await;
    let sql = format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2 * {ROWS})
         SELECT i, x AS a, x AS b, x AS c, x AS d FROM n, (SELECT printf('%.*c', 290, 'x') AS x)"
    );
    let mut command = bench
        .command(&["query", "--format", format, &sql])
        .into_std();
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    // It can't have ended: as many rows again are to come, and a pipe holds few of them.
    let bytes: usize = lines.take(ROWS).map(|line| line.unwrap().len()).sum();
    let peak = peak_kib(child.id());
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(bytes as u64 / 1024 > PEAK_KIB_MAX, "{bytes}");
    assert!(peak < PEAK_KIB_MAX, "{peak} KiB");
}

#[tokio::test]
async fn no_value_takes_all_memory() {
    let bench = bench_of_people().await;
    for sql in [
        "SELECT zeroblob(999999999)",
        "SELECT group_concat(hex(zeroblob(20000000))) FROM (SELECT 1 UNION ALL SELECT 2)",
    ] {
        let run = query(&bench, &[sql]).await;
        run.exits(64);
        assert!(run.stderr.contains("too big"), "{run:?}");
    }
}

#[tokio::test]
async fn an_interrupt_ends_a_long_statement() {
    let bench = Bench::of(customers(1..=3)).await;
    bench.synced().await;
    let endless = "SELECT 1 AS x UNION ALL SELECT count(*) FROM
                   (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n)";
    let mut command = bench.command(&["query", endless]).into_std();
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    // It has the mirror open.
    crate::support::until(|| {
        std::fs::read_to_string(format!("/proc/{}/maps", child.id()))
            .is_ok_and(|maps| maps.contains("mirror.db-shm"))
    })
    .await;
    // Where the tests run in the background of a script, its shell has made them ignore SIGINT, and the program with them.
    let process = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let ignored = process
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .map(|mask| u64::from_str_radix(mask.trim(), 16).unwrap());
    let (name, number) = if ignored.unwrap() & 2 == 0 {
        ("INT", 2)
    } else {
        ("TERM", 15)
    };
    let signalled = std::process::Command::new("sh")
        .args(["-c", &format!("kill -s {name} {}", child.id())])
        .status();
    assert!(signalled.unwrap().success());
    let status = child.wait().unwrap();
    assert_eq!(status.signal(), Some(number), "{status:?}");
}

#[tokio::test]
async fn types_and_nulls_come_out_as_they_are() {
    let bench = Bench::of(customers(1..=3)).await;
    bench.synced().await;
    let sql =
        "SELECT 9007199254740993 AS i, 1.5 AS r, NULL AS n, x'00ff' AS b, 'é\"' AS t, '' AS e";
    let expected = r#"{"i":9007199254740993,"r":1.5,"n":null,"b":"00ff","t":"é\"","e":""}"#;
    for (format, expected) in [
        ("ndjson", format!("{expected}\n")),
        ("json", format!("[\n{expected}\n]\n")),
        (
            "csv",
            "i,r,n,b,t,e\r\n9007199254740993,1.5,,00ff,\"é\"\"\",\"\"\r\n".to_owned(),
        ),
    ] {
        let run = query(&bench, &["--format", format, sql]).await;
        run.exits(0);
        assert_eq!(run.stdout, expected);
    }
}
