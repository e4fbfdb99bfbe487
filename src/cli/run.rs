//! `run`: the daemon.

use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::watch;

use super::{Context, Exit, Failure, endpoint, signals};
use crate::clock::Clock;
use crate::daemon::{Daemon, DaemonError, Settings, notify};
use crate::http::DaemonView;
use crate::mirror::{DAEMON, Mirror};
use crate::pass::SharedMirror;
use crate::source::{HttpSource, SetupError};
use crate::status::Publisher;
use crate::telemetry;

/// Without a watchdog, `/healthz` wants to know: a loop that is stuck is noticed after a minute.
const BEAT_INTERVAL: Duration = Duration::from_secs(15);

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

With [http] listen in the configuration, it serves the status page, health checks and metrics.

Exit status: 0 ended by SIGTERM or SIGINT; 73, 74 the mirror can't be written, or the address of [http] can't be had; 75 another process writes to the mirror; 77 API key \
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
    let bound = endpoint::bind(&settings.config.http, &environment)?;
    let beat_interval = notify::beat_interval().or(bound.is_some().then_some(BEAT_INTERVAL));
    let (publisher, progress) = Publisher::with_beat(beat_interval);
    let (timing, timing_seen) = watch::channel(settings.config.schedule.clone());
    let schedule = &settings.config.schedule.when;
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        mirror = %path.display(),
        source = settings.api.source_fingerprint(),
        schedule = schedule.expression(),
        timezone = schedule.timezone().name(),
        "daemon started"
    );
    let endpoint = bound
        .map(|bound| {
            let view = DaemonView {
                progress: progress.clone(),
                beat_interval: beat_interval.unwrap_or(BEAT_INTERVAL),
                meters: publisher.meters().clone(),
            };
            bound.serve(&settings.config, timing_seen, Some(view))
        })
        .transpose()?;
    if let Some(endpoint) = &endpoint {
        tracing::info!(address = %endpoint.address(), "serving the status page");
    }
    notify::ready();
    let forward = tokio::spawn(notify::forward(progress));
    let daemon = Daemon {
        mirror: SharedMirror::new(mirror),
        settings,
        open,
        load: move || Settings::load(file.as_deref(), &environment),
        requests,
        publisher,
        timing,
        clock: Clock::system(),
        log,
    };
    let ended = daemon.run().await;
    drop(endpoint);
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
