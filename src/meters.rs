//! What this process has done, counted: for the one who watches it from afar, and wants rates and not only a state.
//!
//! The state of the mirror is in the mirror, and is read from there. These counters begin at 0 with the process, which is what a
//! counter of Prometheus does. They are atomics, touched a few times a page and never for a record; a histogram has a lock, held
//! for as long as its dozen numbers are written or read. So nobody who looks slows a pass down. Every series that is known
//! beforehand is there from the start, so that the first event counts as an increase.
//!
//! Labels are words of closed lists. A text of the server's can't become one.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::encoding::text::encode_registry;
use prometheus_client::encoding::{EncodeMetric, MetricEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::{MetricType, TypedMetric};
use prometheus_client::registry::{Registry, Unit};

use crate::decode::DRIFT_POINTERS;
use crate::mirror::PageCommit;
use crate::source::{Activity, Ending, WaitReason, counted_as};

/// What the name of each metric of the program begins with.
pub const PREFIX: &str = "customer_mirror";

/// Upper bounds of a request's duration in seconds: from a local server's answer to the default of `api.request_timeout`.
const REQUEST_SECONDS: [f64; 12] = [
    0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
];
/// Upper bounds of a commit's duration in seconds: from a page where nothing changed to a disk in trouble.
const COMMIT_SECONDS: [f64; 11] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0,
];

/// The counters; a clone counts into the same ones.
#[derive(Debug, Clone, Default)]
pub struct Meters(Arc<Counters>);

/// How a pass ended, or what became of it for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PassEnd {
    /// Complete.
    Complete,
    /// Told to stop; the checkpoint is kept.
    Interrupted,
    /// Given up because its checkpoint is of no use any more; a new one begins.
    Abandoned,
    /// The server could not be had, or refused for good; the checkpoint is kept.
    Unavailable,
    /// The key is refused; the checkpoint is kept.
    AuthRefused,
    /// A second cursor in a row was refused.
    CursorRejected,
    /// The server breaks the protocol: a redirect, no page, a circle, a walk without a proof.
    Protocol,
    /// The mirror could not be written.
    MirrorFailed,
}

counted_as!(PassEnd {
    Complete = "complete",
    Interrupted = "interrupted",
    Abandoned = "abandoned",
    Unavailable = "unavailable",
    AuthRefused = "auth_refused",
    CursorRejected = "cursor_rejected",
    Protocol = "protocol",
    MirrorFailed = "mirror_failed",
});

/// What became of the records of a page: the words that they are counted by.
fn results(commit: &PageCommit) -> [(&'static str, i64); 5] {
    [
        ("created", commit.created),
        ("updated", commit.updated),
        ("unchanged", commit.unchanged),
        ("restored", commit.restored),
        ("quarantined", commit.quarantined),
    ]
}

/// One metric for each word of a closed list, which is the value of one label. Shown in the list's order.
#[derive(Debug, Clone)]
pub(crate) struct Labelled<M> {
    label: &'static str,
    metrics: Vec<(&'static str, M)>,
}

impl<M> Labelled<M> {
    pub(crate) fn of(
        label: &'static str,
        metrics: impl IntoIterator<Item = (&'static str, M)>,
    ) -> Self {
        Self {
            label,
            metrics: metrics.into_iter().collect(),
        }
    }

    /// The metric of a word, if that is on the list.
    fn get(&self, word: &str) -> Option<&M> {
        let mut metrics = self.metrics.iter();
        metrics.find_map(|(known, metric)| (*known == word).then_some(metric))
    }
}

impl<M: Default> Labelled<M> {
    fn new(label: &'static str, words: impl IntoIterator<Item = &'static str>) -> Self {
        Self::of(label, words.into_iter().map(|word| (word, M::default())))
    }
}

impl Labelled<Counter> {
    fn add(&self, word: &str, count: u64) {
        if let Some(counter) = self.get(word) {
            counter.inc_by(count);
        }
    }
}

impl<M: EncodeMetric + TypedMetric> EncodeMetric for Labelled<M> {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        for (word, metric) in &self.metrics {
            metric.encode(encoder.encode_family(&[(self.label, *word)])?)?;
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        M::TYPE
    }

    fn is_empty(&self) -> bool {
        self.metrics.is_empty()
    }
}

/// A gauge that isn't shown before it is known, which it is when it isn't 0.
#[derive(Debug, Clone, Default)]
struct OnceKnown(Arc<AtomicU64>);

impl EncodeMetric for OnceKnown {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        encoder.encode_gauge(&self.0.load(Ordering::Relaxed))
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Gauge
    }

    fn is_empty(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }
}

#[derive(Debug)]
struct Counters {
    registry: Registry,
    passes: Labelled<Counter>,
    passes_under_way: Gauge,
    pages: Counter,
    page_bytes: Counter,
    page_size: OnceKnown,
    records: Labelled<Counter>,
    deletions: Counter,
    drift: Labelled<Counter>,
    requests: Labelled<Counter>,
    request_seconds: Histogram,
    retries: Labelled<Counter>,
    wait_seconds: Labelled<Counter<f64, AtomicU64>>,
    commit_seconds: Histogram,
}

impl Default for Counters {
    fn default() -> Self {
        let endings = || Ending::ALL.iter().map(|ending| ending.as_str());
        let failures = endings().filter(|word| *word != Ending::Ok.as_str());
        let mut counters = Self {
            registry: Registry::with_prefix(PREFIX),
            passes: Labelled::new("end", PassEnd::ALL.iter().map(|end| end.as_str())),
            passes_under_way: Gauge::default(),
            pages: Counter::default(),
            page_bytes: Counter::default(),
            page_size: OnceKnown::default(),
            records: Labelled::new(
                "result",
                results(&PageCommit::default()).map(|(word, _)| word),
            ),
            deletions: Counter::default(),
            drift: Labelled::new("field", DRIFT_POINTERS.iter().map(String::as_str)),
            requests: Labelled::new("outcome", endings()),
            request_seconds: Histogram::new(REQUEST_SECONDS),
            retries: Labelled::new("reason", failures),
            wait_seconds: Labelled::new("reason", WaitReason::ALL.iter().map(|it| it.as_str())),
            commit_seconds: Histogram::new(COMMIT_SECONDS),
        };
        counters.register();
        counters
    }
}

impl Counters {
    fn register(&mut self) {
        let mut registry = std::mem::take(&mut self.registry);
        self.register_passes(&mut registry);
        self.register_requests(&mut registry);
        self.registry = registry;
    }

    fn register_passes(&self, registry: &mut Registry) {
        registry.register(
            "passes",
            "Passes of this process by how they ended; one that goes on later counts each time",
            self.passes.clone(),
        );
        registry.register(
            "pass_under_way",
            "1 while this process makes a pass",
            self.passes_under_way.clone(),
        );
        registry.register("pages", "Pages committed", self.pages.clone());
        registry.register_with_unit(
            "page",
            "Bytes of the bodies of committed pages, decompressed",
            Unit::Bytes,
            self.page_bytes.clone(),
        );
        registry.register(
            "page_size_customers",
            "How many customers the last request asked for",
            self.page_size.clone(),
        );
        registry.register(
            "records",
            "Records of committed pages by what became of them",
            self.records.clone(),
        );
        registry.register(
            "deletions",
            "Customers that passes turned into tombstones",
            self.deletions.clone(),
        );
        registry.register(
            "drift_records",
            "New and changed records with a value of an undocumented type, by the field's JSON pointer",
            self.drift.clone(),
        );
        registry.register_with_unit(
            "commit_duration",
            "How long the transaction of a page took",
            Unit::Seconds,
            self.commit_seconds.clone(),
        );
    }

    fn register_requests(&self, registry: &mut Registry) {
        registry.register(
            "requests",
            "Requests to the API by how they ended",
            self.requests.clone(),
        );
        registry.register_with_unit(
            "request_duration",
            "How long a request took, from its beginning to the last byte of the answer",
            Unit::Seconds,
            self.request_seconds.clone(),
        );
        registry.register(
            "retries",
            "Requests that repeat a failed one, by how that ended",
            self.retries.clone(),
        );
        registry.register_with_unit(
            "wait",
            "Time waited before requests, by who wanted it: the server, our backoff, api.max_requests_per_second",
            Unit::Seconds,
            self.wait_seconds.clone(),
        );
    }
}

/// A pass under way, until it is dropped.
#[derive(Debug)]
pub(crate) struct UnderWay(Gauge);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Meters {
    /// Writes all of them as OpenMetrics text, without its end mark.
    ///
    /// # Errors
    /// If `text` can't take it.
    pub fn encode(&self, text: &mut impl fmt::Write) -> fmt::Result {
        encode_registry(text, &self.0.registry)
    }

    /// All of them, for whoever writes them in another form.
    pub(crate) fn registry(&self) -> &Registry {
        &self.0.registry
    }

    /// Counts what a source does.
    pub(crate) fn hear(&self, activity: &Activity) {
        let counters = &self.0;
        match activity {
            Activity::Request { limit, repeats, .. } => {
                let limit = u64::from(limit.get());
                counters.page_size.0.store(limit, Ordering::Relaxed);
                if let Some(ending) = repeats {
                    counters.retries.add(ending.as_str(), 1);
                }
            }
            Activity::Answered { ending, took } => {
                counters.requests.add(ending.as_str(), 1);
                counters.request_seconds.observe(took.as_secs_f64());
            }
            // It counts when it is over: it may be cut short.
            Activity::Wait { .. } => {}
            Activity::Waited { reason, took } => {
                if let Some(seconds) = counters.wait_seconds.get(reason.as_str()) {
                    seconds.inc_by(took.as_secs_f64());
                }
            }
        }
    }

    /// Counts a page that is in the mirror now.
    pub(crate) fn committed(&self, commit: &PageCommit, bytes: u64, took: Duration) {
        let counters = &self.0;
        counters.pages.inc();
        counters.page_bytes.inc_by(bytes);
        for (result, records) in results(commit) {
            counters.records.add(result, records.unsigned_abs());
        }
        for (pointer, records) in &commit.drift {
            counters.drift.add(pointer, *records);
        }
        counters.commit_seconds.observe(took.as_secs_f64());
    }

    /// Says that a pass is under way, until what is returned is dropped.
    pub(crate) fn pass_begins(&self) -> UnderWay {
        self.0.passes_under_way.inc();
        UnderWay(self.0.passes_under_way.clone())
    }

    /// Counts how a pass ended.
    pub(crate) fn pass_ended(&self, end: PassEnd) {
        self.0.passes.add(end.as_str(), 1);
    }

    /// Counts customers that became tombstones.
    pub(crate) fn deleted(&self, customers: u64) {
        self.0.deletions.inc_by(customers);
    }
}
