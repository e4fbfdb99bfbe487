//! `run`: the daemon.

use std::path::PathBuf;

use super::signals;
use super::{Context, Exit, Failure};
use crate::clock::Clock;
use crate::daemon::{Daemon, DaemonError, Settings, notify};
use crate::mirror::{DAEMON, Mirror};
use crate::pass::SharedMirror;
use crate::source::{HttpSource, SetupError};
use crate::status::Publisher;
use crate::telemetry;

/// Stay and mirror every customer whenever the schedule says so: the daemon
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  customer-mirror run                       in the foreground
  systemctl enable --now customer-mirror    as a service
  kill -HUP PID                             read configuration and key again
  kill -USR1 PID                            begin a pass now

Signals: SIGTERM, SIGINT: finish the page and end, the next start goes on from there; SIGHUP: read configuration and key again; \
SIGUSR1: begin a pass now.

Exit status: 0 ended by SIGTERM or SIGINT; 73, 74 the mirror can't be written; 75 another process writes to the mirror; 77 API key \
refused, and it is not from api.key_file, where another one could be put; 78 configuration.")]
pub(super) struct Arguments {}

pub(super) async fn run(
    context: Context,
    file: Option<PathBuf>,
    log: telemetry::Handle,
) -> Result<Exit, Failure> {
    let requests = signals::requests()
        .map_err(|error| Failure::new(Exit::Bug, format!("can't watch for signals: {error}")))?;
    let environment = context.environment;
    let settings = Settings::complete(context.config, &environment)?;
    for warning in &settings.key.warnings {
        tracing::warn!("{warning}");
    }
    // What is wrong with it is said now, not at the first due time.
    open(&settings, false).map_err(|error| Failure::new(Exit::Config, error.to_string()))?;
    let path = settings.config.mirror.path.clone();
    let mirror = Mirror::open_or_create(&path, &settings.api.source_fingerprint(), DAEMON)?;
    let (publisher, progress) = Publisher::with_beat(notify::beat_interval());
    let schedule = &settings.config.schedule.when;
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        mirror = %path.display(),
        source = settings.api.source_fingerprint(),
        schedule = schedule.expression(),
        timezone = schedule.timezone().name(),
        "daemon started"
    );
    notify::ready();
    let forward = tokio::spawn(notify::forward(progress));
    let daemon = Daemon {
        mirror: SharedMirror::new(mirror),
        settings,
        open,
        load: move || Settings::load(file.as_deref(), &environment),
        requests,
        publisher,
        clock: Clock::system(),
        log,
    };
    let ended = daemon.run().await;
    forward.abort();
    match ended {
        Ok(()) => {
            tracing::info!("daemon ended");
            Ok(Exit::Done)
        }
        Err(DaemonError::Pass(error)) => Err(error.into()),
        Err(DaemonError::KeyRefused(error)) => Err(Failure::new(
            Exit::KeyRefused,
            format!("{error}; then start the daemon again"),
        )),
    }
}

fn open(settings: &Settings, is_probe: bool) -> Result<HttpSource, SetupError> {
    let source = HttpSource::new(&settings.api, &settings.config.retry, &settings.key.key)?;
    Ok(if is_probe { source.probing() } else { source })
}
