//! The API, and a source that behaves like `HttpSource` without a network: its own retries, and what it is asked to do
//! while the server is in doubt.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{SubsecRound, TimeDelta};
use customer_mirror::decode;
use customer_mirror::model::{Cursor, PageSize, Timestamp, Wait};
use customer_mirror::source::{Activity, FailureKind, Fetched, PageSource, SourceError};
use tokio::time::{Instant, sleep};

use super::stage::{Ending, Stage, What};

/// `[retry]`, which the configuration has too.
pub(super) const INITIAL_DELAY: Duration = Duration::from_millis(500);
pub(super) const MAX_DELAY: Duration = Duration::from_secs(60);
pub(super) const MAX_ELAPSED: Duration = Duration::from_secs(900);

/// What the server does instead of answering.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Nothing.
    Down,
    /// It says when it will be well again.
    Busy,
    /// It sends the same cursor again.
    Circle,
    /// It is well, but this machine's certificates are being replaced.
    NoCertificates,
}

/// The API.
#[derive(Debug, Clone)]
pub(super) struct Server {
    /// Customers by number, each with its version.
    pub(super) customers: BTreeMap<u32, u32>,
    pub(super) page_len: usize,
    pub(super) latency: Duration,
    pub(super) key: String,
    /// From when until when, by the server's clock.
    pub(super) faults: Vec<(Timestamp, Timestamp, Fault)>,
}

/// No page.
enum Refusal {
    Unavailable,
    Key,
    /// Until then.
    Busy(TimeDelta),
}

impl Server {
    pub(super) fn record(number: u32, version: u32) -> String {
        format!(r#"{{"customerId":"c{number}","name":"{version}"}}"#)
    }

    /// The body at a cursor, and whether it leads in a circle.
    fn answer(
        &self,
        cursor: Option<&Cursor>,
        limit: usize,
        key: &str,
        now: Timestamp,
    ) -> Result<(String, bool), Refusal> {
        let fault = self
            .faults
            .iter()
            .find(|(from, until, _)| (*from..*until).contains(&now));
        match fault {
            Some((_, _, Fault::Down)) => return Err(Refusal::Unavailable),
            Some((_, until, Fault::Busy)) => return Err(Refusal::Busy(*until - now)),
            _ if key != self.key => return Err(Refusal::Key),
            _ => {}
        }
        let asked: u32 = cursor.map_or(0, |cursor| cursor.as_str().parse().unwrap());
        let page: Vec<(&u32, &u32)> = self
            .customers
            .range(asked + 1..)
            .take(limit.min(self.page_len))
            .collect();
        let last = page.last().map_or(asked, |(number, _)| **number);
        let mut next = self.customers.range(last + 1..).next().map(|_| last);
        let is_circle = matches!(fault, Some((_, _, Fault::Circle)));
        if is_circle {
            next = Some(asked.max(1));
        }
        let records: Vec<String> = page
            .into_iter()
            .map(|(number, version)| Self::record(*number, *version))
            .collect();
        let next = next.map_or("null".to_owned(), |next| format!("\"{next}\""));
        let body = format!(
            r#"{{"items":[{}],"pagination":{{"nextCursor":{next}}}}}"#,
            records.join(",")
        );
        Ok((body, is_circle && asked > 0))
    }
}

/// What a pass gets its pages from.
pub(super) struct FakeSource {
    stage: Arc<Stage>,
    key: String,
    is_probing: bool,
    hold: Option<Timestamp>,
    ending: Ending,
}

impl FakeSource {
    pub(super) fn new(stage: &Arc<Stage>, key: &str, is_probing: bool) -> Self {
        stage.begin(is_probing, key);
        Self {
            stage: Arc::clone(stage),
            key: key.to_owned(),
            is_probing,
            hold: None,
            ending: Ending::Cut,
        }
    }

    fn held(&self) -> Duration {
        let until = self.hold.map(|until| until - self.stage.wall());
        until
            .and_then(|held| held.to_std().ok())
            .unwrap_or_default()
    }

    fn error(&mut self, kind: FailureKind, retries: u32) -> SourceError {
        self.ending = match kind {
            FailureKind::AuthRefused => Ending::Refused,
            _ => Ending::Unavailable,
        };
        let wait_until = self.hold.filter(|_| !self.held().is_zero());
        SourceError {
            kind,
            message: format!("the test's {kind:?}"),
            retries,
            wait_until,
        }
    }

    async fn wait(&mut self, delay: Duration, retry: u32, tell: &(dyn Fn(Activity) + Sync)) {
        let asked_by_server = !self.held().is_zero();
        let wait = Wait {
            until: self.stage.wall() + delay,
            reason: "a test".to_owned(),
            asked_by_server,
            retry,
        };
        tell(Activity::Wait { wait, delay });
        sleep(delay).await;
        self.hold = None;
    }

    fn take(&mut self, body: String, is_circle: bool, retries: u32) -> Fetched {
        self.is_probing = false;
        self.stage.note(What::Page);
        let bytes = body.len() as u64;
        let page = decode::page(body.into_bytes()).unwrap();
        if is_circle {
            self.ending = Ending::Circle;
        } else if page.next.is_none() {
            self.ending = Ending::Complete;
        }
        Fetched {
            page,
            bytes,
            retries,
        }
    }
}

impl PageSource for FakeSource {
    async fn fetch(
        &mut self,
        cursor: Option<&Cursor>,
        tell: &(dyn Fn(Activity) + Sync),
    ) -> Result<Fetched, SourceError> {
        // The page that led in a circle is being committed while the next one is asked for.
        if self.ending != Ending::Circle {
            self.ending = Ending::Cut;
        }
        let began = Instant::now();
        let patience = if self.is_probing {
            Duration::ZERO
        } else {
            MAX_ELAPSED
        };
        let (mut delay, mut ceiling, mut requests) = (Duration::ZERO, INITIAL_DELAY, 0);
        loop {
            let needed = self.held().max(delay);
            let is_free = requests == 0 && needed.is_zero();
            if !is_free && began.elapsed() + needed > patience {
                return Err(self.error(FailureKind::Unavailable, requests));
            }
            if !needed.is_zero() {
                self.wait(needed, requests, tell).await;
            }
            requests += 1;
            let bound = Duration::from_secs(60);
            tell(Activity::Request {
                bound,
                limit: PageSize::MAX,
                repeats: None,
            });
            self.stage.request();
            sleep(self.stage.server(|server| server.latency)).await;
            let limit = if self.is_probing { 1 } else { 1000 };
            let now = self.stage.truth();
            let answer = self
                .stage
                .server(|server| server.answer(cursor, limit, &self.key, now));
            match answer {
                Ok((body, is_circle)) => return Ok(self.take(body, is_circle, requests - 1)),
                Err(Refusal::Key) => return Err(self.error(FailureKind::AuthRefused, requests)),
                Err(Refusal::Busy(wait)) => {
                    // The mirror keeps milliseconds.
                    let until =
                        (self.stage.wall() + wait + TimeDelta::milliseconds(1)).trunc_subsecs(3);
                    self.stage.note(What::Held(until));
                    (self.hold, delay) = (Some(until), Duration::ZERO);
                }
                Err(Refusal::Unavailable) => {
                    delay = ceiling.mul_f64(fastrand::f64());
                    ceiling = (2 * ceiling).min(MAX_DELAY);
                }
            }
        }
    }

    fn hold_until(&mut self, at: Timestamp) {
        self.hold = Some(at);
    }
}

impl Drop for FakeSource {
    fn drop(&mut self) {
        self.stage.end(self.ending);
    }
}
