//! Every line of shell in README runs, and prints what the text says.

use std::fmt::Write as _;

use tokio::process::Command;

use crate::examples::Stage;
use crate::support::{Bench, KEY, Run, Running, customers};
use crate::tools;

use super::{blocks, sections};

/// What can't be run here, how its lines begin, and where it is run instead.
const ELSEWHERE: [(&str, &str); 7] = [
    ("cargo run --release -- demo", ".ci/run runs it"),
    ("cargo test", "it would run itself"),
    ("cargo install --path .", "it installs"),
    (
        "customer-mirror run ",
        "it goes on for ever; tests/it/daemon.rs does",
    ),
    (
        "customer-mirror serve ",
        "it goes on for ever; tests/it/http does",
    ),
    (
        "datasette customers.db --metadata docs/datasette.json",
        "tests/tools.sh asks Datasette with these metadata",
    ),
    (
        "packaging/build-deb.sh",
        "tests/systemd.sh builds the package",
    ),
];
/// As root, on a machine of their own: `tests/systemd.sh` does all that this section says.
const AS_ROOT: &str = "Run it as a service";
/// As root, too; `tests/it/recover.rs` does it.
const DAMAGED: &str = "When the file is damaged";
/// `in_step.rs` runs its scripts.
const SCRIPTS: &str = "Keep your CRM in step";
const FIRST: &str = "Mirror your customers";

/// What lines print, by how they begin.
const PRINTED: [(&str, &str); 6] = [
    (
        "sqlite3 -readonly customers.db \"SELECT name, contact_email",
        "Åsa Lindqvist|asa.lindqvist@example.com\n",
    ),
    (
        "sqlite3 -readonly customers.db \"SELECT * FROM mirror_freshness\"",
        "|31|",
    ),
    (
        "sqlite3 -readonly customers.db \"SELECT name FROM live_customers WHERE row_id",
        "Åsa Lindqvist\n",
    ),
    (
        "customer-mirror search asa 070-123",
        "\"customer_id\":\"4711\"",
    ),
    ("customer-mirror query by-country", "\"country\":\"SE\""),
    ("customer-mirror forget 4711", "is live"),
];

fn is_run_elsewhere(line: &str) -> bool {
    ELSEWHERE.iter().any(|(start, _)| line.starts_with(start))
}

/// Whether the tools that a line needs are here.
fn can_be_run(line: &str) -> bool {
    ["sqlite3", "jq"].iter().all(|tool| {
        let is_needed = line.split_whitespace().any(|word| word == *tool);
        !is_needed || tools::can_run(tool, &["--version"])
    })
}

#[test]
fn what_is_run_elsewhere_is_still_in_readme() {
    let lines: Vec<String> = sections()
        .flat_map(blocks)
        .flat_map(|block| block.lines().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    let starts = ELSEWHERE.iter().chain(&PRINTED).map(|(start, _)| start);
    for start in starts {
        assert!(lines.iter().any(|line| line.starts_with(start)), "{start}");
    }
    for section in [AS_ROOT, DAMAGED, SCRIPTS, FIRST] {
        assert!(!blocks(section).is_empty(), "{section}");
    }
}

#[tokio::test]
async fn every_line_of_shell_runs() {
    let stage = Stage::set().await;
    let mut ran = 0;
    for section in
        sections().filter(|section| ![AS_ROOT, DAMAGED, SCRIPTS, FIRST].contains(section))
    {
        for block in blocks(section) {
            for line in block.lines().filter(|line| !is_run_elsewhere(line)) {
                if !can_be_run(line) {
                    continue;
                }
                let run = stage
                    .run(&format!("cp mirror.db customers.db\n{line}"))
                    .await;
                check(line, &run);
                ran += 1;
            }
        }
    }
    assert!(ran > 0);
}

fn check(line: &str, run: &Run) {
    let printed = PRINTED.iter().find(|(start, _)| line.starts_with(start));
    let Some((_, printed)) = printed else {
        run.exits(0);
        return;
    };
    let said = format!("{}{}", run.stdout, run.stderr);
    assert!(said.contains(printed), "{line}: {run:?}");
}

/// "Mirror your customers", by somebody who has nothing but an address and a key.
#[tokio::test]
async fn a_first_mirror() {
    let bench = Bench::of(customers(1..=25)).await;
    let folder = bench.folder.path();
    let mut lines = String::new();
    for line in blocks(FIRST).concat().lines() {
        if is_run_elsewhere(line) {
            continue;
        }
        let line = line
            .replace("https://api.example.com/v1", &bench.sim.base_url())
            .replace("KEY=…", &format!("KEY={KEY}"));
        // After each line, whether there is a mirror.
        let _ = writeln!(
            lines,
            "{line}\necho; ls customers.db 2>/dev/null || echo none"
        );
    }
    let mut command = Command::new("bash");
    command
        .env_clear()
        .env("PATH", tools::path_with_program(folder))
        .env("CUSTOMER_MIRROR__LOG__LEVEL", "error")
        .current_dir(folder)
        .args(["-c", &format!("set -euo pipefail\n{lines}")]);
    let run = Running::spawn(command).end().await;
    run.exits(0);
    let (before, after) = run.stdout.split_once("\ncustomers.db\n").unwrap();
    let dry_run = before.rsplit("none\n").nth(1).unwrap();
    assert!(dry_run.contains("25 records"), "{before}");
    for part in ["Complete as of", "25 live customers, 0 deleted"] {
        assert!(after.contains(part), "{after}");
    }
}
