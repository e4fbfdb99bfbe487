//! The report in words: a line a check, what to do below it, and at the end, where it is still on the screen, what it comes to.

use anstyle::{AnsiColor, Style};

use super::verdict::{Check, Report, Verdict};
use crate::cli::output::{Screen, harmless, plural, width_of, wrap};

/// Columns of the longest name.
const NAME_WIDTH: usize = 10;
/// Columns of the longest status.
const STATUS_WIDTH: usize = 4;
/// On a narrower screen what was found begins right behind the name.
const WIDE: usize = 60;

/// Lays out the report.
pub(super) fn render(report: &Report, screen: Screen) -> String {
    let mut text = String::new();
    for part in report.0.iter().filter(|part| !part.is_empty()) {
        // Several that are skipped for one reason are one line.
        for alike in part.chunk_by(|one, next| is_skipped(one) && one.verdict == next.verdict) {
            let [first, others @ ..] = alike else {
                continue;
            };
            let names: Vec<_> = others.iter().map(|check| check.name).collect();
            if names.is_empty() {
                entry(&mut text, first.name, &first.verdict, screen);
            } else {
                let why = format!("{} (and so {})", first.verdict.found(), names.join(", "));
                entry(&mut text, first.name, &Verdict::skipped(why), screen);
            }
        }
        text.push('\n');
    }
    let style = match report.status() {
        "fail" => AnsiColor::Red,
        "warn" => AnsiColor::Yellow,
        _ => AnsiColor::Green,
    };
    let summary = summary(report);
    for line in wrap(&summary, screen.width.unwrap_or(usize::MAX)) {
        text.push_str(&screen.paint(style.on_default().bold(), line));
        text.push('\n');
    }
    text
}

fn is_skipped(check: &Check) -> bool {
    matches!(check.verdict, Verdict::Skipped(_))
}

/// A word that is told apart without colours, too, and its style.
fn label(verdict: &Verdict) -> (&'static str, Style) {
    match verdict {
        Verdict::Ok(_) => ("ok", AnsiColor::Green.on_default()),
        Verdict::Warn { .. } => ("WARN", AnsiColor::Yellow.on_default().bold()),
        Verdict::Fail { .. } => ("FAIL", AnsiColor::Red.on_default().bold()),
        Verdict::Skipped(_) => ("skip", Style::new().dimmed()),
    }
}

fn entry(text: &mut String, name: &str, verdict: &Verdict, screen: Screen) {
    let (word, style) = label(verdict);
    let is_wide = screen.width.is_none_or(|width| width >= WIDE);
    let (name, indent) = if is_wide {
        (
            format!("{name:NAME_WIDTH$}  "),
            STATUS_WIDTH + 2 + NAME_WIDTH + 2,
        )
    } else {
        (format!("{name}: "), STATUS_WIDTH + 2)
    };
    text.push_str(&screen.paint(style, word));
    text.push_str(&" ".repeat(STATUS_WIDTH + 2 - word.len()));
    text.push_str(&screen.dim(&name));
    let width = screen
        .width
        .map_or(usize::MAX, |width| width.saturating_sub(indent));
    let found = harmless(verdict.found());
    // What is beside the name on a narrow screen has less room than what is below it.
    let beside = if is_wide { 0 } else { width_of(&name) };
    let mut rest: &str = &found;
    let first = wrap(rest, width.saturating_sub(beside));
    if let Some(line) = first.first() {
        text.push_str(&paint(verdict, screen, line));
        rest = rest.trim_start()[line.len()..].trim_start();
    }
    text.push('\n');
    let below = if rest.is_empty() {
        Vec::new()
    } else {
        wrap(rest, width)
    };
    for line in below {
        text.push_str(&" ".repeat(indent));
        text.push_str(&paint(verdict, screen, line));
        text.push('\n');
    }
    let remedy = verdict.remedy().map(harmless);
    let lines = remedy
        .iter()
        .flat_map(|remedy| wrap(remedy, width.saturating_sub(3)));
    for (index, line) in lines.enumerate() {
        text.push_str(&" ".repeat(indent));
        text.push_str(if index == 0 { "-> " } else { "   " });
        text.push_str(line);
        text.push('\n');
    }
}

/// What was found, as loud as it is important.
fn paint(verdict: &Verdict, screen: Screen, line: &str) -> String {
    match verdict {
        Verdict::Ok(_) => line.to_owned(),
        Verdict::Skipped(_) => screen.dim(line),
        Verdict::Warn { .. } => screen.paint(AnsiColor::Yellow.on_default(), line),
        Verdict::Fail { .. } => screen.paint(AnsiColor::Red.on_default(), line),
    }
}

fn summary(report: &Report) -> String {
    let number = |status| {
        let checks = report
            .checks()
            .filter(|check| check.verdict.status() == status);
        checks.count() as i64
    };
    let (failed, warned) = (number("fail"), number("warn"));
    let mut parts = Vec::new();
    if failed > 0 {
        let names = report.names_of("fail").join(", ");
        parts.push(format!(
            "{} ({names})",
            plural(failed, "failure", "failures")
        ));
    }
    if warned > 0 {
        let names = report.names_of("warn").join(", ");
        parts.push(format!(
            "{} ({names})",
            plural(warned, "warning", "warnings")
        ));
    }
    if parts.is_empty() {
        parts.push("All is well".to_owned());
    }
    parts.push(format!("{} ok", number("ok")));
    match number("skipped") {
        0 => {}
        skipped => parts.push(format!("{skipped} skipped")),
    }
    match report.exit() as u8 {
        0 => format!("{}.", parts.join(", ")),
        exit => format!("{}; exit status {exit}.", parts.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Exit;
    use crate::cli::screens::{PIPE, terminal};

    fn report() -> Report {
        let check = |name, verdict| Check { name, verdict };
        Report(vec![
            vec![
                check("config", Verdict::ok("/etc/customer-mirror/config.toml")),
                check("key", Verdict::skipped("[api] is broken")),
                check("source", Verdict::skipped("[api] is broken")),
            ],
            vec![
                check(
                    "rate limit",
                    Verdict::warn("none \x1b[2J left of what there was", "wait a little"),
                ),
                check(
                    "server",
                    Verdict::fail(Exit::Unavailable, "connection refused", "start it"),
                ),
            ],
        ])
    }

    #[test]
    fn in_a_pipe_a_check_is_a_line() {
        assert_eq!(
            render(&report(), PIPE),
            "ok    config      /etc/customer-mirror/config.toml\n\
             skip  key         [api] is broken (and so source)\n\
             \n\
             WARN  rate limit  none ␛[2J left of what there was\n\
             \u{20}                 -> wait a little\n\
             FAIL  server      connection refused\n\
             \u{20}                 -> start it\n\
             \n\
             1 failure (server), 1 warning (rate limit), 1 ok, 2 skipped; exit status 69.\n"
        );
    }

    #[test]
    fn on_a_narrow_screen_no_line_is_longer() {
        for width in [20, 40, 59, 60, 80] {
            let text = render(&report(), terminal(width));
            assert!(text.lines().all(|line| width_of(line) <= width), "{text}");
        }
        let text = render(&report(), terminal(30));
        assert!(
            text.contains("WARN  rate limit: none ␛[2J\n      left of what there was\n      -> wait a little\n"),
            "{text}"
        );
    }
}
