//! A dry run: the same walk, compared with the mirror instead of committed to it.

use chrono::Utc;
use tokio::sync::watch;

use super::PassError;
use super::walk::stopped;
use crate::config::Deletions;
use crate::mirror::{Preview, PreviewReport};
use crate::model::{Cursor, Page};
use crate::plan::Course;
use crate::source::{Activity, PageSource, SourceError};
use crate::status::{Phase, Publisher};

/// How a dry run ended.
#[derive(Debug)]
pub enum PreviewEnd {
    /// Walked to the end; this is what a pass would do.
    Complete(PreviewReport),
    /// Told to stop.
    Interrupted,
    /// The source failed.
    SourceFailed(SourceError),
    /// The listing runs in a circle.
    Endless(String),
}

/// Walks the listing from its first page and compares it with the mirror, writing nothing.
///
/// # Errors
/// If the mirror can't be read.
pub async fn preview<S: PageSource>(
    source: &mut S,
    mut preview: Preview,
    deletions: &Deletions,
    publisher: &Publisher,
    mut stop: watch::Receiver<bool>,
) -> Result<PreviewEnd, PassError> {
    if let Some(until) = preview.requests_not_before(Utc::now())? {
        source.hold_until(until);
    }
    let mut next: Option<Cursor> = None;
    let mut course = Course::default();
    // Bounded as a pass is, which `Course` sees to.
    loop {
        publisher.update(|progress| progress.phase = Phase::Fetching);
        let on_activity = |activity| {
            publisher.meters().hear(&activity);
            if let Activity::Wait { wait, .. } = activity {
                publisher.update(|progress| progress.phase = Phase::Waiting(wait));
            }
        };
        let fetched = tokio::select! {
            fetched = source.fetch(next.as_ref(), &on_activity) => fetched,
            () = stopped(&mut stop) => return Ok(PreviewEnd::Interrupted),
        };
        let page: Page = match fetched {
            Ok(fetched) => fetched.page,
            Err(error) => return Ok(PreviewEnd::SourceFailed(error)),
        };
        publisher.update(|progress| {
            progress.pages += 1;
            progress.records += page.len() as i64;
        });
        if let Some(first_page) = tokio::task::block_in_place(|| preview.page(&page))? {
            return Ok(PreviewEnd::Endless(format!(
                "the listing runs in a circle: the next cursor is one that page {first_page} led to already"
            )));
        }
        let mut endless = course.go_on(page.len());
        if endless.is_none() && course.is_to_look() {
            let known = tokio::task::block_in_place(|| preview.known_records())?;
            endless = course.repeats(known);
        }
        next = page.next;
        if let Some(reason) = endless.filter(|_| next.is_some()) {
            return Ok(PreviewEnd::Endless(reason));
        }
        if next.is_none() {
            return Ok(PreviewEnd::Complete(tokio::task::block_in_place(|| {
                preview.finish(deletions)
            })?));
        }
    }
}
