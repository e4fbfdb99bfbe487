//! The dashboard, the alert rules and the table of metrics speak of metrics that there are, and of all of them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::everything;
use super::exposition::Exposition;

const TABLE: &str = include_str!("../../../../docs/monitoring.md");
const ALERTS: &str = include_str!("../../../../docs/prometheus-alerts.yml");
const DASHBOARD: &str = include_str!("../../../../docs/grafana-dashboard.json");

/// The columns of a Grafana dashboard.
const COLUMNS: u64 = 24;

/// The names of metrics in a text, as far as they are our own or a process's.
fn names(text: &str) -> BTreeSet<&str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let words = text.split(|c| !is_part(c));
    let is_ours =
        |word: &&str| word.starts_with("customer_mirror_") || word.starts_with("process_");
    words.filter(is_ours).collect()
}

#[track_caller]
fn assert_all_exist(names: &BTreeSet<&str>, least: usize) {
    let shown = Exposition::parse(&everything());
    for name in names {
        assert!(shown.names.contains(*name), "there is no {name}");
    }
    assert!(names.len() >= least, "{names:?}");
}

#[test]
fn the_alert_rules_name_metrics_that_there_are() {
    assert_all_exist(&names(ALERTS), 9);
}

#[test]
fn each_alert_says_how_bad_it_is_and_what_to_run() {
    let alerts: Vec<&str> = ALERTS.split("- alert: ").skip(1).collect();
    assert!(alerts.len() >= 9);
    for alert in alerts {
        let severities = ["critical", "warning", "info"];
        assert!(
            severities
                .iter()
                .any(|word| alert.contains(&format!("severity: {word}\n"))),
            "{alert}"
        );
        for part in ["expr: ", "summary: ", "description: "] {
            assert_eq!(alert.matches(part).count(), 1, "{part} in {alert}");
        }
        // Drift is no operator's to mend.
        assert!(
            alert.contains("`customer-mirror ") || alert.starts_with("CustomerMirrorDrift"),
            "{alert}"
        );
    }
}

#[test]
fn the_dashboard_names_metrics_that_there_are() {
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels
        .iter()
        .filter_map(|panel| panel["targets"].as_array());
    let panel_queries = targets
        .flatten()
        .map(|target| target["expr"].as_str().unwrap());
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let variable_queries = variables
        .iter()
        .filter_map(|variable| variable["query"]["query"].as_str());
    let queries: Vec<&str> = panel_queries.chain(variable_queries).collect();
    for query in &queries {
        assert!(!names(query).is_empty(), "{query}");
    }
    assert_all_exist(&names(&queries.join("\n")), 25);
}

#[test]
fn the_dashboard_is_laid_out_and_can_be_imported() {
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    // Whoever imports it gives it an id, and chooses the data source.
    assert!(dashboard["id"].is_null() && dashboard["schemaVersion"].is_u64());
    let (mut ids, mut taken) = (BTreeSet::new(), BTreeSet::new());
    for panel in dashboard["panels"].as_array().unwrap() {
        let title = &panel["title"];
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title}");
        let at = |side: &str| panel["gridPos"][side].as_u64().unwrap();
        assert!(at("x") + at("w") <= COLUMNS, "{title}");
        for x in at("x")..at("x") + at("w") {
            for y in at("y")..at("y") + at("h") {
                assert!(taken.insert((x, y)), "{title} covers another panel");
            }
        }
        if panel["type"] == "row" {
            continue;
        }
        assert!(panel["description"].as_str().unwrap().len() > 10, "{title}");
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}");
        for target in panel["targets"].as_array().unwrap() {
            let query = target["expr"].as_str().unwrap();
            assert!(query.contains("instance=~\"$instance\""), "{query}");
        }
    }
}

/// A row of the table: what it says of a metric.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    kind: String,
    /// The values of each label, where there is a closed list of them.
    labels: BTreeMap<String, Option<BTreeSet<String>>>,
}

/// ``[`label`: a, b, …]`` as the table has it. A list that isn't one of words isn't closed.
fn labels_of(cell: &str) -> BTreeMap<String, Option<BTreeSet<String>>> {
    let (keys, values) = match cell.split_once(": ") {
        Some((keys, values)) => (keys, Some(values)),
        None => (cell, None),
    };
    let values = values.filter(|values| !values.contains("JSON pointer"));
    let values = values.map(|list| list.split(", ").map(str::to_owned).collect::<BTreeSet<_>>());
    let keys = keys.split('`').skip(1).step_by(2);
    keys.map(|key| (key.to_owned(), values.clone())).collect()
}

/// The table's rows by their metric.
fn rows() -> BTreeMap<String, Row> {
    let lines = TABLE.lines().filter(|line| line.starts_with("| `"));
    let rows = lines.map(|line| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, name, kind, labels, meaning, _] = cells[..] else {
            panic!("{line}")
        };
        assert!(meaning.len() > 5, "{line}");
        let row = Row {
            kind: kind.to_owned(),
            labels: labels_of(labels),
        };
        (name.trim_matches('`').to_owned(), row)
    });
    let count = TABLE.matches("\n| `").count();
    let rows: BTreeMap<_, _> = rows.collect();
    assert_eq!(rows.len(), count, "a metric comes twice");
    rows
}

/// The rows that the rendering asks for; values as far as `like` has a closed list.
fn rendered(like: &BTreeMap<String, Row>) -> BTreeMap<String, Row> {
    let shown = Exposition::parse(&everything());
    let mut rows = BTreeMap::new();
    for (family, about) in &shown.families {
        let (name, kind) = match about.kind.as_str() {
            "counter" => (format!("{family}_total"), "counter"),
            // For who asks a question it is a gauge.
            "info" => (format!("{family}_info"), "gauge"),
            kind => (family.clone(), kind),
        };
        let mut labels: BTreeMap<String, Option<BTreeSet<String>>> = BTreeMap::new();
        for series in shown.samples.keys() {
            let Some((of, rest)) = series.split_once('{') else {
                continue;
            };
            if of != name {
                continue;
            }
            let pairs = rest.trim_end_matches('}').split(',');
            for (key, value) in pairs.map(|pair| pair.split_once('=').unwrap()) {
                let is_closed = like
                    .get(&name)
                    .is_some_and(|row| matches!(row.labels.get(key), Some(Some(_))));
                let values = labels.entry(key.to_owned()).or_default();
                if is_closed {
                    values
                        .get_or_insert_default()
                        .insert(value.trim_matches('"').to_owned());
                }
            }
        }
        let kind = kind.to_owned();
        rows.insert(name, Row { kind, labels });
    }
    rows
}

#[test]
fn the_table_has_every_metric_with_its_type_and_labels() {
    let table = rows();
    let rendered = rendered(&table);
    for (name, row) in &rendered {
        assert_eq!(table.get(name), Some(row), "{name}");
    }
    let names = |rows: &BTreeMap<String, Row>| rows.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&table), names(&rendered));
}

#[test]
fn the_text_around_the_table_names_metrics_that_there_are() {
    let shown = Exposition::parse(&everything());
    let known = |name: &&str| shown.names.contains(*name) || shown.families.contains_key(*name);
    let unknown: Vec<&str> = names(TABLE)
        .into_iter()
        .filter(|name| !known(name))
        .collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}
