//! Between two passes: waiting for the next one, and taking over what the configuration says now.

use std::time::Duration;

use tracing::{error, info, warn};

use super::agenda::{Next, Why};
use super::{DaemonError, Request, Running, Settings, notify};
use crate::config::ConfigError;
use crate::mirror::MirrorError;
use crate::model::Timestamp;
use crate::pass::PassError;
use crate::source::{PageSource, SetupError};
use crate::status::{Idle, Phase};

/// An idle daemon looks at the clock so often, to notice that it was set or that the machine slept.
const LOOK_INTERVAL: Duration = Duration::from_secs(30);
/// How often a key that was refused is looked at.
const KEY_INTERVAL: Duration = Duration::from_secs(2);

impl<Open, Load, S> Running<Open, Load>
where
    Open: FnMut(&Settings, bool) -> Result<S, SetupError>,
    Load: FnMut() -> Result<Settings, ConfigError>,
    S: PageSource,
{
    /// Waits until a pass is to begin; `None` if told to stop.
    pub(super) async fn idle(&mut self) -> Result<Option<Next>, DaemonError> {
        let asked_at = self.daemon.clock.now();
        let held_until = self
            .daemon
            .with(move |mirror| mirror.requests_not_before(asked_at))
            .await;
        let held_until = match held_until {
            // The pass before has met that, or the next one will.
            Err(PassError::Mirror(error)) if error.may_pass() || error.is_damage() => None,
            other => other?,
        };
        let mut told = None;
        loop {
            let now = self.daemon.clock.now();
            // Asked for by a clock that has been set back since, it could be far off: then nothing is known of how long to wait.
            let held_until = held_until.filter(|_| now >= asked_at);
            let next = self.agenda.next(held_until, now);
            if let Some(next) = next.filter(|next| next.at <= now) {
                return Ok(Some(next));
            }
            let next_at = next.map(|next| next.at);
            if told.replace(next_at) != Some(next_at) {
                self.tell_idle(next_at);
            }
            let until_next = next_at.and_then(|at| (at - now).to_std().ok());
            let mut nap = until_next.unwrap_or(LOOK_INTERVAL).min(LOOK_INTERVAL);
            if self.agenda.wants_key() {
                nap = nap.min(KEY_INTERVAL);
            }
            tokio::select! {
                request = self.daemon.requests.recv() => match request {
                    None | Some(Request::Stop) => {
                        notify::stopping();
                        return Ok(None);
                    }
                    Some(Request::Pass) => self.agenda.want(Why::Asked),
                    Some(Request::Reload) => {
                        self.reload();
                        told = None;
                    }
                },
                () = tokio::time::sleep(nap) => {}
                () = self.daemon.publisher.next_beat() => {}
            }
            self.daemon.publisher.beat();
            self.look_at_files().await?;
            if self.agenda.wants_key() {
                self.look_for_key();
            }
        }
    }

    /// A mirror that another one has taken the place of is not written for ever: a pass fills the other one.
    pub(super) async fn look_at_files(&mut self) -> Result<(), DaemonError> {
        match self.daemon.with(|mirror| mirror.look_at_files()).await {
            Err(PassError::Mirror(MirrorError::Displaced {
                path,
                what,
                can_reopen: true,
            })) => {
                self.reopen(&format!("{}: {what}", path.display())).await?;
                self.agenda.want(Why::Started);
                Ok(())
            }
            Err(PassError::Mirror(error)) if error.may_pass() || error.is_damage() => Ok(()),
            other => Ok(other?),
        }
    }

    fn tell_idle(&self, next_at: Option<Timestamp>) {
        if next_at.is_none() {
            warn!("the schedule has no due time left: no pass will begin by itself");
        }
        let trouble = self.agenda.trouble().map(str::to_owned);
        self.daemon.publisher.update(|progress| {
            progress.phase = Phase::Idle(Idle { next_at, trouble });
        });
    }

    /// Takes over what the configuration says now, if that is good.
    pub(super) fn reload(&mut self) {
        notify::reloading();
        let loaded = (self.daemon.load)().map_err(|error| error.to_string());
        let fit = loaded.and_then(|settings| {
            let unfit = settings.unfit_after(&self.daemon.settings);
            unfit.map_or(Ok(settings), |reason| Err(reason.to_owned()))
        });
        match fit {
            Ok(settings) => self.take_over(settings),
            Err(error) => {
                error!(%error, "the configuration was read again and refused, the old one stays");
            }
        }
        notify::ready();
    }

    fn take_over(&mut self, settings: Settings) {
        for warning in settings
            .config
            .warnings
            .iter()
            .chain(&settings.key.warnings)
        {
            warn!("{warning}");
        }
        self.daemon.log.apply(&settings.config.log);
        let now = self.daemon.clock.now();
        let timing = settings.config.schedule.clone();
        self.daemon.timing.send_replace(timing.clone());
        self.agenda.change_timing(timing, now);
        let is_other_key = settings.key.key.expose() != self.daemon.settings.key.key.expose();
        self.daemon.settings = settings;
        info!("the configuration was read again");
        if is_other_key {
            self.try_other_key();
        }
    }

    fn look_for_key(&mut self) {
        if let Some(key) = self.daemon.settings.other_key() {
            info!(origin = key.origin, "there is another API key");
            self.daemon.settings.key = key;
            self.try_other_key();
        }
    }

    fn try_other_key(&mut self) {
        self.was_accepted = false;
        if self.agenda.wants_key() {
            self.agenda.want(Why::Changed);
        }
    }
}
