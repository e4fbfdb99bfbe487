//! Promises 5 to 7: every record is kept as sent, a bad one stops nothing, an unchanged one costs nothing.

use customer_mirror::simulator::{BadId, Fault, Listing, Options};
use rstest::rstest;
use serde_json::Value;

use crate::support::{Bench, assert_sound, customer, customers};

/// Stops any write to a customer.
const UNTOUCHABLE: &str = "
    CREATE TRIGGER no_update BEFORE UPDATE ON customers BEGIN SELECT raise(ABORT, 'updated'); END;
    CREATE TRIGGER no_insert BEFORE INSERT ON customers BEGIN SELECT raise(ABORT, 'inserted'); END;
    CREATE TRIGGER no_delete BEFORE DELETE ON customers BEGIN SELECT raise(ABORT, 'deleted'); END;
    CREATE TRIGGER no_state BEFORE UPDATE ON customer_state BEGIN SELECT raise(ABORT, 'state updated'); END;
    CREATE TRIGGER no_user BEFORE INSERT ON customer_user_rows BEGIN SELECT raise(ABORT, 'user inserted'); END;
    CREATE TRIGGER no_change BEFORE INSERT ON customer_changes BEGIN SELECT raise(ABORT, 'change recorded'); END;";

impl Bench {
    fn set_records<T: Into<String>>(&self, records: impl IntoIterator<Item = T>) {
        self.sim.set_listing(Listing::explicit(records));
    }

    /// The JSON text of a live customer, as kept.
    fn raw(&self, id: &str) -> String {
        self.db()
            .query_row(
                "SELECT raw FROM live_customers WHERE customer_id = ?1",
                [id],
                |row| row.get(0),
            )
            .unwrap()
    }

    /// A column of a customer.
    fn field(&self, id: &str, column: &str) -> Option<String> {
        let sql = format!("SELECT {column} FROM customers WHERE customer_id = ?1");
        self.db().query_row(&sql, [id], |row| row.get(0)).unwrap()
    }

    fn quarantine(&self) -> Vec<String> {
        self.column("SELECT ifnull(customer_id, '-') || ' pass ' || pass_id || ' page ' || page FROM quarantine ORDER BY id")
    }

    fn last_change(&self) -> (String, String, Option<String>) {
        let sql =
            "SELECT kind, changed_fields, before FROM customer_changes ORDER BY seq DESC LIMIT 1";
        self.db()
            .query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .unwrap()
    }
}

#[tokio::test]
async fn odd_records_are_kept_as_sent() {
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let records = [
        ("numbers", r#"{"customerId":"numbers","metadata":{"a": 1.10,"b":9223372036854775808,"c":1e400,"d":-0.0,"e":1E+2,"f":0.1000000000000000055511151231257827}}"#.to_owned()),
        ("twice", r#"{"customerId":"once","name":"A","customerId":"twice","name":"B"}"#.to_owned()),
        ("deep", format!(r#"{{"customerId":"deep","name":"D","x":{deep}}}"#)),
        ("surrogate", r#"{"customerId":"surrogate","name":"a\ud800b","\udfff":"\udc00\ud800"}"#.to_owned()),
        ("nul\0inside", r#"{"customerId":"nul\u0000inside","name":"x\u0000y"}"#.to_owned()),
        ("long", format!(r#"{{"customerId":"long","name":"{}"}}"#, "å".repeat(500_000))),
        ("white", "{ \"customerId\" :\t\"white\" ,\r\n \"name\" : \"\\u0041\\/\" }".to_owned()),
        ("Ünïcödé 🎉 '\"%", r#"{"customerId":"Ünïcödé 🎉 '\"%","name":"\ud83c\udf89"}"#.to_owned()),
        ("newer", r#"{"customerId":"newer","customerType":"ALIEN","telepathy":{"level":[1,null]},"":0}"#.to_owned()),
        (" ", r#"{"customerId":" ","name":null}"#.to_owned()),
    ];
    let bench = Bench::of(Listing::explicit(
        records.iter().map(|(_, raw)| raw.clone()),
    ))
    .await;
    let report = bench.synced().await;
    assert_eq!(
        (&report["created"], &report["quarantined"]),
        (&10.into(), &0.into())
    );
    for (id, raw) in &records {
        assert_eq!(&bench.raw(id), raw, "{id}");
    }
    assert_sound(&bench.db());
    for (id, column, value) in [
        (
            "numbers",
            "metadata",
            r#"{"a": 1.10,"b":9223372036854775808,"c":1e400,"d":-0.0,"e":1E+2,"f":0.1000000000000000055511151231257827}"#,
        ),
        ("twice", "name", "B"),
        ("deep", "name", "D"),
        ("surrogate", "name", "a\u{fffd}b"),
        ("nul\0inside", "name", "x\0y"),
        ("white", "name", "A/"),
        ("Ünïcödé 🎉 '\"%", "name", "🎉"),
        ("newer", "customer_type", "ALIEN"),
    ] {
        assert_eq!(bench.field(id, column).as_deref(), Some(value), "{id}");
    }

    bench.db_to_write().execute_batch(UNTOUCHABLE).unwrap();
    assert_eq!(bench.synced().await["unchanged"], 10);
}

#[tokio::test]
async fn key_order_and_white_space_change_nothing() {
    let bench = Bench::with(Options {
        listing: Listing::seeded(19, 40),
        shuffle_keys: true,
        ..Options::default()
    })
    .await;
    bench.synced().await;
    bench.db_to_write().execute_batch(UNTOUCHABLE).unwrap();
    let report = bench.synced().await;
    assert_eq!(
        (&report["unchanged"], &report["updated"]),
        (&40.into(), &0.into())
    );
    // What was sent first is kept, and it says what the server says.
    for record in bench.sim.listing().iter() {
        let record: Value = serde_json::from_str(&record).unwrap();
        let raw = bench.raw(record["customerId"].as_str().unwrap());
        assert_eq!(serde_json::from_str::<Value>(&raw).unwrap(), record);
    }
}

#[rstest]
#[case::nothing(r#","n":[1,{"a":1,"b":2}]"#, r#", "n" : [1,{"b":2,"a":1}]"#, None)]
#[case::an_escape_is_spelling(r#","n":"A/""#, r#","n":"\u0041\/""#, None)]
#[case::of_a_duplicate_key_the_last_counts(r#","n":1,"n":2"#, r#","n":3,"n":2"#, None)]
#[case::a_value(r#","n":1"#, r#","n":2"#, Some(r#"["/n"]"#))]
#[case::the_text_of_a_number(r#","n":1.1"#, r#","n":1.10"#, Some(r#"["/n"]"#))]
#[case::null_against_absent("", r#","n":null"#, Some(r#"["/n"]"#))]
#[case::absent_against_null(r#","n":null"#, "", Some(r#"["/n"]"#))]
#[case::the_order_of_an_array(r#","n":[1,2]"#, r#","n":[2,1]"#, Some(r#"["/n/0","/n/1"]"#))]
#[case::deep_inside(
    r#","a":{"b/c~":[{"d":1}]}"#,
    r#","a":{"b/c~":[{"d":true}]}"#,
    Some(r#"["/a/b~1c~0/0/d"]"#)
)]
#[tokio::test]
async fn a_change_is_recorded_and_nothing_else(
    #[case] before: &str,
    #[case] after: &str,
    #[case] pointers: Option<&str>,
) {
    let bench = Bench::of(Listing::explicit([
        customer("c", before),
        customer("d", ""),
    ]))
    .await;
    bench.synced().await;
    bench.set_records([customer("c", after), customer("d", "")]);
    if pointers.is_none() {
        bench.db_to_write().execute_batch(UNTOUCHABLE).unwrap();
    }
    let report = bench.synced().await;
    if let Some(pointers) = pointers {
        assert_eq!(
            (&report["updated"], &report["unchanged"]),
            (&1.into(), &1.into())
        );
        assert_eq!(
            bench.last_change(),
            (
                "updated".to_owned(),
                pointers.to_owned(),
                Some(customer("c", before))
            )
        );
        assert_eq!(bench.raw("c"), customer("c", after));
        bench.assert_mirrors();
    } else {
        assert_eq!(report["unchanged"], 2);
        assert_eq!(bench.raw("c"), customer("c", before));
    }
}

#[tokio::test]
async fn every_day_is_mirrored() {
    let mut bench = Bench::of(Listing::seeded(23, 200)).await;
    bench
        .set("api.page_size", "50")
        .set("deletions.confirm_passes", "1");
    let mut changes = 0;
    for day in [1, 2, 3, 10, 60] {
        bench.sim.set_day(day);
        let report = bench.synced().await;
        bench.assert_mirrors();
        changes += ["created", "updated", "deleted", "restored"]
            .iter()
            .map(|kind| report[*kind].as_i64().unwrap())
            .sum::<i64>();
        // Each change is in the feed, and nothing else.
        assert_eq!(
            bench.one::<i64>("SELECT count(*) FROM customer_changes"),
            changes
        );
    }
    assert!(changes > 200, "{changes}");
}

#[tokio::test]
async fn a_wrong_type_is_drift_and_leaves_its_column_empty() {
    let bench = Bench::of(Listing::seeded(29, 5)).await;
    bench.sim.push_fault(Fault::Drift.on_page(1));
    let run = bench.sync().await;
    run.exits(0);
    assert_eq!(run.report()["quarantined"], 0);
    for field in ["/name", "/contact"] {
        assert!(
            run.stderr
                .lines()
                .any(|line| line.contains("drift") && line.contains(field)),
            "{field}: {run:?}"
        );
    }
    let id = &bench.sim.customer_ids()[0];
    for column in ["name", "contact_email", "reference_id", "metadata"] {
        assert_eq!(bench.field(id, column), None, "{column}");
    }
    assert!(
        bench
            .raw(id)
            .contains(r#""name":{"first":"Drift","last":"Wood"},"contact":7,"#),
        "{}",
        bench.raw(id)
    );

    let report = bench.synced().await;
    assert_eq!(
        (&report["updated"], &report["unchanged"]),
        (&1.into(), &4.into())
    );
    assert!(bench.field(id, "name").is_some());
    bench.assert_mirrors();
}

#[tokio::test]
async fn bytes_that_are_no_text_are_quarantined_as_sent_until_they_are_mended() {
    let bench = Bench::of(customers(1..=25)).await;
    bench.sim.push_fault(Fault::GarbageUtf8.on_page(1));
    let report = bench.synced().await;
    assert_eq!(
        (&report["created"], &report["quarantined"]),
        (&24.into(), &1.into())
    );
    assert_eq!(bench.quarantine(), ["c10 pass 1 page 1"]);
    assert_eq!(
        bench.one::<Vec<u8>>("SELECT raw FROM quarantine"),
        b"{\"customerId\":\"c10\",\"garbage\":\"\xff\xc3(\xed\xa0\x80\"}"
    );
    assert!(
        bench
            .one::<String>("SELECT reason FROM quarantine")
            .contains("UTF-8")
    );

    assert_eq!(bench.synced().await["created"], 1);
    assert_eq!(bench.quarantine(), [""; 0]);
    bench.assert_mirrors();
}

#[tokio::test]
async fn a_record_that_was_good_before_it_was_bad_leaves_the_quarantine_too() {
    let bench = Bench::of(customers(1..=25)).await;
    bench.synced().await;
    bench.sim.push_fault(Fault::GarbageUtf8.on_page(1));
    assert_eq!(bench.synced().await["quarantined"], 1);
    assert_eq!(bench.quarantine(), ["c10 pass 2 page 1"]);
    bench.assert_mirrors(); // as it was last understood

    assert_eq!(bench.synced().await["unchanged"], 25);
    assert_eq!(bench.quarantine(), [""; 0]);
}

#[tokio::test]
async fn a_record_that_stays_bad_stays_one_row() {
    let bench = Bench::of(customers(1..=25)).await;
    bench
        .sim
        .push_fault(Fault::GarbageUtf8.on_page(2).forever());
    bench
        .sim
        .push_fault(Fault::BadRecord(BadId::Missing).on_page(1).forever());
    for pass in 1..=3 {
        assert_eq!(bench.synced().await["quarantined"], 2);
        assert_eq!(
            bench.quarantine(),
            [
                format!("- pass {pass} page 1"),
                format!("c20 pass {pass} page 2")
            ]
        );
        assert_eq!(bench.live().len(), 23);
    }
}

#[tokio::test]
async fn records_without_a_usable_id_are_quarantined_and_stop_nothing() {
    let bad = [
        "7",
        "null",
        "\"text\"",
        "[]",
        "{}",
        "true",
        r#"{"customerId":null,"name":"N"}"#,
        r#"{"customerId":4711}"#,
        r#"{"customerId":""}"#,
        r#"{"customerId":["c1"]}"#,
        r#"{"customerId":"\ud800"}"#,
    ];
    let bench = Bench::of(Listing::explicit(bad)).await;
    bench.set_records(
        bad.map(str::to_owned)
            .into_iter()
            .chain(customers(1..=5).iter()),
    );
    let report = bench.synced().await;
    assert_eq!(
        (&report["created"], &report["quarantined"]),
        (&5.into(), &11.into())
    );
    assert_eq!(report["sweep"], "none");
    assert_eq!(
        bench.column::<String>("SELECT raw FROM quarantine ORDER BY id"),
        bad
    );
    assert_eq!(
        bench.one::<i64>(
            "SELECT count(*) FROM quarantine WHERE customer_id IS NOT NULL OR reason = ''"
        ),
        0
    );
    bench.assert_mirrors();
}

#[tokio::test]
async fn users_follow_their_customer() {
    let users = |users: &str| customer("c", &format!(r#","users":[{users}]"#));
    let bench = Bench::of(Listing::explicit([users(
        r#"{"userId":"u1","name":"A","role":"ADMIN"},{"userId":"u2","role":"OWNER"},{"name":"nobody"}"#,
    )]))
    .await;
    let rows = "SELECT user_id || ' ' || ifnull(name, '-') || ' ' || ifnull(role, '-') FROM customer_users ORDER BY user_id";
    bench.synced().await;
    assert_eq!(bench.column::<String>(rows), ["u1 A ADMIN", "u2 - OWNER"]);
    bench.set_records([users(r#"{"userId":"u2","name":"B"},{"userId":"u3"}"#)]);
    bench.synced().await;
    assert_eq!(bench.column::<String>(rows), ["u2 B -", "u3 - -"]);
    bench.set_records([customer("c", r#","users":null"#)]);
    bench.synced().await;
    assert_eq!(bench.column::<String>(rows), [""; 0]);
    bench.assert_mirrors();
}

#[tokio::test]
async fn a_reference_id_of_two_live_customers_is_a_conflict() {
    let with_reference = |id| customer(id, r#","referenceId":"r1""#);
    let mut bench = Bench::of(Listing::explicit([
        with_reference("a"),
        with_reference("b"),
        customer("c", ""),
    ]))
    .await;
    bench.set("deletions.confirm_passes", "1");
    bench.synced().await;
    let conflicts = "SELECT reference_id || ' ' || customers FROM reference_conflicts";
    assert_eq!(bench.column::<String>(conflicts), ["r1 2"]);
    bench.set_records([with_reference("b"), customer("c", "")]);
    bench.synced().await;
    assert_eq!(bench.column::<String>(conflicts), [""; 0]);
}

#[tokio::test]
async fn the_order_of_the_listing_changes_nothing() {
    let bench = Bench::of(Listing::seeded(43, 60)).await;
    bench.synced().await;
    let mut records = bench.sim.listing().iter().collect::<Vec<_>>();
    records.reverse();
    records.rotate_left(17);
    bench.set_records(records);
    bench.db_to_write().execute_batch(UNTOUCHABLE).unwrap();
    assert_eq!(bench.synced().await["unchanged"], 60);
    bench.assert_mirrors();
}

#[tokio::test]
async fn ids_that_look_alike_are_different_customers() {
    let ids = [
        "a",
        "A",
        " a",
        "a ",
        "é",
        "e\u{301}",
        "1",
        "01",
        "1.0",
        "null",
        "a\u{200b}",
    ];
    let bench = Bench::of(Listing::explicit(ids.map(|id| customer(id, "")))).await;
    assert_eq!(bench.synced().await["created"], ids.len());
    bench.assert_mirrors();
    assert_eq!(bench.synced().await["unchanged"], ids.len());
}

#[tokio::test]
async fn of_a_customer_that_comes_twice_the_last_counts() {
    let named = |name: &str| customer("c1", &format!(r#","name":"{name}""#));
    let mut records = vec![named("A")];
    records.extend(customers(2..=30).iter());
    records.push(named("B"));
    let bench = Bench::of(Listing::explicit(records)).await;
    let report = bench.synced().await;
    assert_eq!(
        (&report["created"], &report["updated"]),
        (&30.into(), &1.into())
    );
    bench.assert_mirrors();
}

#[tokio::test]
async fn changes_are_kept_for_as_long_as_configured() {
    let mut bench = Bench::of(customers(1..=20)).await;
    bench.set("changes.keep", "\"30d\"");
    bench.synced().await;
    let age = "UPDATE customer_changes SET changed_at = '2001-01-01T00:00:00.000Z' WHERE seq <= 15";
    bench.db_to_write().execute_batch(age).unwrap();
    bench.sim.set_listing(customers(1..=21));
    bench.synced().await;
    let seqs = bench.column::<i64>("SELECT seq FROM customer_changes ORDER BY seq");
    assert_eq!(seqs, (16..=21).collect::<Vec<_>>());

    bench
        .db_to_write()
        .execute_batch("UPDATE customer_changes SET changed_at = '2001-01-01T00:00:00.000Z'")
        .unwrap();
    bench.synced().await;
    bench.sim.set_listing(customers(1..=22));
    bench.synced().await;
    // A number is never given again: whoever follows the feed misses nothing.
    assert_eq!(
        bench.column::<i64>("SELECT seq FROM customer_changes"),
        [22]
    );

    bench.set("changes.keep", "\"never\"");
    bench
        .db_to_write()
        .execute_batch("UPDATE customer_changes SET changed_at = '2001-01-01T00:00:00.000Z'")
        .unwrap();
    bench.synced().await;
    assert_eq!(
        bench.column::<i64>("SELECT seq FROM customer_changes"),
        [22]
    );
}

#[tokio::test]
async fn a_bad_record_that_comes_no_more_is_kept_as_long_as_a_change() {
    let mut bench = Bench::of(Listing::explicit(["7", "{}"])).await;
    bench.set("changes.keep", "\"30d\"");
    bench.synced().await;
    bench.sim.set_listing(Listing::explicit(["{}"]));
    bench.synced().await;
    assert_eq!(
        bench.column::<String>("SELECT raw FROM quarantine"),
        ["7", "{}"]
    );
    let age = "UPDATE quarantine SET at = '2001-01-01T00:00:00.000Z'";
    bench.db_to_write().execute_batch(age).unwrap();
    bench.synced().await;
    assert_eq!(bench.column::<String>("SELECT raw FROM quarantine"), ["{}"]);
}

#[tokio::test]
async fn quarantined_records_can_be_tried_again() {
    let bench = Bench::of(Listing::explicit(["7", "{}"])).await;
    bench.synced().await;
    let retry = || {
        let retried = bench.mirror().retry_quarantine(chrono::Utc::now()).unwrap();
        (retried.mirrored, retried.remaining)
    };
    assert_eq!(retry(), (0, 2));
    // What a newer version may come to understand.
    let mend = r#"UPDATE quarantine SET raw = '{"customerId":"c7"}' WHERE raw = '7'"#;
    bench.db_to_write().execute_batch(mend).unwrap();
    assert_eq!(retry(), (1, 1));
    assert_eq!(bench.live(), ["c7"]);
    assert_eq!(bench.quarantine(), ["- pass 1 page 1"]);
    assert_sound(&bench.db());
}
