//! What README shows is what happens.

mod commands;
mod in_step;
mod tables;

const README: &str = include_str!("../../../README.md");

/// The lines of a section; those before the first heading are of the section "".
fn section(name: &str) -> Vec<&'static str> {
    let mut lines = README.lines();
    if !name.is_empty() {
        let heading = format!("## {name}");
        assert!(lines.any(|line| line == heading), "no section {name:?}");
    }
    lines.take_while(|line| !line.starts_with("## ")).collect()
}

fn sections() -> impl Iterator<Item = &'static str> {
    let headings = README.lines().filter_map(|line| line.strip_prefix("## "));
    [""].into_iter().chain(headings)
}

/// The indented blocks of a section, without the indentation.
fn blocks(name: &str) -> Vec<String> {
    let mut blocks = vec![String::new()];
    for line in section(name) {
        let last = blocks.last_mut().unwrap();
        if let Some(code) = line.strip_prefix("    ") {
            last.push_str(code);
            last.push('\n');
        } else if line.is_empty() && !last.is_empty() {
            // Within a block, or behind it.
            last.push('\n');
        } else if !last.is_empty() {
            blocks.push(String::new());
        }
    }
    blocks
        .iter()
        .map(|block| block.trim_end().to_owned() + "\n")
        .filter(|block| block != "\n")
        .collect()
}

/// The rows of a section's tables, as cells, without the header.
fn rows(name: &str) -> Vec<Vec<String>> {
    section(name)
        .into_iter()
        .filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"))
        .map(|line| {
            let line = line.replace("\\|", "\u{0}");
            let cells = line.split(" | ").map(|cell| cell.replace('\u{0}', "|"));
            cells.collect()
        })
        .collect()
}

/// The texts between backquotes.
fn quoted(text: &str) -> Vec<String> {
    text.split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}
