//! Stub.

use super::{Context, Exit, Failure};

/// Stub.
#[derive(Debug, clap::Args)]
pub struct Arguments {}

pub(super) fn run(_context: &Context, _arguments: &Arguments) -> Result<Exit, Failure> {
    Ok(Exit::Done)
}
