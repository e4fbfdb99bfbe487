use proptest::prelude::*;

use super::*;
use crate::fixture::{Fixture, at};
use crate::mirror::CustomerStanding;

const ASKED: [&str; 4] = ["zeta", "zeta quist", "idz-0", "mail.example"];

/// More customers than a window has, most of them with some of the same words.
fn crowd() -> Fixture {
    let mut fixture = Fixture::empty();
    let records: Vec<String> = (0..1200)
        .map(|number| {
            let (first, last) = (
                ["Zeta", "Zetanius", "Ada"][number % 3],
                ["Quist", "Quistberg", "Zeta"][number / 3 % 3],
            );
            let kind = if number % 50 == 0 { "BUSINESS" } else { "CONSUMER" };
            format!(
                r#"{{"customerId":"idz-{number:04}","name":"{first} {last}","customerType":"{kind}",
                     "contact":{{"email":"u{number}@mail.example"}},"billing":{{"address":{{"country":"SE"}}}}}}"#
            )
        })
        .collect();
    let records: Vec<&str> = records.iter().map(String::as_str).collect();
    fixture.pass(0, &[&records]);
    fixture
}

fn ids(hits: &Hits) -> Vec<String> {
    hits.hits.iter().map(|hit| hit.line().customer_id).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]
    #[test]
    fn pages_are_the_window_cut_in_pieces(asked in prop::sample::select(&ASKED), limit in 70..240_usize) {
        let fixture = crowd();
        let reader = Reader::open(&fixture.path).unwrap();
        let question = Question::new(asked);
        let filter = CustomerFilter::default();
        let page = |offset, limit| {
            let page = SearchPage { offset, limit, effort: SearchEffort::Whole };
            reader.search(&question, &filter, page).unwrap()
        };
        let window = page(0, SEARCH_WINDOW);
        prop_assert_eq!((window.hits.len(), window.more, window.beyond_window), (SEARCH_WINDOW, false, true));
        let mut all = Vec::new();
        while all.len() < SEARCH_WINDOW {
            let limit = limit.min(SEARCH_WINDOW - all.len());
            let found = page(all.len(), limit);
            prop_assert!(found.beyond_window);
            all.extend(ids(&found));
            prop_assert_eq!(found.more, all.len() < SEARCH_WINDOW);
        }
        prop_assert_eq!(&all, &ids(&window));
        all.sort();
        all.dedup();
        prop_assert_eq!(all.len(), SEARCH_WINDOW);
    }
}

#[test]
fn a_large_page_has_everybody() {
    let fixture = crowd();
    let reader = Reader::open(&fixture.path).unwrap();
    let question = Question::new("mail.example");
    let filter = CustomerFilter::default();
    for (limit, expected) in [
        (1199, (1199, true)),
        (1200, (1200, false)),
        (10_000, (1200, false)),
    ] {
        let found = reader
            .search(&question, &filter, SearchPage::first(limit))
            .unwrap();
        assert_eq!((found.hits.len(), found.beyond_window), expected, "{limit}");
        assert!(!found.more);
    }
}

#[rstest::rstest]
#[case::live(CustomerFilter::default(), &["c-9"])]
#[case::any(any(), &["c-9", "c-4"])]
#[case::deleted(CustomerFilter { standing: CustomerStanding::Deleted, ..any() }, &["c-4"])]
#[case::a_type(CustomerFilter { customer_type: Some("BUSINESS".to_owned()), ..any() }, &["c-9"])]
#[case::another_type(CustomerFilter { customer_type: Some("CONSUMER".to_owned()), ..any() }, &[])]
#[case::a_country(CustomerFilter { country: Some("SE".to_owned()), ..any() }, &["c-9"])]
#[case::another_country(CustomerFilter { country: Some("NO".to_owned()), ..any() }, &[])]
// c-4 was deleted at the end of the third pass, long after its only change.
#[case::since_the_deletion(CustomerFilter { changed_since: Some(at(31)), ..any() }, &["c-9", "c-4"])]
#[case::after_the_deletion(CustomerFilter { changed_since: Some(at(32)), ..any() }, &["c-9"])]
#[case::since_the_change(CustomerFilter { changed_since: Some(at(60)), ..CustomerFilter::default() }, &["c-9"])]
#[case::after_the_change(CustomerFilter { changed_since: Some(at(61)), ..any() }, &[])]
fn every_filter_leaves_only_who_is_meant(
    #[case] filter: CustomerFilter,
    #[case] expected: &[&str],
) {
    let mut fixture = Fixture::filled();
    let one = r#"{"customerId":"c-9","name":"Edsger","customerType":"Business","billing":{"address":{"country":"se"}}}"#;
    let twin = r#"{"customerId": "c-2", "referenceId": "twin"}"#;
    fixture.pass(60, &[&[crate::fixture::ADA, twin, one]]);
    let reader = Reader::open(&fixture.path).unwrap();
    let found = reader
        .search(&Question::new("edsger"), &filter, SearchPage::first(9))
        .unwrap();
    assert_eq!(ids(&found), expected);
}

fn any() -> CustomerFilter {
    CustomerFilter {
        standing: CustomerStanding::Any,
        ..CustomerFilter::default()
    }
}

/// The work is counted: what it finds is the same each time.
#[test]
fn a_quick_search_ends_where_there_was_enough_work_and_says_so() {
    let mut fixture = Fixture::empty();
    // More than is looked at.
    let records: Vec<String> = (0..20_000)
        .map(|number| {
            let kind = if number % 5000 == 4999 {
                "RARE"
            } else {
                "USUAL"
            };
            format!(r#"{{"customerId":"z{number:05}","name":"Zeta","customerType":"{kind}"}}"#)
        })
        .collect();
    let records: Vec<&str> = records.iter().map(String::as_str).collect();
    fixture.pass(0, &[&records]);
    let reader = Reader::open(&fixture.path).unwrap();
    let question = Question::new("zeta");
    let search = |kind: &str, effort| {
        let filter = CustomerFilter {
            customer_type: Some(kind.to_owned()),
            ..CustomerFilter::default()
        };
        let page = SearchPage {
            offset: 0,
            limit: 20,
            effort,
        };
        let found = reader.search(&question, &filter, page).unwrap();
        (found.hits.len(), found.beyond_window)
    };
    assert_eq!(search("rare", SearchEffort::Whole), (4, false));
    let (some, is_cut) = search("rare", SearchEffort::Quick);
    assert!(some < 4 && is_cut, "{some}");
    assert_eq!(search("nobody", SearchEffort::Whole), (0, false));
    assert_eq!(search("nobody", SearchEffort::Quick), (0, true));
}

#[test]
fn a_hit_is_a_line_of_a_list() {
    let fixture = Fixture::filled();
    let reader = Reader::open(&fixture.path).unwrap();
    let found = reader
        .search(
            &Question::new("ada"),
            &CustomerFilter::default(),
            SearchPage::first(1),
        )
        .unwrap();
    let line = super::super::browse::line(reader.connection(), 1).unwrap();
    assert_eq!(found.hits[0].line(), line);
}
