//! The `customer-mirror` program. Everything it does is in the library.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use customer_mirror::cli::{self, Arguments, Exit};

fn main() -> ExitCode {
    match Arguments::try_parse() {
        Ok(arguments) => {
            cli::before_threads(&arguments);
            cli::run(arguments)
        }
        Err(error) => {
            let _ = error.print();
            // --help and --version are no errors, though clap says them so.
            if error.use_stderr() {
                Exit::Usage
            } else {
                Exit::Done
            }
        }
    }
    .into()
}
