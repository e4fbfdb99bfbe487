//! `simulate-api`: the API simulator alone, on loopback, with seeded customers and faults to order.

use std::io::{self, Write};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use super::{Exit, Failure};
use crate::simulator::{DAY_MAX, FaultPlan, Listing, Options, Rates, Request, Simulator};

const EXAMPLE: &str = "\
Examples:
  customer-mirror simulate-api --port 8080 --customers 100000
  customer-mirror simulate-api --fault 429:retry-after=2@page=3 --fault reset@rate=0.05
  curl -X POST 'http://127.0.0.1:8080/_simulator/day?day=2'

Faults: FAULT[@WHEN[,WHEN]]
  WHEN   page=N, request=N (once each), rate=0..1, times=N, times=always; without: every request
  FAULT  answers:  429 503 500 401 403 413 ... (any 400..599), with :retry-after=SECONDS,
                   :retry-after-date=SECONDS, :ratelimit-reset=SECONDS or
                   :x-ratelimit-reset=SECONDS; 413:above=LIMIT, 502-html, html-200,
                   redirect=URL, echo-key, reject-cursor=410 (or 400, 404, 422)
         network:  stall, stall-body, reset, truncate, latency=50ms, huge-body=BYTES
         pages:    malformed, wrong-shape, same-cursor, cycle, empty-page, short-page
         rows:     duplicate, shift=ROWS, skip=ROWS
         records:  bad-record=missing (or number, empty), drift, garbage-utf8";

/// Run the API simulator alone, on loopback, with seeded customers and faults to order
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct Arguments {
    /// TCP port on 127.0.0.1; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    port: u16,

    /// How many customers there are on day 1
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    customers: u64,

    /// Decides who the customers are; the same seed always makes the same ones
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    /// The day to begin with; each day changes about 1 % of the customers, deletes 0.1 % and adds 0.2 %
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=i64::from(DAY_MAX)))]
    day: u32,

    /// The API key to accept
    #[arg(long, default_value = "demo-key")]
    key: String,

    /// How long each page takes, for example 50ms
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = humantime::parse_duration)]
    page_latency: Duration,

    /// How long a cursor is good for, for example 5m [default: for ever]
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    cursor_lifetime: Option<Duration>,

    /// Send the same content in another key order and other white space at each request
    #[arg(long)]
    shuffle_keys: bool,

    /// A fault to order, for example 503@page=3; can be repeated (the forms are below)
    #[arg(long = "fault", value_name = "SPEC")]
    faults: Vec<FaultPlan>,
}

/// Serves until SIGINT or SIGTERM.
///
/// # Errors
/// The port can't be had, or standard output is closed.
pub(super) async fn run(arguments: Arguments) -> Result<Exit, Failure> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let (port, key) = (arguments.port, arguments.key.clone());
    let simulator = Simulator::start(options(arguments))
        .await
        .map_err(|error| {
            let message =
                format!("can't listen on port {port}: {error}; choose another with --port");
            Failure::new(Exit::Unavailable, message)
        })?;
    writeln!(
        io::stdout(),
        "{}",
        introduction(&simulator.base_url(), &key)
    )?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    simulator.stop().await;
    Ok(Exit::Done)
}

fn options(arguments: Arguments) -> Options {
    Options {
        port: arguments.port,
        key: arguments.key,
        listing: Listing::Seeded {
            seed: arguments.seed,
            count: arguments.customers,
            day: arguments.day,
            rates: Rates::default(),
        },
        faults: arguments.faults,
        page_latency: arguments.page_latency,
        cursor_lifetime: arguments.cursor_lifetime,
        shuffle_keys: arguments.shuffle_keys,
        seed: arguments.seed,
        observer: Some(log),
        ..Options::default()
    }
}

fn log(request: &Request) {
    // Nobody reads it any more? The simulator goes on all the same.
    let _ = writeln!(io::stderr(), "{request}");
}

fn introduction(base_url: &str, key: &str) -> String {
    let quoted_key = format!("'{}'", key.replace('\'', r"'\''"));
    format!(
        "base_url: {base_url}
key:      {key}

Mirror it from another terminal:

  CUSTOMER_MIRROR__API__BASE_URL={base_url} \\
  CUSTOMER_MIRROR__API__KEY={quoted_key} \\
  CUSTOMER_MIRROR__MIRROR__PATH=./simulated.db \\
  customer-mirror sync

Let a day pass:  curl -X POST '{base_url}/_simulator/day?day=2'
End with Ctrl-C."
    )
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        arguments: Arguments,
    }

    #[test]
    fn arguments_become_options() {
        let line = "simulate-api --customers 5 --seed 9 --day 3 --page-latency 20ms --cursor-lifetime 5m --fault 503 --fault stall@page=2";
        let command = Command::try_parse_from(line.split(' ')).unwrap();
        let options = options(command.arguments);
        assert_eq!(
            options.listing,
            Listing::Seeded {
                seed: 9,
                count: 5,
                day: 3,
                rates: Rates::default()
            }
        );
        assert_eq!(options.page_latency, Duration::from_millis(20));
        assert_eq!(options.cursor_lifetime, Some(Duration::from_mins(5)));
        assert_eq!(options.faults.len(), 2);
        assert_eq!(options.key, "demo-key");
    }

    #[test]
    fn bad_arguments_are_refused() {
        for line in [
            "--day 0",
            "--day 4000",
            "--fault nonsense",
            "--page-latency soon",
            "--port 70000",
        ] {
            let words = ["simulate-api"].into_iter().chain(line.split(' '));
            assert!(Command::try_parse_from(words).is_err(), "{line}");
        }
    }

    #[test]
    fn the_example_survives_an_odd_key() {
        let text = introduction("http://127.0.0.1:1", "it's");
        assert!(
            text.contains(r"CUSTOMER_MIRROR__API__KEY='it'\''s' \"),
            "{text}"
        );
    }
}
