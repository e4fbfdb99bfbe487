use super::*;
use crate::cli::output::{Format, width_of};
use crate::cli::screens::{PIPE, terminal};
use crate::fixture::{ADA, Fixture, at};

fn got(
    fixture: &Fixture,
    screen: Screen,
    raw: bool,
    format: Option<Format>,
    ids: &[&str],
) -> (String, Found) {
    got_as_of(fixture, screen, raw, format, ids, None, "")
}

fn got_as_of(
    fixture: &Fixture,
    screen: Screen,
    raw: bool,
    format: Option<Format>,
    ids: &[&str],
    as_of: Option<Timestamp>,
    input: &str,
) -> (String, Found) {
    let reader = Reader::open(&fixture.path).unwrap();
    let ids = ids.iter().map(|id| (*id).to_owned()).collect();
    let mut out = Vec::new();
    let arguments = Arguments {
        ids,
        as_of,
        raw,
        format: FormatArgument { format },
    };
    let found = print_all(&reader, &mut out, screen, &arguments, input.as_bytes()).unwrap();
    (String::from_utf8(out).unwrap(), found)
}

#[test]
fn a_pipe_gets_objects_with_the_json_as_sent() {
    let fixture = Fixture::filled();
    let (text, found) = got(&fixture, PIPE, false, None, &["K1", "c-2"]);
    assert_eq!(found, Found::default());
    assert_eq!(text.lines().count(), 2);
    let object: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!(object["customer_id"], "c-1");
    assert_eq!(object["billing_auto_pay"], 1);
    assert_eq!(object["metadata"]["seats"], 12);
    assert_eq!(object["users"][0]["role"], "ADMIN");
    assert_eq!(object["deleted_at"], serde_json::Value::Null);
    assert!(object.get("row_id").is_none());
    assert!(text.contains("\"balance\": 1.50"), "{text}");
    let (csv, _) = got(&fixture, PIPE, false, Some(Format::Csv), &["c-2"]);
    assert!(
        csv.starts_with("customer_id,reference_id,") && csv.contains(",users,raw\r\nc-2,twin,"),
        "{csv}"
    );
}

#[test]
fn raw_is_a_line_a_customer() {
    let fixture = Fixture::filled();
    let (text, _) = got(&fixture, PIPE, true, None, &["r-1", "c-4"]);
    assert_eq!(
        text,
        format!(
            "{}\n{{\"customerId\": \"c-4\", \"name\": \"Edsger\"}}\n",
            ADA.replace('\n', " ")
        )
    );
}

#[test]
fn what_is_missing_and_what_is_ambiguous_is_told() {
    let fixture = Fixture::filled();
    let (text, found) = got(&fixture, PIPE, false, None, &["no-1", "twin", "no-2"]);
    assert_eq!(text.lines().count(), 2);
    assert_eq!(found.missing.first, ["`no-1`", "`no-2`"]);
    assert_eq!(
        found.ambiguous.first,
        ["2 customers have the referenceId `twin`"]
    );
}

#[test]
fn a_card_fits_its_terminal() {
    let fixture = Fixture::filled();
    for width in [40, 80] {
        let (text, _) = got(&fixture, terminal(width), false, None, &["c-1", "c-4"]);
        assert!(text.lines().all(|line| width_of(line) <= width), "{text}");
        assert!(!text.contains('\x1b'), "{text}");
        for part in [
            "Ada ␛[31mLovelace\n",
            "Billing\n",
            "gold",
            "Malmö",
            "Edsger\nDELETED 2026-01-31 09:",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(
            !text.contains("row_id") && !text.contains("locale"),
            "{text}"
        );
    }
}

#[test]
fn a_card_of_the_past_is_a_card() {
    let mut fixture = Fixture::filled();
    let ada = ADA
        .replace("gold", "silver")
        .replace("\"name\": \"Ada\"", "\"name\": \"Ada L\"");
    fixture.pass(60, &[&[&ada]]);
    let card = |minutes: i64, id: &str| {
        got_as_of(
            &fixture,
            terminal(60),
            false,
            None,
            &[id],
            Some(at(minutes)),
            "",
        )
        .0
    };
    let today = card(70, "c-1");
    assert!(
        today.contains("silver") && today.contains("Ada L (u-1)"),
        "{today}"
    );
    let then = card(50, "c-1");
    assert!(
        then.contains("gold") && then.contains("Ada (u-1)"),
        "{then}"
    );
    assert!(
        then.contains("Storgatan 1") && then.contains("auto-pay          yes"),
        "{then}"
    );
    // Not deleted yet.
    assert!(card(32, "c-4").contains("DELETED"));
    assert!(!card(20, "c-4").contains("DELETED"));
}
