//! The form: what was typed into it, what is meant by that, and how it is shown again.

use maud::{Markup, html};
use serde::Deserialize;

use crate::harmless::harmless;
use crate::http::pages::paths::with_query;
use crate::mirror::{CustomerFilter, CustomerStanding};
use crate::when;

/// What may be typed into a field of the form.
const FIELD_CHARACTERS_MAX: usize = 200;

/// The form as it was filled in. The query of `/customers` deserialises into it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct CustomersForm {
    /// What is searched for; empty to look through all.
    pub(crate) q: String,
    /// Only customers of this type.
    #[serde(rename = "type")]
    pub(crate) customer_type: String,
    /// Only customers of this country.
    pub(crate) country: String,
    /// Only customers that changed since, as a person writes a time.
    pub(crate) since: String,
    /// `live`, `deleted` or `any`; anything else is `live`.
    pub(crate) standing: String,
}

/// What can't be understood of a form.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Misunderstood {
    /// Why the time can't be read.
    pub(crate) since: Option<String>,
}

impl CustomersForm {
    /// Who is meant.
    ///
    /// # Errors
    /// What can't be understood; it goes back to the page.
    pub(crate) fn filter(&self) -> Result<CustomerFilter, Misunderstood> {
        let text = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let changed_since = match text(&self.since) {
            None => None,
            Some(time) => Some(when::parse(&time).map_err(|expected| Misunderstood {
                since: Some(expected),
            })?),
        };
        Ok(CustomerFilter {
            customer_type: text(&self.customer_type),
            country: text(&self.country),
            changed_since,
            standing: self.standing(),
        })
    }

    pub(super) fn standing(&self) -> CustomerStanding {
        match self.standing.as_str() {
            "deleted" => CustomerStanding::Deleted,
            "any" => CustomerStanding::Any,
            _ => CustomerStanding::Live,
        }
    }

    /// The address that shows this form filled in, and more.
    pub(super) fn address(&self, more: &[(&str, &str)]) -> String {
        let mut pairs = vec![
            ("q", self.q.as_str()),
            ("type", &self.customer_type),
            ("country", &self.country),
            ("since", &self.since),
            ("standing", &self.standing),
        ];
        pairs.extend(more);
        with_query("/customers", &pairs)
    }

    /// Whether it excludes anybody that is live.
    pub(super) fn is_narrowed(&self) -> bool {
        [&self.customer_type, &self.country, &self.since]
            .iter()
            .any(|field| !field.trim().is_empty())
    }
}

pub(super) fn render(form: &CustomersForm, misunderstood: Option<&Misunderstood>) -> Markup {
    let problem = misunderstood.and_then(|misunderstood| misunderstood.since.as_deref());
    html! {
        form #search .search method="get" action="/customers" role="search" {
            div.field.question {
                label for="q" { "Name, e-mail, phone number, ID or address" }
                input #q name="q" type="search" value=(form.q) maxlength=(FIELD_CHARACTERS_MAX) autocomplete="off" spellcheck="false"
                    dir="auto";
            }
            div.field {
                label for="type" { "Type" }
                input #type name="type" value=(form.customer_type) list="types" maxlength=(FIELD_CHARACTERS_MAX) autocomplete="off"
                    spellcheck="false";
                datalist #types { option value="CONSUMER" {} option value="BUSINESS" {} }
            }
            div.field {
                label for="country" { "Country" }
                input #country name="country" value=(form.country) maxlength=(FIELD_CHARACTERS_MAX) autocomplete="off" spellcheck="false"
                    aria-describedby="country-hint";
                p.hint #country-hint { "as in the billing address, like SE" }
            }
            div.field {
                label for="since" { "Changed since" }
                input #since name="since" value=(form.since) maxlength=(FIELD_CHARACTERS_MAX) autocomplete="off" spellcheck="false"
                    aria-invalid=[problem.map(|_| "true")]
                    aria-describedby=(if problem.is_some() { "since-problem" } else { "since-hint" });
                @match problem {
                    Some(problem) => p.problem #since-problem { "Not understood: " (harmless(problem)) "." },
                    None => p.hint #since-hint { "2h, 7d, 2026-01-31, or a whole time" },
                }
            }
            (standings(form.standing()))
            div.buttons {
                button type="submit" { "Search" }
                a href="/customers" { "Clear" }
            }
        }
    }
}

fn standings(chosen: CustomerStanding) -> Markup {
    let choices = [
        ("live", "Live", CustomerStanding::Live),
        ("deleted", "Deleted", CustomerStanding::Deleted),
        ("any", "Both", CustomerStanding::Any),
    ];
    html! {
        div.field {
            label for="standing" { "Standing" }
            select #standing name="standing" {
                @for (value, name, standing) in choices {
                    option value=(value) selected[standing == chosen] { (name) }
                }
            }
        }
    }
}
