//! The steps that a pass and a question are made of, each by itself: `cargo bench --bench micro`.
//!
//! Whole programs are measured by `benches/e2e.sh`; here it is seen which step a change made faster or slower. What is counted is the
//! CPU time of the process, so that neither a busy machine nor a slow disk is taken for a slow program. All customers are simulated ones,
//! of 1.1 kB each, and every measurement is of a page of 1000, as the program meets them.
//!
//! `cargo test --bench micro` goes through each measurement once, with few customers: it shows that they still run, and measures nothing.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "as in tests: what fails here, fails loudly"
)]

mod commit;
mod cpu_time;
mod decode;
mod search;
mod stock;

use criterion::Criterion;

fn main() {
    let mut criterion = Criterion::default()
        .with_measurement(cpu_time::CpuTime)
        .configure_from_args();
    decode::measure(&mut criterion);
    commit::measure(&mut criterion);
    search::measure(&mut criterion);
    criterion.final_summary();
}
