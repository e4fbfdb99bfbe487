//! From bytes to records, from a record to its columns; and what a record's value is compared by.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput};
use customer_mirror::decode;
use customer_mirror::json::Node;

use super::cpu_time::CpuTime;
use super::stock;

/// A change that is not looked for by its bytes, but reported: how many of them are measured at once.
const PAIRS: usize = 100;

pub(crate) fn measure(criterion: &mut Criterion<CpuTime>) {
    let records = stock::records(0);
    let body = stock::body(&records);
    let bytes = records.iter().map(String::len).sum::<usize>() as u64;

    let mut group = criterion.benchmark_group("decode, a page of 1000");
    group.throughput(Throughput::Bytes(bytes));
    group.bench_function("split into records", |bencher| {
        bencher.iter_batched(|| body.clone(), decode::page, BatchSize::LargeInput);
    });
    group.bench_function("each record to columns", |bencher| {
        bencher.iter(|| {
            for record in &records {
                black_box(decode::customer(record).unwrap());
            }
        });
    });
    group.finish();

    let mut group = criterion.benchmark_group("change detection");
    group.throughput(Throughput::Bytes(bytes));
    group.bench_function("the hash of 1000 values", |bencher| {
        bencher.iter(|| {
            for record in &records {
                black_box(Node::parse(record).unwrap().content_hash(1));
            }
        });
    });
    let pairs: Vec<(String, String)> = (0..)
        .flat_map(|page| {
            stock::records(page)
                .into_iter()
                .zip(stock::records_of_next_day(page))
        })
        .filter(|(before, after)| before != after)
        .take(PAIRS)
        .collect();
    group.throughput(Throughput::Elements(PAIRS as u64));
    group.bench_function("what changed in 100 records", |bencher| {
        bencher.iter(|| {
            for (before, after) in &pairs {
                let (before, after) = (Node::parse(before).unwrap(), Node::parse(after).unwrap());
                black_box(Node::changed_pointers(&before, &after));
            }
        });
    });
    group.finish();
}
