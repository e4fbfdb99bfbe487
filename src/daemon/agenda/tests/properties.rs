//! Random histories of an agenda.

use proptest::prelude::*;

use super::*;

/// What happens next.
#[derive(Debug, Clone)]
enum Step {
    /// Time passes, in seconds.
    Pass(i64),
    /// The clock is set, in seconds.
    Set(i64),
    /// The server wants to be left alone for so many seconds.
    Hold(i64),
    Want(Why),
    /// The pass that is due begins, takes so many seconds, and ends: well, or for want of a remedy.
    Walk(i64, Option<Remedy>, f64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let remedy = prop_oneof![
        Just(None),
        Just(Some(Remedy::Server)),
        Just(Some(Remedy::NextDue)),
        Just(Some(Remedy::Key)),
    ];
    let step = prop_oneof![
        6 => (0i64..4000).prop_map(Step::Pass),
        1 => (-100_000i64..100_000).prop_map(Step::Set),
        1 => (0i64..10_000).prop_map(Step::Hold),
        1 => Just(Step::Want(Why::Asked)),
        1 => Just(Step::Want(Why::Changed)),
        6 => (0i64..3000, remedy, 0.0..=1.0).prop_map(|(seconds, remedy, random)| Step::Walk(seconds, remedy, random)),
    ];
    prop::collection::vec(step, 1..60)
}

fn is_wanted(why: Why) -> bool {
    matches!(why, Why::Asked | Why::Changed)
}

proptest! {
    // The clock set ahead by a day makes thousands of due times.
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn whatever_happens(
        steps in steps(),
        cron in prop::sample::select(vec!["*/10 * * * * *", "* * * * *", "*/15 * * * *", "0 */6 * * *"]),
        jitter_s in prop::sample::select(vec![0i64, 5, 600, 86_400]),
    ) {
        let timing = timing(cron, jitter_s.cast_unsigned(), true);
        let period = timing.when.next_after(at("12:00:00")).unwrap() - at("12:00:00");
        let mut now = at(NOW);
        let mut held_until = None;
        let mut agenda = Agenda::new(timing, &Past::default(), SEED, now);
        for step in steps {
            let before = agenda.next(held_until, now).unwrap();
            // The same question, the same answer.
            prop_assert_eq!(agenda.next(held_until, now), Some(before));
            if !is_wanted(before.why) {
                prop_assert!(held_until.is_none_or(|until| before.at >= until));
            }
            // It never lies idle for longer than a period and its jitter, a backoff, or what the server asked for.
            let jitter = period.min(TimeDelta::seconds(jitter_s));
            let longest = (period + jitter).max(TimeDelta::seconds(300)) + TimeDelta::seconds(60);
            let latest = (now + longest).max(held_until.unwrap_or(now));
            prop_assert!(before.at <= latest, "{:?} at {}", before, now);
            match step {
                Step::Pass(seconds) => {
                    now += TimeDelta::seconds(seconds);
                    let after = agenda.next(held_until, now).unwrap();
                    prop_assert!(after.at >= before.at, "{:?}, then {:?}", before, after);
                }
                // A wish of the time before the clock was set is not known to mean anything.
                Step::Set(seconds) => (now, held_until) = (now + TimeDelta::seconds(seconds), None),
                Step::Hold(seconds) => held_until = Some(now + TimeDelta::seconds(seconds)),
                Step::Want(why) => agenda.want(why),
                Step::Walk(..) if before.at > now => {}
                Step::Walk(seconds, remedy, random) => {
                    let attempt = agenda.begin(None, now);
                    prop_assert!(attempt.count >= 1);
                    prop_assert!(attempt.not_before <= after(now, BACKOFF_MAX));
                    let began_at = now;
                    now += TimeDelta::seconds(seconds);
                    let Some(remedy) = remedy else {
                        agenda.succeeded();
                        let next = agenda.next(held_until, now).unwrap();
                        prop_assert!(is_wanted(next.why) || next.at > began_at);
                        continue;
                    };
                    let record = agenda.failed(&attempt, Failure::new(remedy, "why"), random, now);
                    prop_assert_eq!(record.count, attempt.count);
                    let wait = record.not_before - now;
                    prop_assert!(wait >= TimeDelta::seconds(24) && wait <= TimeDelta::seconds(300));
                    let next = agenda.next(held_until, now).unwrap();
                    prop_assert!(is_wanted(next.why) || next.at >= record.not_before);
                }
            }
        }
    }
}
