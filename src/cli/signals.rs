//! SIGINT and SIGTERM end a pass at its next safe point.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::Exit;

/// Watches for a signal to stop. `stop` turns true at the first one; a second one ends the process at once, which is safe too:
/// the mirror is then as its last commit left it.
#[derive(Debug)]
pub(super) struct Signals {
    /// True once the process was told to stop.
    pub(super) stop: watch::Receiver<bool>,
    exit: watch::Receiver<Option<Exit>>,
}

impl Signals {
    /// Begins to watch.
    ///
    /// # Errors
    /// If the system refuses the handlers.
    pub(super) fn watch() -> std::io::Result<Self> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let (stop_sender, stop) = watch::channel(false);
        let (exit_sender, exit) = watch::channel(None);
        tokio::spawn(async move {
            loop {
                let exit = tokio::select! {
                    _ = interrupt.recv() => Exit::Interrupted,
                    _ = terminate.recv() => Exit::Terminated,
                };
                if exit_sender.borrow().is_some() {
                    std::process::exit(exit as i32);
                }
                exit_sender.send_replace(Some(exit));
                stop_sender.send_replace(true);
            }
        });
        Ok(Self { stop, exit })
    }

    /// The exit status of the signal that came.
    pub(super) fn exit(&self) -> Exit {
        self.exit.borrow().unwrap_or(Exit::Interrupted)
    }
}
