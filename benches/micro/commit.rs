//! A page into the mirror: of new customers, of customers as they were, and of customers some of whom have changed.
//!
//! The same few pages are committed again and again, in turn, as pages of one pass that doesn't end. Pages of new customers go into an
//! empty mirror, which is put away when all of them are in it, so that it is as in a first pass: without the indexes made at its end.

use std::time::Duration;

use criterion::{Criterion, Throughput};
use customer_mirror::mirror::PageCommit;
use customer_mirror::model::Page;

use super::cpu_time::{self, CpuTime};
use super::stock::{self, PAGE_RECORDS, Shelf};

pub(crate) fn measure(criterion: &mut Criterion<CpuTime>) {
    let mut group = criterion.benchmark_group("commit of a page of 1000");
    group.throughput(Throughput::Elements(PAGE_RECORDS));

    group.bench_function("new", |bencher| {
        let mut pages = pages_of(stock::records);
        let mut shelf = Shelf::empty();
        let mut turn = 0;
        bencher.iter_custom(|commits| {
            timed(commits, || {
                if turn == pages.len() {
                    (shelf, turn) = (Shelf::empty(), 0);
                }
                turn += 1;
                let (created, took) = commit(&mut shelf, &mut pages[turn - 1]);
                assert_eq!(created.created, PAGE_RECORDS as i64);
                took
            })
        });
    });

    for (name, next_walk) in [
        ("unchanged", stock::records as fn(u64) -> Vec<String>),
        ("unchanged, in other white space", with_another_space),
        ("1 % changed", stock::records_of_next_day),
    ] {
        group.bench_function(name, |bencher| {
            // Each walk is compared with the one before it: two kinds of pages take turns.
            let mut walks = [pages_of(next_walk), pages_of(stock::records)];
            let mut shelf = Shelf::filled(&mut walks[1]);
            let count = walks[0].len();
            let mut turn = 0;
            bencher.iter_custom(|commits| {
                timed(commits, || {
                    let page = &mut walks[turn / count % 2][turn % count];
                    turn += 1;
                    let (done, took) = commit(&mut shelf, page);
                    assert_eq!(done.created, 0);
                    assert_eq!(done.updated > 0, name == "1 % changed");
                    took
                })
            });
        });
    }
    group.finish();
}

fn pages_of(records: fn(u64) -> Vec<String>) -> Vec<Page> {
    (0..stock::pages_count())
        .map(|number| stock::page(&records(number)))
        .collect()
}

/// Equal as JSON, not as bytes: each record has to be read to know that it is as it was.
fn with_another_space(number: u64) -> Vec<String> {
    let mut records = stock::records(number);
    for record in &mut records {
        record.insert(1, ' ');
    }
    records
}

fn timed(commits: u64, mut commit: impl FnMut() -> Duration) -> Duration {
    (0..commits).map(|_| commit()).sum()
}

fn commit(shelf: &mut Shelf, page: &mut Page) -> (PageCommit, Duration) {
    let began = cpu_time::used();
    let done = shelf.commit(page);
    (done, cpu_time::used_since(began))
}
