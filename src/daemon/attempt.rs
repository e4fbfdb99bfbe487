//! One pass of the daemon's, and what is learnt from how it ends.

use chrono::TimeDelta;
use tokio::sync::watch;
use tracing::{error, info, warn};

use super::agenda::{Failure, Next, Why};
use super::{DaemonError, Request, Running, Settings, Turn, notify};
use crate::config::ConfigError;
use crate::mirror::{Attempts, MirrorError, Remedy};
use crate::model::format_timestamp;
use crate::pass::{self, End, Outcome, PassError, Resume, Rules};
use crate::source::{FailureKind, PageSource, SetupError};

/// A due time is kept to the second; later, something came between.
const LATE: TimeDelta = TimeDelta::seconds(5);

/// Why a pass did not even fail.
#[derive(Debug, thiserror::Error)]
enum Stopped {
    #[error(transparent)]
    Pass(#[from] PassError),
    #[error(transparent)]
    Setup(SetupError),
}

/// What a pass came to.
enum Verdict {
    Complete,
    Interrupted,
    Failed(Failure),
}

impl<Open, Load, S> Running<Open, Load>
where
    Open: FnMut(&Settings, bool) -> Result<S, SetupError>,
    Load: FnMut() -> Result<Settings, ConfigError>,
    S: PageSource,
{
    /// Runs one pass, and takes in how it ends.
    pub(super) async fn pass(&mut self, next: Next) -> Result<Turn, DaemonError> {
        self.log_begin(next);
        self.look_at_files().await?;
        let is_probe = self.agenda.doubts_server() && next.why != Why::Changed;
        let source = (self.daemon.open)(&self.daemon.settings, is_probe);
        let resume = self.agenda.resume();
        let mut turn = Turn::Idle;
        let (attempt, result) = match (self.begin_attempt().await, source) {
            (Err((attempt, error)), _) => (attempt, Err(error.into())),
            (Ok(attempt), Err(error)) => (attempt, Err(Stopped::Setup(error))),
            (Ok(attempt), Ok(mut source)) => {
                let result;
                (result, turn) = self.walk(&mut source, resume).await;
                (attempt, result.map_err(Stopped::from))
            }
        };
        self.ended_at = Some(self.daemon.clock.now());
        self.conclude(attempt, result).await?;
        let holdings = self
            .daemon
            .with(|mirror| {
                mirror.settle()?;
                mirror.release_memory()?;
                mirror.holdings()
            })
            .await;
        heap::give_back();
        if let Ok(holdings) = holdings {
            self.daemon
                .publisher
                .update(|progress| progress.holdings = holdings);
        }
        Ok(turn)
    }

    /// Puts the attempt on record, before its first request. The record that could not be written is returned with the error.
    async fn begin_attempt(&mut self) -> Result<Attempts, (Attempts, PassError)> {
        let now = self.daemon.clock.now();
        let interrupted = self
            .daemon
            .with(|mirror| mirror.pages_of_interrupted_pass())
            .await;
        let attempt = self
            .agenda
            .begin(interrupted.as_ref().ok().copied().flatten(), now);
        let record = attempt.clone();
        let noted = match interrupted {
            Ok(_) => {
                self.daemon
                    .with(move |mirror| mirror.note_attempts(&record))
                    .await
            }
            Err(error) => Err(error),
        };
        noted
            .map(|()| attempt.clone())
            .map_err(|error| (attempt, error))
    }

    /// The pass itself, and what is asked for meanwhile. A reload stops it at its next safe point, for it to go on with what
    /// was read.
    async fn walk(&mut self, source: &mut S, resume: Resume) -> (Result<Outcome, PassError>, Turn) {
        let daemon = &mut self.daemon;
        let rules = Rules {
            deletions: daemon.settings.config.deletions.clone(),
            changes: daemon.settings.config.changes.clone(),
            resume,
            clock: daemon.clock.clone(),
        };
        let mirror = daemon.mirror.clone();
        let publisher = daemon.publisher.clone();
        let (stop, stopped) = watch::channel(false);
        let mut reload = false;
        let mut turn = Turn::Idle;
        let result = {
            let mut pass = std::pin::pin!(pass::run(source, &mirror, &rules, &publisher, stopped));
            loop {
                tokio::select! {
                    result = &mut pass => break result,
                    request = daemon.requests.recv(), if !matches!(turn, Turn::Stop) => match request {
                        None | Some(Request::Stop) => {
                            notify::stopping();
                            turn = Turn::Stop;
                            stop.send_replace(true);
                        }
                        Some(Request::Reload) => {
                            reload = true;
                            stop.send_replace(true);
                        }
                        Some(Request::Pass) => {
                            info!("asked for a pass while one is under way: another one follows");
                            self.agenda.want(Why::Asked);
                        }
                    },
                }
            }
        };
        if reload && matches!(turn, Turn::Idle) {
            self.reload();
        }
        (result, turn)
    }

    /// Learns from how a pass ended.
    async fn conclude(
        &mut self,
        attempt: Attempts,
        result: Result<Outcome, Stopped>,
    ) -> Result<(), DaemonError> {
        let failure = match result {
            Ok(outcome) => match self.judge(&attempt, outcome)? {
                Verdict::Complete => {
                    self.agenda.succeeded();
                    return Ok(());
                }
                Verdict::Interrupted => {
                    self.agenda.want(Why::Changed);
                    let record = self.agenda.interrupted(&attempt);
                    return self.note(record).await;
                }
                Verdict::Failed(failure) => failure,
            },
            Err(Stopped::Pass(PassError::Mirror(error))) if error.may_pass() => {
                error!(%error, "the mirror can't be written");
                Failure::new(Remedy::Time, error.to_string())
            }
            Err(Stopped::Pass(PassError::Mirror(error))) if error.is_damage() => {
                error!(%error, "the mirror is damaged: the next due time tries again, but it takes an operator");
                self.daemon.tell_damage(Some(&error));
                Failure::new(Remedy::NextDue, error.to_string())
            }
            Err(Stopped::Pass(PassError::Mirror(MirrorError::Displaced {
                can_reopen: true,
                path,
                what,
            }))) => {
                let reason = format!("{}: {what}", path.display());
                self.reopen(&reason).await?;
                Failure::new(Remedy::Time, reason)
            }
            Err(Stopped::Pass(error)) => return Err(error.into()),
            // The same settings were good at the start: an upgrade is replacing the machine's certificates, say.
            Err(Stopped::Setup(error)) => {
                error!(%error, "no request can be made");
                Failure::new(Remedy::Time, error.to_string())
            }
        };
        let now = self.daemon.clock.now();
        let record = self.agenda.failed(&attempt, failure, fastrand::f64(), now);
        match self.note(record).await {
            // The disk that was full still is, and what is damaged stays so.
            Err(DaemonError::Pass(PassError::Mirror(error)))
                if error.may_pass() || error.is_damage() =>
            {
                Ok(())
            }
            noted => noted,
        }
    }

    /// Goes on with the mirror that is in the place of the one that was opened, or with a new one.
    pub(super) async fn reopen(&mut self, reason: &str) -> Result<(), DaemonError> {
        error!(
            reason,
            "the mirror is not the file any more that was opened; going on with what is in its place"
        );
        let source = self.daemon.settings.api.source_fingerprint();
        let holdings = self
            .daemon
            .with(move |mirror| {
                mirror.reopen(&source)?;
                mirror.holdings()
            })
            .await?;
        self.daemon
            .publisher
            .update(|progress| progress.holdings = holdings);
        Ok(())
    }

    fn judge(&mut self, attempt: &Attempts, outcome: Outcome) -> Result<Verdict, DaemonError> {
        let Outcome { report, .. } = &outcome;
        let has_moved =
            report.pages > 0 && (report.pass_id != attempt.pass_id || report.pages > attempt.pages);
        self.was_accepted |= has_moved;
        outcome.log(report.error.as_deref());
        Ok(match outcome.end {
            End::Complete { held } => {
                self.was_accepted = true;
                self.daemon.tell_damage(None);
                if held > 0 {
                    warn!(
                        customers = held,
                        "the sweep is held: so many customers are not listed any more; see `customer-mirror deletions`"
                    );
                }
                Verdict::Complete
            }
            End::Interrupted => Verdict::Interrupted,
            End::SourceFailed(error) if error.kind == FailureKind::AuthRefused => {
                if !self.was_accepted && !self.daemon.settings.key.is_from_key_file {
                    return Err(DaemonError::KeyRefused(error));
                }
                Verdict::Failed(Failure::new(Remedy::Key, error.message))
            }
            End::SourceFailed(error) => Verdict::Failed(Failure {
                // A cursor that is rejected time and again leads to ever new passes that get nowhere.
                has_moved: has_moved && error.kind != FailureKind::CursorRejected,
                ..Failure::new(Remedy::Server, error.message)
            }),
            End::Endless(reason) => Verdict::Failed(Failure::new(Remedy::NextDue, reason)),
            End::Unproven(reason) => Verdict::Failed(Failure::new(Remedy::NextDue, reason)),
        })
    }

    async fn note(&self, record: Attempts) -> Result<(), DaemonError> {
        let noted = self
            .daemon
            .with(move |mirror| mirror.note_attempts(&record))
            .await;
        Ok(noted?)
    }

    /// Says why a pass begins when that is not just the schedule.
    fn log_begin(&self, next: Next) {
        let now = self.daemon.clock.now();
        let (due_at, late) = (format_timestamp(next.at), now - next.at);
        match next.why {
            Why::Due { missed }
                if self
                    .ended_at
                    .is_some_and(|ended_at| ended_at > next.at && ended_at <= now) =>
            {
                warn!(
                    due_at,
                    missed,
                    "the last pass took longer than the time to the next one, which begins only now"
                );
            }
            Why::Due { missed } if missed > 0 || late > LATE => info!(
                due_at,
                missed,
                "due times went by while the machine slept or the clock was set: one pass now makes up for them"
            ),
            Why::Due { .. } => {}
            Why::Started => info!("no complete pass since the last due time: one begins now"),
            Why::Again => info!("trying again after a failed pass"),
            Why::Asked => info!("asked for a pass"),
            Why::Changed => info!("going on with what was read again"),
        }
    }
}
