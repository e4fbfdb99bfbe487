//! The model: customers, changes and bad records, and what each step makes of them.

use std::collections::{BTreeMap, BTreeSet};

use fastrand::Rng;

use crate::config::Deletions;

/// A customer as the model knows it. Its value is a number, and how it was written last does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) value: u32,
    pub(super) live: bool,
    pub(super) absences: u32,
    pub(super) held: bool,
    pub(super) deleted_day: Option<i64>,
}

/// A record as listed: `None` for one without a customerId.
pub(super) type Listed = (Option<&'static str>, u32);

pub(super) const IDS: [&str; 12] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "ab"];

/// A change: of whom, what, the value before, and when.
pub(super) type Change = (String, &'static str, Option<u32>, i64);

#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) customers: BTreeMap<&'static str, Known>,
    pub(super) feed: Vec<Change>,
    /// By raw text: the pass that met it, and the day.
    pub(super) bad: BTreeMap<String, (i64, i64)>,
    /// Good records that an older program set apart.
    pub(super) misjudged: BTreeMap<&'static str, (i64, i64)>,
    pub(super) seen: BTreeSet<&'static str>,
}

/// A record as sent: the same value in one of many ways.
pub(super) fn record(random: &mut Rng, (id, value): Listed) -> String {
    let Some(id) = id else {
        return format!(r#"{{"customerId":"","value":{value}}}"#);
    };
    let (a, b) = (
        format!(r#""customerId":"{id}""#),
        format!(r#""metadata":{{"v":{value}}}"#),
    );
    match random.u32(0..6) {
        0 => format!("{{{b},{a}}}"),
        1 => format!("{{ {a} , {b} }}"),
        2 => format!(r#"{{"metadata":{{"v":7}},{a},{b}}}"#),
        _ => format!("{{{a},{b}}}"),
    }
}

impl Model {
    pub(super) fn change(&mut self, id: &str, kind: &'static str, before: Option<u32>, day: i64) {
        self.feed.push((id.to_owned(), kind, before, day));
    }

    pub(super) fn create(&mut self, id: &'static str, value: u32, day: i64) {
        let known = Known {
            value,
            live: true,
            absences: 0,
            held: false,
            deleted_day: None,
        };
        self.customers.insert(id, known);
        self.change(id, "created", None, day);
    }

    pub(super) fn list(&mut self, pass_id: i64, text: &str, (id, value): Listed, day: i64) {
        let Some(id) = id else {
            self.bad.insert(text.to_owned(), (pass_id, day));
            return;
        };
        self.seen.insert(id);
        let Some(known) = self.customers.get_mut(id) else {
            return self.create(id, value, day);
        };
        let before = known.value;
        let kind = match (known.live, before == value) {
            (true, true) => return,
            (true, false) => "updated",
            (false, _) => "restored",
        };
        (known.value, known.live, known.deleted_day) = (value, true, None);
        self.change(id, kind, Some(before), day);
    }

    pub(super) fn delete(&mut self, id: &'static str, day: i64) {
        let known = self.customers.get_mut(id).unwrap();
        (known.live, known.absences, known.held, known.deleted_day) = (false, 0, false, Some(day));
        let value = known.value;
        self.change(id, "deleted", Some(value), day);
    }

    pub(super) fn judge(
        &mut self,
        pass_id: i64,
        records: i64,
        limits: &Deletions,
        day: i64,
    ) -> u64 {
        let is_of_pass = |met: &(i64, i64)| met.0 == pass_id;
        let unreadable =
            self.bad.values().any(is_of_pass) || self.misjudged.values().any(is_of_pass);
        let live = self.customers.values().filter(|known| known.live).count();
        for (id, known) in &mut self.customers {
            known.held = false;
            if self.seen.contains(id) {
                known.absences = 0;
            } else if known.live && !unreadable {
                known.absences += 1;
            }
        }
        self.seen.clear();
        let absent_for = |passes: u32| {
            let customers = self.customers.iter();
            customers
                .filter(move |(_, known)| known.absences >= passes && known.absences > 0)
                .map(|(id, _)| *id)
                .collect::<Vec<_>>()
        };
        let confirmed = absent_for(limits.confirm_passes);
        let is_many = confirmed.len() as u64 > limits.always_allow
            && confirmed.len() as f64 * 100.0 > limits.max_percent * live as f64;
        let held = match (unreadable, records == 0 && live > 0, is_many) {
            (true, ..) => Vec::new(),
            (_, true, _) => absent_for(1),
            (.., true) => confirmed,
            _ => {
                for id in confirmed {
                    self.delete(id, day);
                }
                Vec::new()
            }
        };
        for id in &held {
            self.customers.get_mut(id).unwrap().held = true;
        }
        held.len() as u64
    }

    pub(super) fn prune(&mut self, first_day: i64) {
        let kept = self
            .feed
            .iter()
            .position(|change| change.3 >= first_day)
            .unwrap_or(self.feed.len());
        self.feed.drain(..kept);
        self.bad.retain(|_, (_, day)| *day >= first_day);
        self.misjudged.retain(|_, (_, day)| *day >= first_day);
    }

    pub(super) fn erase(&mut self, id: &'static str) {
        self.customers.remove(id);
        self.feed.retain(|change| change.0 != id);
        self.seen.remove(id);
    }
}
