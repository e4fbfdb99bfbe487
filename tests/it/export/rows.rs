//! The customers themselves, in each format.

use std::os::unix::fs::OpenOptionsExt;

use rstest::rstest;
use serde_json::Value;

use super::{HOSTILE, export, hostile_bench, make_endless, place};
use crate::support::{Bench, customers, until};
use customer_mirror::simulator::Listing;

/// What an export must not need, however many customers there are.
const PEAK_KIB_MAX: u64 = 48 * 1024;

fn parsed(csv: &str, separator: u8) -> Vec<Vec<String>> {
    csv::ReaderBuilder::new()
        .has_headers(false)
        .delimiter(separator)
        .from_reader(csv.as_bytes())
        .records()
        .map(|record| record.unwrap().iter().map(str::to_owned).collect())
        .collect()
}

#[tokio::test]
async fn csv_that_another_parser_reads_is_what_the_mirror_has() {
    let bench = hostile_bench().await;
    let run = export(&bench, &["--format", "csv"]).await;
    run.exits(0);
    let rows = parsed(&run.stdout, b',');
    let (header, rows) = rows.split_first().unwrap();
    assert_eq!(rows.len(), HOSTILE.len() + 1);
    for (at, column) in header.iter().enumerate() {
        let found: Vec<&str> = rows.iter().map(|row| row[at].as_str()).collect();
        let stored = match column.as_str() {
            "users" => continue,
            column => bench.column::<Option<String>>(&format!(
                "SELECT CAST({column} AS TEXT) FROM customers ORDER BY row_id"
            )),
        };
        let stored: Vec<&str> = stored.iter().map(|v| v.as_deref().unwrap_or("")).collect();
        assert_eq!(found, stored, "{column}");
    }
    // NULL and the empty text are told apart by quotes.
    let lines = export(
        &bench,
        &["--columns", "name,customer_id", "--format", "csv"],
    )
    .await;
    assert!(lines.stdout.starts_with("name,customer_id\r\n\"\",h0\r\n"));
    assert!(lines.stdout.ends_with("\r\n,h12\r\n"), "{lines:?}");
}

#[rstest]
#[case("csv")]
#[case("ndjson")]
#[case("json")]
#[tokio::test]
async fn each_customer_comes_out_as_from_get(#[case] format: &str) {
    let bench = hostile_bench().await;
    let ids = bench.live().join("\n");
    let ids_path = bench.folder.path().join("ids");
    std::fs::write(
        &ids_path,
        bench
            .column::<String>("SELECT customer_id FROM customers ORDER BY row_id")
            .join("\n"),
    )
    .unwrap();
    assert_eq!(ids.lines().count(), HOSTILE.len() + 1);
    let get = bench.command(&["-q", "get", "--format", format, "-"]);
    let mut get = get.into_std();
    let got = get.stdin(std::fs::File::open(ids_path).unwrap()).output();
    let got = String::from_utf8(got.unwrap().stdout).unwrap();
    let exported = export(&bench, &["--format", format]).await;
    exported.exits(0);
    assert_eq!(exported.stdout, got);
    assert!(!got.is_empty());
}

#[tokio::test]
async fn raw_records_are_those_of_the_server_a_line_each() {
    let bench = hostile_bench().await;
    let sent: Vec<String> = bench
        .sim
        .listing()
        .iter()
        .map(|raw| raw.replace(['\r', '\n'], " "))
        .collect();
    let lines = export(&bench, &["--raw"]).await;
    lines.exits(0);
    assert_eq!(lines.stdout.lines().collect::<Vec<_>>(), sent);
    let array = export(&bench, &["--raw", "--format", "json"]).await;
    let array: Vec<Value> = serde_json::from_str(&array.stdout).unwrap();
    assert_eq!(array.len(), sent.len());
    for (value, raw) in array.iter().zip(&sent) {
        assert_eq!(value, &serde_json::from_str::<Value>(raw).unwrap());
    }
}

#[tokio::test]
async fn deleted_customers_come_only_if_asked_for() {
    let mut bench = Bench::of(customers(1..=5)).await;
    bench.set("deletions.confirm_passes", "1");
    bench.synced().await;
    bench.sim.set_listing(customers(1..=4));
    bench.synced().await;
    let columns = ["--columns", "customer_id,deleted_at", "--format", "csv"];
    let live = export(&bench, &columns).await;
    assert_eq!(
        live.stdout,
        "customer_id,deleted_at\r\nc1,\r\nc2,\r\nc3,\r\nc4,\r\n"
    );
    let all = export(&bench, &[&columns[..], &["--deleted"]].concat()).await;
    let tombstone: String = bench.one("SELECT deleted_at FROM customers WHERE customer_id = 'c5'");
    assert_eq!(all.stdout, format!("{}c5,{tombstone}\r\n", live.stdout));
}

#[tokio::test]
async fn an_empty_mirror_is_a_header_or_nothing() {
    let bench = Bench::of(Listing::explicit(Vec::<String>::new())).await;
    bench.synced().await;
    for (format, expected) in [("json", "[]\n"), ("ndjson", "")] {
        assert_eq!(export(&bench, &["--format", format]).await.stdout, expected);
    }
    let csv = export(&bench, &["--columns", "name", "--format", "csv"]).await;
    assert_eq!(csv.stdout, "name\r\n");
}

#[tokio::test]
async fn for_a_spreadsheet_no_name_is_a_formula_or_a_number() {
    let bench = hostile_bench().await;
    let columns = ["--columns", "customer_id,name,billing_auto_pay"];
    let arguments = [&columns[..], &["--excel", "--separator", ";"]].concat();
    let run = export(&bench, &arguments).await;
    run.exits(0);
    let text = run.stdout.strip_prefix('\u{feff}').unwrap();
    let rows = parsed(text, b';');
    for (row, name) in rows[1..].iter().zip(HOSTILE) {
        let is_guarded = ["=", "+", "00", "\u{1b}"]
            .iter()
            .any(|start| name.starts_with(start));
        let expected = if is_guarded {
            format!("\t{name}")
        } else {
            name.to_owned()
        };
        assert_eq!(row[1..], [expected, "1".to_owned()]);
    }
    assert!(text.contains(";\"\t+46701234567\";1\r\n"), "{text:?}");
}

/// The export stands in its middle, as nobody reads on, while a pass changes everybody.
#[tokio::test]
async fn an_export_is_of_one_moment_while_a_pass_goes_on() {
    const CUSTOMERS: u32 = 300;
    let named = |name: &str| {
        let rest = format!(r#","name":"{name}","note":"{}""#, "x".repeat(4000));
        Listing::explicit(
            (1..=CUSTOMERS).map(|n| crate::support::customer(&format!("c{n}"), &rest)),
        )
    };
    let mut bench = Bench::of(named("before")).await;
    bench.set("api.page_size", "100");
    bench.synced().await;
    let pipe = place(&bench, "pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let running = bench.spawn(&["-q", "export", "--output", pipe.to_str().unwrap()]);
    let reader = tokio::task::spawn_blocking(move || {
        use std::io::BufRead;
        let mut lines = std::io::BufReader::new(std::fs::File::open(pipe).unwrap()).lines();
        let first = lines.next().unwrap().unwrap();
        (first, lines)
    });
    let (first, rest) = reader.await.unwrap();
    bench.sim.set_listing(named("after"));
    assert_eq!(bench.synced().await["updated"], CUSTOMERS);
    let lines: Vec<String> = std::iter::once(Ok(first))
        .chain(rest)
        .map(Result::unwrap)
        .collect();
    running.end().await.exits(0);
    assert_eq!(lines.len(), CUSTOMERS as usize);
    for line in lines {
        let row: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(row["name"], "before");
    }
}

#[rstest]
#[case("ndjson")]
#[case("csv")]
#[tokio::test]
async fn memory_does_not_grow_with_the_customers(#[case] format: &str) {
    let bench = hostile_bench().await;
    make_endless(&bench);
    let sink = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(place(&bench, "sink"))
        .unwrap();
    let command = bench.command(&["-q", "export", "--format", format]);
    let running = crate::support::Running::spawn_into(command, sink.try_clone().unwrap());
    until(|| sink.metadata().unwrap().len() / 1024 > PEAK_KIB_MAX).await;
    let status = std::fs::read_to_string(format!("/proc/{}/status", running.pid())).unwrap();
    running.kill().await;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let peak: u64 = line
        .unwrap()
        .split_whitespace()
        .nth(1)
        .unwrap()
        .parse()
        .unwrap();
    assert!(peak < PEAK_KIB_MAX, "{peak} KiB");
}

#[rstest]
#[case(&["--columns", "custmer_id"], "did you mean `customer_id`?")]
#[case(&["--output", "x.xlsx"], "--format")]
#[case(&["--format", "sqlite"], "add --output")]
#[case(&["--output", "/dev/null", "--format", "sqlite"], "add --output")]
#[case(&["--excel", "--format", "json"], "for csv only")]
#[tokio::test]
async fn what_is_wrong_is_told_before_anything_is_written(
    #[case] arguments: &[&str],
    #[case] part: &str,
) {
    let bench = Bench::of(customers(1..=3)).await;
    bench.synced().await;
    let run = export(&bench, arguments).await;
    run.exits(64).says(&[part]).says_nothing_else();
    assert_eq!(run.stdout, "");
}

#[tokio::test]
async fn a_reader_that_goes_away_ends_it_quietly() {
    let bench = hostile_bench().await;
    make_endless(&bench);
    let mut running = bench.spawn(&["export", "--raw"]);
    running.line().await;
    running.stop_reading();
    let run = running.end().await;
    run.exits(0);
    assert_eq!(run.stderr, "");
}

#[tokio::test]
async fn parquet_has_the_same_values() {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::Field;

    let bench = hostile_bench().await;
    let path = place(&bench, "c.parquet");
    let run = export(&bench, &["--output", path.to_str().unwrap()]).await;
    run.exits(0);
    let reader = SerializedFileReader::new(std::fs::File::open(&path).unwrap()).unwrap();
    let lines = export(&bench, &["--format", "ndjson"]).await.stdout;
    let mut count = 0;
    for (row, line) in reader.get_row_iter(None).unwrap().zip(lines.lines()) {
        let expected: serde_json::Map<String, Value> = serde_json::from_str(line).unwrap();
        let row = row.unwrap();
        assert_eq!(row.get_column_iter().count(), expected.len());
        for (name, field) in row.get_column_iter() {
            match (field, &expected[name]) {
                (Field::Null, Value::Null) => {}
                (Field::Long(number), value) => assert_eq!(value, number, "{name}"),
                (Field::Str(text), Value::String(value)) => assert_eq!(text, value, "{name}"),
                (Field::Str(json), value) => {
                    let json: Value = serde_json::from_str(json).unwrap();
                    assert_eq!(&json, value, "{name}");
                }
                other => panic!("{name}: {other:?}"),
            }
        }
        count += 1;
    }
    assert_eq!(count, HOSTILE.len() + 1);
}
