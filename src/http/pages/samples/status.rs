//! Status pages.

use chrono::TimeDelta;

use super::super::{StatusView, status};
use super::{Sample, now};
use crate::http::health::Readiness;
use crate::mirror::{
    Conflict, CustomerLine, Freshness, HeldSweep, MirrorStatus, Owner, Quarantined, Remedy,
    RetryStatus, Status,
};
use crate::model::{PassReport, PassState, SweepState, Wait};
use crate::status::{Idle, Phase, Progress};

/// All that a status page needs.
pub(in super::super) struct StatusSample {
    pub(in super::super) status: Status,
    pub(in super::super) progress: Option<Progress>,
    pub(in super::super) passes: Vec<PassReport>,
    pub(in super::super) held: Vec<CustomerLine>,
    pub(in super::super) quarantined: Vec<Quarantined>,
    pub(in super::super) conflicts: Vec<Conflict>,
    pub(in super::super) readiness: Readiness,
    pub(in super::super) warning: Option<String>,
    schedule: String,
}

impl StatusSample {
    pub(in super::super) fn page(&self) -> String {
        status(&self.view())
    }

    pub(in super::super) fn view(&self) -> StatusView<'_> {
        StatusView {
            status: &self.status,
            progress: self.progress.as_ref(),
            passes: &self.passes,
            held: &self.held,
            quarantined: &self.quarantined,
            conflicts: &self.conflicts,
            readiness: &self.readiness,
            requests_not_before: None,
            warning: self.warning.as_deref(),
            schedule: &self.schedule,
            mirror_bytes: 1_234_567_890,
            wal_bytes: 4_194_304,
            now: now(),
        }
    }
}

impl Sample<'_> {
    pub(super) fn status_pages(self) -> Vec<(&'static str, String)> {
        vec![
            ("status-fine", self.fine().page()),
            ("status-empty", self.empty().page()),
            ("status-first-pass", self.first_pass().page()),
            ("status-running", self.running().page()),
            ("status-waiting", self.waiting().page()),
            ("status-finishing", self.finishing().page()),
            ("status-troubled", self.troubled().page()),
            ("status-key-refused", self.key_refused().page()),
            ("status-stale", self.stale().page()),
            ("status-interrupted", self.interrupted().page()),
        ]
    }

    /// A daemon between two passes, and all is well.
    pub(in super::super) fn fine(self) -> StatusSample {
        let passes = self.sixty_passes();
        let last = passes[0].clone();
        StatusSample {
            status: Status {
                mirror: MirrorStatus {
                    path: self.text("/var/lib/customer-mirror/customers.db"),
                    source: self.some("https://api.example.com/v1"),
                    schema_version: 2,
                    live: 1_000_123,
                    deleted: 4567,
                },
                freshness: Freshness {
                    pass_id: Some(last.pass_id),
                    started_at: Some(last.started_at),
                    finished_at: last.finished_at,
                    age_seconds: Some(250),
                },
                running_pass: None,
                last_passes: passes[..10].to_vec(),
                held_sweep: None,
                quarantined: 0,
                reference_conflicts: Some(0),
                lock: Some(Owner {
                    pid: 4711,
                    started_at: self.ago(400_000),
                    command: self.text("customer-mirror run"),
                }),
                retry: None,
                next_due_at: Some(self.ago(-650)),
            },
            progress: Some(Progress {
                phase: Phase::Idle(Idle {
                    next_at: Some(now() + TimeDelta::seconds(650)),
                    trouble: None,
                }),
                ..Progress::default()
            }),
            passes,
            held: Vec::new(),
            quarantined: Vec::new(),
            conflicts: Vec::new(),
            readiness: Readiness::Ready {
                stale_at: Some(now() + TimeDelta::seconds(2450)),
            },
            warning: None,
            schedule: self.text("*/15 * * * * Europe/Stockholm"),
        }
    }

    /// A mirror that has just been made, looked at without a daemon.
    pub(in super::super) fn empty(self) -> StatusSample {
        let mut sample = self.fine();
        sample.status.mirror.live = 0;
        sample.status.mirror.deleted = 0;
        sample.status.freshness = Freshness::default();
        sample.status.last_passes.clear();
        sample.status.lock = None;
        sample.passes.clear();
        sample.progress = None;
        sample.readiness = Readiness::NotReady {
            reason: self.text("no pass has been completed yet"),
        };
        sample
    }

    pub(in super::super) fn first_pass(self) -> StatusSample {
        let mut sample = self.empty();
        let mut pass = self.pass(1, 75, 0);
        pass.state = PassState::Running;
        pass.finished_at = None;
        pass.sweep = SweepState::None;
        (pass.pages, pass.records, pass.created) = (23, 23_000, 23_000);
        sample.status.mirror.live = 23_000;
        sample.passes = vec![pass.clone()];
        sample.status.last_passes = vec![pass.clone()];
        sample.status.running_pass = Some(pass);
        sample.progress = Some(Progress {
            pass_id: 1,
            pages: 23,
            records: 23_000,
            phase: Phase::Fetching,
            ..Progress::default()
        });
        sample
    }

    /// The sixty-first pass.
    pub(in super::super) fn running(self) -> StatusSample {
        let mut sample = self.fine();
        let mut pass = self.pass(61, 61, 0);
        pass.state = PassState::Running;
        pass.finished_at = None;
        pass.sweep = SweepState::None;
        (pass.pages, pass.records, pass.updated, pass.retries) = (62, 62_000, 14, 3);
        sample.passes.insert(0, pass.clone());
        sample.passes.truncate(60);
        sample.status.running_pass = Some(pass);
        sample.progress = Some(Progress {
            pass_id: 61,
            resumed: true,
            pages: 62,
            records: 62_000,
            expected_records: Some(100_000),
            retries: 3,
            phase: Phase::Fetching,
            ..Progress::default()
        });
        sample
    }

    pub(in super::super) fn waiting(self) -> StatusSample {
        let mut sample = self.running();
        if let Some(progress) = &mut sample.progress {
            progress.phase = Phase::Waiting(Wait {
                until: now() + TimeDelta::seconds(28),
                reason: self.text("429 Too Many Requests, Retry-After: 30"),
                asked_by_server: true,
                retry: 2,
            });
        }
        sample
    }

    fn finishing(self) -> StatusSample {
        let mut sample = self.running();
        if let Some(progress) = &mut sample.progress {
            progress.phase = Phase::Finishing;
        }
        sample
    }

    /// A held sweep, quarantined records, conflicts, and failing attempts.
    pub(in super::super) fn troubled(self) -> StatusSample {
        let mut sample = self.fine();
        sample.status.held_sweep = Some(HeldSweep {
            pass_id: 60,
            customers: 143,
        });
        sample.passes[0].sweep = SweepState::Held;
        sample.held = self.lines(0..20);
        sample.status.quarantined = 7;
        sample.quarantined = self.quarantined();
        sample.status.reference_conflicts = Some(12);
        sample.conflicts = self.conflicts();
        sample.status.retry =
            Some(self.retry(Remedy::Server, "timed out after 60 s waiting for page 5"));
        sample.warning = self.some(
            "the configuration names another source, https://api.example.org/v2; `sync` will refuse this mirror",
        );
        sample
    }

    pub(in super::super) fn key_refused(self) -> StatusSample {
        let mut sample = self.fine();
        let reason =
            "the server refused the API key: 401 Unauthorized (invalid_key: The key was revoked)";
        sample.status.retry = Some(self.retry(Remedy::Key, reason));
        if let Some(progress) = &mut sample.progress {
            progress.phase = Phase::Idle(Idle {
                next_at: None,
                trouble: self.some(reason),
            });
        }
        sample
    }

    pub(in super::super) fn stale(self) -> StatusSample {
        let mut sample = self.fine();
        sample.status.freshness.started_at = Some(self.ago(3 * 86_400 + 7000));
        sample.readiness = Readiness::NotReady {
            reason: self
                .text("the last complete pass began 3 days ago, more than 3 periods of 15 min"),
        };
        sample.status.next_due_at = None;
        sample
    }

    /// A pass that was interrupted, looked at without a daemon.
    pub(in super::super) fn interrupted(self) -> StatusSample {
        let mut sample = self.running();
        sample.progress = None;
        sample.status.lock = None;
        if let Some(pass) = &mut sample.status.running_pass {
            pass.error = self.some("the API is unavailable: connection refused");
        }
        sample
    }

    fn retry(self, waits_for: Remedy, reason: &str) -> RetryStatus {
        RetryStatus {
            failures: 4,
            waits_for,
            not_before: self.ago(-240),
            reason: self.text(reason),
        }
    }

    pub(super) fn quarantined(self) -> Vec<Quarantined> {
        (0..7)
            .map(|number| Quarantined {
                id: 100 - number,
                pass_id: (number != 3).then_some(60),
                page: (number != 3).then_some(number + 1),
                customer_id: (number % 2 == 0).then(|| self.text(&format!("c/{number}?"))),
                reason: self.text("`users[0].userId` is not a string: expected text, found 17"),
                raw: self.text(&format!(
                    "{{\"customerId\": \"c/{number}?\",\n  \"name\": \"</pre><script>alert(1)</script> \u{202e}\", \"users\": [{{\"userId\": 17}}]}}"
                )),
                at: self.ago(number * 700),
            })
            .collect()
    }

    pub(super) fn conflicts(self) -> Vec<Conflict> {
        (0..6)
            .map(|number| Conflict {
                reference_id: self.text(&format!("crm-customer-{number}")),
                customers: self.lines(number..number + 2),
                holders: 2 + number % 3,
            })
            .collect()
    }
}
