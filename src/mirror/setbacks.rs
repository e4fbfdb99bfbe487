//! How often, and since when, the page at which a pass stands could not be had. It is in the mirror, as it is `sync`, run by a timer,
//! that fails there again and again.

use std::time::Duration;

use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use super::{Mirror, Result, meta, passes, set_meta};
use crate::model::Timestamp;

const SETBACKS: &str = "setbacks";

/// The failures of one page in a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Setbacks {
    /// Where the pass stood: its number …
    pass_id: i64,
    /// … and its pages.
    pages: i64,
    count: u32,
    first_at: Timestamp,
}

/// The failures where the interrupted pass stands now, if there were any.
fn read(connection: &Connection) -> rusqlite::Result<Option<Setbacks>> {
    let stored: Option<String> = meta(connection, SETBACKS)?;
    let setbacks: Option<Setbacks> = stored.and_then(|text| serde_json::from_str(&text).ok());
    let standing = passes::running_pass(connection)?.map(|pass| (pass.pass_id, pass.pages));
    Ok(setbacks.filter(|it| Some((it.pass_id, it.pages)) == standing))
}

impl Mirror {
    /// Notes that the next page of the pass under way could not be had.
    pub fn note_setback(&mut self, now: Timestamp) -> Result<()> {
        self.write(|tx| {
            let Some(pass) = passes::running_pass(tx)? else {
                return Ok(());
            };
            let before = read(tx)?;
            let setbacks = Setbacks {
                pass_id: pass.pass_id,
                pages: pass.pages,
                count: before.as_ref().map_or(0, |it| it.count).saturating_add(1),
                // What lies in the future was noted by a clock that was wrong.
                first_at: before.map_or(now, |it| it.first_at.min(now)),
            };
            let text = serde_json::to_string(&setbacks).unwrap_or_default();
            set_meta(tx, SETBACKS, &text)
        })
    }

    /// How often in a row the next page of the interrupted pass could not be had, and since how long.
    pub fn setbacks(&self, now: Timestamp) -> Result<(u32, Duration)> {
        let setbacks = self.read(read)?;
        Ok(setbacks.map_or_else(Default::default, |it| {
            (it.count, (now - it.first_at).to_std().unwrap_or_default())
        }))
    }
}
