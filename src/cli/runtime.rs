//! The asynchronous runtime, for commands that wait for something: the API, a client, a signal.
//!
//! The others have none. They ask the mirror and end, mostly sooner than the runtime's threads have started.

use std::pin::Pin;
use std::time::Duration;

use super::{Exit, Failure};

/// What was given up may still keep a thread busy, which is waited for no longer than this: the system's resolver can take half a minute
/// to find that no name server answers.
const LEFT_OVER_MAX: Duration = Duration::from_secs(1);

/// One type for all of them: the runtime's code is there once, not once a command.
type Work<'a> = Pin<Box<dyn Future<Output = Result<Exit, Failure>> + 'a>>;

/// Does a command's work in a runtime of its own.
pub(super) fn within<'a>(
    work: impl Future<Output = Result<Exit, Failure>> + 'a,
) -> Result<Exit, Failure> {
    block_on(Box::pin(work))
}

fn block_on(work: Work<'_>) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Bug, format!("can't start: {error}")))?;
    let result = runtime.block_on(work);
    runtime.shutdown_timeout(LEFT_OVER_MAX);
    result
}
