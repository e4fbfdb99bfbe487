//! The daemon: one pass after the other, when they are due, for months.
//!
//! One loop, which is either idle or in a pass, so that there are never two. [`agenda`] decides when the next pass begins;
//! `pass::run` is what `sync` runs too. What must outlive the process (checkpoint, failed attempts, the server's wish to be left
//! alone) is in the mirror, so that a start after a crash is like any other.
//!
//! Time is read from the wall clock again and again, and never trusted: a timer would sleep through a suspended machine, and
//! knows nothing of a clock that is set.

pub mod agenda;
mod attempt;
mod idle;
pub mod notify;
mod settings;

use tokio::sync::{mpsc, watch};

pub use settings::Settings;

use crate::clock::Clock;
use crate::config::{ConfigError, Timing};
use crate::mirror::{Mirror, MirrorError};
use crate::model::Timestamp;
use crate::pass::{PassError, SharedMirror};
use crate::source::{PageSource, SetupError, SourceError};
use crate::status::Publisher;
use crate::telemetry;
use agenda::{Agenda, Past};

/// What a daemon can be asked for while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// End.
    Stop,
    /// Read configuration and key again.
    Reload,
    /// Begin a pass now.
    Pass,
}

/// Why a daemon ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The mirror can't be written, and waiting won't help.
    #[error(transparent)]
    Pass(#[from] PassError),
    /// The server refuses a key that can't become another while the program runs.
    #[error("{0}")]
    KeyRefused(SourceError),
}

/// What a daemon needs. `open` sets up a source for one pass, [probing](crate::source::HttpSource::probing) if told so; `load`
/// reads the settings again.
#[derive(Debug)]
pub struct Daemon<Open, Load> {
    /// The mirror.
    pub mirror: SharedMirror,
    /// The settings to begin with.
    pub settings: Settings,
    /// Sets up a source.
    pub open: Open,
    /// Reads the settings again.
    pub load: Load,
    /// What the daemon is asked for.
    pub requests: mpsc::Receiver<Request>,
    /// Who hears how it goes.
    pub publisher: Publisher,
    /// Who hears when passes are due, after that was read again.
    pub timing: watch::Sender<Timing>,
    /// What time it is.
    pub clock: Clock,
    /// The log, whose level is one of the settings.
    pub log: telemetry::Handle,
}

/// What follows a pass.
enum Turn {
    Idle,
    Stop,
}

impl<Open, Load, S> Daemon<Open, Load>
where
    Open: FnMut(&Settings, bool) -> Result<S, SetupError>,
    Load: FnMut() -> Result<Settings, ConfigError>,
    S: PageSource,
{
    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Mirror) -> Result<T, MirrorError> + Send + 'static,
    ) -> Result<T, PassError> {
        self.mirror.with_beat(&self.publisher, work).await
    }

    /// Tells whoever looks that the mirror is damaged, or that a pass has found it well.
    fn tell_damage(&self, error: Option<&MirrorError>) {
        let damage = error.map(ToString::to_string);
        self.publisher.update(|progress| progress.damage = damage);
    }

    /// Runs until it is told to stop.
    ///
    /// # Errors
    /// [`DaemonError`] if it can't go on.
    pub async fn run(self) -> Result<(), DaemonError> {
        let past = self
            .with(|mirror| {
                Ok(Past {
                    holdings: mirror.holdings()?,
                    interrupted: mirror.pages_of_interrupted_pass()?,
                    attempts: mirror.attempts()?,
                })
            })
            .await?;
        self.publisher
            .update(|progress| progress.holdings = past.holdings);
        let timing = self.settings.config.schedule.clone();
        let agenda = Agenda::new(timing, &past, fastrand::u64(..), self.clock.now());
        let mut running = Running {
            daemon: self,
            agenda,
            was_accepted: false,
            ended_at: None,
        };
        while let Some(next) = running.idle().await? {
            if let Turn::Stop = running.pass(next).await? {
                break;
            }
        }
        Ok(())
    }
}

struct Running<Open, Load> {
    daemon: Daemon<Open, Load>,
    agenda: Agenda,
    /// The server has taken this key since the start.
    was_accepted: bool,
    /// When the last pass ended.
    ended_at: Option<Timestamp>,
}
