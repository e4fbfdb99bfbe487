use super::*;
use crate::http::pages::samples::{PLAIN, now};
use crate::mirror::CustomerFilter;
use crate::model::format_timestamp;

fn page(form: &CustomersForm, found: Found<'_>) -> String {
    customers(&CustomersView {
        form,
        found,
        now: now(),
    })
}

fn form(q: &str) -> CustomersForm {
    CustomersForm {
        q: q.to_owned(),
        ..CustomersForm::default()
    }
}

#[test]
fn a_form_says_who_is_meant() {
    let filled = CustomersForm {
        q: String::new(),
        customer_type: " BUSINESS ".to_owned(),
        country: String::new(),
        since: "2026-01-31".to_owned(),
        standing: "any".to_owned(),
    };
    let filter = filled.filter().unwrap();
    assert_eq!(filter.customer_type.as_deref(), Some("BUSINESS"));
    assert_eq!(filter.country, None);
    assert_eq!(
        filter.changed_since.map(format_timestamp).as_deref(),
        Some("2026-01-31T00:00:00.000Z")
    );
    assert_eq!(filter.standing, CustomerStanding::Any);
    assert_eq!(form("x").filter().unwrap(), CustomerFilter::default());
    for (standing, expected) in [
        ("deleted", CustomerStanding::Deleted),
        ("live", CustomerStanding::Live),
        ("dead", CustomerStanding::Live),
    ] {
        let form = CustomersForm {
            standing: standing.to_owned(),
            ..CustomersForm::default()
        };
        assert_eq!(form.filter().unwrap().standing, expected);
    }
}

#[test]
fn a_time_that_is_none_is_told_beside_its_field() {
    let form = CustomersForm {
        since: "tuesday".to_owned(),
        ..CustomersForm::default()
    };
    let misunderstood = form.filter().unwrap_err();
    let page = page(&form, Found::Misunderstood(&misunderstood));
    assert!(page.contains("value=\"tuesday\""));
    assert!(page.contains("aria-invalid=\"true\" aria-describedby=\"since-problem\""));
    assert!(page.contains(
        "<p class=\"problem\" id=\"since-problem\">Not understood: expected a time like"
    ));
}

fn answers(hits: &Hits, page: usize) -> Found<'_> {
    Found::Answers {
        hits,
        page,
        page_size: 1,
        hits_max: 3,
        is_known_deleted: false,
    }
}

#[test]
fn a_search_can_be_gone_through_up_to_its_window() {
    let text = |text: &str| Some(text.to_owned());
    let summary = [text("c&1"), None, None, None, text("Åsa"), None, None, None];
    let hits = Hits {
        hits: vec![crate::mirror::Hit::new(summary, Vec::new())],
        more: true,
        beyond_window: false,
    };
    let question = form("a&b=<c>");
    let first = page(&question, answers(&hits, 1));
    assert!(first.contains("rel=\"next\" href=\"/customers?q=a%26b%3D%3Cc%3E&amp;page=2\""));
    assert!(!first.contains("rel=\"prev\""));
    assert!(first.contains("Customers 1 to 1 of more"));
    let second = page(&question, answers(&hits, 2));
    assert!(second.contains("rel=\"prev\" href=\"/customers?q=a%26b%3D%3Cc%3E\""));
    assert!(second.contains("page=3\""));
    let last = Hits {
        more: false,
        beyond_window: true,
        ..hits
    };
    let last = page(&question, answers(&last, 3));
    assert!(last.contains("rel=\"prev\" href=\"/customers?q=a%26b%3D%3Cc%3E&amp;page=2\""));
    assert!(last.contains("id=\"narrow\""));
    assert!(!last.contains("rel=\"next\""));
}

#[test]
fn a_list_goes_on_where_it_ended() {
    let form = CustomersForm {
        country: "SE".to_owned(),
        ..CustomersForm::default()
    };
    let position = BrowsePosition {
        at: "2026-01-31T09:00:00.000Z".to_owned(),
        row_id: 17,
    };
    let mut browsed = Browsed {
        customers: PLAIN.lines(0..2),
        next: Some(position.clone()),
        cut_short_after: None,
    };
    let first = page(
        &form,
        Found::Listed {
            browsed: &browsed,
            after: None,
        },
    );
    let address =
        "/customers?country=SE&amp;after_at=2026-01-31T09%3A00%3A00.000Z&amp;after_row=17";
    assert!(first.contains(address) && first.contains("Next →"));
    assert!(!first.contains("To the latest"));
    browsed.customers.clear();
    browsed.cut_short_after = Some(120_000);
    let further = page(
        &form,
        Found::Listed {
            browsed: &browsed,
            after: Some(&position),
        },
    );
    assert!(further.contains("Looked at 120\u{202f}000 customers, none like this so far."));
    assert!(further.contains(address) && further.contains("Look further →"));
    assert!(further.contains("href=\"/customers?country=SE\">⇤ To the latest"));
}

#[test]
fn nobody_found_comes_with_what_to_try() {
    let nobody = Hits::default();
    let narrowed = CustomersForm {
        customer_type: "BUSINESS".to_owned(),
        ..form("åsa")
    };
    let found = answers(&nobody, 1);
    let told = page(&narrowed, found);
    assert!(told.contains("No customer matches “<bdi>åsa</bdi>”"));
    assert!(told.contains("id=\"without-filters\" href=\"/customers?q=%C3%A5sa\""));
    assert!(told.contains(
        "id=\"with-deleted\" href=\"/customers?q=%C3%A5sa&amp;type=BUSINESS&amp;standing=any\""
    ));
    assert!(page(&form("åsa"), answers(&nobody, 7)).contains("The first page"));
    let everything = Browsed::default();
    let empty = Found::Listed {
        browsed: &everything,
        after: None,
    };
    assert!(page(&form(""), empty).contains("The mirror has no live customer."));
    assert!(page(&narrowed, empty).contains("No live customer is like this."));
}

#[test]
fn what_answers_is_marked() {
    let text = |text: &str| Some(text.to_owned());
    let found = |column, text: &str, mark: std::ops::Range<usize>| crate::mirror::Match {
        column,
        text: text.to_owned(),
        marks: std::iter::once(mark).collect(),
    };
    let summary = [
        text("c/1"),
        None,
        None,
        None,
        text("Åsa <Öberg>"),
        None,
        text("+467"),
        None,
    ];
    let matches = vec![
        found("name", "Åsa <Öberg>", 5..8),
        found("billing_address_city", "Malmö", 0..6),
    ];
    let hits = Hits {
        hits: vec![crate::mirror::Hit::new(summary, matches)],
        more: false,
        beyond_window: false,
    };
    let page = page(&form("öb malmö"), answers(&hits, 1));
    assert!(page.contains(
        "<a class=\"name\" href=\"/customers/c%2F1\"><bdi>Åsa <mark>&lt;Ö</mark>berg&gt;</bdi></a>"
    ));
    assert!(page.contains(
        "<span class=\"label\">billing address city</span> <bdi><mark>Malmö</mark></bdi>"
    ));
    assert!(page.contains("<h2 id=\"results-title\">1 customer</h2>"));
}
