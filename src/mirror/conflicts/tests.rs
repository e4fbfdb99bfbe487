use proptest::prelude::*;

use super::*;
use crate::fixture::{Fixture, at};

/// What somebody does to a customer.
#[derive(Debug, Clone)]
enum Step {
    Come(Option<u8>),
    Change(i64, Option<u8>),
    Delete(i64),
    Return(i64, Option<u8>),
    Erase(i64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let who = 1..8_i64;
    let reference = prop::option::of(0..3_u8);
    let step = prop_oneof![
        reference.clone().prop_map(Step::Come),
        (who.clone(), reference.clone()).prop_map(|(who, reference)| Step::Change(who, reference)),
        who.clone().prop_map(Step::Delete),
        (who.clone(), reference).prop_map(|(who, reference)| Step::Return(who, reference)),
        who.prop_map(Step::Erase),
    ];
    prop::collection::vec(step, 0..40)
}

fn take(db: &Connection, step: &Step) {
    let set = |sql: &str, who: &i64, reference: &Option<u8>| {
        let reference = reference.map(|number| format!("r{number}"));
        db.execute(sql, (who, reference)).unwrap()
    };
    match step {
        Step::Come(reference) => set(
            "INSERT INTO customers (customer_id, reference_id, first_seen_at, changed_at, raw)
             SELECT 'c' || (ifnull(max(row_id), 0) + ?1), ?2, '', '', '' FROM customers",
            &1,
            reference,
        ),
        Step::Change(who, reference) => set(
            "UPDATE customers SET reference_id = ?2, name = 'x', deleted_at = NULL WHERE row_id = ?1 AND deleted_at IS NULL",
            who,
            reference,
        ),
        Step::Return(who, reference) => set(
            "UPDATE customers SET reference_id = ?2, name = 'x', deleted_at = NULL WHERE row_id = ?1",
            who,
            reference,
        ),
        Step::Delete(who) => set(
            "UPDATE customers SET deleted_at = 'now' WHERE row_id = ?1 AND ?2 IS NULL",
            who,
            &None,
        ),
        Step::Erase(who) => set(
            "DELETE FROM customers WHERE row_id = ?1 AND ?2 IS NULL",
            who,
            &None,
        ),
    };
}

fn listed(db: &Connection, sql: &str) -> Vec<(String, i64)> {
    let mut statement = db.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    rows.unwrap().collect::<rusqlite::Result<_>>().unwrap()
}

fn check(db: &Connection) {
    let by_rows = listed(
        db,
        "SELECT reference_id, count(*) FROM customers NOT INDEXED WHERE reference_id IS NOT NULL AND deleted_at IS NULL
         GROUP BY reference_id HAVING count(*) > 1 ORDER BY reference_id",
    );
    let view = "SELECT reference_id, customers FROM reference_conflicts ORDER BY reference_id";
    assert_eq!(listed(db, view), by_rows);
    if is_kept(db).unwrap() {
        let table = "SELECT reference_id, holders FROM shared_references ORDER BY reference_id";
        assert_eq!(listed(db, table), by_rows);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn the_table_is_what_the_view_says(before in steps(), after in steps()) {
        let db = schema::open_in_memory().unwrap();
        for step in &before {
            take(&db, step);
            check(&db);
        }
        schema::ensure_indexes(&db).unwrap();
        check(&db);
        for step in &after {
            take(&db, step);
            check(&db);
        }
        schema::ensure_indexes(&db).unwrap();
        check(&db);
    }
}

/// Else a referenceId that everybody has would take a look at everybody for each change.
#[test]
fn no_change_counts_all_holders() {
    let db = schema::open_in_memory().unwrap();
    schema::ensure_indexes(&db).unwrap();
    for sql in [
        "SELECT 1 FROM customers WHERE reference_id = ?1 AND deleted_at IS NULL AND row_id <> ?2",
        "SELECT reference_id FROM customers WHERE reference_id IS NOT NULL AND deleted_at IS NULL GROUP BY reference_id HAVING count(*) > 1",
    ] {
        let mut plan = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let steps = plan.raw_query().mapped(|row| row.get::<_, String>(3));
        let steps: rusqlite::Result<Vec<String>> = steps.collect();
        let steps = steps.unwrap();
        assert!(
            steps.len() == 1 && steps[0].contains("COVERING INDEX customers_reference_id"),
            "{steps:?}"
        );
    }
}

#[test]
fn who_shares_a_reference_id_is_named() {
    let mut fixture = Fixture::empty();
    let customer = |id: &str, reference: &str| {
        format!(r#"{{"customerId":"{id}","referenceId":"{reference}"}}"#)
    };
    let records: Vec<String> = (0..13)
        .map(|number| customer(&format!("b{number:02}"), "b"))
        .chain([customer("a2", "a"), customer("a1", "a"), customer("x", "x")])
        .collect();
    let records: Vec<&str> = records.iter().map(String::as_str).collect();
    fixture.pages(0, &[&records], Some("next"));
    let reader = Reader::open(&fixture.path).unwrap();
    assert_eq!(reader.conflicts(None, 9).unwrap(), []);
    assert_eq!(reader.conflicting_with("a1").unwrap(), None);
    // So few customers can be read to count them.
    assert_eq!(reader.status().unwrap().reference_conflicts, Some(2));

    fixture
        .mirror
        .end_pass(1, crate::model::PassState::Failed, "", at(1))
        .unwrap();
    fixture.pass(2, &[&records]);
    let told = |conflicts: Vec<Conflict>| -> Vec<(String, Vec<String>, i64)> {
        let ids =
            |lines: Vec<CustomerLine>| lines.into_iter().map(|line| line.customer_id).collect();
        let tell = |found: Conflict| (found.reference_id, ids(found.customers), found.holders);
        conflicts.into_iter().map(tell).collect()
    };
    let ids = |ids: &[&str]| -> Vec<String> { ids.iter().map(|id| (*id).to_owned()).collect() };
    let of_a = ("a".to_owned(), ids(&["a2", "a1"]), 2);
    let first_b = [
        "b00", "b01", "b02", "b03", "b04", "b05", "b06", "b07", "b08", "b09",
    ];
    let of_b = ("b".to_owned(), ids(&first_b), 13);
    assert_eq!(
        told(reader.conflicts(None, 9).unwrap()),
        [of_a.clone(), of_b.clone()]
    );
    assert_eq!(
        told(reader.conflicts(None, 1).unwrap()),
        std::slice::from_ref(&of_a)
    );
    assert_eq!(reader.status().unwrap().reference_conflicts, Some(2));
    for (customer, expected) in [
        ("a1", Some(of_a)),
        ("b12", Some(of_b)),
        ("x", None),
        ("nobody", None),
    ] {
        let found = reader.conflicting_with(customer).unwrap();
        assert_eq!(told(found.into_iter().collect()), Vec::from_iter(expected));
    }
}
