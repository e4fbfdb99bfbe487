//! What the handlers work with: the site, the mirror's readers, and what follows from both.

use std::path::Path;
use std::time::Instant;

use axum::http::StatusCode;

use super::Site;
use super::answer::{Answer, HTML};
use super::health::{HealthBody, Readiness, health, readiness};
use super::pages;
use super::readers::{ReadError, Readers};
use crate::mirror::{MirrorError, Reader, Status};
use crate::model::{Timestamp, format_timestamp, parse_timestamp};

/// What the handlers know.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) site: Site,
    pub(super) readers: Readers,
    /// When this process began to serve.
    pub(super) started_at: Timestamp,
    started: Instant,
}

/// Why a question has no answer, in words for a person.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    pub(super) status: StatusCode,
    title: &'static str,
    /// What is wrong.
    pub(super) text: String,
    what_to_do: &'static str,
}

impl Desk {
    pub(super) fn new(site: Site, started: Instant) -> Self {
        Self {
            readers: Readers::new(
                &site.mirror,
                site.daemon.as_ref().map(|daemon| daemon.progress.clone()),
            ),
            started_at: site.clock.now(),
            started,
            site,
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.site.clock.now()
    }

    /// Asks the mirror something.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Reader) -> Result<T, MirrorError> + Send + 'static,
    ) -> Result<T, Trouble> {
        self.readers.ask(question).await.map_err(Trouble::from)
    }

    /// Asks the mirror what takes no time to answer.
    pub(super) async fn ask_at_once<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Reader) -> Result<T, MirrorError> + Send + 'static,
    ) -> Result<T, Trouble> {
        let answer = self.readers.ask_at_once(question).await;
        answer.map_err(Trouble::from)
    }

    /// What `status` says.
    pub(super) async fn status(&self) -> Result<Status, Trouble> {
        let status = self.ask_at_once(Reader::status).await?;
        Ok(self.with_next_due(status))
    }

    /// A status as the mirror has it, and when the next pass is due.
    pub(super) fn with_next_due(&self, status: Status) -> Status {
        let next = self.site.timing.borrow().when.next_after(self.now());
        Status {
            next_due_at: next.map(format_timestamp),
            ..status
        }
    }

    /// Whether a mirror with this status is fresh enough, and how fresh it is.
    pub(super) fn readiness(&self, status: &Status) -> (Readiness, Option<Timestamp>) {
        let complete_as_of = status.freshness.started_at.as_deref();
        let complete_as_of = complete_as_of.and_then(parse_timestamp);
        if let Some(reason) = self.damage() {
            return (Readiness::NotReady { reason }, complete_as_of);
        }
        let periods = self.site.http.ready_periods;
        let timing = self.site.timing.borrow();
        let judged = readiness(complete_as_of, &timing, periods, self.now());
        (judged, complete_as_of)
    }

    /// What the daemon has found to be wrong with the mirror's file.
    pub(super) fn damage(&self) -> Option<String> {
        let daemon = self.site.daemon.as_ref()?;
        daemon.progress.borrow().damage.clone()
    }

    pub(super) fn health(&self) -> HealthBody {
        let beats = self.site.daemon.as_ref().map(|daemon| {
            let beat_at = daemon.progress.borrow().beat_at;
            (beat_at, daemon.beat_interval)
        });
        health(beats, self.started, Instant::now())
    }

    /// Sizes in bytes of the mirror's file and of its -wal file, which need not be there.
    pub(super) fn sizes(&self) -> (Option<u64>, u64) {
        let size = |path: &Path| Some(std::fs::metadata(path).ok()?.len());
        let log = crate::mirror::log_of(&self.site.mirror);
        (size(&self.site.mirror), size(&log).unwrap_or_default())
    }
}

impl From<ReadError> for Trouble {
    fn from(error: ReadError) -> Self {
        let unavailable = |title, text: &str, what_to_do| Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            title,
            text: text.to_owned(),
            what_to_do,
        };
        match error {
            ReadError::Busy => unavailable(
                "Too many questions",
                "too many ask at the same time",
                "Try again in a moment.",
            ),
            ReadError::Late => unavailable(
                "That took too long",
                "the answer took too long",
                "Ask for less, or later.",
            ),
            ReadError::Mirror(error @ MirrorError::Missing { .. }) => unavailable(
                "No mirror",
                &error.to_string(),
                "It comes with the first pass.",
            ),
            ReadError::Mirror(error) => Self {
                status: StatusCode::INTERNAL_SERVER_ERROR,
                title: "The mirror can't be read",
                text: error.to_string(),
                what_to_do: "`customer-mirror check` tells more.",
            },
            ReadError::Died => Self {
                status: StatusCode::INTERNAL_SERVER_ERROR,
                title: "A bug",
                text: "the question ended unanswered".to_owned(),
                what_to_do: "Please report it, with what is in the log.",
            },
        }
    }
}

impl Trouble {
    pub(super) fn new(
        status: StatusCode,
        title: &'static str,
        text: impl Into<String>,
        what_to_do: &'static str,
    ) -> Self {
        Self {
            status,
            title,
            text: text.into(),
            what_to_do,
        }
    }

    /// As a page.
    pub(super) fn page(&self) -> Answer {
        let page = pages::error(
            self.status.as_u16(),
            self.title,
            &self.text,
            self.what_to_do,
        );
        self.hurried(Answer::new(self.status, HTML, page))
    }

    /// In a line, for programs.
    pub(super) fn line(&self) -> Answer {
        let text = self.text.trim_end_matches('.');
        self.hurried(Answer::text(self.status, text))
    }

    fn hurried(&self, answer: Answer) -> Answer {
        match self.status {
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
                answer.retry_after(1)
            }
            _ => answer,
        }
    }
}
