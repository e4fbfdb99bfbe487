//! The embedded Connect API: seeded customers, days that pass, and faults to order.
//!
//! [`Simulator::start`] serves `GET {prefix}/customers` on loopback. What is listed is a [`Listing`]: customers computed from a seed, so
//! that ten million need no memory, or explicit records for small tests. What goes wrong is a list of [`FaultPlan`]s. The
//! handle is the tests' side: it knows each request, can hold an answer back until released, and is the oracle of what a walk must
//! find.
//!
//! Reading order: `customers` (who exists on which day) and `record` (what a record says), `listing` and `page` (rows),
//! `cursor`, `fault` and `fault_text`, `api` (request to answer), `server` (connections).

mod answer;
mod api;
mod control;
mod cursor;
mod customers;
mod fault;
mod fault_text;
mod hash;
mod ids;
mod json;
mod listing;
mod locales;
mod options;
mod page;
mod record;
mod request_log;
mod server;
mod shared;
#[cfg(test)]
mod tests;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub use customers::{DAY_MAX, Rates, customer};
pub use fault::{BadId, Fault, FaultPlan, WaitHint, When};
pub use fault_text::{FAULT_FORMS, FaultTextError};
pub use listing::Listing;
pub use options::{Options, ParameterNames};
pub use page::LastPage;
pub use request_log::{Answer, Request};

use shared::Shared;

/// A running simulator; dropping it ends it.
pub struct Simulator {
    shared: Arc<Shared>,
    address: SocketAddr,
    task: JoinHandle<std::convert::Infallible>,
}

impl Simulator {
    /// Listens on loopback and serves in the background of the current tokio runtime.
    ///
    /// # Errors
    /// The port can't be had.
    pub async fn start(options: Options) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::new(options));
        let task = tokio::spawn(server::serve(listener, Arc::clone(&shared)));
        Ok(Self {
            shared,
            address,
            task,
        })
    }

    /// Ends it and waits until its port is free again.
    pub async fn stop(mut self) {
        self.task.abort();
        // The task was aborted: that error is the expected end.
        let _ = (&mut self.task).await;
    }

    /// The URL that `/customers` is added to.
    pub fn base_url(&self) -> String {
        format!("http://{}{}", self.address, self.shared.options.prefix)
    }

    /// Address and port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Moves to `day` (from 1, at most [`DAY_MAX`]); walks under way go on at their position. Does nothing to an explicit listing.
    pub fn set_day(&self, day: u32) {
        self.shared.set_day(day);
    }

    /// Lists something else from now on; walks under way go on at their position.
    pub fn set_listing(&self, listing: Listing) {
        self.shared.state().listing = Arc::new(listing);
    }

    /// Accepts this key only from now on.
    pub fn set_key(&self, key: impl Into<String>) {
        self.shared.state().key = key.into();
    }

    /// Adds a fault; a bare [`Fault`] strikes every request, [`Fault::once`] the next one.
    pub fn push_fault(&self, plan: impl Into<FaultPlan>) {
        self.shared.state().faults.push(plan.into());
    }

    /// Takes all faults back.
    pub fn clear_faults(&self) {
        self.shared.state().faults.clear();
    }

    /// All cursors given out so far are refused from now on.
    pub fn expire_all_cursors(&self) {
        self.shared.state().generation += 1;
    }

    /// Moves the clock that cursors age by.
    pub fn advance_clock(&self, by: Duration) {
        self.shared.state().clock_ahead += by;
    }

    /// The requests so far (at most the last 100,000), in the order of arrival.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.state().log.all()
    }

    /// How many requests have arrived.
    pub fn request_count(&self) -> u64 {
        *self.shared.arrived.borrow()
    }

    /// How many pages were served, those that a fault then broke in transit included.
    pub fn pages_served(&self) -> u64 {
        self.shared.state().pages_served
    }

    /// Waits until `count` requests have arrived.
    pub async fn wait_for_requests(&self, count: u64) {
        // The sender lives in self: the wait can't fail.
        let _ = self
            .shared
            .arrived
            .subscribe()
            .wait_for(|arrived| *arrived >= count)
            .await;
    }

    /// Waits until `count` requests have been answered (or left without an answer by order).
    pub async fn wait_for_answers(&self, count: u64) {
        let _ = self
            .shared
            .answered
            .subscribe()
            .wait_for(|answered| *answered >= count)
            .await;
    }

    /// Holds the answer to request `number` (from 1) back until it is released. What it will say is decided after the release.
    pub fn hold_request(&self, number: u64) {
        self.shared.held.send_modify(|held| {
            held.insert(number);
        });
    }

    /// Releases every held request.
    pub fn release(&self) {
        self.shared
            .held
            .send_modify(std::collections::BTreeSet::clear);
    }

    /// Releases one held request.
    pub fn release_request(&self, number: u64) {
        self.shared.held.send_modify(|held| {
            held.remove(&number);
        });
    }

    /// The oracle: the listing as it is now. Its [`Listing::iter`] gives the raw JSON of all customers in order.
    pub fn listing(&self) -> Arc<Listing> {
        Arc::clone(&self.shared.state().listing)
    }

    /// The oracle: the readable `customerId`s (non-empty texts) as they are now, in order.
    pub fn customer_ids(&self) -> Vec<String> {
        let id = |record: String| json::RawObject::parse(&record)?.string("customerId");
        self.listing()
            .iter()
            .filter_map(id)
            .filter(|id| !id.is_empty())
            .collect()
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.task.abort();
    }
}
