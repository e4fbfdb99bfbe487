//! What systemd is told: readiness, the watchdog's beat, and one line that `systemctl status` shows. Without systemd, nothing.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::sync::watch;
use tracing::debug;

use crate::harmless::harmless;
use crate::model::{Holdings, Timestamp};
use crate::status::{Idle, Phase, Progress};

/// So often at most: a fast walk has hundreds of pages a second.
const INTERVAL: Duration = Duration::from_millis(200);

/// How often to beat, if systemd has a watchdog for this process: often enough that one beat may come late.
pub fn beat_interval() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|timeout| timeout / 4)
}

/// The daemon is up, or has read its configuration again.
pub fn ready() {
    send(&[NotifyState::Ready]);
}

/// The daemon reads its configuration again; [`ready`] follows.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => send(&[NotifyState::Reloading, now]),
        Err(error) => debug!(%error, "systemd is not told of the reload"),
    }
}

/// The daemon is about to end.
pub fn stopping() {
    send(&[NotifyState::Stopping, NotifyState::Status("stopping")]);
}

/// Passes on progress and beats, until there are no more.
pub async fn forward(mut progress: watch::Receiver<Progress>) {
    let mut beats = 0;
    let mut shown = String::new();
    while progress.changed().await.is_ok() {
        let now = progress.borrow_and_update().clone();
        // In systemd's protocol a new line begins another field.
        let text = harmless(&describe(&now)).into_owned();
        let mut states = Vec::new();
        if text != shown {
            states.push(NotifyState::Status(&text));
        }
        if now.beats != beats {
            states.push(NotifyState::Watchdog);
        }
        send(&states);
        beats = now.beats;
        shown = text;
        tokio::time::sleep(INTERVAL).await;
    }
}

fn send(states: &[NotifyState<'_>]) {
    if !states.is_empty()
        && let Err(error) = sd_notify::notify(states)
    {
        debug!(%error, "systemd can't be told");
    }
}

/// One line: what goes on, and how fresh the mirror is.
fn describe(progress: &Progress) -> String {
    let holdings = describe_holdings(progress.holdings);
    let records = match progress.expected_records {
        Some(expected) if expected > 0 => {
            format!("{} of about {expected} records", progress.records)
        }
        _ => format!("{} records", progress.records),
    };
    let walked = format!(
        "pass {}: {} pages, {records}",
        progress.pass_id, progress.pages
    );
    match &progress.phase {
        Phase::Starting | Phase::Ended => holdings,
        Phase::Fetching => format!("{walked}; {holdings}"),
        Phase::Waiting(wait) => format!(
            "{walked}, waiting until {}: {}; {holdings}",
            moment(wait.until),
            wait.reason
        ),
        Phase::Finishing => format!("{walked}, looking for absences; {holdings}"),
        Phase::Idle(idle) => describe_idle(idle, &holdings),
    }
}

fn describe_idle(idle: &Idle, holdings: &str) -> String {
    let next = idle
        .next_at
        .map_or_else(|| "never, by this schedule".to_owned(), moment);
    match &idle.trouble {
        None => format!("{holdings}; next pass {next}"),
        Some(trouble) => format!("{holdings}; last pass not finished: {trouble}; next pass {next}"),
    }
}

fn describe_holdings(holdings: Holdings) -> String {
    match holdings.complete_as_of {
        Some(at) => format!("{} customers, complete as of {}", holdings.live, moment(at)),
        None => "not complete yet".to_owned(),
    }
}

fn moment(at: Timestamp) -> String {
    at.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}
