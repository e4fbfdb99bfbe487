//! The `customer-mirror` program. Everything it does is in the library.

#![forbid(unsafe_code)]

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use customer_mirror::cli::{self, Arguments, Exit};

/// What was given up may still keep a thread busy, which is waited for no longer than this: the system's resolver can take half a minute
/// to find that no name server answers.
const LEFT_OVER_MAX: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            // --help and --version are no errors, though clap says them so.
            return if error.use_stderr() {
                Exit::Usage
            } else {
                Exit::Done
            }
            .into();
        }
    };
    cli::before_threads(&arguments);
    match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
    {
        Ok(runtime) => {
            let exit = runtime.block_on(cli::run(arguments));
            runtime.shutdown_timeout(LEFT_OVER_MAX);
            exit.into()
        }
        Err(error) => {
            cli::output::error(&format!("can't start: {error}"));
            Exit::Bug.into()
        }
    }
}
