//! A parser of OpenMetrics text that takes only what a careful client writes, and panics at anything else.

use std::collections::{BTreeMap, BTreeSet};

/// What a family says of itself.
#[derive(Debug)]
pub(crate) struct Family {
    pub(crate) kind: String,
    unit: Option<String>,
}

#[derive(Debug, Default)]
pub(crate) struct Exposition {
    /// By name, without `_total` and the like.
    pub(crate) families: BTreeMap<String, Family>,
    /// By name and labels, as written.
    pub(crate) samples: BTreeMap<String, f64>,
    /// The names of the samples.
    pub(crate) names: BTreeSet<String>,
}

fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c.is_ascii_lowercase())
        && chars.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

impl Exposition {
    pub(crate) fn parse(text: &str) -> Self {
        let body = text.strip_suffix("# EOF\n").expect("the end mark is last");
        assert!(!body.contains("# EOF"), "there is one end mark");
        let mut shown = Self::default();
        let mut helped = None;
        let mut current: Option<(String, Family)> = None;
        for line in body.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                shown.close(current.take());
                let (name, help) = rest.split_once(' ').unwrap();
                assert!(is_name(name), "{line}");
                assert!(help.len() > 5 && help.ends_with('.'), "{line}");
                helped = Some(name.to_owned());
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').unwrap();
                assert_eq!(helped.take().as_deref(), Some(name), "{line}");
                assert!(
                    ["counter", "gauge", "histogram", "info"].contains(&kind),
                    "{line}"
                );
                let family = Family {
                    kind: kind.to_owned(),
                    unit: None,
                };
                current = Some((name.to_owned(), family));
            } else if let Some(rest) = line.strip_prefix("# UNIT ") {
                let (family, (name, unit)) =
                    (current.as_mut().unwrap(), rest.split_once(' ').unwrap());
                assert_eq!(family.0, name, "{line}");
                assert!(name.ends_with(&format!("_{unit}")), "{line}");
                family.1.unit = Some(unit.to_owned());
            } else {
                shown.sample(line, current.as_ref().expect("a sample has a family"));
            }
        }
        shown.close(current);
        shown
    }

    /// Takes a family in whose samples are all there.
    fn close(&mut self, family: Option<(String, Family)>) {
        let Some((name, family)) = family else { return };
        // A name that ends like a unit has it: Prometheus's base units.
        for unit in ["seconds", "bytes"] {
            let says_so = name.ends_with(&format!("_{unit}"));
            assert_eq!(says_so, family.unit.as_deref() == Some(unit), "{name}");
        }
        for reserved in ["_total", "_count", "_sum", "_bucket", "_info", "_created"] {
            assert!(!name.ends_with(reserved), "{name}");
        }
        assert!(
            self.names.iter().any(|sample| sample.starts_with(&name)),
            "{name} has no samples"
        );
        let earlier = self.families.insert(name.clone(), family);
        assert!(earlier.is_none(), "{name} comes twice");
    }

    fn sample(&mut self, line: &str, (family, Family { kind, .. }): &(String, Family)) {
        let (series, value) = line.rsplit_once(' ').unwrap();
        let (name, labels) = match series.split_once('{') {
            Some((name, labels)) => (name, labels.strip_suffix('}').expect(line)),
            None => (series, ""),
        };
        assert!(is_name(name), "{line}");
        let suffixes: &[&str] = match kind.as_str() {
            "counter" => &["_total"],
            "info" => &["_info"],
            "histogram" => &["_bucket", "_count", "_sum"],
            _ => &[""],
        };
        let suffix = name.strip_prefix(family.as_str()).expect(line);
        assert!(suffixes.contains(&suffix), "{line} in a {kind} {family}");
        for label in labels.split(',').filter(|label| !label.is_empty()) {
            let (key, value) = label.split_once('=').expect(line);
            let value = value.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
            assert!(
                is_name(key) && value.is_some_and(|it| !it.is_empty()),
                "{line}"
            );
            assert!(!value.unwrap().contains(['"', '\\', '\n']), "{line}");
        }
        let value: f64 = value.parse().expect(line);
        assert!(value.is_finite() && value >= 0.0, "{line}");
        self.names.insert(name.to_owned());
        let earlier = self.samples.insert(series.to_owned(), value);
        assert!(earlier.is_none(), "{series} comes twice");
    }

    /// The value of a series, named as it is written.
    pub(crate) fn value(&self, series: &str) -> Option<f64> {
        self.samples.get(series).copied()
    }
}
