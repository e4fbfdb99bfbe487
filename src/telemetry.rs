//! The tracing subscriber: what is logged, where, and how it looks. Logs go to stderr, under systemd to the journal.

use std::fs::File;
use std::io::IsTerminal;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;

use tracing::level_filters::LevelFilter;
use tracing::{Subscriber, warn};
use tracing_journald::{Priority, PriorityMappings};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::prelude::*;
use tracing_subscriber::{Registry, reload};

use crate::config::{Log, LogFormat};

/// What the command line says about logging.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// So many steps more than the configured level.
    pub verbose: u8,
    /// Errors only.
    pub quiet: bool,
    /// The log is all that there is to see, so a terminal gets all of it, with times.
    pub daemon: bool,
}

/// Changes the level of the log that [`start`] began; the default one changes nothing.
#[derive(Debug, Clone, Default)]
pub struct Handle {
    options: Options,
    brief: bool,
    filter: Option<reload::Handle<Targets, Registry>>,
}

impl Handle {
    /// Takes over the level of a configuration that was read again, the command line's `-v` and `-q` included. The format
    /// stays as it was at the start.
    pub fn apply(&self, log: &Log) {
        if let Some(filter) = &self.filter {
            // Refused only where this log's subscriber is not in use, as in tests.
            let _ = filter.reload(targets(log, self.options, self.brief));
        }
    }
}

/// Where the log goes and how it looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sink {
    /// The journal's own socket, with a field for each field.
    Journal,
    /// A JSON object a line.
    Json,
    /// Text with times.
    Text,
    /// Text without times, and only what is news to somebody who sees the progress bar and the report.
    Brief,
}

/// Starts logging: to the journal, or to `writer`.
pub fn start(
    log: &Log,
    options: Options,
    writer: impl for<'a> MakeWriter<'a> + Send + Sync + 'static,
) -> Handle {
    let terminal = std::io::stderr().is_terminal();
    let mut sink = sink(log.format, terminal, stderr_is_journal(), options.daemon);
    let mut journal = None;
    let mut unreachable = None;
    if sink == Sink::Journal {
        match journal_layer() {
            Ok(layer) => journal = Some(layer),
            Err(error) => {
                sink = Sink::Text;
                unreachable = Some(error);
            }
        }
    }
    let color = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let (subscriber, handle) = build(log, options, sink, journal, color, writer);
    // Refused only if there is a subscriber already, as in tests.
    let _ = subscriber.try_init();
    if let Some(error) = unreachable.filter(|_| log.format == LogFormat::Journald) {
        warn!(error = %error, "the journal can't be reached, so log.format = \"journald\" is text on stderr; is systemd-journald running?");
    }
    handle
}

fn sink(format: LogFormat, terminal: bool, journal: bool, daemon: bool) -> Sink {
    match format {
        LogFormat::Journald => Sink::Journal,
        LogFormat::Json => Sink::Json,
        LogFormat::Auto if journal => Sink::Journal,
        LogFormat::Auto if terminal && !daemon => Sink::Brief,
        LogFormat::Text | LogFormat::Auto => Sink::Text,
    }
}

fn build(
    log: &Log,
    options: Options,
    sink: Sink,
    journal: Option<tracing_journald::Layer>,
    color: bool,
    writer: impl for<'a> MakeWriter<'a> + Send + Sync + 'static,
) -> (impl Subscriber + Send + Sync, Handle) {
    let brief = sink == Sink::Brief;
    let (filter, handle) = reload::Layer::new(targets(log, options, brief));
    let text = fmt::layer()
        .with_writer(writer)
        .with_ansi(color)
        .with_target(false);
    let layer = match (journal, sink) {
        (Some(journal), _) => journal.boxed(),
        (None, Sink::Json) => text.json().boxed(),
        (None, Sink::Brief) => text.compact().without_time().boxed(),
        (None, Sink::Text | Sink::Journal) => text.compact().boxed(),
    };
    let handle = Handle {
        options,
        brief,
        filter: Some(handle),
    };
    let subscriber = tracing_subscriber::registry().with(layer.with_filter(filter));
    (subscriber, handle)
}

/// The journal's layer: fields by their own names (`pass.id` is `PASS_ID`), priorities as syslog has them.
fn journal_layer() -> std::io::Result<tracing_journald::Layer> {
    let priorities = PriorityMappings {
        info: Priority::Informational,
        debug: Priority::Debug,
        ..PriorityMappings::new()
    };
    Ok(tracing_journald::layer()?
        .with_field_prefix(None)
        .with_syslog_identifier("customer-mirror".to_owned())
        .with_priority_mappings(priorities))
}

/// What is logged: only this program's own events. What the libraries log (headers among it) stays out.
fn targets(log: &Log, options: Options, brief: bool) -> Targets {
    let mut level = LevelFilter::from_level(log.level);
    if brief {
        level = level.min(LevelFilter::WARN);
    }
    for _ in 0..options.verbose {
        level = match level {
            LevelFilter::ERROR => LevelFilter::WARN,
            LevelFilter::WARN => LevelFilter::INFO,
            LevelFilter::INFO => LevelFilter::DEBUG,
            _ => LevelFilter::TRACE,
        };
    }
    if options.quiet {
        level = LevelFilter::ERROR;
    }
    Targets::new().with_target("customer_mirror", level)
}

/// Whether what is written to stderr goes to the journal: systemd says which file that is in `JOURNAL_STREAM`. The variable alone
/// proves nothing, as it is inherited by programs whose stderr is something else.
pub fn stderr_is_journal() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else {
        return false;
    };
    let stderr = std::io::stderr()
        .as_fd()
        .try_clone_to_owned()
        .and_then(|stderr| File::from(stderr).metadata());
    stderr.is_ok_and(|stderr| stream == format!("{}:{}", stderr.dev(), stderr.ino()))
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use tracing::{Level, debug, info};

    use super::*;

    #[test]
    fn the_log_goes_where_it_is_read() {
        use LogFormat::{Auto, Journald, Json, Text};
        // format, terminal, journal, daemon
        for (format, terminal, journal, daemon, expected) in [
            (Auto, false, false, false, Sink::Text),
            (Auto, false, false, true, Sink::Text),
            (Auto, true, false, false, Sink::Brief),
            (Auto, true, false, true, Sink::Text),
            (Auto, false, true, false, Sink::Journal),
            (Auto, false, true, true, Sink::Journal),
            (Text, true, false, false, Sink::Text),
            (Text, false, true, true, Sink::Text),
            (Json, true, false, false, Sink::Json),
            (Json, false, true, true, Sink::Json),
            (Journald, true, false, false, Sink::Journal),
            (Journald, false, false, true, Sink::Journal),
        ] {
            assert_eq!(
                sink(format, terminal, journal, daemon),
                expected,
                "{format:?} {terminal} {journal} {daemon}"
            );
        }
    }

    #[derive(Debug, Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl Write for Paper {
        fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(text)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// The lines of what is logged before and after the configuration's level became `level`.
    fn logged(options: Options, sink: Sink, level: Level) -> Vec<String> {
        let paper = Paper::default();
        let writer = paper.clone();
        let log = |level| Log {
            level,
            format: LogFormat::Auto,
        };
        let (subscriber, handle) =
            build(&log(Level::INFO), options, sink, None, false, move || {
                writer.clone()
            });
        tracing::subscriber::with_default(subscriber, || {
            for time in ["before", "after"] {
                debug!(target: "customer_mirror::x", time, "debug");
                info!(target: "customer_mirror::x", time, "info");
                warn!(target: "customer_mirror::x", time, "warning");
                warn!(target: "hyper::x", time, "a header");
                handle.apply(&log(level));
            }
        });
        let text = String::from_utf8(paper.0.lock().unwrap().clone()).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn the_level_can_be_changed_while_running() {
        let normal = Options::default();
        let quiet = Options {
            quiet: true,
            ..normal
        };
        let verbose = Options {
            verbose: 1,
            ..normal
        };
        for (options, sink, level, expected) in [
            (normal, Sink::Text, Level::INFO, 4),
            (normal, Sink::Text, Level::DEBUG, 5),
            (normal, Sink::Text, Level::WARN, 3),
            (normal, Sink::Text, Level::ERROR, 2),
            (normal, Sink::Json, Level::DEBUG, 5),
            (normal, Sink::Brief, Level::DEBUG, 2),
            (verbose, Sink::Brief, Level::DEBUG, 4),
            (verbose, Sink::Text, Level::WARN, 5),
            (quiet, Sink::Text, Level::DEBUG, 0),
        ] {
            let lines = logged(options, sink, level);
            assert_eq!(
                lines.len(),
                expected,
                "{options:?} {sink:?} {level}: {lines:?}"
            );
            assert!(!lines.iter().any(|line| line.contains("header")));
        }
    }

    #[test]
    fn without_a_subscriber_a_handle_does_nothing() {
        Handle::default().apply(&Log {
            level: Level::TRACE,
            format: LogFormat::Auto,
        });
    }
}
