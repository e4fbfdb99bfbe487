//! The tracing subscriber: what is logged, where, and how it looks. Logs go to stderr.

use std::io::IsTerminal;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::prelude::*;

use crate::config::{Log, LogFormat};

/// Starts logging to `writer`. `verbose` raises the configured level by that many steps; `quiet` shows errors only.
pub fn start(
    log: &Log,
    verbose: u8,
    quiet: bool,
    writer: impl for<'a> MakeWriter<'a> + Send + Sync + 'static,
) {
    let terminal = std::io::stderr().is_terminal();
    let mut level = LevelFilter::from_level(log.level);
    if terminal && log.format == LogFormat::Auto {
        // Whoever looks on sees the progress bar and the report; a warning is news all the same.
        level = level.min(LevelFilter::WARN);
    }
    for _ in 0..verbose {
        level = match level {
            LevelFilter::ERROR => LevelFilter::WARN,
            LevelFilter::WARN => LevelFilter::INFO,
            LevelFilter::INFO => LevelFilter::DEBUG,
            _ => LevelFilter::TRACE,
        };
    }
    if quiet {
        level = LevelFilter::ERROR;
    }
    // Only this program's own events: what the libraries log (headers among it) stays out.
    let filter = tracing_subscriber::filter::Targets::new().with_target("customer_mirror", level);
    let color = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let layer = fmt::layer()
        .with_writer(writer)
        .with_ansi(color)
        .with_target(false);
    let registry = tracing_subscriber::registry();
    let started = match log.format {
        LogFormat::Json => registry.with(layer.json().with_filter(filter)).try_init(),
        LogFormat::Auto if terminal => registry
            .with(layer.compact().without_time().with_filter(filter))
            .try_init(),
        LogFormat::Auto | LogFormat::Text | LogFormat::Journald => registry
            .with(layer.compact().with_filter(filter))
            .try_init(),
    };
    // Refused only if there is a subscriber already, as in tests.
    drop(started);
}
