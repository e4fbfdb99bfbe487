//! What a row is, told by its shape alone, and whether it makes sense. All tables are STRICT, and no two have rows of one shape.

use super::cells::{Row, Value};
use crate::decode::COLUMNS;
use crate::json::Node;
use crate::model::{PassState, SweepState, parse_timestamp};

/// `row_id`, what is read from the record, `first_seen_at`, `changed_at`, `deleted_at`, `raw`.
const CUSTOMER_COLUMNS: usize = 1 + COLUMNS.len() + 4;

/// The kinds of a change.
const KINDS: [&str; 4] = ["created", "updated", "deleted", "restored"];

/// The tables that count their rows for ever.
const COUNTED: [&str; 3] = ["customer_changes", "passes", "quarantine"];

/// A row of one of the tables whose contents can't be had otherwise.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Found {
    Customer(Customer),
    State {
        row_id: i64,
        raw_hash: Vec<u8>,
        content_hash: Vec<u8>,
        live: bool,
    },
    Change(Vec<Value>),
    Pass(Vec<Value>),
    Absence {
        row_id: i64,
        passes: i64,
        held: bool,
    },
    Quarantined(Vec<Value>),
    /// The highest number that a table has ever given.
    Sequence(String, i64),
    /// The root page of a table or index.
    Root(String, u32),
    /// A row that is one of ours by its shape, and makes no sense.
    Nonsense,
    /// What is made anew from the rest, or nothing of ours.
    Other,
}

/// A row of `customers`; its other columns are in its record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Customer {
    pub(super) row_id: i64,
    pub(super) id: String,
    pub(super) first_seen_at: String,
    pub(super) changed_at: String,
    pub(super) deleted_at: Option<String>,
    pub(super) raw: String,
}

/// Tells what a row is.
pub(super) fn recognise(row: Row) -> Found {
    let Row { row_id, values } = row;
    match values.as_slice() {
        [Value::Null, ..] if values.len() == CUSTOMER_COLUMNS => {
            customer(row_id, &values).map_or(Found::Nonsense, Found::Customer)
        }
        [
            Value::Null,
            Value::Blob(raw_hash),
            Value::Blob(content_hash),
            Value::Integer(live),
        ] if raw_hash.len() == 16 && content_hash.len() == 16 => Found::State {
            row_id,
            raw_hash: raw_hash.clone(),
            content_hash: content_hash.clone(),
            live: *live != 0,
        },
        [Value::Null, Value::Integer(passes), Value::Integer(held)] => Found::Absence {
            row_id,
            passes: *passes,
            held: *held != 0,
        },
        [Value::Null, ..] if values.len() == 8 => eight(row_id, values),
        [Value::Null, ..] if values.len() == 18 => pass(row_id, values).unwrap_or(Found::Nonsense),
        [Value::Text(Some(name)), Value::Integer(seq)] if COUNTED.contains(&name.as_str()) => {
            Found::Sequence(name.clone(), *seq)
        }
        [
            Value::Text(Some(_)),
            Value::Text(Some(name)),
            Value::Text(_),
            Value::Integer(root),
            _,
        ] if *root > 0 => {
            u32::try_from(*root).map_or(Found::Other, |root| Found::Root(name.clone(), root))
        }
        _ => Found::Other,
    }
}

fn text(value: Option<&Value>) -> Option<&str> {
    match value {
        Some(Value::Text(Some(text))) => Some(text),
        _ => None,
    }
}

fn is_moment_or_null(value: Option<&Value>) -> bool {
    value == Some(&Value::Null) || moment(value).is_some()
}

fn moment(value: Option<&Value>) -> Option<&str> {
    text(value).filter(|text| parse_timestamp(text).is_some())
}

fn customer(row_id: i64, values: &[Value]) -> Option<Customer> {
    let [first_seen_at, changed_at, deleted_at, raw] = values.last_chunk()?;
    if !is_moment_or_null(Some(deleted_at)) {
        return None;
    }
    Some(Customer {
        row_id,
        id: text(values.get(1))?.to_owned(),
        first_seen_at: moment(Some(first_seen_at))?.to_owned(),
        changed_at: moment(Some(changed_at))?.to_owned(),
        deleted_at: moment(Some(deleted_at)).map(str::to_owned),
        raw: text(Some(raw))?.to_owned(),
    })
}

/// A change or a quarantined record: both have eight columns.
fn eight(row_id: i64, mut values: Vec<Value>) -> Found {
    let is_quarantined = matches!(values.last(), Some(Value::Blob(hash)) if hash.len() == 16);
    if let Some(first) = values.first_mut() {
        *first = Value::Integer(row_id);
    }
    if is_quarantined {
        let makes_sense = text(values.get(4)).is_some()
            && moment(values.get(6)).is_some()
            && !matches!(values.get(5), Some(Value::Text(None)));
        return if makes_sense {
            Found::Quarantined(values)
        } else {
            Found::Nonsense
        };
    }
    if is_change(row_id, &values) {
        Found::Change(values)
    } else {
        Found::Nonsense
    }
}

fn is_change(seq: i64, values: &[Value]) -> bool {
    let is_json =
        |value: Option<&Value>| text(value).is_some_and(|text| Node::parse(text).is_some());
    seq > 0
        && moment(values.get(1)).is_some()
        && matches!(values.get(2), Some(Value::Null | Value::Integer(_)))
        && text(values.get(3)).is_some()
        && !matches!(values.get(4), Some(Value::Text(None)))
        && text(values.get(5)).is_some_and(|kind| KINDS.contains(&kind))
        && is_json(values.get(6))
        && (values.get(7) == Some(&Value::Null) || is_json(values.get(7)))
}

fn pass(row_id: i64, mut values: Vec<Value>) -> Option<Found> {
    PassState::from_stored(text(values.get(1))?)?;
    SweepState::from_stored(text(values.get(16))?)?;
    moment(values.get(2))?;
    let integer = |index: usize| match values.get(index) {
        Some(Value::Integer(number)) => Some(*number),
        _ => None,
    };
    // resumed, then pages to bytes, without next_cursor between them.
    integer(4)?;
    let numbers: Vec<i64> = (6..16).map(integer).collect::<Option<_>>()?;
    let [
        _pages,
        records,
        created,
        updated,
        unchanged,
        _deleted,
        restored,
        quarantined,
        ..,
    ] = numbers[..]
    else {
        return None;
    };
    let is_unreadable = |index: usize| matches!(values.get(index), Some(Value::Text(None)));
    let parts = [created, updated, unchanged, restored, quarantined];
    let sum = parts.into_iter().fold(0_i64, i64::wrapping_add);
    if !is_moment_or_null(values.get(3)) || records != sum || is_unreadable(5) || is_unreadable(17)
    {
        return None;
    }
    *values.first_mut()? = Value::Integer(row_id);
    Some(Found::Pass(values))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<Value> {
        let word = |word: &&str| match *word {
            "" => Value::Null,
            word => word
                .parse()
                .map_or(Value::Text(Some(word.to_owned())), Value::Integer),
        };
        words.iter().map(word).collect()
    }

    #[test]
    fn a_row_that_makes_no_sense_is_not_taken() {
        let at = "2026-01-31T09:30:00.000Z";
        let good = ["", at, "3", "c1", "", "updated", "[\"/name\"]", "{}"];
        let is_taken = |values: &[&str]| {
            let row = Row {
                row_id: 7,
                values: words(values),
            };
            matches!(recognise(row), Found::Change(_))
        };
        assert!(is_taken(&good));
        for (index, bad) in [
            (1, "yesterday"),
            (2, "three"),
            (3, "9"),
            (5, "moved"),
            (6, "[\"/na"),
            (7, "{\"a\":"),
        ] {
            let mut values = good;
            values[index] = bad;
            assert!(!is_taken(&values), "{bad}");
        }
    }
}
