//! The judges: from what is known to what it means. Pure, and each about one thing; the list is in the order in which `sync`
//! meets what they are about, so that the first failure is the one that `sync` would end with.

mod configuration;
mod disk;
mod mirror;
mod passes;
mod server;
#[cfg(test)]
mod tests;

use super::facts::{Contents, Facts, State};
use super::verdict::{Check, Report, Verdict};

/// Why nothing is said of a mirror that nobody can find …
const NO_PATH: &str = "mirror.path is not known as long as the configuration is broken";
/// … of one that is there, but closed to us …
const UNREADABLE: &str = "the mirror can't be read";
/// … or that isn't there.
const NO_MIRROR: &str = "there is no mirror yet";

type Judge = fn(&Facts) -> Verdict;

/// Those that belong together, together.
const JUDGES: &[&[(&str, Judge)]] = &[
    &[
        ("schedule", configuration::schedule),
        ("key", configuration::key),
        ("http", configuration::http),
    ],
    &[
        ("mirror", mirror::mirror),
        ("files", mirror::files),
        ("schema", mirror::schema),
        ("source", mirror::source),
        ("integrity", mirror::integrity),
        ("lock", mirror::lock),
        ("wal", disk::wal),
        ("disk", disk::disk),
        ("copies", disk::copies),
    ],
    &[
        ("tls", server::tls),
        ("server", server::server),
        ("access", server::access),
        ("listing", server::listing),
        ("parameters", server::parameters),
        ("rate limit", server::rate_limit),
        ("clock", server::clock),
    ],
    &[
        ("freshness", passes::freshness),
        ("pass", passes::pass),
        ("attempts", passes::attempts),
        ("held sweep", passes::held_sweep),
        ("quarantine", passes::quarantine),
        ("conflicts", passes::conflicts),
        ("erasure", passes::erasure),
    ],
];

/// Judges everything.
pub(super) fn judge(facts: &Facts) -> Report {
    let check = |name, verdict| Check { name, verdict };
    let mut parts: Vec<Vec<Check>> = JUDGES
        .iter()
        .map(|part| {
            let checks = part.iter().map(|(name, judge)| check(name, judge(facts)));
            checks.collect()
        })
        .collect();
    if let Some(first) = parts.first_mut() {
        // The configuration can have several things wrong with it.
        let configuration = configuration::configuration(facts);
        let checks = configuration
            .into_iter()
            .map(|verdict| check("config", verdict));
        first.splice(0..0, checks);
    }
    Report(parts)
}

/// What the mirror says; a verdict where it says nothing.
fn contents(facts: &Facts) -> Result<&Contents, Verdict> {
    match facts.mirror.as_ref().map(|mirror| &mirror.state) {
        None => Err(Verdict::skipped(NO_PATH)),
        Some(State::Missing) => Err(Verdict::skipped(NO_MIRROR)),
        Some(State::Open {
            contents: Ok(contents),
            ..
        }) => Ok(contents),
        Some(State::Closed(_) | State::Open { .. }) => Err(Verdict::skipped(UNREADABLE)),
    }
}
