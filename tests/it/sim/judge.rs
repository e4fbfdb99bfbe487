//! Whether what a run did is what the promises allow.

use std::collections::BTreeSet;
use std::path::Path;

use super::*;

impl History {
    /// A killed run repeats two requests at most: the page being committed and the one being fetched.
    pub(super) fn check_repeats(&self, fetches: &[Fetch]) {
        if self.oracle.running().is_none() {
            return;
        }
        let first = fetches.iter().rposition(|fetch| fetch.asked.is_none());
        // After a rejected cursor another pass is begun; it may not have come to ask for anything.
        let rejected = fetches.iter().rposition(|fetch| {
            matches!(&fetch.got, Some(Err(error)) if error.kind == FailureKind::CursorRejected)
        });
        let begun = first.max(rejected.map(|at| at + 1)).unwrap_or(0);
        let asked: BTreeSet<_> = fetches[begun.min(fetches.len())..]
            .iter()
            .map(|fetch| fetch.asked.clone())
            .collect();
        let repeated = asked
            .iter()
            .filter(|asked| !self.oracle.walk.asked.contains(asked))
            .count();
        count(format!("requests to repeat: {repeated}"));
        if let Some((_, held)) = self.oracle.held() {
            count(
                format!("held beside a running pass: {held}")
                    .split(':')
                    .next()
                    .unwrap_or_default(),
            );
        }
        assert!(repeated <= 2, "{repeated} requests are to be repeated");
    }

    /// A complete pass saw what was listed, unless the server itself lost or spoiled rows.
    pub(super) fn check_completeness(&self, walked: &Oracle, after: &Oracle) {
        let spoils = |fault: &String| {
            ["skip", "bad", "drift", "garbage", "cycle"]
                .iter()
                .any(|name| fault.contains(name))
        };
        let requests = self.simulator.requests();
        let mut since = requests
            .iter()
            .filter(|request| request.number > self.first_request);
        if since.any(|request| request.faults.iter().any(spoils)) || self.has_moved {
            count("complete, the server lost rows");
            return;
        }
        if let [listing] = self.listings.as_slice() {
            let values = |records: &[String]| -> BTreeSet<String> {
                records
                    .iter()
                    .map(|text| format!("{:?}", Tree::read(text)))
                    .collect()
            };
            let listed: Vec<String> = listing.iter().collect();
            assert_eq!(
                values(&walked.walk.records),
                values(&listed),
                "a complete pass saw what was listed; the requests: {}",
                requests_text(&requests, self.first_request)
            );
            count("complete, checked against the listing");
        } else {
            count("complete, checked against what was listed throughout");
        }
        let listed = self.listings.iter().map(world::ids);
        let throughout = listed
            .reduce(|a, b| a.intersection(&b).cloned().collect())
            .unwrap_or_default();
        let lost: Vec<_> = throughout.difference(&after.live()).cloned().collect();
        assert!(lost.is_empty(), "listed throughout, and not live: {lost:?}");
    }

    /// Panics with what the mirror shows and what it should.
    pub(super) fn explain(
        &self,
        seen: &Picture,
        states: &[run::State],
        interruption: Interruption,
        returned: Option<Expected>,
        fetches: &[Fetch],
    ) -> ! {
        let fitting = states
            .iter()
            .rev()
            .find(|state| returned.is_none() || state.end == returned);
        let nearest = (states.iter().rev())
            .find(|state| {
                let pages = |picture: &Picture| {
                    picture
                        .passes
                        .values()
                        .map(|pass| (pass.state.clone(), pass.pages))
                        .collect::<Vec<_>>()
                };
                pages(&state.oracle.picture) == pages(seen)
            })
            .or(fitting)
            .or(states.last())
            .unwrap();
        let fetches: Vec<String> = fetches
            .iter()
            .map(|fetch| match &fetch.got {
                None => "cut off".to_owned(),
                Some(Ok(page)) => format!("{} records, next {:?}", page.records.len(), page.next),
                Some(Err(error)) => format!("{:?}: {error}", error.kind),
            })
            .collect();
        panic!(
            "seed {}: after a run with {interruption:?}, which returned {returned:?}, the mirror is in no state that its commits leave. \
             Nearest: after {} (would return {:?}), of {:?}.\nFetched: {fetches:#?}\n{}",
            self.seed,
            nearest.after,
            nearest.end,
            states.iter().map(|state| &state.after).collect::<Vec<_>>(),
            difference(seen, &nearest.oracle.picture)
        );
    }
}

/// The checkpoint's age, and the age at which the server is known to reject cursors.
pub(super) struct AgeLimit {
    limit_ms: Option<i64>,
    committed_at: Option<String>,
    before: customer_mirror::model::Timestamp,
}

impl AgeLimit {
    pub(super) fn read(path: &Path) -> Self {
        let file = path.exists().then(|| file::open(path));
        let committed_at = file.as_ref().and_then(|file| {
            file.query_row(
                "SELECT committed_at FROM pass_pages ORDER BY page DESC LIMIT 1",
                [],
                |row| row.get(0),
            )
            .ok()
        });
        Self {
            limit_ms: file
                .as_ref()
                .and_then(|file| file::meta(file, "cursor_rejected_at_age_ms")),
            committed_at,
            before: Utc::now(),
        }
    }

    /// Whether the run gave its checkpoint up for its age; checks that it did so if, and only if, it had to.
    pub(super) fn was_given_up(&self, before: &Oracle, path: &Path) -> bool {
        let Some(pass_id) = before.running() else {
            return false;
        };
        let pass = &before.picture.passes[&pass_id];
        let sql = "SELECT ifnull(error LIKE 'its cursor is %', 0) AND state = 'abandoned', resumed FROM passes WHERE pass_id = ?1";
        let (given_up, resumed): (bool, i64) = file::open(path)
            .query_row(sql, [pass_id], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap();
        let age_ms = |now: customer_mirror::model::Timestamp| {
            let at = self.committed_at.as_deref().and_then(parse_timestamp);
            at.map(|at| (now - at).num_milliseconds())
        };
        let is_too_old = |now| {
            pass.next_cursor.is_some()
                && self
                    .limit_ms
                    .zip(age_ms(now))
                    .is_some_and(|(limit, age)| age >= limit)
        };
        if given_up {
            count("given up for its age");
            assert!(
                is_too_old(Utc::now()),
                "a checkpoint was given up for its age without need"
            );
        } else if resumed > pass.resumed {
            assert!(
                !is_too_old(self.before),
                "a checkpoint was tried that is too old"
            );
        }
        given_up
    }
}

pub(super) fn requests_text(
    requests: &[customer_mirror::simulator::Request],
    first: u64,
) -> String {
    let requests = requests.iter().filter(|request| request.number > first);
    requests
        .map(|request| format!("\n{request}"))
        .collect::<Vec<_>>()
        .concat()
}

/// Where two pictures differ, a line each.
pub(super) fn difference(seen: &Picture, expected: &Picture) -> String {
    let mut lines = Vec::new();
    let mut line = |what: String, seen: String, expected: String| {
        if seen != expected {
            lines.push(format!(
                "{what}\n  is        {seen}\n  should be {expected}"
            ));
        }
    };
    for id in seen
        .customers
        .keys()
        .chain(expected.customers.keys())
        .collect::<BTreeSet<_>>()
    {
        line(
            format!("customer {id}"),
            format!("{:?}", seen.customers.get(id)),
            format!("{:?}", expected.customers.get(id)),
        );
    }
    for index in 0..seen.changes.len().max(expected.changes.len()) {
        line(
            format!("change {index}"),
            format!("{:?}", seen.changes.get(index)),
            format!("{:?}", expected.changes.get(index)),
        );
    }
    for id in seen
        .passes
        .keys()
        .chain(expected.passes.keys())
        .collect::<BTreeSet<_>>()
    {
        line(
            format!("pass {id}"),
            format!("{:?}", seen.passes.get(id)),
            format!("{:?}", expected.passes.get(id)),
        );
    }
    for raw in seen
        .quarantine
        .keys()
        .chain(expected.quarantine.keys())
        .collect::<BTreeSet<_>>()
    {
        line(
            format!("quarantined {raw}"),
            format!("{:?}", seen.quarantine.get(raw)),
            format!("{:?}", expected.quarantine.get(raw)),
        );
    }
    line(
        "chain".to_owned(),
        format!("{:?}", seen.chain),
        format!("{:?}", expected.chain),
    );
    lines.truncate(20);
    lines.join("\n")
}
