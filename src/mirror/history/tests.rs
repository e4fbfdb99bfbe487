use super::*;
use crate::fixture::Fixture;

fn record(name: &str, rest: &str) -> String {
    format!(r#"{{"customerId":"c","name":{name}{rest}}}"#)
}

/// A pass for each of these records; where there is none, two passes that don't list the customer.
fn mirror_of(records: &[Option<&str>]) -> Fixture {
    let mut fixture = Fixture::empty();
    let other = r#"{"customerId":"other"}"#;
    for (record, index) in records.iter().zip(0..) {
        let minutes = index * 10;
        if let Some(record) = record {
            fixture.pass(minutes, &[&[other, record]]);
        } else {
            fixture.pass(minutes, &[&[other]]);
            fixture.pass(minutes + 5, &[&[other]]);
        }
    }
    fixture
}

fn told(history: &History) -> Vec<String> {
    let tell = |change: &PastChange| {
        let field = |field: &FieldChange| {
            let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
            format!(
                " {}: {} → {}",
                field.pointer,
                value(&field.before),
                value(&field.after)
            )
        };
        let fields: Vec<String> = change.fields.iter().map(field).collect();
        format!("{}{}", change.kind, fields.join(","))
    };
    history.changes.iter().map(tell).collect()
}

#[test]
fn each_change_is_told_field_by_field() {
    let (first, second) = (
        record(r#""A""#, r#","balance":1.50,"tags":[1]"#),
        record(r#""B \u00e9""#, r#","balance":1.5,"tags":[1,{"x":2}]"#),
    );
    let third = record("null", "");
    let fixture = mirror_of(&[
        Some(&first),
        Some(&second),
        None,
        Some(&third),
        Some(&third),
        Some(&first),
    ]);
    let reader = Reader::open(&fixture.path).unwrap();
    let history = reader.history("c", None, 10).unwrap();
    let expected = [
        r#"updated /name: null → "A", /balance: - → 1.50, /tags: - → [1]"#,
        r#"restored /balance: 1.5 → -, /name: "B \u00e9" → null, /tags: [1,{"x":2}] → -"#,
        "deleted",
        r#"updated /balance: 1.50 → 1.5, /name: "A" → "B \u00e9", /tags/1: - → {"x":2}"#,
        "created",
    ];
    assert_eq!(told(&history), expected);
    assert!(!history.has_older && history.pruned_before.is_none());
    assert_eq!(history.changes[4].changed_at, "2026-01-31T09:00:00.000Z");
    assert_eq!(history.changes[4].pass_id, Some(1));

    // The same page by page.
    for limit in 1..5 {
        let (mut all, mut before) = (Vec::new(), None);
        loop {
            let page = reader.history("c", before, limit).unwrap();
            all.extend(told(&page));
            before = page.changes.last().map(|change| change.seq);
            if !page.has_older {
                break;
            }
        }
        assert_eq!(all, expected, "{limit}");
    }
    assert_eq!(
        reader.history("nobody", None, 9).unwrap(),
        History::default()
    );
    assert_eq!(reader.history("c", None, 0).unwrap().changes, []);
}

#[test]
fn what_is_shown_is_bounded() {
    let name = "é".repeat(5000);
    let members = |value: u32| {
        let members: Vec<String> = (0..70).map(|n| format!(r#","m{n:02}":{value}"#)).collect();
        members.join("")
    };
    let key = "k".repeat(900);
    let (first, second) = (
        record(&format!(r#""{name}""#), &members(1)),
        record(r#""B""#, &format!(r#"{},"{key}":true"#, members(2))),
    );
    let fixture = mirror_of(&[Some(&first), Some(&second)]);
    let reader = Reader::open(&fixture.path).unwrap();
    let history = reader.history("c", None, 1).unwrap();
    let change = &history.changes[0];
    assert_eq!((change.fields.len(), change.more_fields), (50, 22));
    let fields = |first: &str, second: &str| {
        fields(
            r#"["/name","/key"]"#,
            Some(&first.replace(&key, "key")),
            Some(&second.replace(&key, "key")),
        )
        .0
    };
    let shown = fields(&first, &second);
    let before = shown[0].before.as_deref().unwrap();
    assert_eq!(before.chars().count(), VALUE_CHARS_MAX + 1);
    assert!(before.ends_with("é…"));
    assert_eq!(shown[1].before, None);
    assert_eq!(shown[1].after.as_deref(), Some("true"));
    let long = cut(&format!("/{key}"), POINTER_CHARS_MAX);
    assert_eq!(long.chars().count(), POINTER_CHARS_MAX + 1);
}

#[test]
fn a_page_of_large_records_ends_early_and_loses_nothing() {
    let large = |number: u32| {
        let filling = "x".repeat(1_200_000);
        record(&number.to_string(), &format!(r#","filling":"{filling}""#))
    };
    let records: Vec<String> = (0..9).map(large).collect();
    let records: Vec<Option<&str>> = records.iter().map(|text| Some(text.as_str())).collect();
    let fixture = mirror_of(&records);
    let reader = Reader::open(&fixture.path).unwrap();
    let (mut all, mut before) = (Vec::new(), None);
    for expected in [4, 4, 1] {
        let page = reader.history("c", before, 100).unwrap();
        assert_eq!(page.changes.len(), expected);
        assert_eq!(page.has_older, expected == 4);
        before = page.changes.last().map(|change| change.seq);
        all.extend(told(&page));
    }
    let updates = (0..8)
        .rev()
        .map(|number| format!("updated /name: {number} → {}", number + 1));
    let expected: Vec<String> = updates.chain(["created".to_owned()]).collect();
    assert_eq!(all, expected);
}

/// Before the end of the first pass, no index leads to first changes: nobody is to read the whole feed for one.
#[test]
fn during_the_first_pass_only_later_changes_are_told() {
    let mut fixture = Fixture::empty();
    let (first, second) = (record("1", ""), record("2", ""));
    fixture.pages(0, &[&[&first], &[&second]], Some("next"));
    let reader = Reader::open(&fixture.path).unwrap();
    assert_eq!(
        told(&reader.history("c", None, 9).unwrap()),
        ["updated /name: 1 → 2"]
    );
    let mut plan = reader
        .connection()
        .prepare(
            "EXPLAIN QUERY PLAN SELECT seq FROM customer_changes
             WHERE customer_id = 'c' AND seq < 9 AND kind <> 'created' ORDER BY seq DESC",
        )
        .unwrap();
    let steps = plan.query_map([], |row| row.get::<_, String>(3)).unwrap();
    let steps: rusqlite::Result<Vec<String>> = steps.collect();
    let steps = steps.unwrap();
    assert!(
        steps.len() == 1 && steps[0].contains("customer_changes_not_first (customer_id=?"),
        "{steps:?}"
    );
}
