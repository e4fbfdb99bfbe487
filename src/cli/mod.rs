//! The command line: one thin file a command. Data goes to stdout, everything else to stderr.

mod changes;
mod check;
mod completions;
mod customer_ids;
mod deletions;
mod demo;
mod endpoint;
mod exit;
mod export;
mod forget;
mod get;
mod man;
pub mod output;
mod progress;
mod quarantine;
mod query;
mod recover;
mod run;
mod runtime;
#[cfg(test)]
mod screens;
mod search;
mod secrecy;
mod serve;
mod signals;
mod simulate_api;
mod status;
mod sync;
mod watch;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

pub use exit::{Exit, Failure};

use crate::config::{Config, Environment};
use crate::telemetry;

/// What the program is called.
const NAME: &str = "customer-mirror";

/// What every command takes stands below what is its own.
const EVERYWHERE: &str = "Global options";

const CONFIG_HELP: &str =
    "Configuration file [default: $CUSTOMER_MIRROR_CONFIG, else /etc/customer-mirror/config.toml]";

/// Keeps a complete, provably up-to-date SQLite mirror of every customer that an API key can see
#[derive(Debug, Parser)]
#[command(
    name = NAME,
    version,
    max_term_width = 100,
    disable_help_subcommand = true
)]
#[command(after_help = "Try it without any configuration:  customer-mirror demo")]
pub struct Arguments {
    #[arg(long, global = true, value_name = "FILE", help = CONFIG_HELP, help_heading = EVERYWHERE)]
    config: Option<PathBuf>,
    /// Log more (-vv: everything)
    #[arg(short, long, global = true, action = clap::ArgAction::Count, conflicts_with = "quiet", help_heading = EVERYWHERE)]
    verbose: u8,
    /// Log errors only, show no progress
    #[arg(short, long, global = true, help_heading = EVERYWHERE)]
    quiet: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Arguments),
    #[command(flatten)]
    Configured(Configured),
    Check(check::Arguments),
    SimulateApi(simulate_api::Arguments),
    Completions(completions::Arguments),
    Man(man::Arguments),
}

/// The commands that take the configuration; the others work beside a broken one.
#[derive(Debug, Subcommand)]
enum Configured {
    Run(run::Arguments),
    Sync(sync::Arguments),
    Status(status::Arguments),
    Serve(serve::Arguments),
    Get(get::Arguments),
    Search(search::Arguments),
    Query(query::Arguments),
    Export(export::Arguments),
    Changes(changes::Arguments),
    Deletions(deletions::Arguments),
    Quarantine(quarantine::Arguments),
    Forget(forget::Arguments),
    Recover(recover::Arguments),
}

/// What every command gets: the configuration, and how it was asked to speak.
#[derive(Debug)]
pub struct Context {
    /// The configuration.
    pub config: Config,
    /// The environment that it was read from; the key may be there.
    pub environment: Environment,
    /// No progress, errors only.
    pub quiet: bool,
}

/// What has to be done before there is a second thread.
pub fn before_threads(arguments: &Arguments) {
    secrecy::keep();
    if matches!(arguments.command, Command::Configured(Configured::Run(_))) {
        heap::use_one_arena();
    }
}

/// Runs the command line; returns the exit status. Errors have been shown.
pub fn run(arguments: Arguments) -> Exit {
    match dispatch(arguments) {
        Ok(exit) => exit,
        Err(failure) => {
            if !failure.message.is_empty() {
                output::error(&failure.message);
            }
            failure.exit
        }
    }
}

fn dispatch(arguments: Arguments) -> Result<Exit, Failure> {
    let quiet = arguments.quiet;
    let command = match arguments.command {
        Command::Demo(arguments) => return runtime::within(demo::run(arguments)),
        Command::SimulateApi(arguments) => {
            return runtime::within(simulate_api::run(arguments));
        }
        Command::Check(of_check) => {
            let frame = check::Frame {
                config: arguments.config,
                verbose: arguments.verbose,
                quiet,
            };
            return runtime::within(check::run(frame, &of_check));
        }
        Command::Completions(arguments) => return completions::run(&arguments),
        Command::Man(man::Arguments {}) => return man::run(),
        Command::Configured(command) => command,
    };
    let environment = Environment::of_process()?;
    let config = Config::load(arguments.config.as_deref(), &environment)?;
    let options = telemetry::Options {
        verbose: arguments.verbose,
        quiet,
        daemon: matches!(command, Configured::Run(_)),
    };
    let log = telemetry::start(&config.log, options, progress::log_writer);
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let context = Context {
        config,
        environment,
        quiet,
    };
    command.run(context, arguments.config, log)
}

impl Configured {
    fn run(
        self,
        context: Context,
        file: Option<PathBuf>,
        log: telemetry::Handle,
    ) -> Result<Exit, Failure> {
        use runtime::within;
        match self {
            Self::Run(_) => within(run::run(context, file, log)),
            Self::Sync(arguments) => within(sync::run(&context, arguments)),
            Self::Serve(arguments) => within(serve::run(&context, arguments)),
            // These do their work here; the runtime waits for a signal beside it.
            Self::Export(arguments) => within(async { export::run(&context, &arguments) }),
            Self::Recover(arguments) => within(async { recover::run(&context, &arguments) }),
            Self::Changes(arguments) if arguments.is_endless() => {
                within(async { changes::run(&context, &arguments) })
            }
            Self::Changes(arguments) => changes::run(&context, &arguments),
            Self::Status(arguments) => status::run(&context, &arguments),
            Self::Get(arguments) => get::run(&context, &arguments),
            Self::Search(arguments) => search::run(&context, &arguments),
            Self::Query(arguments) => query::run(&context, &arguments),
            Self::Deletions(arguments) => deletions::run(&context, &arguments),
            Self::Quarantine(arguments) => quarantine::run(&context, &arguments),
            Self::Forget(arguments) => forget::run(&context, &arguments),
        }
    }
}
