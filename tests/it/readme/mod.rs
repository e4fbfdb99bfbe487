//! What README shows is what happens.

mod in_step;

/// The text of README.
const README: &str = include_str!("../../../README.md");

/// The indented blocks of a section, without the indentation.
fn blocks(section: &str) -> Vec<String> {
    let heading = format!("## {section}");
    let lines = README.lines().skip_while(|line| *line != heading).skip(1);
    let mut blocks = vec![String::new()];
    for line in lines.take_while(|line| !line.starts_with("## ")) {
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
