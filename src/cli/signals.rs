//! Signals: SIGINT and SIGTERM end a pass at its next safe point; a daemon takes SIGHUP and SIGUSR1 besides.

use std::sync::{Arc, OnceLock};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};

use super::Exit;
use crate::daemon::Request;

/// More signals than this at once say nothing more.
const REQUESTS_MAX: usize = 16;

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

/// Ends the process at the first signal to stop, for commands that only read.
///
/// # Errors
/// If the system refuses the handlers.
pub(super) fn end_at_once() -> std::io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::spawn(async move {
        let exit = tokio::select! {
            _ = interrupt.recv() => Exit::Interrupted,
            _ = terminate.recv() => Exit::Terminated,
        };
        std::process::exit(exit as i32);
    });
    Ok(())
}

/// Whether a signal to stop has come, for work that looks here often and tidies up before it ends.
#[derive(Debug, Clone)]
pub(super) struct Stop(Arc<OnceLock<Exit>>);

impl Stop {
    /// Begins to watch.
    ///
    /// # Errors
    /// If the system refuses the handlers.
    pub(super) fn watch() -> std::io::Result<Self> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let stop = Self(Arc::default());
        let told = stop.clone();
        tokio::spawn(async move {
            let exit = tokio::select! {
                _ = interrupt.recv() => Exit::Interrupted,
                _ = terminate.recv() => Exit::Terminated,
            };
            // `timeout` sends a second one right away, which must not keep anybody from tidying up: it is not waited for.
            let _ = told.0.set(exit);
        });
        Ok(stop)
    }

    /// Never comes: whoever has nothing to tidy up is ended by the signal itself.
    pub(super) fn never() -> Self {
        Self(Arc::default())
    }

    /// The exit status of the signal that came.
    pub(super) fn exit(&self) -> Option<Exit> {
        self.0.get().copied()
    }
}

/// Watches for what a daemon can be asked for: SIGTERM or SIGINT to end, SIGHUP to read its configuration again, SIGUSR1 for a
/// pass. Who asks it twice to end doesn't want to wait: it ends at once, which is safe too.
///
/// # Errors
/// If the system refuses the handlers.
pub(super) fn requests() -> std::io::Result<mpsc::Receiver<Request>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let mut user = signal(SignalKind::user_defined1())?;
    let (sender, receiver) = mpsc::channel(REQUESTS_MAX);
    tokio::spawn(async move {
        let mut is_stopping = false;
        loop {
            let (request, exit) = tokio::select! {
                _ = interrupt.recv() => (Request::Stop, Exit::Interrupted),
                _ = terminate.recv() => (Request::Stop, Exit::Terminated),
                _ = hang_up.recv() => (Request::Reload, Exit::Done),
                _ = user.recv() => (Request::Pass, Exit::Done),
            };
            if request == Request::Stop {
                if is_stopping {
                    std::process::exit(exit as i32);
                }
                is_stopping = true;
                // It must get through, also among many other requests.
                let _ = sender.send(request).await;
            } else {
                let _ = sender.try_send(request);
            }
        }
    });
    Ok(receiver)
}
