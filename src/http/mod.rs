//! The operator's endpoint: health, metrics, the status page, and the customers; for reading only.
//!
//! A request's way: `server` (connections, on a thread of its own) → `routes` → `pace` and `gate` (who is let in, *pure*) → a
//! question to the mirror (`readers`, within a `budget`, *pure*) → `pages`, `metrics`, `health` (what it looks like, *pure*).
//!
//! It never writes. What it knows of the daemon it reads from the watch channel that everybody reads; served without the daemon,
//! by `customer-mirror serve`, it knows what the mirror says.

mod answer;
mod budget;
mod desk;
mod gate;
mod guesses;
pub(crate) mod health;
mod metrics;
mod pace;
mod pages;
mod readers;
mod routes;
mod server;
mod socket;

use std::io;
use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::watch;

pub use socket::{BindError, Bound};

use crate::clock::Clock;
use crate::config::{Http, HttpToken, Listen, Timing};
use crate::meters::Meters;
use crate::status::Progress;

/// What is served.
#[derive(Debug)]
pub struct Site {
    /// The mirror's file.
    pub mirror: PathBuf,
    /// Base URL and filter as configured, if they are.
    pub source: Option<String>,
    /// Who may ask, and what counts as ready.
    pub http: Http,
    /// The token that everybody must know.
    pub token: Option<HttpToken>,
    /// When passes are due; it may change.
    pub timing: watch::Receiver<Timing>,
    /// The daemon, if this is its own endpoint.
    pub daemon: Option<DaemonView>,
    /// What time it is.
    pub clock: Clock,
}

/// What is seen of the daemon.
#[derive(Debug)]
pub struct DaemonView {
    /// What it does.
    pub progress: watch::Receiver<Progress>,
    /// How often it beats.
    pub beat_interval: Duration,
    /// What it has done.
    pub meters: Meters,
}

/// A running endpoint; dropping it ends it.
#[derive(Debug)]
pub struct Endpoint {
    address: Listen,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Endpoint {
    /// Begins to serve on a thread of its own.
    ///
    /// # Errors
    /// If the system has no thread for it.
    pub fn start(bound: Bound, site: Site) -> io::Result<Self> {
        server::start(bound, site)
    }

    /// Where it listens.
    pub fn address(&self) -> &Listen {
        &self.address
    }
}
