//! The program as a child process, and how it ends.

use std::process::{ExitStatus, Stdio};

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};

use super::PATIENCE;

/// A child process.
pub(crate) struct Running(Child);

/// How a child process ended, and what it said.
#[derive(Debug)]
pub(crate) struct Run {
    status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// The next line, or what there is before the end.
async fn line_of(output: &mut (impl AsyncRead + Unpin)) -> Result<String, String> {
    let read = async {
        let mut line = Vec::new();
        while line.last() != Some(&b'\n') {
            match output.read_u8().await {
                Ok(byte) => line.push(byte),
                Err(_) => return Err(String::from_utf8(line).unwrap()),
            }
        }
        Ok(String::from_utf8(line).unwrap())
    };
    tokio::time::timeout(PATIENCE, read)
        .await
        .expect("the program should have said something long ago")
}

impl Running {
    pub(crate) fn spawn(command: Command) -> Self {
        Self::spawn_into(command, Stdio::piped())
    }

    /// The same with another place for its stdout.
    pub(crate) fn spawn_into(mut command: Command, stdout: impl Into<Stdio>) -> Self {
        command
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        Self(command.spawn().unwrap())
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.id().unwrap()
    }

    /// Sends a signal by its name without SIG.
    pub(crate) async fn signal(&self, name: &str) {
        // The shell's own `kill`, which every system has.
        let script = format!("kill -s {name} {}", self.pid());
        let status = Command::new("sh").arg("-c").arg(script).status().await;
        assert!(status.unwrap().success());
    }

    /// SIGKILL; returns when the process is gone.
    pub(crate) async fn kill(mut self) -> ExitStatus {
        self.0.start_kill().unwrap();
        self.0.wait().await.unwrap()
    }

    /// Waits for the next line on stdout.
    pub(crate) async fn line(&mut self) -> String {
        let line = line_of(self.0.stdout.as_mut().unwrap()).await;
        if let Err(so_far) = line {
            let mut said = String::new();
            let stderr = self.0.stderr.as_mut().unwrap();
            stderr.read_to_string(&mut said).await.unwrap();
            panic!(
                "it ended after {so_far:?} with {:?}: {said}",
                self.0.wait().await
            );
        }
        line.unwrap()
    }

    /// Waits for the next line on stderr.
    pub(crate) async fn stderr_line(&mut self) -> String {
        line_of(self.0.stderr.as_mut().unwrap()).await.unwrap()
    }

    /// Goes away as the reader of its stdout.
    pub(crate) fn stop_reading(&mut self) {
        drop(self.0.stdout.take());
    }

    /// Waits until it ends.
    pub(crate) async fn end(self) -> Run {
        Run::of(self.0).await
    }
}

impl Run {
    /// How a child process ends.
    pub(crate) async fn of(child: Child) -> Self {
        let output = tokio::time::timeout(PATIENCE, child.wait_with_output())
            .await
            .expect("the program should have ended long ago")
            .unwrap();
        Self {
            status: output.status,
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    #[track_caller]
    pub(crate) fn exits(&self, status: i32) -> &Self {
        assert_eq!(self.status.code(), Some(status), "{self:?}");
        self
    }

    /// The report that `sync --json` printed.
    #[track_caller]
    pub(crate) fn report(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The one message, which is the last line on stderr; the others are log lines.
    #[track_caller]
    pub(crate) fn message(&self) -> &str {
        let mut messages = self
            .stderr
            .lines()
            .filter_map(|line| line.strip_prefix("customer-mirror: "));
        let message = messages.next().unwrap_or_else(|| panic!("{self:?}"));
        assert_eq!(messages.next(), None, "{self:?}");
        assert_eq!(
            self.stderr.lines().last().map(str::len),
            Some(message.len() + "customer-mirror: ".len()),
            "{self:?}"
        );
        message
    }

    /// With `-q` the message is all there is on stderr.
    #[track_caller]
    pub(crate) fn says_nothing_else(&self) -> &Self {
        self.message();
        assert_eq!(self.stderr.lines().count(), 1, "{self:?}");
        self
    }

    /// The message has all of these in it.
    #[track_caller]
    pub(crate) fn says(&self, parts: &[&str]) -> &Self {
        let message = self.message();
        for part in parts {
            assert!(message.contains(part), "{part:?} is not in {message:?}");
        }
        self
    }
}
