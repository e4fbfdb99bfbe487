//! Offline search: who is looked for is found, whatever way they are written, and nobody else.

use std::collections::BTreeSet;

use customer_mirror::decode;
use customer_mirror::search::Document;
use customer_mirror::simulator::Listing;
use rstest::rstest;
use rusqlite::Connection;
use serde_json::Value;

use crate::support::{Bench, Run, customer, customers};

/// The search index has the words and grams of every customer, and no others.
#[track_caller]
pub(crate) fn assert_index(db: &Connection) {
    for (table, expected) in [
        ("customer_search", words(db)),
        ("customer_search_parts", grams(db)),
    ] {
        db.execute_batch(&format!(
            "CREATE VIRTUAL TABLE IF NOT EXISTS temp.{table}_entries USING fts5vocab('main', '{table}', 'instance')"
        ))
        .unwrap();
        let found: BTreeSet<Entry> = db
            .prepare(&format!(
                "SELECT doc, term, ifnull(col, '') FROM temp.{table}_entries"
            ))
            .unwrap()
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .unwrap()
            .collect::<rusqlite::Result<_>>()
            .unwrap();
        let missing: Vec<_> = expected.difference(&found).collect();
        let surplus: Vec<_> = found.difference(&expected).collect();
        assert!(
            missing.is_empty() && surplus.is_empty(),
            "{table}: missing {missing:?}, surplus {surplus:?}"
        );
    }
}

/// A row id, a word, a column.
type Entry = (i64, String, String);

fn entries(db: &Connection, add: impl Fn(i64, &Document, &mut BTreeSet<Entry>)) -> BTreeSet<Entry> {
    let mut entries = BTreeSet::new();
    let mut statement = db.prepare("SELECT row_id, raw FROM customers").unwrap();
    let mut rows = statement.query([]).unwrap();
    while let Some(row) = rows.next().unwrap() {
        let raw: String = row.get(1).unwrap();
        let document = Document::of(&decode::customer(&raw).unwrap());
        add(row.get(0).unwrap(), &document, &mut entries);
    }
    entries
}

fn words(db: &Connection) -> BTreeSet<Entry> {
    entries(db, |row_id, document, entries| {
        for (column, words) in [
            ("names", document.names()),
            ("addresses", document.addresses()),
        ] {
            entries.extend(
                words
                    .split_whitespace()
                    .map(|word| (row_id, word.to_owned(), column.to_owned())),
            );
        }
    })
}

fn grams(db: &Connection) -> BTreeSet<Entry> {
    entries(db, |row_id, document, entries| {
        entries.extend(
            document
                .grams()
                .split_whitespace()
                .map(|gram| (row_id, gram.to_owned(), String::new())),
        );
    })
}

const PEOPLE: [(&str, &str); 11] = [
    (
        "6f638c2e-0c57-42d9-9c34-170556cef7f1",
        r#","customerType":"CONSUMER","name":"Åsa Öberg","referenceId":"crm-77","humanReadableId":"TM3-LCXQ-M7N","identity":"19841221-6485",
           "contact":{"email":"asa.oberg@mail.example.com","msisdn":"+46701234567"},
           "billing":{"email":"Faktura@Oberg.example","address":{"street1":"Storgatan 12B","zip":"415 22","city":"Göteborg","country":"SE"}}"#,
    ),
    (
        "2",
        r#","customerType":"CONSUMER","name":"Łukasz Dąbrowski","contact":{"msisdn":"+48 600 700 800"},"identity":"131052-308T""#,
    ),
    (
        "3",
        r#","customerType":"BUSINESS","name":"O'Brien & Sons","users":[{"userId":"u1","name":"Siobhán O’Malley"}]"#,
    ),
    (
        "4",
        r#","customerType":"BUSINESS","name":"山田商店","contactPerson":{"name":"山田太郎"}"#,
    ),
    (
        "5",
        r#","name":"김민수","billing":{"address":{"city":"서울특별시"}}"#,
    ),
    (
        "6",
        r#","name":"Ann \"Quote\" NEAR(x) Ek","contact":{"email":"a_n-n+tag@example.org"}"#,
    ),
    (
        "7",
        r#","name":"Anna Ek","contact":{"email":"ek@example.org","msisdn":"0709998877"}"#,
    ),
    (
        "8",
        r#","name":"Annabell Ek","shipping":{"name":"Storgatan AB","address":{"street1":"Annagatan 5"}}"#,
    ),
    ("9", r#","name":"Strauß 🎉 Işık","referenceId":"REF/9 a""#),
    (
        "10",
        r#","name":"Привет Медведь","contact":{"msisdn":"+46 (0)8-55 66 77"}"#,
    ),
    ("11", r#","name":"Παπαδόπουλος""#),
];

async fn people() -> Bench {
    let people = PEOPLE.iter().map(|(id, rest)| customer(id, rest));
    let bench = Bench::of(Listing::explicit(people.collect::<Vec<_>>())).await;
    bench.synced().await;
    bench
}

/// The first letters of the customerIds, as found.
fn found(run: &Run) -> String {
    run.exits(0);
    let ids = run.stdout.lines().map(|line| {
        let row: Value = serde_json::from_str(line).unwrap();
        let id = row["customer_id"].as_str().unwrap().to_owned();
        if id.len() > 2 { "1".to_owned() } else { id }
    });
    ids.collect::<Vec<_>>().join(" ")
}

/// Who is found by what, the best answer first.
const QUESTIONS: &[(&str, &str)] = &[
    // Without case and diacritics.
    ("asa", "1"),
    ("ÅSA ÖBERG", "1"),
    ("A\u{30a}sa", "1"),
    ("lukasz dabr", "2"),
    ("ŁUKASZ", "2"),
    ("strauss", "9"),
    ("isik", "9"),
    ("привет", "10"),
    ("παπαδοπουλος", "11"),
    // Words, beginnings, with apostrophes and without.
    ("obrien", "3"),
    ("o'brien sons", "3"),
    ("brien", "3"),
    ("omalley", "3"),
    ("siobhan o’malley", "3"),
    ("ann", "6 7 8"),
    ("anna", "7 8"),
    ("ek", "6 7 8"),
    ("ek anna", "7 8"),
    ("stor", "8 1"),
    // E-mail addresses by any part.
    ("asa.oberg@mail.example.com", "1"),
    ("OBERG@mail", "1"),
    ("erg.exam", "1"),
    ("@example.org", "6 7"),
    ("n+tag", "6"),
    // Numbers in every form.
    ("+46701234567", "1"),
    ("46701234567", "1"),
    ("0701234567", "1"),
    ("070-123 45 67", "1"),
    ("+46 (0)70 123 45 67", "1"),
    ("0046701234567", "1"),
    ("1234567", "1"),
    ("+46709998877", "7"),
    ("600700800", "2"),
    ("+4687", ""),
    ("08-556677", "10"),
    ("+468556677", "10"),
    ("841221-6485", "1"),
    ("198412216485", "1"),
    ("308T", "2"),
    // IDs, whole and in part.
    ("6f638c2e-0c57-42d9-9c34-170556cef7f1", "1"),
    ("6F638C2E", "1"),
    ("crm-77", "1"),
    ("lcxq", "1"),
    ("TM3LCXQ", "1"),
    ("11", "11"),
    ("REF/9 a", "9"),
    // Addresses, and all of it together.
    ("goteborg", "1"),
    ("41522", "1"),
    ("415 22", "1"),
    ("storgatan 12b 415 22", "1"),
    ("oberg 070-123 goteb", "1"),
    ("annagatan", "8"),
    // Without spaces.
    ("山田", "4"),
    ("田", "4"),
    ("太郎", "4"),
    ("商店", "4"),
    ("민수", "5"),
    ("울특", "5"),
    ("太山", ""),
    // Nobody.
    ("zzz", ""),
    ("asa lukasz", ""),
    ("rien", ""),
];

#[tokio::test]
async fn people_are_found_however_they_are_written() {
    let bench = people().await;
    let mut wrong = Vec::new();
    for (text, expected) in QUESTIONS {
        let found = found(&bench.run(&["search", text]).await);
        if found != *expected {
            wrong.push(format!("{text}: {found}, not {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[rstest]
#[case::nothing("")]
#[case::a_quote("\"")]
#[case::quotes("'\"'\"")]
#[case::operators("NEAR(ann, 2) OR NOT * ^ - + : {")]
#[case::a_column("names : ann")]
#[case::a_star("*")]
#[case::an_emoji("🎉🚚")]
#[case::controls("\u{1}\u{7f}\u{9b}31m")]
#[case::percent("%_%")]
#[case::sql("'; DROP TABLE customers; --")]
#[case::long(&"ann ".repeat(5000))]
#[case::one_long_word(&"ab1".repeat(20_000))]
#[case::marks_alone("\u{301}\u{301}\u{301}")]
#[case::private("\u{e000}\u{10fffd}\u{fffd}")]
#[tokio::test]
async fn any_input_is_safe(#[case] text: &str) {
    let bench = people().await;
    let run = bench.run(&["search", "--", text]).await;
    run.exits(0);
    assert!(!run.stderr.contains("error"), "{run:?}");
}

#[tokio::test]
async fn what_is_asked_for_is_what_is_printed() {
    let bench = people().await;
    let business = bench.run(&["search", "--type", "business", "山田"]).await;
    assert_eq!(found(&business), "4");
    let none = bench.run(&["search", "--type", "CONSUMER", "山田"]).await;
    assert_eq!(found(&none), "");
    for (options, expected) in [
        (&["--country", "se"][..], "1"),
        (&["--country", "NO"], ""),
        (&["--changed-since", "2h"], "1"),
        (
            &[
                "--changed-since",
                "2000-01-01",
                "--country",
                "SE",
                "--deleted",
            ],
            "1",
        ),
        (&["--changed-since", "2999-01-01"], ""),
    ] {
        let run = bench.run(&[&["search", "asa"], options].concat()).await;
        assert_eq!(found(&run), expected, "{options:?}");
    }
    let first = bench.run(&["search", "--limit", "1", "ek"]).await;
    assert_eq!(found(&first), "6");
    let csv = bench
        .run(&["search", "--format", "csv", "+46701234567"])
        .await;
    csv.exits(0);
    assert!(
        csv.stdout
            .starts_with("customer_id,reference_id,human_readable_id,customer_type,name,")
            && csv
                .stdout
                .contains(",Åsa Öberg,asa.oberg@mail.example.com,+46701234567,,"),
        "{csv:?}"
    );
    let row = bench.run(&["search", "siobhan"]).await;
    let row: Value = serde_json::from_str(&row.stdout).unwrap();
    assert_eq!(
        row["matches"],
        serde_json::json!([{"column": "users", "text": "Siobhán O’Malley"}])
    );
    for (arguments, status) in [
        (&["search"][..], 64),
        (&["search", "--limit", "0", "x"], 64),
        (&["search", "--limit", "10001", "x"], 64),
        (&["search", "--format", "cvs", "x"], 64),
        (&["search", "--changed-since", "yesterday", "x"], 64),
    ] {
        bench.run(arguments).await.exits(status);
    }
    std::fs::remove_file(bench.db_path()).unwrap();
    bench.run(&["search", "anna"]).await.exits(66);
}

#[tokio::test]
async fn the_deleted_are_found_when_asked_for_and_those_that_changed_by_what_they_are_now() {
    let mut bench = Bench::of(Listing::explicit([
        customer("1", r#","name":"Gone Away""#),
        customer(
            "2",
            r#","name":"Maiden Name","contact":{"email":"old@example.com"}"#,
        ),
    ]))
    .await;
    bench.set("deletions.confirm_passes", "1");
    bench.synced().await;
    bench.sim.set_listing(Listing::explicit([customer(
        "2",
        r#","name":"Married Name","contact":{"email":"new@example.com"}"#,
    )]));
    bench.synced().await;
    for (arguments, expected) in [
        (&["search", "gone"][..], ""),
        (&["search", "--deleted", "gone"], "1"),
        (&["search", "maiden"], ""),
        (&["search", "married name"], "2"),
        (&["search", "old@example"], ""),
        (&["search", "new@example"], "2"),
    ] {
        let run = bench.run(arguments).await;
        assert_eq!(found(&run), expected, "{arguments:?}");
    }
    // Back again.
    bench
        .sim
        .set_listing(Listing::explicit([customer("1", r#","name":"Gone Back""#)]));
    bench.synced().await;
    assert_eq!(found(&bench.run(&["search", "gone"]).await), "1");
    assert_eq!(found(&bench.run(&["search", "away"]).await), "");
    assert_index(&bench.db());
}

/// Also in the middle of the very first pass, before it has made the look-up indexes.
#[tokio::test]
async fn what_is_committed_can_be_searched() {
    let mut bench = Bench::of(customers(1..=50)).await;
    bench.set("api.page_size", "10");
    bench.sync_stopped_at_request(3).await;
    let count: i64 = bench
        .db()
        .query_row("SELECT count(*) FROM customers", [], |row| row.get(0))
        .unwrap();
    assert!((10..50).contains(&count), "{count}");
    assert_index(&bench.db());
    assert_eq!(found(&bench.run(&["search", "c7"]).await), "c7");
    bench.synced().await;
    bench.assert_mirrors();
}

#[tokio::test]
async fn an_index_that_does_not_lead_to_a_customer_is_found_by_the_doctor() {
    let bench = people().await;
    bench.run(&["check", "--full"]).await.exits(0);
    for (sql, said) in [
        (
            "INSERT INTO customer_search (customer_search, rowid, names, addresses) VALUES ('delete', 7, 'anna', '')",
            "1 customers, 7 the first, whom the search index doesn't lead to",
        ),
        (
            "INSERT INTO customer_search_parts (customer_search_parts) VALUES ('delete-all')",
            "whom the search index doesn't lead to",
        ),
    ] {
        bench.db_to_write().execute_batch(sql).unwrap();
        let run = bench.run(&["check", "--full"]).await;
        run.exits(74);
        assert!(run.stdout.replace("\n    ", " ").contains(said), "{run:?}");
    }
}

/// What has left the change feed is not to be had from the index either.
#[tokio::test]
async fn an_old_name_leaves_the_index_when_it_leaves_the_feed() {
    let with = |name: &str| {
        let others =
            (1..=40).map(|number| customer(&format!("c{number}"), r#","name":"Zeta Quist""#));
        let renamed = customer("4711", &format!(r#","name":"{name}""#));
        Listing::explicit(others.chain([renamed]).collect::<Vec<_>>())
    };
    let has = |bench: &Bench| {
        let bytes = crate::support::bytes(&bench.db_path());
        let word = b"ebedeus";
        bytes.windows(word.len()).any(|part| part == word)
    };
    let mut bench = Bench::of(with("Zebedeus Quist")).await;
    bench.set("changes.keep", "\"30d\"");
    bench.synced().await;
    bench.sim.set_listing(with("Qvirinus Quist"));
    bench.synced().await;
    assert!(has(&bench));
    let age = "UPDATE customer_changes SET changed_at = '2020-01-01T00:00:00.000Z'";
    bench.db_to_write().execute_batch(age).unwrap();
    bench.synced().await;
    assert!(!has(&bench));
    assert_index(&bench.db());
}

/// The index keeps what is overwritten until it is merged; who is erased must not wait for that.
#[tokio::test]
async fn no_word_of_the_forgotten_stays_in_the_index() {
    let with = |name: &str| {
        let others =
            (1..=40).map(|number| customer(&format!("c{number}"), r#","name":"Zeta Quist""#));
        Listing::explicit(
            others
                .chain([customer("4711", &format!(r#","name":"{name}""#))])
                .collect::<Vec<_>>(),
        )
    };
    let mut bench = Bench::of(with("Zebedeus Quist")).await;
    bench
        .set("deletions.confirm_passes", "1")
        .set("changes.keep", "\"1s\"");
    bench.synced().await;
    bench.sim.set_listing(with("Qvirinus Quist"));
    bench.synced().await;
    bench.sim.set_listing(customers(1..=40));
    bench.synced().await;
    bench.run(&["forget", "4711"]).await.exits(0);
    let bytes = crate::support::bytes(&bench.db_path());
    // The index leaves out what a word has in common with the one before it.
    for word in ["ebedeus", "virinus"] {
        assert!(
            !bytes
                .windows(word.len())
                .any(|part| part == word.as_bytes()),
            "{word}"
        );
    }
    assert_index(&bench.db());
}
