//! Customers to look through, page by page: those that changed last come first.
//!
//! An index in that order has what people filter by, so that looking for what is rare walks the index and reads no customer. Still,
//! of a million entries none may be meant: a page is therefore done when its time is up, too, and says from where to go on.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use rusqlite::{Connection, Row, named_params};

use super::{Reader, Result, schema};
use crate::model::{Timestamp, format_timestamp};

/// Which customers are meant, by a search as well as by looking through.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CustomerFilter {
    /// Only customers of this type, in any case.
    pub customer_type: Option<String>,
    /// Only customers whose billing address is in this country, in any case.
    pub country: Option<String>,
    /// Only customers that are as they are since this time or later: `changed_at`, or of a tombstone `deleted_at`.
    pub changed_since: Option<Timestamp>,
    /// Live ones, deleted ones, or both.
    pub standing: CustomerStanding,
}

/// Live, or a tombstone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CustomerStanding {
    /// Only live customers.
    #[default]
    Live,
    /// Only deleted ones.
    Deleted,
    /// Both.
    Any,
}

/// A customer in a list: what tells who it is, and when it last changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CustomerLine {
    /// `customers.customer_id`.
    pub customer_id: String,
    /// `customers.reference_id`.
    pub reference_id: Option<String>,
    /// `customers.human_readable_id`.
    pub human_readable_id: Option<String>,
    /// `customers.customer_type`.
    pub customer_type: Option<String>,
    /// `customers.name`.
    pub name: Option<String>,
    /// `customers.contact_email`.
    pub contact_email: Option<String>,
    /// `customers.contact_msisdn`.
    pub contact_msisdn: Option<String>,
    /// `customers.billing_address_country`.
    pub country: Option<String>,
    /// `customers.changed_at`.
    pub changed_at: String,
    /// `customers.deleted_at`; `None` = live.
    pub deleted_at: Option<String>,
}

/// Behind which customer a page goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrowsePosition {
    /// When that one changed, or, of a tombstone, was deleted.
    pub at: String,
    /// Its `row_id`.
    pub row_id: i64,
}

/// A page of customers.
#[derive(Debug, Clone, Default)]
pub struct Browsed {
    /// They, the one that changed last first.
    pub customers: Vec<CustomerLine>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<BrowsePosition>,
    /// So many customers were looked at without filling the page: there was no time for more. `next` goes on there.
    pub cut_short_after: Option<u64>,
}

/// Entries looked at between two looks at the time: a tenth of a millisecond.
const ENTRIES_A_LOOK: u64 = 256;

/// Later than every time.
const END_OF_TIME: &str = "~";

/// The columns of [`CustomerLine`], in its order.
pub(super) const LINE: &str = "customer_id, reference_id, human_readable_id, customer_type, name, contact_email, contact_msisdn, \
    billing_address_country, changed_at, deleted_at";

/// Whether a row of `customers` is meant, as far as its times don't matter; to be bound are `:live`, `:deleted`, `:type` and `:country`.
pub(super) const FITS: &str = "(CASE WHEN deleted_at IS NULL THEN :live ELSE :deleted END
    AND (:type IS NULL OR ifnull(customer_type = :type COLLATE NOCASE, 0))
    AND (:country IS NULL OR ifnull(billing_address_country = :country COLLATE NOCASE, 0)))";

impl CustomerFilter {
    /// Whether live customers are meant, too.
    pub(super) fn with_live(&self) -> bool {
        self.standing != CustomerStanding::Deleted
    }

    /// Whether deleted customers are meant, too.
    pub(super) fn with_deleted(&self) -> bool {
        self.standing != CustomerStanding::Live
    }

    /// `changed_since` as the mirror writes times.
    pub(super) fn since(&self) -> Option<String> {
        self.changed_since.map(format_timestamp)
    }
}

impl Reader {
    /// Customers, the one that changed (or, of a tombstone, was deleted) last first, from behind `after` on: up to `limit`, or as many
    /// as are found within `patience`. One snapshot.
    ///
    /// While the first pass is under way, the order is that of the rows, the newest first: it is the same but for customers that were
    /// listed twice.
    pub fn browse(
        &self,
        filter: &CustomerFilter,
        after: Option<&BrowsePosition>,
        limit: usize,
        patience: Duration,
    ) -> Result<Browsed> {
        let deadline = Instant::now() + patience;
        self.read(|connection| {
            let tx = connection.unchecked_transaction()?;
            let found = walk(&tx, filter, after, limit, || Instant::now() >= deadline)?;
            let customers = found.rows.iter().map(|row_id| line(&tx, *row_id));
            Ok(Browsed {
                customers: customers.collect::<rusqlite::Result<_>>()?,
                next: found.next,
                cut_short_after: found.cut_short_after,
            })
        })
    }
}

/// Who was found, by row id.
#[derive(Default)]
struct Found {
    rows: Vec<i64>,
    next: Option<BrowsePosition>,
    cut_short_after: Option<u64>,
}

fn walk(
    connection: &Connection,
    filter: &CustomerFilter,
    after: Option<&BrowsePosition>,
    limit: usize,
    is_over: impl Fn() -> bool,
) -> rusqlite::Result<Found> {
    let mut found = Found::default();
    if limit == 0 {
        return Ok(found);
    }
    let sql = if filter.standing == CustomerStanding::Deleted
        || schema::has(connection, "index", "customers_changed_at")?
    {
        by_time(filter.standing)
    } else {
        BY_ROW.to_owned()
    };
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(named_params! {
        ":at": after.map_or(END_OF_TIME, |after| &after.at),
        ":row": after.map_or(i64::MAX, |after| after.row_id),
        ":since": filter.since().unwrap_or_default(),
        ":live": filter.with_live(),
        ":deleted": filter.with_deleted(),
        ":type": filter.customer_type,
        ":country": filter.country,
    })?;
    let mut looked_at = 0;
    while let Some(row) = rows.next()? {
        looked_at += 1;
        let is_full = found.rows.len() == limit;
        if row.get(2)? {
            if is_full {
                // `next` is where the last one of this page is.
                return Ok(found);
            }
            found.rows.push(row.get(0)?);
            if found.rows.len() == limit {
                found.next = Some(position(row)?);
            }
        }
        if looked_at % ENTRIES_A_LOOK == 0 && is_over() {
            found.next = Some(position(row)?);
            found.cut_short_after = (found.rows.len() < limit).then_some(looked_at);
            return Ok(found);
        }
    }
    found.next = None;
    Ok(found)
}

fn position(row: &Row<'_>) -> rusqlite::Result<BrowsePosition> {
    Ok(BrowsePosition {
        at: row.get(1)?,
        row_id: row.get(0)?,
    })
}

/// The customer of a row.
pub(super) fn line(connection: &Connection, row_id: i64) -> rusqlite::Result<CustomerLine> {
    connection
        .prepare_cached(&format!("SELECT {LINE} FROM customers WHERE row_id = ?1"))?
        .query_row([row_id], line_from_row)
}

pub(super) fn line_from_row(row: &Row<'_>) -> rusqlite::Result<CustomerLine> {
    Ok(CustomerLine {
        customer_id: row.get(0)?,
        reference_id: row.get(1)?,
        human_readable_id: row.get(2)?,
        customer_type: row.get(3)?,
        name: row.get(4)?,
        contact_email: row.get(5)?,
        contact_msisdn: row.get(6)?,
        country: row.get(7)?,
        changed_at: row.get(8)?,
        deleted_at: row.get(9)?,
    })
}

/// Row id, time, and whether it is meant, of those behind a position. Each time is two walks of an index, one of the rest of the
/// position's own time: SQLite seeks no row id within `(time, row_id) < (…)`. It merges the walks without sorting anything.
fn by_time(standing: CustomerStanding) -> String {
    let mut walks = Vec::new();
    for (index, time, is_wanted) in [
        (
            "customers_changed_at",
            "changed_at",
            standing != CustomerStanding::Deleted,
        ),
        (
            "customers_deleted_at",
            "deleted_at",
            standing != CustomerStanding::Live,
        ),
    ] {
        let of_index = if time == "changed_at" {
            // A tombstone is met by its other time.
            format!(
                "row_id, changed_at AS at, deleted_at IS NULL AND {FITS} FROM customers INDEXED BY {index} WHERE 1"
            )
        } else {
            format!(
                "row_id, deleted_at AS at, {FITS} FROM customers INDEXED BY {index} WHERE deleted_at IS NOT NULL"
            )
        };
        if is_wanted {
            walks.push(format!(
                "SELECT {of_index} AND {time} = :at AND {time} >= :since AND row_id < :row"
            ));
            walks.push(format!(
                "SELECT {of_index} AND {time} < :at AND {time} >= :since"
            ));
        }
    }
    format!(
        "{} ORDER BY at DESC, row_id DESC",
        walks.join(" UNION ALL ")
    )
}

static BY_ROW: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT row_id, changed_at AS at, ifnull(deleted_at, changed_at) >= :since AND {FITS} FROM customers
         WHERE row_id < :row AND :at IS NOT NULL ORDER BY row_id DESC"
    )
});

#[cfg(test)]
mod tests;
