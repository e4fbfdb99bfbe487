//! All that the mirror knows of one customer: its row, its users, and what became of it over time.

/// A customer's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// The columns of `customers` but `row_id` and `raw`, in the table's order; numbers as text.
    pub columns: Vec<(&'static str, Option<String>)>,
    /// Its users, by `user_id`.
    pub users: Vec<ProfileUser>,
    /// The record as sent.
    pub raw: String,
}

/// A row of `customer_users`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileUser {
    /// `user_id`.
    pub user_id: String,
    /// `name`.
    pub name: Option<String>,
    /// `role`.
    pub role: Option<String>,
}

/// What the change feed has on a customer, the latest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    /// The changes.
    pub changes: Vec<PastChange>,
    /// Whether older ones follow.
    pub has_older: bool,
    /// Changes made before this are not in the feed any more.
    pub pruned_before: Option<String>,
}

/// A change, field by field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastChange {
    /// Its number in the feed.
    pub seq: i64,
    /// When it was found.
    pub changed_at: String,
    /// The pass that found it.
    pub pass_id: Option<i64>,
    /// `created`, `updated`, `deleted` or `restored`.
    pub kind: String,
    /// What changed, bounded in number and length.
    pub fields: Vec<FieldChange>,
    /// How many more places changed than are in `fields`.
    pub more_fields: usize,
}

/// A place in a record that changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldChange {
    /// The place, a JSON pointer.
    pub pointer: String,
    /// Its JSON before; `None` if it was not there. Cut if it is very long.
    pub before: Option<String>,
    /// Its JSON after; `None` if it is not there any more. Cut if it is very long.
    pub after: Option<String>,
}

/// A referenceId that more than one live customer holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// It.
    pub reference_id: String,
    /// Who holds it: the first few.
    pub customers: Vec<super::CustomerLine>,
    /// How many do.
    pub holders: i64,
}
