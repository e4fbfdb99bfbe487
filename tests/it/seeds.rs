//! Plays the stories that seeds tell, on all cores, and says how to repeat those that go wrong.

#![expect(clippy::print_stderr, reason = "a failed seed is told at once")]

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// Plays a number of seeds from 1 on, or what the environment names: `NAME_SEED` one, or `NAME_SEEDS` so many from `NAME_FIRST` on.
/// Returns the range. `module` is where the test is.
pub(crate) fn play(
    name: &str,
    module: &str,
    default: u64,
    story: impl Fn(u64) + Sync,
) -> std::ops::Range<u64> {
    let (first, seeds) = match from_environment(&format!("{name}_SEED")) {
        Some(seed) => (seed, 1),
        None => (
            from_environment(&format!("{name}_FIRST")).unwrap_or(1),
            from_environment(&format!("{name}_SEEDS")).unwrap_or(default),
        ),
    };
    let next = AtomicU64::new(first);
    let failed = Mutex::new(BTreeSet::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, |threads| threads.get() + 1) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + seeds {
                        return;
                    }
                    if catch_unwind(AssertUnwindSafe(|| story(seed))).is_err() {
                        eprintln!("seed {seed} failed; to repeat: {name}_SEED={seed} cargo test --test it {module}");
                        failed.lock().unwrap().insert(seed);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(
        failed.is_empty(),
        "to repeat: {name}_SEED=N cargo test --test it {module}, N of {failed:?}"
    );
    first..first + seeds
}

pub(crate) fn from_environment(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} must be a number")),
    )
}
