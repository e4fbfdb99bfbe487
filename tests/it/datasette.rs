//! `docs/datasette.json`: what Datasette is told about the mirror is what the program itself says.

use std::path::Path;

use serde_json::{Map, Value, json};

use crate::support::{Bench, customers};

/// Tables that are the program's or SQLite's own.
const HIDDEN: [&str; 10] = [
    "absences",
    "customer_search",
    "customer_search_parts",
    "customer_search_text",
    "customer_state",
    "customer_user_rows",
    "mirror_meta",
    "pass_pages",
    "shared_references",
    "sqlite_sequence",
];

/// What the description of a table does not say.
fn presentation(table: &str) -> Value {
    match table {
        "customers" | "live_customers" => json!({
            "label_column": "name",
            "facets": ["customer_type", "billing_method", "billing_address_country"],
            "fts_table": "customer_search",
            "fts_pk": "row_id",
            "size": 50,
        }),
        "customer_users" => json!({"label_column": "name", "facets": ["role"]}),
        "customer_changes" => json!({"sort_desc": "seq", "facets": ["kind"]}),
        "passes" => json!({"sort_desc": "pass_id", "facets": ["state", "sweep"]}),
        "quarantine" => json!({"sort_desc": "id"}),
        _ => json!({}),
    }
}

async fn rows(bench: &Bench, arguments: &[&str]) -> Vec<Value> {
    let run = bench.run(arguments).await;
    run.exits(0);
    serde_json::from_str(&run.stdout).unwrap()
}

#[tokio::test]
async fn the_metadata_say_what_the_program_says() {
    let bench = Bench::of(customers(1..=1)).await;
    let mut tables: Map<String, Value> = Map::new();
    for row in rows(&bench, &["query", "--schema", "--format", "json"]).await {
        let name = row["table"].as_str().unwrap();
        let table = tables.entry(name).or_insert_with(|| presentation(name));
        table["description"] = row["about_table"].clone();
        // Datasette shows these above the rows: a path that the column is named for would only push them down.
        if row["about"].as_str().unwrap().contains(' ') {
            table["columns"][row["column"].as_str().unwrap()] = row["about"].clone();
        }
    }
    for name in HIDDEN {
        let mut table = json!({"hidden": true});
        if name == "customer_search_text" {
            // Datasette hides no view otherwise.
            table["allow"] = json!(false);
        }
        tables.insert(name.to_owned(), table);
    }
    let mut queries: Map<String, Value> = Map::new();
    for ready in rows(&bench, &["query", "--list", "--format", "json"]).await {
        let mut sql = ready["sql"].as_str().unwrap().to_owned();
        for (parameter, value) in ready["parameters"].as_object().unwrap() {
            // Datasette leaves a field without a value empty.
            sql = sql.replace(
                &format!(":{parameter}"),
                &format!("ifnull(nullif(:{parameter}, ''), {value})"),
            );
        }
        let name = ready["name"].as_str().unwrap();
        queries.insert(
            name.to_owned(),
            json!({"description": ready["about"], "sql": sql}),
        );
    }
    let metadata = json!({
        "title": "customer-mirror",
        "databases": {"customers": {
            "description": "A complete copy of the customers of a Connect API. mirror_freshness says how old it is.",
            "tables": tables,
            "queries": queries,
        }},
    });
    let text = serde_json::to_string_pretty(&metadata).unwrap() + "\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/datasette.json");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        kept, text,
        "run this test with UPDATE_DOCS=1 to write docs/datasette.json anew"
    );
}

#[tokio::test]
async fn what_is_not_explained_is_hidden() {
    let bench = Bench::of(customers(1..=3)).await;
    bench.synced().await;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/datasette.json");
    let kept: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let tables = &kept["databases"]["customers"]["tables"];
    let sql = "SELECT name FROM pragma_table_list
               WHERE schema = 'main' AND type <> 'shadow' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";
    for name in bench.column::<String>(sql) {
        let table = &tables[&name];
        let is_explained = table["description"].is_string();
        assert!(is_explained != (table["hidden"] == true), "{name}: {table}");
    }
}
