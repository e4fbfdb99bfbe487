//! What README lists is all there is, and is there.

use std::collections::BTreeSet;
use std::path::Path;

use crate::examples::{commands, help};
use crate::support::{Bench, Running, customers, program};

use super::{README, quoted, rows, section, sections};

#[tokio::test]
async fn every_command_is_listed_with_options_that_it_has() {
    let mut listed = BTreeSet::new();
    for row in rows("Mirror your customers") {
        let usages = quoted(&row[0]);
        for usage in &usages {
            let command = usage.split_whitespace().next().unwrap();
            if command.parse::<u8>().is_ok() {
                continue;
            }
            listed.insert(command.to_owned());
            let help = help(&[command.to_owned()]).await;
            let options = usages
                .iter()
                .chain(quoted(&row[1]).iter())
                .cloned()
                .collect::<Vec<_>>()
                .join(" ");
            let words = options
                .split(|character: char| !character.is_ascii_alphanumeric() && character != '-');
            for option in words.filter(|word| word.starts_with("--")) {
                assert!(help.contains(option), "{command} has no {option}");
            }
        }
    }
    let all = commands()
        .await
        .into_iter()
        .filter(|command| command.len() == 1);
    let all: BTreeSet<String> = all.flatten().collect();
    assert_eq!(listed, all);
}

#[tokio::test]
async fn every_exit_status_is_listed() {
    let listed: BTreeSet<String> = rows("Mirror your customers")
        .iter()
        .flat_map(|row| row[0].split(", "))
        .filter(|cell| cell.parse::<u8>().is_ok())
        .map(str::to_owned)
        .collect();
    let mut command = program();
    command.arg("man");
    let page = Running::spawn(command).end().await.stdout;
    let section = page.split(".SH \"EXIT STATUS\"").nth(1).unwrap();
    let section = section.split(".SH").next().unwrap();
    let numbers = section.lines().filter_map(|line| {
        let number = line.strip_prefix("\\fB")?.strip_suffix("\\fR")?;
        Some(number.to_owned())
    });
    let documented: BTreeSet<String> = numbers.collect();
    assert_eq!(listed, documented);
}

#[tokio::test]
async fn every_table_is_listed_and_every_listed_one_is_there() {
    let bench = Bench::of(customers(1..=1)).await;
    let run = bench.run(&["query", "--schema", "--format", "json"]).await;
    let explained: Vec<serde_json::Value> = serde_json::from_str(&run.stdout).unwrap();
    let names = explained
        .iter()
        .map(|row| row["table"].as_str().unwrap().to_owned());
    let listed = rows("Query it from anything");
    let listed = listed.iter().flat_map(|row| quoted(&row[0]));
    assert_eq!(
        listed.collect::<BTreeSet<_>>(),
        names.collect::<BTreeSet<_>>()
    );
}

#[test]
fn every_file_and_section_that_is_spoken_of_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let anchors: BTreeSet<String> = sections()
        .map(|name| name.to_lowercase().replace(' ', "-"))
        .collect();
    for link in README
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
    {
        match link.strip_prefix('#') {
            Some(anchor) => assert!(anchors.contains(anchor), "{link}"),
            None => assert!(root.join(link).exists(), "{link}"),
        }
    }
    let files = ["tests/", "docs/", "systemd/", "packaging/", ".ci/"];
    for text in quoted(README) {
        if files.iter().any(|folder| text.starts_with(folder)) {
            let file = text.split(' ').next().unwrap();
            assert!(root.join(file).exists(), "{file}");
        }
    }
    assert!(section("").len() > 10);
}
