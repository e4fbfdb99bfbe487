//! The status page.

use axum::extract::State;

use super::Shared;
use crate::http::answer::Answer;
use crate::http::desk::{Desk, Trouble};
use crate::http::pages::{self, StatusView};
use crate::mirror::{Conflict, CustomerLine, MirrorError, Quarantined, Reader, Status};
use crate::model::{PassReport, Timestamp};

/// How many passes the chart goes back.
const PASSES: u32 = 60;
/// How many of the customers that a held sweep concerns are told here.
const HELD: usize = 20;
/// How many quarantined records and conflicts are told here.
const FEW: usize = 5;

/// What the mirror says.
struct Contents {
    status: Status,
    passes: Vec<PassReport>,
    held: Vec<CustomerLine>,
    quarantined: Vec<Quarantined>,
    conflicts: Vec<Conflict>,
    requests_not_before: Option<Timestamp>,
}

impl Contents {
    fn read(reader: &Reader, now: Timestamp) -> Result<Self, MirrorError> {
        let status = reader.status()?;
        Ok(Self {
            passes: reader.last_passes(PASSES)?,
            held: match status.held_sweep {
                Some(_) => reader.held_customers(None, HELD)?.0,
                None => Vec::new(),
            },
            quarantined: reader.recently_quarantined(None, FEW)?,
            conflicts: reader.conflicts(None, FEW)?,
            requests_not_before: reader.requests_not_before(now)?,
            status,
        })
    }
}

pub(super) async fn status(State(desk): Shared) -> Answer {
    page(&desk).await.unwrap_or_else(|trouble| trouble.page())
}

async fn page(desk: &Desk) -> Result<Answer, Trouble> {
    let now = desk.now();
    let mut contents = desk
        .ask_at_once(move |reader| Contents::read(reader, now))
        .await?;
    contents.status = desk.with_next_due(contents.status);
    let status = &contents.status;
    let progress = desk.site.daemon.as_ref();
    let progress = progress.map(|daemon| daemon.progress.borrow().clone());
    let (readiness, _) = desk.readiness(status);
    let (mirror_bytes, wal_bytes) = desk.sizes();
    let schedule = {
        let timing = desk.site.timing.borrow();
        format!(
            "{} {}",
            timing.when.expression(),
            timing.when.timezone().name()
        )
    };
    let configured = desk.site.source.as_ref();
    let warning = configured.and_then(|configured| status.warning_of_source(configured));
    Ok(Answer::html(pages::status(&StatusView {
        status,
        progress: progress.as_ref(),
        passes: &contents.passes,
        held: &contents.held,
        quarantined: &contents.quarantined,
        conflicts: &contents.conflicts,
        readiness: &readiness,
        requests_not_before: contents.requests_not_before,
        warning: warning.as_deref(),
        schedule: &schedule,
        mirror_bytes: mirror_bytes.unwrap_or_default(),
        wal_bytes,
        now,
    })))
}
