//! `man`: the manual page, made from the command line's own description, so that it can't fall behind it.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use clap::{Arg, Command, CommandFactory};
use roff::{Inline, Roff, bold, italic, roman};

use super::output::print;
use super::{Exit, Failure};

/// Print the manual page, customer-mirror(1)
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The package installs it: man customer-mirror

Example:
  customer-mirror man | man -l -")]
pub(super) struct Arguments {}

pub(super) fn run() -> Result<Exit, Failure> {
    let date = date(std::env::var("SOURCE_DATE_EPOCH").ok().as_deref());
    print(&page(&date)).map(|()| Exit::Done)
}

const DESCRIPTION: &[&str] = &[
    "The API lists customers page by page, with no \"changed since\". customer-mirror walks that listing and keeps every customer in \
     a SQLite file, which can be read by anything that reads SQLite, at any time.",
    "A walk of the whole listing is a pass. Each page is committed together with the cursor to the next one, so that after kill -9, \
     power loss or a full disk the next run goes on where it was. Customers that two complete passes in a row have not seen are \
     marked as deleted; many at once are held until an operator decides.",
    "On a server, customer-mirror.service runs the daemon: customer-mirror run.",
];

const FILES: &[(&str, &str)] = &[
    (
        "/etc/customer-mirror/config.toml",
        "The configuration. It documents every setting with its default. --config or $CUSTOMER_MIRROR_CONFIG names another.",
    ),
    (
        "/etc/customer-mirror/api-key",
        "The API key alone, for root only; systemd hands it to the service as a credential.",
    ),
    (
        "/etc/customer-mirror/NAME.toml, NAME.api-key",
        "Configuration and key of customer-mirror@NAME.service.",
    ),
    (
        "/var/lib/customer-mirror/customers.db",
        "The mirror. -wal, -shm and lock files belong to it.",
    ),
    (
        "/usr/share/doc/customer-mirror/examples/readers.conf",
        "Lets a group of users read the mirror.",
    ),
];

const ENVIRONMENT: &[(&str, &str)] = &[
    (
        "CUSTOMER_MIRROR_CONFIG",
        "The configuration file, unless --config names one.",
    ),
    (
        "CUSTOMER_MIRROR__SECTION__KEY",
        "Sets a key of the configuration, and wins over the file: CUSTOMER_MIRROR__API__BASE_URL is base_url in [api].",
    ),
    (
        "CUSTOMER_MIRROR__API__KEY",
        "The API key, if it is neither a systemd credential nor in the file that api.key_file names.",
    ),
    (
        "CREDENTIALS_DIRECTORY",
        "Set by systemd: the folder with the credential api-key.",
    ),
    (
        "NOTIFY_SOCKET, WATCHDOG_USEC",
        "Set by systemd: how the daemon tells that it is ready, alive, and what it does.",
    ),
    (
        "HTTPS_PROXY, ALL_PROXY, NO_PROXY",
        "The proxy for https URLs. Plain http goes to this machine only, and never through a proxy.",
    ),
    ("NO_COLOR", "If set and not empty, no colours."),
];

const SIGNALS: &[(&str, &str)] = &[
    (
        "SIGTERM, SIGINT",
        "End at the next safe point, within seconds; the pass goes on at the next start. A second one ends sync at once, which is safe too.",
    ),
    (
        "SIGHUP",
        "run reads its configuration and key again (systemctl reload). If they are bad, that is logged, and the old ones stay.",
    ),
    (
        "SIGUSR1",
        "run begins a pass now: systemctl kill --kill-who=main -s USR1 customer-mirror",
    ),
];

const EXITS: &[Exit] = &[
    Exit::Done,
    Exit::Usage,
    Exit::Held,
    Exit::NotFound,
    Exit::Unavailable,
    Exit::Bug,
    Exit::CantCreate,
    Exit::Storage,
    Exit::Locked,
    Exit::Protocol,
    Exit::KeyRefused,
    Exit::Config,
    Exit::Interrupted,
    Exit::Terminated,
];

fn meaning(exit: Exit) -> &'static str {
    match exit {
        Exit::Done => {
            "Done; a search without hits too. run: stopped by SIGTERM or SIGINT. check: nothing failed."
        }
        Exit::Usage => {
            "Wrong arguments or SQL; forget: the customer is live, or several have the ID."
        }
        Exit::Held => "The sweep is held; with --strict: a record was quarantined.",
        Exit::NotFound => {
            "No such mirror or customer; or changes that were asked for are gone from the feed."
        }
        Exit::Unavailable => "API unavailable. Run again, it goes on where it was.",
        Exit::Bug => "A bug. Please report it.",
        Exit::CantCreate => {
            "The mirror, or an exported file, can't be created or opened for writing."
        }
        Exit::Storage => "Full disk, I/O error or damaged mirror.",
        Exit::Locked => "Another process writes to the mirror (it is named).",
        Exit::Protocol => {
            "The server breaks the protocol: a cycle of cursors, a wrong shape, a redirect."
        }
        Exit::KeyRefused => "API key refused.",
        Exit::Config => {
            "Configuration; or the file is no mirror, of another source, or of a newer version."
        }
        Exit::Interrupted => "Interrupted by SIGINT. Run again, it goes on.",
        Exit::Terminated => "Terminated by SIGTERM. Run again, it goes on.",
    }
}

/// The day that a reproducible build was told to name, else today.
fn date(source_date_epoch: Option<&str>) -> String {
    let told = source_date_epoch
        .and_then(|seconds| seconds.parse().ok())
        .and_then(|seconds| DateTime::from_timestamp(seconds, 0));
    told.unwrap_or_else(Utc::now).format("%Y-%m-%d").to_string()
}

fn page(date: &str) -> String {
    let mut program = super::Arguments::command();
    program.build();
    let mut page = Page::default();
    let version = program.get_version().unwrap_or_default();
    let source = format!("{} {version}", super::NAME);
    page.control("TH", [&*super::NAME.to_uppercase(), "1", date, &source]);
    // Neither justified nor hyphenated: paths, names of variables and commands stay in one piece.
    page.control("nh", []);
    page.control("ad", ["l"]);
    let about = program
        .get_about()
        .map(ToString::to_string)
        .unwrap_or_default();
    page.section("NAME");
    page.text(&format!("{} - {}", super::NAME, lower_first(&about)));
    page.section("SYNOPSIS");
    page.roff.text(vec![
        bold(super::NAME),
        roman(" [OPTIONS] "),
        italic("COMMAND"),
    ]);
    page.section("DESCRIPTION");
    page.paragraphs(DESCRIPTION);
    page.section("OPTIONS");
    for argument in program.get_arguments().filter(|a| !a.is_hide_set()) {
        page.argument(argument);
    }
    page.section("COMMANDS");
    page.text("Each takes the options above, too.");
    for command in program.get_subcommands() {
        page.command(command, command.get_name());
    }
    page.items("FILES", FILES);
    page.items("ENVIRONMENT", ENVIRONMENT);
    page.items("SIGNALS", SIGNALS);
    page.section("EXIT STATUS");
    page.text("As in sysexits(3). systemd does not restart the daemon after 64, 77 or 78.");
    for exit in EXITS {
        page.item(vec![bold((*exit as u8).to_string())], meaning(*exit));
    }
    page.section("SEE ALSO");
    page.text("/usr/share/doc/customer-mirror/README.md, systemctl(1), journalctl(1), sqlite3(1)");
    page.roff.render()
}

/// The page as it grows.
#[derive(Default)]
struct Page {
    roff: Roff,
    /// Values that have been explained.
    explained: BTreeSet<Vec<String>>,
}

impl Page {
    fn control<'a>(&mut self, name: &str, arguments: impl IntoIterator<Item = &'a str>) {
        self.roff.control(name, arguments);
    }

    fn section(&mut self, title: &str) {
        self.control("SH", [title]);
    }

    fn text(&mut self, text: &str) {
        self.roff.text(vec![roman(wrapped(text))]);
    }

    fn paragraphs(&mut self, paragraphs: &[&str]) {
        for (index, paragraph) in paragraphs.iter().enumerate() {
            if index > 0 {
                self.control("PP", []);
            }
            self.text(paragraph);
        }
    }

    fn items(&mut self, title: &str, items: &[(&str, &str)]) {
        self.section(title);
        for (name, text) in items {
            self.item(vec![bold(*name)], text);
        }
    }

    fn item(&mut self, name: Vec<Inline>, text: &str) {
        self.control("TP", []);
        self.roff.text(name);
        self.text(text);
    }

    /// A command with its own options, then its subcommands.
    fn command(&mut self, command: &Command, path: &str) {
        let usage = command.clone().render_usage().to_string();
        let usage = usage.lines().next().unwrap_or_default();
        let prefix = format!("Usage: {} ", super::NAME);
        self.control("SS", [usage.strip_prefix(&prefix).unwrap_or(path)]);
        if let Some(about) = command.get_about() {
            self.text(&format!("{about}."));
        }
        for argument in own_arguments(command) {
            self.argument(argument);
        }
        if let Some(help) = command.get_after_help() {
            self.after_help(&help.to_string());
        }
        for inner in command.get_subcommands() {
            self.command(inner, &format!("{path} {}", inner.get_name()));
        }
    }

    fn argument(&mut self, argument: &Arg) {
        let mut text = argument
            .get_help()
            .map(ToString::to_string)
            .unwrap_or_default();
        let values = argument.get_possible_values();
        let names: Vec<_> = values
            .iter()
            .filter(|value| !value.is_hide_set())
            .map(|value| value.get_name().to_owned())
            .collect();
        if argument.get_action().takes_values() {
            if !argument.get_default_values().is_empty() {
                let default = argument.get_default_values().join(" ".as_ref());
                let _ = write!(text, " [default: {}]", default.display());
            }
            if !names.is_empty() {
                let _ = write!(text, " [{}]", names.join(", "));
            }
        }
        self.item(heading(argument), &text);
        if values.iter().all(|value| value.get_help().is_none()) || !self.explained.insert(names) {
            return;
        }
        self.control("RS", []);
        for value in values.iter().filter(|value| !value.is_hide_set()) {
            let help = value.get_help().map(ToString::to_string);
            self.item(vec![bold(value.get_name())], &help.unwrap_or_default());
        }
        self.control("RE", []);
    }

    /// What comes after the options: paragraphs, and examples, which are indented and stay as they are.
    fn after_help(&mut self, help: &str) {
        for block in help.split("\n\n") {
            self.control("PP", []);
            let mut verbatim = false;
            for line in block.lines() {
                if line.starts_with("  ") && !verbatim {
                    verbatim = true;
                    self.control("RS", ["2"]);
                    self.control("nf", []);
                }
                if verbatim {
                    let line = line.strip_prefix("  ").unwrap_or(line);
                    self.roff.text(vec![roman(line)]);
                } else {
                    self.text(line);
                }
            }
            if verbatim {
                self.control("fi", []);
                self.control("RE", []);
            }
        }
    }
}

/// Without those that every command has.
fn own_arguments(command: &Command) -> impl Iterator<Item = &Arg> {
    command.get_arguments().filter(|argument| {
        !argument.is_hide_set() && !argument.is_global_set() && argument.get_id() != "help"
    })
}

/// `-o, --output FILE`.
fn heading(argument: &Arg) -> Vec<Inline> {
    let mut heading = Vec::new();
    if let Some(short) = argument.get_short() {
        heading.push(bold(format!("-{short}")));
    }
    if let Some(long) = argument.get_long() {
        if !heading.is_empty() {
            heading.push(roman(", "));
        }
        heading.push(bold(format!("--{long}")));
    }
    if argument.get_action().takes_values() || argument.is_positional() {
        if !heading.is_empty() {
            heading.push(roman(" "));
        }
        let names = argument
            .get_value_names()
            .map(|names| names.iter().map(ToString::to_string).collect::<Vec<_>>());
        let names = names.unwrap_or_else(|| vec![argument.get_id().as_str().to_uppercase()]);
        heading.push(italic(names.join(" ")));
    }
    heading
}

/// In lines that are short in the page's source, too.
fn wrapped(text: &str) -> String {
    const COLUMNS: usize = 76;
    let mut lines = String::new();
    let mut column = 0;
    for word in text.split(' ') {
        // Escaped, these become two characters.
        let length = word.len() + word.matches(['-', '\\', '\'']).count();
        if column > 0 && column + 1 + length > COLUMNS {
            lines.push('\n');
            column = 0;
        } else if column > 0 {
            lines.push(' ');
            column += 1;
        }
        lines.push_str(word);
        column += length;
    }
    lines
}

fn lower_first(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| {
        first.to_lowercase().chain(characters).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(command: &Command, path: &str, into: &mut Vec<String>) {
        for inner in command.get_subcommands() {
            let path = format!("{path} {}", inner.get_name());
            names(inner, &path, into);
            into.push(path.trim_start().to_owned());
        }
    }

    #[test]
    fn every_command_and_every_option_is_there() {
        let page = page("2026-01-31");
        let mut program = crate::cli::Arguments::command();
        program.build();
        let mut commands = Vec::new();
        names(&program, "", &mut commands);
        assert!(commands.len() > 10, "{commands:?}");
        for path in commands {
            let title = path.replace('-', r"\-");
            assert!(
                page.lines()
                    .any(|line| line.starts_with(&format!(".SS \"{path}"))
                        || line.starts_with(&format!(".SS \"{title}"))),
                "{path}"
            );
        }
        for option in [r"\-\-dry\-run", r"\-\-config", r"\-\-page\-latency"] {
            assert!(page.contains(option), "{option}");
        }
    }

    #[test]
    fn every_exit_status_in_readme_is_there_and_the_other_way_round() {
        let page = page("2026-01-31");
        let (_, section) = page.split_once(".SH \"EXIT STATUS\"").unwrap();
        let mut told: Vec<u8> = section
            .lines()
            .filter_map(|line| {
                line.strip_prefix(r"\fB")?
                    .strip_suffix(r"\fR")?
                    .parse()
                    .ok()
            })
            .collect();
        told.sort_unstable();
        let readme = include_str!("../../README.md");
        let (_, table) = readme.split_once("| exit status | means |").unwrap();
        let mut documented: Vec<u8> = table
            .lines()
            .skip(1)
            .take_while(|line| line.starts_with('|'))
            .filter_map(|line| line.split('|').nth(1))
            .flat_map(|cell| cell.split(','))
            .filter_map(|status| status.trim().parse().ok())
            .collect();
        documented.sort_unstable();
        assert_eq!(told, documented);
    }

    #[test]
    fn the_date_can_be_fixed() {
        assert_eq!(date(Some("0")), "1970-01-01");
        assert_eq!(date(Some("soon")).len(), 10);
    }

    #[test]
    fn lines_are_short_and_nothing_is_lost() {
        let text = "a-b ".repeat(60);
        let lines = wrapped(text.trim());
        assert!(lines.lines().count() > 3 && lines.lines().all(|line| line.len() < 80));
        assert_eq!(lines.replace('\n', " "), text.trim());
    }
}
