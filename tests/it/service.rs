//! `customer-mirror run` as systemd would run it: with a socket that hears readiness, status and beats.

use std::time::Duration;

use tokio::net::UnixDatagram;
use tokio::process::Command;

use crate::support::{Bench, Run, Running, until};

/// As in `support`: a test that hangs fails, and no test asserts how long something takes.
const PATIENCE: Duration = Duration::from_secs(120);

/// A daemon under way.
pub(crate) struct Service {
    running: Running,
    socket: UnixDatagram,
    pub(crate) status: String,
}

impl Service {
    /// Starts the daemon of a bench; returns when it is ready.
    pub(crate) async fn start(bench: &Bench) -> Self {
        Self::start_with(bench, |_| {}).await
    }

    /// The same with another environment.
    pub(crate) async fn start_with(bench: &Bench, change: impl FnOnce(&mut Command)) -> Self {
        let path = bench.folder.path().join("notify");
        // A socket of an earlier daemon.
        let _ = std::fs::remove_file(&path);
        let socket = UnixDatagram::bind(&path).unwrap();
        let mut command = bench.command(&["run"]);
        command.env("NOTIFY_SOCKET", &path);
        change(&mut command);
        let mut service = Self {
            running: Running::spawn(command),
            socket,
            status: String::new(),
        };
        service.hears("READY=1").await;
        service
    }

    /// Waits for a message, or a part of one. What was waited for before isn't found again.
    pub(crate) async fn hears(&mut self, text: &str) {
        let mut buffer = vec![0; 16 * 1024];
        let waiting = async {
            loop {
                let size = self.socket.recv(&mut buffer).await.unwrap();
                let message = String::from_utf8_lossy(&buffer[..size]).into_owned();
                for line in message.lines() {
                    if let Some(status) = line.strip_prefix("STATUS=") {
                        status.clone_into(&mut self.status);
                    }
                }
                if message.contains(text) {
                    return;
                }
            }
        };
        let heard = tokio::time::timeout(PATIENCE, waiting).await;
        heard.unwrap_or_else(|_| panic!("{text:?} was not heard; status: {}", self.status));
    }

    /// Takes what it has said so far, for whom nothing of it matters: nobody else reads it, and a full socket makes the daemon wait.
    pub(crate) fn overhears(&self) {
        while self.socket.try_recv(&mut [0; 16 * 1024]).is_ok() {}
    }

    /// Waits until it is idle; its status is then [`Service::status`].
    pub(crate) async fn is_idle(&mut self) {
        self.hears("; next pass ").await;
    }

    pub(crate) fn pid(&self) -> u32 {
        self.running.pid()
    }

    pub(crate) async fn signal(&self, name: &str) {
        self.running.signal(name).await;
    }

    /// SIGUSR1, and the complete pass that follows.
    pub(crate) async fn makes_a_pass(&self, bench: &Bench) {
        let complete = || bench.one::<i64>("SELECT count(*) FROM passes WHERE state = 'complete'");
        let before = if bench.db_path().exists() {
            complete()
        } else {
            0
        };
        self.signal("USR1").await;
        until(|| complete() > before).await;
    }

    /// SIGUSR1, and the pass that follows and fails.
    pub(crate) async fn fails_a_pass(&mut self) {
        self.signal("USR1").await;
        self.hears("last pass not finished").await;
    }

    /// SIGTERM; it must exit 0.
    pub(crate) async fn stop(mut self) -> Run {
        self.signal("TERM").await;
        self.hears("STOPPING=1").await;
        let run = self.running.end().await;
        run.exits(0);
        run
    }

    /// SIGKILL.
    pub(crate) async fn kill(self) {
        self.running.kill().await;
    }

    /// Waits until it ends by itself.
    pub(crate) async fn end(self) -> Run {
        self.running.end().await
    }
}

impl Bench {
    /// A bench whose schedule is not due in any test's life.
    pub(crate) async fn for_daemon(listing: customer_mirror::simulator::Listing) -> Self {
        let mut bench = Self::of(listing).await;
        bench.set("schedule.cron", "\"0 0 1 1 *\"");
        bench
    }
}
