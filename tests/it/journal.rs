//! §5: what comes out on stderr when systemd has made the journal of it. The journal's own protocol takes a journal to test.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;

use crate::support::{Bench, customers};

/// What a failing `status` says on a pipe, when the environment says that the journal is at `stream` of the pipe.
async fn said_by_status(bench: &Bench, stream: impl Fn(u64, u64) -> String) -> String {
    let (reader, writer) = std::io::pipe().unwrap();
    let mut reader = File::from(OwnedFd::from(reader));
    let pipe = reader.metadata().unwrap();
    let mut command = bench.command(&["status"]);
    command
        .env("JOURNAL_STREAM", stream(pipe.dev(), pipe.ino()))
        .stderr(writer);
    let status = command.status().await.unwrap();
    assert_eq!(status.code(), Some(66));
    drop(command);
    let mut said = String::new();
    reader.read_to_string(&mut said).unwrap();
    said
}

#[tokio::test]
async fn an_error_has_its_priority_in_the_journal_only() {
    let bench = Bench::of(customers(1..=3)).await;
    let said = said_by_status(&bench, |dev, ino| format!("{dev}:{ino}")).await;
    assert!(said.starts_with("<3>customer-mirror: "), "{said}");
    // The variable of a service is also that of a program whose stderr the service has put elsewhere.
    let said = said_by_status(&bench, |dev, ino| format!("{dev}:{}", ino + 1)).await;
    assert!(said.starts_with("customer-mirror: "), "{said}");
}

#[tokio::test]
async fn without_a_journal_the_log_is_text_and_says_so() {
    if std::fs::exists("/run/systemd/journal/socket").unwrap() {
        eprintln!("not tested here: this machine has a journal");
        return;
    }
    let mut bench = Bench::of(customers(1..=3)).await;
    for (format, warnings) in [("\"journald\"", 1), ("\"auto\"", 0)] {
        bench.set("log.format", format);
        let run = bench.run(&["sync"]).await;
        run.exits(0);
        assert!(run.stderr.contains("pass complete"), "{run:?}");
        assert_eq!(
            run.stderr.matches("journal can't be reached").count(),
            warnings,
            "{run:?}"
        );
    }
}
