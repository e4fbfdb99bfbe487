//! Of what is on record of a walk, and of what was missed by it: the decisions agree with a look at each page and each customer.

use customer_mirror::config::Deletions;
use customer_mirror::plan::{Absences, Sweep, WalkEvidence, prove_complete, sweep};

/// Each byte is a page: where it leads (0 to nowhere), and whether its record was lost. True if the walk is proven.
pub(super) fn of_evidence(input: &[u8]) -> bool {
    let (numbers, pages) = input.split_at(input.len().min(5));
    let walked: Vec<(i64, Option<u8>)> = (1..)
        .zip(pages)
        .filter(|(_, page)| **page < 224)
        .map(|(number, page)| (number, Some(page % 24).filter(|cursor| *cursor > 0)))
        .collect();
    let cursors: Vec<u8> = walked.iter().filter_map(|(_, next)| *next).collect();
    let mut distinct = cursors.clone();
    distinct.sort_unstable();
    distinct.dedup();
    let evidence = WalkEvidence {
        pages: pages.len() as i64,
        recorded: walked.len() as i64,
        first: walked.first().map_or(0, |page| page.0),
        last: walked.last().map_or(0, |page| page.0),
        with_next: cursors.len() as i64,
        distinct_cursors: distinct.len() as i64,
        ended: walked.last().is_some_and(|page| page.1.is_none()),
    };
    let is_whole = !pages.is_empty()
        && walked.len() == pages.len()
        && walked.iter().enumerate().all(|(index, (_, next))| {
            let earlier = &walked[..index];
            let is_last = index + 1 == walked.len();
            next.is_none() == is_last && (is_last || earlier.iter().all(|(_, other)| other != next))
        });
    let proof = prove_complete(&evidence);
    assert_eq!(proof.is_ok(), is_whole, "{evidence:?}: {:?}", proof.err());
    if let [live, confirmed, allowed, tenths, flags] = *numbers {
        of_absences(
            live.into(),
            confirmed.into(),
            allowed.into(),
            tenths.into(),
            flags,
        );
    }
    is_whole
}

fn of_absences(live: u64, confirmed: u64, always_allow: u64, tenths: u64, flags: u8) {
    let found = Absences {
        live,
        confirmed: confirmed.min(live),
        saw_any: flags & 1 == 0,
        unreadable: u64::from(flags & 6 == 6),
    };
    let limits = Deletions {
        confirm_passes: 2,
        max_percent: tenths as f64 / 10.0,
        always_allow,
        purge_after: None,
    };
    let is_many = found.confirmed > always_allow && found.confirmed * 1000 > tenths * live;
    let expected = match (found.unreadable > 0, !found.saw_any && live > 0, is_many) {
        (true, ..) => Sweep::Skip,
        (_, true, _) => Sweep::HoldAll,
        (.., true) => Sweep::Hold,
        _ => Sweep::Tombstone,
    };
    assert_eq!(sweep(found, &limits), expected, "{found:?} {limits:?}");
}
