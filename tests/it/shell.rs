//! Completion scripts and the manual page: they are there whatever the configuration says, and the tools that read them like them.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::{Run, Running, program};

/// Beside a configuration that every other command refuses.
async fn beside_a_broken_configuration(arguments: &[&str]) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.toml");
    std::fs::write(&config, "this is no TOML").unwrap();
    let mut command = program();
    command
        .env("CUSTOMER_MIRROR_CONFIG", &config)
        .env("SOURCE_DATE_EPOCH", "0")
        .args(arguments);
    Running::spawn(command).end().await
}

/// What a tool says to this script; `None` where the tool isn't installed.
fn said_by(tool: &str, arguments: &[&str], script: &str) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("script");
    std::fs::write(&path, script).unwrap();
    let output = Command::new(tool)
        .args(arguments)
        .arg(Path::new(&path))
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Some(if output.status.success() {
        said
    } else {
        format!("{}: {said}", output.status)
    })
}

#[tokio::test]
async fn completions_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let run = beside_a_broken_configuration(&["completions", shell]).await;
        run.exits(0);
        for word in ["simulate-api", "--dry-run", "customer-mirror"] {
            let word = word.strip_prefix("--").unwrap_or(word);
            assert!(run.stdout.contains(word), "{shell}: no {word}");
        }
    }
    beside_a_broken_configuration(&["completions", "tcsh"])
        .await
        .exits(64);
}

#[tokio::test]
async fn bash_completes_commands_and_options() {
    let script = beside_a_broken_configuration(&["completions", "bash"])
        .await
        .stdout;
    let ask = |line: &str| {
        let words: Vec<_> = line.split(' ').collect();
        // What `complete` was told is what an interactive shell calls.
        let test = format!(
            "{script}\nset -- $(complete -p customer-mirror)\nwhile [ \"$1\" != -F ]; do shift; done\n\
             COMP_WORDS=({line})\nCOMP_CWORD={}\n\"$2\" customer-mirror '{}' ''\necho \"${{COMPREPLY[*]}}\"",
            words.len() - 1,
            words[words.len() - 1]
        );
        said_by("bash", &["--norc"], &test)
    };
    let Some(commands) = ask("customer-mirror sta") else {
        return;
    };
    assert_eq!(commands.trim(), "status");
    assert_eq!(
        ask("customer-mirror sync --dry").unwrap().trim(),
        "--dry-run"
    );
}

#[tokio::test]
async fn the_manual_page_is_sound() {
    let run = beside_a_broken_configuration(&["man"]).await;
    run.exits(0);
    for section in ["NAME", "EXIT STATUS", "SIGNALS", "FILES", "ENVIRONMENT"] {
        let named = [format!(".SH {section}\n"), format!(".SH \"{section}\"\n")];
        assert!(
            named.iter().any(|line| run.stdout.contains(line)),
            "{section}"
        );
    }
    if let Some(said) = said_by("groff", &["-man", "-Kutf8", "-ww", "-z"], &run.stdout) {
        assert_eq!(said, "");
    }
    if let Some(said) = said_by("mandoc", &["-Tlint", "-Wwarning"], &run.stdout) {
        assert_eq!(said, "");
    }
}
