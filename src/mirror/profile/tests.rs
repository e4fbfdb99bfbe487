use super::*;
use crate::fixture::{ADA, Fixture};

#[test]
fn a_profile_is_the_whole_row() {
    let fixture = Fixture::filled();
    let reader = Reader::open(&fixture.path).unwrap();
    let ada = reader.profile("c-1").unwrap().unwrap();
    let statement = reader.connection().prepare("SELECT * FROM customers");
    let statement = statement.unwrap();
    let mut names: Vec<&str> = statement.column_names().collect();
    names.pop();
    names.remove(0);
    let told: Vec<&str> = ada.columns.iter().map(|(name, _)| *name).collect();
    assert_eq!(told, names);
    let value = |wanted: &str| {
        let mut columns = ada.columns.iter();
        columns
            .find(|(name, _)| *name == wanted)
            .and_then(|(_, value)| value.as_deref())
    };
    for (name, expected) in [
        ("customer_id", Some("c-1")),
        ("billing_auto_pay", Some("1")),
        ("billing_address_city", Some("Malmö")),
        ("metadata", Some(r#"{"tier": "gold", "seats": 12}"#)),
        ("changed_at", Some("2026-01-31T09:00:00.000Z")),
        ("deleted_at", None),
        ("identity", None),
    ] {
        assert_eq!(value(name), expected, "{name}");
    }
    let user = ProfileUser {
        user_id: "u-1".to_owned(),
        name: Some("Ada".to_owned()),
        role: Some("ADMIN".to_owned()),
    };
    assert_eq!((ada.users, ada.raw.as_str()), (vec![user], ADA));
}

#[test]
fn the_deleted_have_one_and_nobody_else() {
    let fixture = Fixture::filled();
    let reader = Reader::open(&fixture.path).unwrap();
    let gone = reader.profile("c-4").unwrap().unwrap();
    assert!(
        gone.columns
            .iter()
            .any(|(name, value)| *name == "deleted_at" && value.is_some())
    );
    for id in ["r-1", "C-1", "", "c-1 "] {
        assert_eq!(reader.profile(id).unwrap(), None, "{id}");
    }
}
