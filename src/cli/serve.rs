//! `serve`: the status page and the customers of a mirror, without the daemon.

use tokio::sync::watch;

use super::output::note;
use super::signals::Signals;
use super::{Context, Exit, Failure, endpoint};
use crate::config::Listen;
use crate::mirror::Reader;

/// Where it is served if nobody says otherwise.
const ADDRESS: &str = "127.0.0.1:9480";

/// How far others go first.
const NICENESS: i32 = 10;

/// Show a mirror over HTTP: status page, customers, health checks, metrics; for reading only
#[derive(Debug, clap::Args)]
#[command(after_help = "\
It shows a mirror as it is, whoever makes its passes; a daemon with [http] listen in its configuration needs no such help. \
On loopback every user of this machine can read the customers, unless there is a token (http.token_file); a Unix socket is \
for its owner and group. Any other address needs a token.

Examples:
  customer-mirror serve
  customer-mirror serve --listen 127.0.0.1:8000
  customer-mirror serve --listen unix:/run/user/1000/customers.sock")]
pub(super) struct Arguments {
    /// Address and port, or `unix:` and a path [default: http.listen, else 127.0.0.1:9480]
    #[arg(long, value_name = "ADDRESS", value_parser = Listen::parse)]
    listen: Option<Listen>,
}

pub(super) async fn run(context: &Context, arguments: Arguments) -> Result<Exit, Failure> {
    let mut config = context.config.clone();
    let listen = arguments.listen.or(config.http.listen.take());
    let listen = match listen {
        Some(listen) => listen,
        None => Listen::parse(ADDRESS).map_err(|error| Failure::new(Exit::Bug, error))?,
    };
    config.http.listen = Some(listen);
    // Who makes the passes goes first. Where that is refused, this is only less polite.
    let _ = rustix::process::nice(NICENESS);
    // What is wrong with the mirror is said here, not on the page.
    drop(Reader::open(&config.mirror.path)?);
    let mut signals = Signals::watch()
        .map_err(|error| Failure::new(Exit::Bug, format!("can't watch for signals: {error}")))?;
    let Some(reserved) = endpoint::bind(&config.http, &context.environment)? else {
        return Ok(Exit::Done);
    };
    let (_timing, timing) = watch::channel(config.schedule.clone());
    let endpoint = reserved.serve(&config, timing, None)?;
    note(
        context,
        &format!("serving at {}, until Ctrl-C", endpoint.address()),
    );
    // The sender lives as long as the process watches for signals.
    let _ = signals.stop.wait_for(|stop| *stop).await;
    drop(endpoint);
    Ok(Exit::Done)
}
