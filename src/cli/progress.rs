//! A pass as it runs: a bar on a terminal, a log line now and then elsewhere.

use std::io::{IsTerminal, Write};
use std::sync::LazyLock;
use std::time::Duration;

use chrono::Utc;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::info;

use super::output::count;
use crate::status::{Phase, Progress};

/// Off a terminal, a long pass says this often that it lives.
const LOG_INTERVAL: Duration = Duration::from_secs(60);
const REDRAW_INTERVAL: Duration = Duration::from_millis(100);

static SCREEN: LazyLock<MultiProgress> =
    LazyLock::new(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr()));

/// Writes log lines to stderr without tearing the bar.
#[derive(Debug)]
pub(super) struct LogWriter;

/// Where the log goes.
pub(super) fn log_writer() -> LogWriter {
    LogWriter
}

impl Write for LogWriter {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        SCREEN.suspend(|| std::io::stderr().write_all(line))?;
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Says a line on stdout without tearing the bar.
pub(super) fn print_above(line: &str) {
    SCREEN.suspend(|| {
        let _ = writeln!(anstream::stdout(), "{line}");
    });
}

/// Shows a pass until it ends. Dropping it takes the bar off the screen.
#[derive(Debug)]
pub(super) struct Display(JoinHandle<()>, Option<ProgressBar>);

impl Display {
    /// Begins to show what `progress` says.
    pub(super) fn start(progress: watch::Receiver<Progress>, quiet: bool) -> Self {
        if quiet {
            return Self(tokio::spawn(async {}), None);
        }
        if std::io::stderr().is_terminal() {
            let bar = SCREEN.add(ProgressBar::new_spinner());
            Self(tokio::spawn(draw(progress, bar.clone())), Some(bar))
        } else {
            Self(tokio::spawn(log(progress)), None)
        }
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        self.0.abort();
        if let Some(bar) = &self.1 {
            bar.finish_and_clear();
        }
    }
}

/// A bar of customers or bytes that are done, on a terminal. Dropping it takes it off the screen.
#[derive(Debug)]
pub(super) struct Bar(ProgressBar);

impl Bar {
    /// A bar for so much; `shown` is false where nobody wants to see it.
    pub(super) fn start(length: u64, shown: bool) -> Self {
        if !shown || !std::io::stderr().is_terminal() {
            return Self(ProgressBar::hidden());
        }
        let bar = SCREEN.add(ProgressBar::new(length));
        bar.set_style(style("{spinner} {wide_bar:.cyan/dim} {msg}"));
        bar.enable_steady_tick(REDRAW_INTERVAL);
        Self(bar)
    }

    /// Shows how much is done.
    pub(super) fn show(&self, done: u64, message: impl FnOnce() -> String) {
        if !self.0.is_hidden() {
            self.0.set_position(done);
            self.0.set_message(message());
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

async fn draw(mut progress: watch::Receiver<Progress>, bar: ProgressBar) {
    let mut redraw = tokio::time::interval(REDRAW_INTERVAL);
    let mut since_start = SinceStart::default();
    let mut has_length = None;
    let started = tokio::time::Instant::now();
    loop {
        redraw.tick().await;
        let now = progress.borrow_and_update().clone();
        let rate = since_start.records(&now) as f64 / started.elapsed().as_secs_f64().max(0.1);
        let expected = now.expected_records.filter(|expected| *expected > 0);
        if has_length.replace(expected.is_some()) != Some(expected.is_some()) {
            bar.set_style(style(match expected {
                Some(_) => "{spinner} {wide_bar:.cyan/dim} {msg}",
                None => "{spinner} {wide_msg}",
            }));
        }
        if let Some(expected) = expected {
            bar.set_length(expected.max(now.records) as u64);
        }
        bar.set_position(now.records as u64);
        bar.set_message(describe(&now, rate));
        bar.tick();
    }
}

/// Counts what has come in this run: a resumed pass begins with what an earlier one brought.
#[derive(Debug, Default)]
struct SinceStart(Option<i64>);

impl SinceStart {
    fn records(&mut self, progress: &Progress) -> i64 {
        if progress.phase == Phase::Starting {
            return 0;
        }
        progress.records - *self.0.get_or_insert(progress.records)
    }
}

/// One line: what has come, how fast, and what it waits for.
fn describe(progress: &Progress, rate: f64) -> String {
    let records = count(progress.records);
    let of = progress
        .expected_records
        .map(|expected| format!("/{}", count(expected)))
        .unwrap_or_default();
    let what = match &progress.phase {
        Phase::Waiting(wait) => {
            let seconds = wait
                .until
                .signed_duration_since(Utc::now())
                .num_seconds()
                .max(0);
            return format!("{records}{of} · waiting {seconds} s: {}", wait.reason);
        }
        Phase::Finishing => " · looking for absences",
        _ => "",
    };
    format!(
        "{records}{of} · page {} · {}/s{what}",
        count(progress.pages),
        count(rate as i64)
    )
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

async fn log(mut progress: watch::Receiver<Progress>) {
    let mut tick = tokio::time::interval(LOG_INTERVAL);
    tick.tick().await;
    loop {
        tick.tick().await;
        let now = progress.borrow_and_update().clone();
        let waiting_for = match &now.phase {
            Phase::Waiting(wait) => Some(wait.reason.as_str()),
            _ => None,
        };
        info!(
            pass.id = now.pass_id,
            pages = now.pages,
            records = now.records,
            waiting_for,
            "pass under way"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_resumed_pass_began_with_is_no_speed() {
        let mut since_start = SinceStart::default();
        let at = |phase, records| Progress {
            records,
            phase,
            ..Progress::default()
        };
        for (progress, records) in [
            (at(Phase::Starting, 0), 0),
            (at(Phase::Starting, 900_000), 0),
            (at(Phase::Fetching, 900_000), 0),
            (at(Phase::Fetching, 901_000), 1_000),
        ] {
            assert_eq!(since_start.records(&progress), records, "{progress:?}");
        }
    }
}
