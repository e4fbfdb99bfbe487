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
pub async fn run(arguments: Arguments) -> Exit {
    match dispatch(arguments).await {
        Ok(exit) => exit,
        Err(failure) => {
            if !failure.message.is_empty() {
                output::error(&failure.message);
            }
            failure.exit
        }
    }
}

async fn dispatch(arguments: Arguments) -> Result<Exit, Failure> {
    let quiet = arguments.quiet;
    let command = match arguments.command {
        Command::Demo(arguments) => return demo::run(arguments).await,
        Command::SimulateApi(arguments) => {
            return simulate_api::run(arguments).await.map(|()| Exit::Done);
        }
        Command::Check(of_check) => {
            let frame = check::Frame {
                config: arguments.config,
                verbose: arguments.verbose,
                quiet,
            };
            return check::run(frame, &of_check).await;
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
    match command {
        Configured::Run(_) => run::run(context, arguments.config, log).await,
        Configured::Sync(arguments) => sync::run(&context, arguments).await,
        Configured::Serve(arguments) => serve::run(&context, arguments).await,
        Configured::Status(arguments) => status::run(&context, &arguments),
        Configured::Get(arguments) => get::run(&context, &arguments),
        Configured::Search(arguments) => search::run(&context, &arguments),
        Configured::Query(arguments) => query::run(&context, &arguments),
        Configured::Export(arguments) => export::run(&context, &arguments),
        Configured::Changes(arguments) => changes::run(&context, &arguments),
        Configured::Deletions(arguments) => deletions::run(&context, &arguments),
        Configured::Quarantine(arguments) => quarantine::run(&context, &arguments),
        Configured::Forget(arguments) => forget::run(&context, &arguments),
        Configured::Recover(arguments) => recover::run(&context, &arguments),
    }
}
