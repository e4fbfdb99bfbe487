//! Questions to a mirror, in a reader that is open: whom an ID names, who answers a text.

use std::hint::black_box;

use criterion::Criterion;
use customer_mirror::mirror::{CustomerFilter, Reader, SearchPage};
use customer_mirror::model::Page;
use customer_mirror::search::Question;
use serde_json::Value;

use super::cpu_time::CpuTime;
use super::stock::{self, Shelf};

/// As many as the command shows without `--limit`.
const HITS: usize = 20;

pub(crate) fn measure(criterion: &mut Criterion<CpuTime>) {
    let mut pages: Vec<Page> = (0..stock::pages_count())
        .map(|number| stock::page(&stock::records(number)))
        .collect();
    let shelf = Shelf::filled(&mut pages);
    let reader = Reader::open(shelf.mirror.path()).unwrap();
    let asked = Asked::of(&stock::records(0));

    let mut group = criterion.benchmark_group("look-up among 20,000 customers");
    group.bench_function("a customer by its ID", |bencher| {
        bencher.iter(|| black_box(reader.profile(&asked.id).unwrap().unwrap()));
    });
    group.bench_function("status", |bencher| {
        bencher.iter(|| black_box(reader.status().unwrap()));
    });
    group.finish();

    let mut group = criterion.benchmark_group("search among 20,000 customers");
    for (name, text, is_found) in [
        ("a name", asked.name.as_str(), true),
        ("a part of an e-mail", &asked.email_part, true),
        ("a phone number, its end", &asked.number_part, true),
        ("a city", &asked.city, true),
        ("nobody", "qzxwvqzxwv", false),
    ] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let question = Question::new(text);
                let filter = CustomerFilter::default();
                let hits = reader.search(&question, &filter, SearchPage::first(HITS));
                assert_eq!(
                    !black_box(hits.unwrap()).hits.is_empty(),
                    is_found,
                    "{text}"
                );
            });
        });
    }
    group.finish();
}

/// What is asked for: all of it of one customer.
struct Asked {
    id: String,
    name: String,
    email_part: String,
    number_part: String,
    city: String,
}

impl Asked {
    /// The first one who has all of it.
    fn of(records: &[String]) -> Self {
        records.iter().find_map(|record| Self::by(record)).unwrap()
    }

    fn by(record: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(record).ok()?;
        let text = |pointer| Some(value.pointer(pointer)?.as_str()?.to_owned());
        let (email, number) = (text("/contact/email")?, text("/contact/msisdn")?);
        Some(Self {
            id: text("/customerId")?,
            name: text("/name")?,
            email_part: email.get(2..email.find('@')?)?.to_owned(),
            number_part: number.get(number.len().checked_sub(6)?..)?.to_owned(),
            city: text("/billing/address/city")?,
        })
    }
}
