//! What `--help` and README show is what happens: every example runs.

use std::path::{Path, PathBuf};

use tokio::process::Command;

use crate::support::{Bench, KEY, Run, Running, customer, program};
use crate::tools;
use customer_mirror::simulator::Listing;

/// A mirror with something of everything: customer 4711, known since long ago; 4712 and 4713, deleted; a quarantined record; a held
/// sweep. The server lists everybody again but the deleted ones.
pub(crate) struct Stage {
    pub(crate) bench: Bench,
    kept: PathBuf,
}

fn everybody() -> Vec<String> {
    let ada = r#","referenceId":"crm-customer-42","humanReadableId":"K1","name":"Åsa Lindqvist","customerType":"BUSINESS",
        "contact":{"email":"asa.lindqvist@example.com","msisdn":"+46701234567"},
        "billing":{"method":"E_INVOICE","address":{"city":"Malmö","country":"SE"}}"#;
    let mut everybody = vec![customer("4711", ada)];
    everybody.extend((1..=30).map(|number| customer(&format!("c{number}"), "")));
    everybody
}

impl Stage {
    pub(crate) async fn set() -> Self {
        let mut leaving = everybody();
        leaving.push(customer("4712", r#","name":"Gone Away""#));
        leaving.push(customer("4713", ""));
        leaving.push(customer("", ""));
        let mut bench = Bench::of(Listing::explicit(leaving)).await;
        bench
            .set("deletions.confirm_passes", "1")
            .set("deletions.always_allow", "2");
        bench.sync().await.exits(0);
        bench.sim.set_listing(Listing::explicit(everybody()));
        bench.sync().await.exits(0);
        bench
            .sim
            .set_listing(Listing::explicit(everybody().into_iter().take(10)));
        bench.sync().await.exits(65);
        bench
            .db_to_write()
            .execute_batch(
                "UPDATE customers SET first_seen_at = '2025-01-01T00:00:00.000Z', changed_at = '2025-01-01T00:00:00.000Z';
                 UPDATE customer_changes SET changed_at = '2025-01-01T00:00:00.000Z' WHERE kind = 'created';
                 PRAGMA wal_checkpoint(TRUNCATE)",
            )
            .unwrap();
        bench.sim.set_listing(Listing::explicit(everybody()));
        let kept = bench.folder.path().join("kept");
        let home = bench.folder.path().join(".config/fish/completions");
        std::fs::create_dir_all(home).unwrap();
        std::fs::copy(bench.db_path(), &kept).unwrap();
        std::fs::write(
            bench.folder.path().join("report.sql"),
            "SELECT count(*) FROM live_customers",
        )
        .unwrap();
        std::fs::write(bench.folder.path().join("ids.txt"), "4711\nc1\n").unwrap();
        Self { bench, kept }
    }

    /// As it was in the beginning.
    fn reset(&self) {
        for suffix in ["-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{suffix}", self.bench.db_path().display()));
        }
        std::fs::copy(&self.kept, self.bench.db_path()).unwrap();
    }

    /// A line of a shell, by somebody who has installed and configured the program.
    pub(crate) async fn run(&self, line: &str) -> Run {
        self.reset();
        let folder = self.bench.folder.path();
        let mut command = Command::new("bash");
        command
            .env_clear()
            .env("PATH", tools::path_with_program(folder))
            .env("HOME", folder)
            .env("CUSTOMER_MIRROR_CONFIG", self.bench.write_config())
            .env("CUSTOMER_MIRROR__API__KEY", KEY)
            .env("CUSTOMER_MIRROR__LOG__LEVEL", "error")
            .current_dir(folder)
            .args(["-c", &format!("set -euo pipefail\n{line}")]);
        Running::spawn(command).end().await
    }
}

/// The commands and those below them, as arguments.
pub(crate) async fn commands() -> Vec<Vec<String>> {
    let mut found: Vec<Vec<String>> = vec![vec![]];
    let mut at = 0;
    while at < found.len() {
        let help = help(&found[at]).await;
        let listed = help
            .lines()
            .skip_while(|line| *line != "Commands:")
            .skip(1)
            .take_while(|line| !line.is_empty());
        let below: Vec<_> = listed
            .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
            .map(|line| {
                let mut command = found[at].clone();
                command.extend(line.split_whitespace().next().map(str::to_owned));
                command
            })
            .collect();
        found.extend(below);
        at += 1;
    }
    found
}

pub(crate) async fn help(command: &[String]) -> String {
    let mut asked = program();
    asked.args(command).arg("--help");
    let run = Running::spawn(asked).end().await;
    run.exits(0);
    run.stdout
}

/// The examples of a help text, without the remarks beside them.
fn examples(help: &str) -> Vec<String> {
    let start = help
        .lines()
        .position(|line| line.starts_with("Example:") || line == "Examples:");
    let Some(start) = start else {
        return Vec::new();
    };
    help.lines()
        .skip(start)
        .take_while(|line| !line.is_empty())
        .map(|line| line.trim_start_matches("Example:").trim())
        .filter(|line| !line.is_empty() && *line != "Examples:")
        .map(|line| line.split("   ").next().unwrap_or(line).to_owned())
        .collect()
}

/// What would go on for ever, or needs a systemd: for those, it is enough here that the arguments are known.
fn stays(example: &str) -> bool {
    ["run", "serve", "simulate-api", "demo"]
        .iter()
        .any(|command| example.starts_with(&format!("customer-mirror {command}")))
        || example.contains("--follow")
}

fn is_installed(tool: &str) -> bool {
    std::env::split_paths(&std::env::var_os("PATH").unwrap())
        .any(|folder| Path::new(&folder).join(tool).exists())
}

#[tokio::test]
async fn every_example_of_every_help_runs() {
    let stage = Stage::set().await;
    let mut ran = 0;
    for command in commands().await.iter().skip(1) {
        let help = help(command).await;
        let examples = examples(&help);
        assert!(!examples.is_empty(), "{command:?} has no example");
        for example in examples {
            if !example.contains("customer-mirror ") {
                continue;
            }
            let mut line = example.clone();
            if stays(&line) {
                line = format!("{} --help >/dev/null", line.split('|').next().unwrap());
            }
            for tool in ["jq", "man"] {
                if line.contains(&format!("| {tool} ")) && !is_installed(tool) {
                    line = format!("{} | cat", line.split(" | ").next().unwrap());
                }
            }
            let run = stage.run(&line).await;
            run.exits(0);
            ran += 1;
        }
    }
    assert!(ran > 15, "{ran}");
}

#[tokio::test]
async fn a_command_s_own_options_come_first() {
    for command in commands().await {
        let help = help(&command).await;
        let (own, global) = help.split_once("\nGlobal options:\n").unwrap();
        for option in ["--config <FILE>", "-v, --verbose", "-q, --quiet"] {
            assert!(
                global.contains(option) && !own.contains(option),
                "{command:?}: {option}"
            );
        }
    }
}

#[rstest::rstest]
#[case(&["stauts"], "'status'")]
#[case(&["qurey", "SELECT 1"], "'query'")]
#[case(&["query", "--fromat", "csv", "SELECT 1"], "'--format'")]
#[case(&["sync", "--dry-rum"], "'--dry-run'")]
#[case(&["query", "--format", "cvs", "SELECT 1"], "csv")]
#[tokio::test]
async fn a_slip_is_told_with_what_was_meant(#[case] arguments: &[&str], #[case] meant: &str) {
    let mut command = program();
    command.args(arguments);
    let run = Running::spawn(command).end().await;
    run.exits(64);
    assert!(run.stderr.contains(meant), "{run:?}");
}
