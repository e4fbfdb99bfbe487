use super::*;
use crate::http::pages::samples::now;
use crate::mirror::{FieldChange, PastChange};

fn profile(columns: &[(&'static str, &str)]) -> Profile {
    let columns = columns.iter().map(|(name, value)| {
        (
            *name,
            Some((*value).to_owned()).filter(|value| value != "NULL"),
        )
    });
    Profile {
        columns: columns.collect(),
        users: Vec::new(),
        raw: "{}".to_owned(),
    }
}

fn page(profile: &Profile, history: &History, before_seq: Option<i64>) -> String {
    customer(&CustomerView {
        profile,
        history,
        conflict: None,
        before_seq,
        now: now(),
    })
}

#[test]
fn what_is_absent_is_left_out() {
    let profile = profile(&[
        ("customer_id", "c/1"),
        ("name", "NULL"),
        ("contact_email", "NULL"),
        ("billing_address_zip", "211 34"),
        ("billing_address_city", "Malmö"),
        ("billing_address_street2", ""),
        ("billing_auto_pay", "0"),
        ("a_new_column", "7"),
        ("changed_at", "2026-01-31T09:00:00.000Z"),
        ("deleted_at", "NULL"),
    ]);
    let page = page(&profile, &History::default(), None);
    for there in [
        "<h1 id=\"customer-name\"><bdi>c/1</bdi></h1>",
        "data-state=\"live\"",
        "<span class=\"line\"><bdi>211 34</bdi> <bdi>Malmö</bdi></span></dd>",
        "<dt>Auto-pay</dt><dd>no</dd>",
        "<dt>a new column</dt><dd><bdi>7</bdi></dd>",
        "href=\"/customers/c%2F1/raw\"",
        "The change feed has nothing on this customer.",
        "<title>Customer c/1 — customer-mirror</title>",
    ] {
        assert!(page.contains(there), "lacks {there}");
    }
    for absent in [
        "id=\"contact\"",
        "id=\"shipping\"",
        "id=\"users\"",
        "id=\"metadata\"",
        "NULL",
    ] {
        assert!(!page.contains(absent), "has {absent}");
    }
}

#[test]
fn the_name_is_not_in_the_browsers_history() {
    let profile = profile(&[("customer_id", "c-1"), ("name", "Åsa Öberg")]);
    let page = page(&profile, &History::default(), None);
    let title = page
        .split("<title>")
        .nth(1)
        .unwrap()
        .split("</title>")
        .next();
    assert_eq!(title, Some("Customer c-1 — customer-mirror"));
}

#[test]
fn a_change_tells_before_and_after_and_what_was_not_there() {
    let field = |before: Option<&str>, after: Option<&str>| FieldChange {
        pointer: "/contact/email".to_owned(),
        before: before.map(str::to_owned),
        after: after.map(str::to_owned),
    };
    let change = |seq, kind: &str, fields| PastChange {
        seq,
        changed_at: "2026-01-31T09:00:00.000Z".to_owned(),
        pass_id: Some(3),
        kind: kind.to_owned(),
        fields,
        more_fields: 2,
    };
    let history = History {
        changes: vec![
            change(
                9,
                "updated",
                vec![
                    field(Some("null"), Some("\"a\"")),
                    field(None, Some("1")),
                    field(Some("1"), None),
                ],
            ),
            change(7, "created", vec![]),
        ],
        has_older: true,
        pruned_before: Some("2026-01-01T00:00:00.000Z".to_owned()),
    };
    let profile = profile(&[("customer_id", "..")]);
    let shown = page(&profile, &history, Some(10));
    for there in [
        "<li id=\"change-9\" data-kind=\"updated\">",
        "<del><span class=\"hidden\">before: </span><bdi>null</bdi></del>",
        "<ins><span class=\"hidden\">after: </span><bdi>&quot;a&quot;</bdi></ins>",
        "not there before",
        "not there any more",
        "and 2 more places",
        "found by pass 3",
        "id=\"older-changes\" href=\"/customers?id=..&amp;before_seq=7#history\"",
        "Before change 10.",
        "href=\"/customers?id=..#history\"",
    ] {
        assert!(shown.contains(there), "lacks {there}");
    }
    // There are older ones: the end of the feed is not here.
    assert!(!shown.contains("are not in the feed any more"));
    let last = History {
        has_older: false,
        ..history
    };
    let shown = page(&profile, &last, None);
    assert!(shown.contains("are not in the feed any more") && !shown.contains("older-changes"));
}

#[test]
fn absurdly_long_values_are_cut_and_boxed() {
    let long = "ö".repeat(50_000);
    let mut profile = profile(&[("customer_id", "c"), ("name", &long), ("metadata", &long)]);
    profile.raw = "x".repeat(1_000_000);
    let page = page(&profile, &History::default(), None);
    assert!(page.len() < 250_000, "{}", page.len());
    assert!(page.contains("900\u{202f}000 more bytes"));
    assert!(page.contains("<div class=\"long\" tabindex=\"0\"><bdi>ö"));
}

#[test]
fn who_is_not_there_can_be_searched_for() {
    let page = no_such_customer("a<b>\"");
    assert!(page.contains("data-status=\"404\""));
    assert!(page.contains("value=\"a&lt;b&gt;&quot;\""));
    let long = no_such_customer(&"ö".repeat(3000));
    let value = long.split(" value=\"").nth(1).unwrap().split('"').next();
    assert_eq!(
        value,
        Some("ö".repeat(100).as_str()),
        "as much as the field takes"
    );
}
