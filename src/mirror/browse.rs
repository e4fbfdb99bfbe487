//! Customers to look through, page by page: those that changed last come first.

use crate::model::Timestamp;

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
    /// When that one changed, or was deleted.
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
