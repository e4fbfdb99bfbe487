use proptest::prelude::*;
use rusqlite::OpenFlags;

use super::*;
use crate::fixture::{Fixture, at};

const LONG: Duration = Duration::from_secs(600);

/// A customer as a list sees it; times are minutes of the fixture.
#[derive(Debug, Clone)]
struct Row {
    changed: i64,
    deleted: Option<i64>,
    customer_type: Option<&'static str>,
    country: Option<&'static str>,
}

/// A mirror of these customers, whose customerIds are their row ids.
fn mirror_of(rows: &[Row], has_indexes: bool) -> Fixture {
    let fixture = Fixture::empty();
    let db = Connection::open_with_flags(&fixture.path, OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap();
    let time = |minutes| format_timestamp(at(minutes));
    db.execute_batch("BEGIN").unwrap();
    for (row, row_id) in rows.iter().zip(1_i64..) {
        db.execute(
            "INSERT INTO customers (row_id, customer_id, customer_type, billing_address_country, first_seen_at, changed_at, deleted_at, raw)
             VALUES (?1, ?1, ?2, ?3, '', ?4, ?5, '')",
            (row_id, row.customer_type, row.country, time(row.changed), row.deleted.map(time)),
        )
        .unwrap();
    }
    if has_indexes {
        schema::ensure_indexes(&db).unwrap();
    }
    db.execute_batch("COMMIT").unwrap();
    fixture
}

/// What browsing should find, straight from the rows.
fn expected(rows: &[Row], filter: &CustomerFilter) -> Vec<String> {
    let same = |asked: &Option<String>, has: Option<&str>| {
        asked
            .as_deref()
            .is_none_or(|asked| has.is_some_and(|has| has.eq_ignore_ascii_case(asked)))
    };
    let mut found: Vec<(i64, i64)> = Vec::new();
    for (row, row_id) in rows.iter().zip(1_i64..) {
        let time = row.deleted.unwrap_or(row.changed);
        let stands = match filter.standing {
            CustomerStanding::Live => row.deleted.is_none(),
            CustomerStanding::Deleted => row.deleted.is_some(),
            CustomerStanding::Any => true,
        };
        if stands
            && same(&filter.customer_type, row.customer_type)
            && same(&filter.country, row.country)
            && filter.changed_since.is_none_or(|since| at(time) >= since)
        {
            found.push((time, row_id));
        }
    }
    found.sort_unstable();
    found.iter().rev().map(|(_, id)| id.to_string()).collect()
}

/// All pages, one after another.
fn pages(
    reader: &Reader,
    filter: &CustomerFilter,
    limit: usize,
    patience: Duration,
) -> Vec<String> {
    let (mut found, mut after) = (Vec::new(), None);
    for _ in 0..1000 {
        let page = reader
            .browse(filter, after.as_ref(), limit, patience)
            .unwrap();
        assert!(page.customers.len() <= limit);
        assert!(page.cut_short_after.is_none() || page.customers.len() < limit);
        let is_short = page.customers.len() < limit;
        found.extend(page.customers.into_iter().map(|line| line.customer_id));
        after = page.next;
        if after.is_none() {
            return found;
        }
        assert!(!is_short || page.cut_short_after.is_some());
    }
    panic!("no end");
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let kinds = prop::sample::select(vec![None, Some("CONSUMER"), Some("Business")]);
    let countries = prop::sample::select(vec![None, Some("SE"), Some("no")]);
    let row = (0..4_i64, prop::option::of(0..4_i64), kinds, countries);
    let row = row.prop_map(|(changed, deleted, customer_type, country)| Row {
        changed,
        deleted,
        customer_type,
        country,
    });
    prop::collection::vec(row, 0..40)
}

fn filters() -> impl Strategy<Value = CustomerFilter> {
    let text = |texts: &[&str]| {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        prop::option::of(prop::sample::select(texts))
    };
    let standing = prop::sample::select(vec![
        CustomerStanding::Live,
        CustomerStanding::Deleted,
        CustomerStanding::Any,
    ]);
    (
        text(&["consumer", "BUSINESS", "x"]),
        text(&["se", "NO"]),
        prop::option::of(0..4_i64),
        standing,
    )
        .prop_map(|(customer_type, country, since, standing)| CustomerFilter {
            customer_type,
            country,
            changed_since: since.map(at),
            standing,
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn pages_have_everybody_once_the_last_change_first(rows in rows(), filter in filters(), limit in 1..8_usize) {
        let fixture = mirror_of(&rows, true);
        let reader = Reader::open(&fixture.path).unwrap();
        prop_assert_eq!(pages(&reader, &filter, limit, LONG), expected(&rows, &filter));
    }
}

fn many(count: i64) -> Vec<Row> {
    let row = |number| Row {
        changed: number / 400,
        deleted: (number % 7 == 0).then_some(number / 300),
        customer_type: (number % 500 == 3).then_some("RARE"),
        country: None,
    };
    (0..count).map(row).collect()
}

#[test]
fn a_page_whose_time_is_up_says_where_to_go_on() {
    let rows = many(2000);
    let fixture = mirror_of(&rows, true);
    let reader = Reader::open(&fixture.path).unwrap();
    for standing in [
        CustomerStanding::Live,
        CustomerStanding::Deleted,
        CustomerStanding::Any,
    ] {
        let filter = CustomerFilter {
            customer_type: Some("rare".to_owned()),
            standing,
            ..CustomerFilter::default()
        };
        assert_eq!(
            pages(&reader, &filter, 3, Duration::ZERO),
            expected(&rows, &filter)
        );
        let page = reader.browse(&filter, None, 3, Duration::ZERO).unwrap();
        assert_eq!(page.cut_short_after, Some(ENTRIES_A_LOOK), "{standing:?}");
        let page = reader.browse(&filter, None, 9, LONG).unwrap();
        assert_eq!((page.cut_short_after, page.next), (None, None));
    }
}

#[test]
fn no_page_sorts_or_reads_customers_to_filter_them() {
    let fixture = mirror_of(&many(10), true);
    let reader = Reader::open(&fixture.path).unwrap();
    for standing in [
        CustomerStanding::Live,
        CustomerStanding::Deleted,
        CustomerStanding::Any,
    ] {
        let sql = format!("EXPLAIN QUERY PLAN {}", by_time(standing));
        let mut statement = reader.connection().prepare(&sql).unwrap();
        let steps = statement.raw_query().mapped(|row| row.get::<_, String>(3));
        let steps: rusqlite::Result<Vec<String>> = steps.collect();
        let steps = steps.unwrap();
        let walks: Vec<&String> = steps
            .iter()
            .filter(|step| step.starts_with("SEARCH") || step.starts_with("SCAN"))
            .collect();
        assert!(walks.len() >= 2, "{steps:?}");
        assert!(
            walks
                .iter()
                .all(|step| step.starts_with("SEARCH customers USING COVERING INDEX")),
            "{steps:?}"
        );
        assert!(
            walks.iter().any(|step| step.contains("=? AND ")),
            "{steps:?}"
        );
        assert!(
            !steps.iter().any(|step| step.contains("TEMP B-TREE")),
            "{steps:?}"
        );
    }
}

#[test]
fn during_the_first_pass_the_newest_rows_come_first() {
    let rows: Vec<Row> = many(600)
        .into_iter()
        .map(|row| Row {
            deleted: None,
            ..row
        })
        .collect();
    let fixture = mirror_of(&rows, false);
    let reader = Reader::open(&fixture.path).unwrap();
    for filter in [
        CustomerFilter::default(),
        CustomerFilter {
            customer_type: Some("rare".to_owned()),
            standing: CustomerStanding::Any,
            ..CustomerFilter::default()
        },
        CustomerFilter {
            changed_since: Some(at(1)),
            ..CustomerFilter::default()
        },
        CustomerFilter {
            standing: CustomerStanding::Deleted,
            ..CustomerFilter::default()
        },
    ] {
        for patience in [LONG, Duration::ZERO] {
            assert_eq!(
                pages(&reader, &filter, 70, patience),
                expected(&rows, &filter)
            );
        }
    }
}

#[test]
fn a_line_tells_who_it_is() {
    let fixture = Fixture::filled();
    let reader = Reader::open(&fixture.path).unwrap();
    let filter = CustomerFilter {
        customer_type: Some("business".to_owned()),
        country: Some("se".to_owned()),
        ..CustomerFilter::default()
    };
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(
        reader.browse(&filter, None, 5, LONG).unwrap().customers,
        [CustomerLine {
            customer_id: "c-1".to_owned(),
            reference_id: text("r-1"),
            human_readable_id: text("K1"),
            customer_type: text("BUSINESS"),
            name: text("Ada \u{1b}[31mLovelace"),
            contact_email: text("ada@example.com"),
            contact_msisdn: text("46700000001"),
            country: text("SE"),
            changed_at: format_timestamp(at(0)),
            deleted_at: None,
        }]
    );
    assert!(
        reader
            .browse(&filter, None, 0, LONG)
            .unwrap()
            .customers
            .is_empty()
    );
}
