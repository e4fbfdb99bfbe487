//! The oracle: what the mirror must hold after each page and each judgement. Slow, obvious, and sharing no code with it.

use std::collections::{BTreeMap, BTreeSet};

use customer_mirror::config::Deletions;

use super::value::Tree;

/// Everything in the mirror that a user can rely on, in a form that compares.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Picture {
    pub(super) customers: BTreeMap<String, Customer>,
    pub(super) changes: Vec<Change>,
    pub(super) passes: BTreeMap<i64, Pass>,
    /// By their text, with U+FFFD for what isn't UTF-8.
    pub(super) quarantine: BTreeMap<String, Quarantined>,
    /// The pages on record of the running pass: where each one led.
    pub(super) chain: Vec<Option<String>>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Customer {
    /// In the order of first sight, from 1.
    pub(super) row: i64,
    pub(super) raw: String,
    pub(super) live: bool,
    /// Consecutive complete passes that missed it.
    pub(super) absences: u32,
    pub(super) held: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Change {
    pub(super) pass_id: i64,
    pub(super) customer_id: String,
    pub(super) kind: String,
    pub(super) pointers: BTreeSet<String>,
    pub(super) before: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Pass {
    pub(super) state: String,
    pub(super) resumed: i64,
    pub(super) next_cursor: Option<String>,
    pub(super) pages: i64,
    pub(super) records: i64,
    pub(super) created: i64,
    pub(super) updated: i64,
    pub(super) unchanged: i64,
    pub(super) deleted: i64,
    pub(super) restored: i64,
    pub(super) quarantined: i64,
    pub(super) retries: i64,
    pub(super) bytes: i64,
    pub(super) sweep: String,
    pub(super) has_error: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Quarantined {
    pub(super) customer_id: Option<String>,
    pub(super) pass_id: i64,
    pub(super) page: i64,
}

/// A page as the source gave it.
#[derive(Debug, Clone)]
pub(super) struct GivenPage {
    pub(super) records: Vec<String>,
    pub(super) next: Option<String>,
    pub(super) bytes: u64,
    pub(super) retries: u32,
}

/// The picture, and what the oracle must know besides.
#[derive(Debug, Clone, Default)]
pub(super) struct Oracle {
    pub(super) picture: Picture,
    pub(super) walk: Walk,
}

/// The running pass.
#[derive(Debug, Clone, Default)]
pub(super) struct Walk {
    pub(super) seen: BTreeSet<String>,
    /// The cursors of the committed pages; `None` for the first.
    pub(super) asked: Vec<Option<String>>,
    /// All records that it gave.
    pub(super) records: Vec<String>,
}

impl Oracle {
    pub(super) fn running(&self) -> Option<i64> {
        let mut running = (self.picture.passes.iter()).filter(|(_, pass)| pass.state == "running");
        running.next().map(|(pass_id, _)| *pass_id)
    }

    /// The pass whose sweep is held, and how many customers wait.
    pub(super) fn held(&self) -> Option<(i64, usize)> {
        let mut held = (self.picture.passes.iter()).filter(|(_, pass)| pass.sweep == "held");
        let customers = self.picture.customers.values();
        held.next()
            .map(|(pass_id, _)| (*pass_id, customers.filter(|one| one.held).count()))
    }

    pub(super) fn live(&self) -> BTreeSet<String> {
        let customers = self.picture.customers.iter();
        let live = customers.filter(|(_, customer)| customer.live);
        live.map(|(id, _)| id.clone()).collect()
    }

    pub(super) fn pass(&mut self, pass_id: i64) -> &mut Pass {
        self.picture.passes.get_mut(&pass_id).unwrap()
    }

    pub(super) fn begin(&mut self) -> i64 {
        let pass_id = self.picture.passes.keys().max().map_or(1, |last| last + 1);
        let pass = Pass {
            state: "running".to_owned(),
            sweep: "none".to_owned(),
            ..Pass::default()
        };
        self.picture.passes.insert(pass_id, pass);
        self.picture.chain.clear();
        self.walk = Walk::default();
        pass_id
    }

    pub(super) fn resume(&mut self, pass_id: i64) {
        let pass = self.pass(pass_id);
        pass.resumed += 1;
        pass.has_error = false;
    }

    pub(super) fn interrupt(&mut self, pass_id: i64, retries: u32) {
        let pass = self.pass(pass_id);
        pass.has_error = true;
        pass.retries += i64::from(retries);
    }

    pub(super) fn end(&mut self, pass_id: i64, state: &str) {
        let pass = self.pass(pass_id);
        state.clone_into(&mut pass.state);
        pass.has_error = true;
        self.picture.chain.clear();
        self.walk = Walk::default();
    }

    /// False if the page leads where an earlier one of this pass led; it is not committed then.
    pub(super) fn page(&mut self, pass_id: i64, asked: Option<String>, page: &GivenPage) -> bool {
        if page.next.is_some() && self.picture.chain.contains(&page.next) {
            return false;
        }
        for record in &page.records {
            self.record(pass_id, record);
        }
        self.picture.chain.push(page.next.clone());
        self.walk.asked.push(asked);
        self.walk.records.extend(page.records.iter().cloned());
        let pass = self.pass(pass_id);
        pass.pages += 1;
        pass.next_cursor.clone_from(&page.next);
        pass.records += page.records.len() as i64;
        pass.bytes += page.bytes as i64;
        pass.retries += i64::from(page.retries);
        pass.has_error = false;
        true
    }

    fn record(&mut self, pass_id: i64, raw: &str) {
        let page = self.pass(pass_id).pages + 1;
        let tree = Tree::read(raw);
        // The histories have no U+FFFD of their own: it stands for bytes that are not UTF-8.
        let foreign = raw.contains('\u{fffd}');
        let readable = tree.id().filter(|id| !id.contains('\u{fffd}'));
        let Some(id) = readable.filter(|_| !foreign) else {
            let bad = Quarantined {
                customer_id: readable.map(str::to_owned),
                pass_id,
                page,
            };
            let known = readable.filter(|id| self.picture.customers.contains_key(*id));
            self.walk.seen.extend(known.map(str::to_owned));
            self.picture.quarantine.insert(raw.to_owned(), bad);
            self.pass(pass_id).quarantined += 1;
            return;
        };
        self.walk.seen.insert(id.to_owned());
        let rows = self.picture.customers.len() as i64;
        let known = self.picture.customers.get_mut(id);
        let (kind, before) = match known {
            None => {
                let customer = Customer {
                    row: rows + 1,
                    raw: raw.to_owned(),
                    live: true,
                    absences: 0,
                    held: false,
                };
                self.picture.customers.insert(id.to_owned(), customer);
                ("created", None)
            }
            Some(customer) if customer.live && Tree::read(&customer.raw) == tree => {
                self.pass(pass_id).unchanged += 1;
                return;
            }
            Some(customer) => {
                let kind = if customer.live { "updated" } else { "restored" };
                customer.live = true;
                (
                    kind,
                    Some(std::mem::replace(&mut customer.raw, raw.to_owned())),
                )
            }
        };
        let pass = self.pass(pass_id);
        *match kind {
            "created" => &mut pass.created,
            "updated" => &mut pass.updated,
            _ => &mut pass.restored,
        } += 1;
        let pointers = (before.as_deref()).map(|before| Tree::read(before).changes(&tree));
        self.picture.changes.push(Change {
            pass_id,
            customer_id: id.to_owned(),
            kind: kind.to_owned(),
            pointers: pointers.unwrap_or_default(),
            before,
        });
        self.picture
            .quarantine
            .retain(|_, bad| bad.customer_id.as_deref() != Some(id));
    }

    /// Judges a complete pass; returns how many customers are held.
    pub(super) fn finish(&mut self, pass_id: i64, rules: &Deletions) -> u64 {
        for pass in self.picture.passes.values_mut() {
            if pass.sweep == "held" {
                "superseded".clone_into(&mut pass.sweep);
            }
        }
        let mut quarantine = self.picture.quarantine.values();
        let unreadable = quarantine.any(|bad| bad.pass_id == pass_id && bad.customer_id.is_none());
        let live = self.live().len();
        for (id, customer) in &mut self.picture.customers {
            customer.held = false;
            if self.walk.seen.contains(id) {
                customer.absences = 0;
            } else if customer.live && !unreadable {
                customer.absences += 1;
            }
        }
        let mut confirmed: Vec<(i64, String)> = (self.picture.customers.iter())
            .filter(|(_, customer)| customer.absences >= rules.confirm_passes)
            .map(|(id, customer)| (customer.row, id.clone()))
            .collect();
        confirmed.sort();
        let over_percent =
            confirmed.len() as f64 / (live as f64) * 100.0 > rules.max_percent + 1e-9;
        let empty = self.pass(pass_id).records == 0 && live > 0;
        let (sweep, held) = if unreadable {
            ("none", 0)
        } else if empty {
            for customer in self.picture.customers.values_mut() {
                customer.held = customer.live;
            }
            ("held", live)
        } else if over_percent && confirmed.len() as u64 > rules.always_allow {
            for (_, id) in &confirmed {
                self.picture.customers.get_mut(id).unwrap().held = true;
            }
            ("held", confirmed.len())
        } else {
            self.delete(pass_id, confirmed);
            ("done", 0)
        };
        // Who came in good order, and not as a bad record as well, has no bad records any more.
        let bad = self.picture.quarantine.values();
        let bad = bad.filter(|bad| bad.pass_id == pass_id);
        let bad: BTreeSet<_> = bad.filter_map(|bad| bad.customer_id.clone()).collect();
        self.picture.quarantine.retain(|_, old| {
            (old.customer_id.as_ref())
                .is_none_or(|id| bad.contains(id) || !self.walk.seen.contains(id))
        });
        let pass = self.pass(pass_id);
        sweep.clone_into(&mut pass.sweep);
        "complete".clone_into(&mut pass.state);
        pass.has_error = false;
        self.picture.chain.clear();
        self.walk = Walk::default();
        held as u64
    }

    fn delete(&mut self, pass_id: i64, customers: Vec<(i64, String)>) {
        for (_, id) in customers {
            let customer = self.picture.customers.get_mut(&id).unwrap();
            customer.live = false;
            customer.absences = 0;
            customer.held = false;
            self.picture.changes.push(Change {
                pass_id,
                customer_id: id,
                kind: "deleted".to_owned(),
                pointers: BTreeSet::new(),
                before: Some(customer.raw.clone()),
            });
            self.pass(pass_id).deleted += 1;
        }
    }

    /// Decides on a held sweep; returns how many customers were deleted, or stay live.
    pub(super) fn decide(&mut self, approve: bool) -> Option<usize> {
        let (pass_id, _) = self.held()?;
        let mut held: Vec<(i64, String)> = Vec::new();
        let mut decided = 0;
        for (id, customer) in &mut self.picture.customers {
            if !std::mem::take(&mut customer.held) {
                continue;
            }
            customer.absences = 0;
            if approve && !self.walk.seen.contains(id) {
                held.push((customer.row, id.clone()));
            } else if !approve {
                decided += 1;
            }
        }
        held.sort();
        decided += held.len();
        self.delete(pass_id, held);
        let sweep = if approve { "approved" } else { "discarded" };
        sweep.clone_into(&mut self.pass(pass_id).sweep);
        Some(decided)
    }
}
