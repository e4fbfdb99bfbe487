//! Where a walk begins: at the first page, or where an interrupted pass stopped.

use tokio::sync::watch;
use tracing::info;

use super::desk::{Bound, Desk};
use super::walk::{Walk, stopped};
use super::{PassError, Resume, end_pass};
use crate::mirror::{Checkpoint, Standing};
use crate::model::PassState;
use crate::plan;
use crate::source::{Activity, PageSource, SourceError};

/// The pass to walk.
pub(super) struct Beginning {
    pub(super) checkpoint: Checkpoint,
    /// How the walk has ended already, if it has.
    pub(super) ended: Option<Walk>,
}

/// The pass to walk: the interrupted one if it is worth trying, else a new one.
pub(super) async fn begin_or_resume<S: PageSource>(
    source: &mut S,
    desk: &Desk<'_>,
    resume: Resume,
    stop: watch::Receiver<bool>,
) -> Result<Beginning, PassError> {
    let now = desk.now();
    let walk = |checkpoint| Beginning {
        checkpoint,
        ended: None,
    };
    let Some(checkpoint) = desk
        .with(move |mirror| mirror.interrupted_pass(now))
        .await?
    else {
        return begin(desk).await.map(walk);
    };
    let is_at_cursor = matches!(checkpoint.standing, Standing::At(_));
    let (failures, since) = desk.with(move |mirror| mirror.setbacks(now)).await?;
    let resume = match resume {
        Resume::Yes if plan::is_doubtful(failures, since) => Resume::UnlessStuck,
        other => other,
    };
    let reason = match resume {
        Resume::No => Some("restarted by the operator".to_owned()),
        Resume::UnlessStuck if is_at_cursor => match first_page(source, desk, stop).await {
            Ok(()) => Some("its next page can't be had, though the first one can".to_owned()),
            Err(ended) => {
                return Ok(Beginning {
                    checkpoint,
                    ended: Some(ended),
                });
            }
        },
        Resume::Yes | Resume::UnlessStuck => age_reason(desk, &checkpoint).await?,
    };
    let pass_id = checkpoint.pass_id;
    if let Some(reason) = reason {
        info!(
            pass.id = pass_id,
            reason, "interrupted pass given up, a new one begins"
        );
        end_pass(desk, pass_id, PassState::Abandoned, &reason).await?;
        return begin(desk).await.map(walk);
    }
    desk.with(move |mirror| mirror.resume_pass(pass_id)).await?;
    info!(
        pass.id = pass_id,
        page = checkpoint.pages + 1,
        records = checkpoint.records,
        "pass resumed"
    );
    Ok(walk(checkpoint))
}

/// Why an interrupted pass is too old to go on, if it is.
async fn age_reason(desk: &Desk<'_>, checkpoint: &Checkpoint) -> Result<Option<String>, PassError> {
    let limit = desk.with(|mirror| mirror.cursor_lifetime()).await?;
    let too_old = checkpoint
        .cursor_age
        .filter(|age| !plan::worth_trying(*age, limit));
    Ok(too_old.map(|age| {
        format!(
            "its cursor is {} s old; the server has rejected a younger one",
            age.as_secs()
        )
    }))
}

pub(super) async fn begin(desk: &Desk<'_>) -> Result<Checkpoint, PassError> {
    let now = desk.now();
    let checkpoint = desk.with(move |mirror| mirror.begin_pass(now)).await?;
    info!(pass.id = checkpoint.pass_id, "pass started");
    Ok(checkpoint)
}

/// Asks for the first page, to see whether the server is well; what is on it doesn't matter.
async fn first_page<S: PageSource>(
    source: &mut S,
    desk: &Desk<'_>,
    mut stop: watch::Receiver<bool>,
) -> Result<(), Walk> {
    let bound = Bound::default();
    let on_activity = |activity: Activity| {
        desk.publisher.meters().hear(&activity);
        bound.begin(&activity);
    };
    let fetch = source.fetch(None, &on_activity);
    let fetched = tokio::select! {
        fetched = desk.publisher.during(fetch, || bound.holds()) => fetched,
        () = stopped(&mut stop) => return Err(Walk::Stopped),
    };
    fetched
        .map(drop)
        .map_err(|error: SourceError| Walk::Failed {
            error,
            cursor_age: None,
        })
}
