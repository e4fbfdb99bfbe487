//! What happens between runs: time passes, the operator decides, and at last everything works again.

use super::judge::difference;
use super::*;

impl History {
    /// What was learned about waiting and cursors is mostly long over. True if a wait is still on.
    pub(super) fn let_time_pass(&mut self) -> bool {
        if !self.path.exists() {
            return false;
        }
        let writer = rusqlite::Connection::open(&self.path).unwrap();
        let forget = |key| {
            writer
                .execute("DELETE FROM mirror_meta WHERE key = ?1", [key])
                .unwrap()
        };
        if self.random.bool() {
            forget("cursor_rejected_at_age_ms");
        }
        if self.random.u32(0..3) > 0 {
            forget("requests_not_before");
        }
        let until: Option<String> = file::meta(&writer, "requests_not_before");
        let is_held = until
            .and_then(|text| parse_timestamp(&text))
            .is_some_and(|until| until > Utc::now() + Duration::from_secs(60));
        if is_held {
            count("a wait across a restart");
        }
        is_held
    }

    /// The operator decides on the held sweep, if there is one.
    pub(super) fn decide(&mut self) {
        let approve = self.random.u32(0..3) > 0;
        let mut mirror = open(&self.path);
        let decided = if approve {
            mirror.approve_held_sweep(Utc::now())
        } else {
            mirror.discard_held_sweep()
        };
        drop(mirror);
        let expected = self.oracle.decide(approve);
        assert_eq!(
            decided.unwrap().map(|decided| decided.customers as usize),
            expected,
            "customers decided on"
        );
        if expected.is_some() {
            count(if approve { "approved" } else { "discarded" });
            let seen = self.look();
            assert!(
                seen == self.oracle.picture,
                "after the decision: {}",
                difference(&seen, &self.oracle.picture)
            );
        }
    }

    /// Everything works again: the mirror must come to hold what is listed.
    pub(super) async fn last_days(&mut self) {
        let deletions = Deletions {
            confirm_passes: 2,
            max_percent: 100.0,
            always_allow: 0,
            purge_after: None,
        };
        self.simulator.clear_faults();
        let mut complete = 0;
        for _ in 0..12 {
            complete += u32::from(self.run(deletions.clone(), false, Interruption::None).await);
            if complete == 3 {
                break;
            }
        }
        assert_eq!(complete, 3, "passes without faults are complete");
        if self.oracle.held().is_some() {
            assert!(
                self.world.listing().iter().next().is_none(),
                "with these limits only an empty listing is held"
            );
            let decided = open(&self.path).approve_held_sweep(Utc::now()).unwrap();
            assert_eq!(
                decided.map(|decided| decided.customers as usize),
                self.oracle.decide(true)
            );
        }
        let seen = self.look();
        assert!(
            seen == self.oracle.picture,
            "at the end: {}",
            difference(&seen, &self.oracle.picture)
        );
        let listing = self.world.listing();
        if listing
            .iter()
            .all(|record| Tree::read(&record).id().is_some())
        {
            assert_eq!(
                self.oracle.live(),
                world::ids(&listing),
                "the mirror holds what is listed"
            );
            count("ended equal to the listing");
        }
        for request in self.simulator.requests() {
            for fault in &request.faults {
                count(format!(
                    "fault: {}",
                    fault
                        .split(['=', ',', '@', ' ', '*'])
                        .next()
                        .unwrap_or_default()
                ));
            }
            if request.answer == Answer::Pending {
                count("requests cut off");
            }
        }
    }
}
