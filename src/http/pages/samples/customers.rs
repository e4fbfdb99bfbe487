//! Pages of customers, lists, and errors.

use super::super::{
    ConflictsView, CustomerView, CustomersForm, CustomersView, DeletionsView, Found, Misunderstood,
    QuarantineView, conflicts, customer, customers, deletions, error, no_such_customer, quarantine,
};
use super::{Sample, now};
use crate::decode::COLUMNS;
use crate::mirror::{
    BrowsePosition, Browsed, FieldChange, HeldSweep, History, Hit, Hits, Match, PastChange,
    Profile, ProfileUser,
};

const RAW: &str = "{\"customerId\": \"6f638c2e\", \"name\": \"<b>Åsa</b>\",\n \"balance\": 1.50, \"note\": \"</pre>\"}";

fn page(form: &CustomersForm, found: Found<'_>) -> String {
    customers(&CustomersView {
        form,
        found,
        now: now(),
    })
}

impl Sample<'_> {
    pub(super) fn customer_pages(self) -> Vec<(&'static str, String)> {
        let missing = no_such_customer(&self.text("no-such/<id>"));
        let mut pages = vec![
            ("customer", self.customer_page(false)),
            ("customer-bare", self.bare_customer()),
            ("customer-deleted", self.customer_page(true)),
            ("customer-missing", missing),
        ];
        pages.extend(self.searches());
        pages.extend(self.listings());
        pages
    }

    fn searches(self) -> [(&'static str, String); 4] {
        let form = CustomersForm {
            q: self.text("lind <b> \"quoted\""),
            ..CustomersForm::default()
        };
        let found = self.hits();
        let nobody = Hits::default();
        let answers = |hits, number, is_known_deleted| {
            let found = Found::Answers {
                hits,
                page: number,
                page_size: 25,
                hits_max: 50,
                is_known_deleted,
            };
            page(&form, found)
        };
        [
            ("customers-found", answers(&found, 2, false)),
            ("customers-not-found", answers(&nobody, 1, false)),
            ("customers-deleted", answers(&nobody, 1, true)),
            ("customers-not-asked", page(&form, Found::NothingAsked)),
        ]
    }

    fn listings(self) -> [(&'static str, String); 4] {
        let form = CustomersForm {
            q: String::new(),
            customer_type: self.text("BUSINESS"),
            country: self.text("SE"),
            since: self.text("last <tuesday>"),
            standing: self.text("any"),
        };
        let expected = "expected a time like 2026-01-31T09:30:00Z, a date like 2026-01-31 (UTC), or how long ago, like 2h or 7d";
        let misunderstood = Misunderstood {
            since: self.some(expected),
        };
        let position = BrowsePosition {
            at: self.ago(90_000),
            row_id: 4711,
        };
        let full = Browsed {
            customers: self.lines(0..25),
            next: Some(position.clone()),
            cut_short_after: None,
        };
        let cut_short = Browsed {
            customers: Vec::new(),
            cut_short_after: Some(120_000),
            ..full.clone()
        };
        let nobody = Browsed::default();
        let listed = |form, browsed, after| page(form, Found::Listed { browsed, after });
        [
            ("customers", listed(&CustomersForm::default(), &full, None)),
            (
                "customers-further",
                listed(&form, &cut_short, Some(&position)),
            ),
            ("customers-nobody", listed(&form, &nobody, None)),
            (
                "customers-misunderstood",
                page(&form, Found::Misunderstood(&misunderstood)),
            ),
        ]
    }

    pub(super) fn list_pages(self) -> Vec<(&'static str, String)> {
        let held = HeldSweep {
            pass_id: 60,
            customers: 143,
        };
        let customers = self.lines(0..30);
        let after = self.text("30&x");
        let held_page = |held, customers, next_after| {
            deletions(&DeletionsView {
                held,
                customers,
                is_first: false,
                next_after,
                now: now(),
            })
        };
        let quarantine_page = |total, records, next_after| {
            quarantine(&QuarantineView {
                total,
                records,
                is_first: true,
                next_after,
                now: now(),
            })
        };
        let conflicts_page = |total, listed, next_after| {
            conflicts(&ConflictsView {
                total,
                conflicts: listed,
                is_first: true,
                next_after,
            })
        };
        vec![
            (
                "deletions",
                held_page(Some(&held), &customers, Some(after.as_str())),
            ),
            ("deletions-none", held_page(None, &[], None)),
            (
                "quarantine",
                quarantine_page(7, &self.quarantined(), Some(after.as_str())),
            ),
            ("quarantine-none", quarantine_page(0, &[], None)),
            (
                "conflicts",
                conflicts_page(12, &self.conflicts(), Some(after.as_str())),
            ),
            ("conflicts-none", conflicts_page(0, &[], None)),
            (
                "error",
                error(
                    421,
                    &self.text("Not a name of this server"),
                    &self.text("The request asks for the host `evil.example`."),
                    &self.text("Use the address that is configured as `http.listen`."),
                ),
            ),
        ]
    }

    fn hits(self) -> Hits {
        let hits = (0..25)
            .map(|number| {
                let line = self.line(number);
                let name = line.name.clone().unwrap_or_default();
                let first = name.chars().next().map_or(0, char::len_utf8);
                let street = self.text("Storgatan 12B, uppgång 3 <i>");
                let summary = [
                    Some(line.customer_id),
                    line.reference_id,
                    line.human_readable_id,
                    line.customer_type,
                    line.name,
                    line.contact_email,
                    line.contact_msisdn,
                    line.deleted_at,
                ];
                let found = |column, text: String, end: usize| Match {
                    column,
                    text,
                    marks: std::iter::once(0..end).collect(),
                };
                Hit::new(
                    summary,
                    vec![
                        found("name", name, first),
                        found("billing_address_street1", street, 1),
                    ],
                )
            })
            .collect();
        Hits {
            hits,
            more: true,
            beyond_window: false,
        }
    }

    fn customer_page(self, is_deleted: bool) -> String {
        let value = |name: &str| match name {
            "customer_id" => self.some("6f638c2e-0c57-42d9-9c34-170556cef7f1"),
            "name" => self.some("Åsa <script>alert(1)</script> Lindqvist"),
            "customer_type" => self.some("BUSINESS"),
            "contact_email" => self.some("asa.lindqvist@example.com"),
            "contact_msisdn" => self.some("+46701234567"),
            "billing_auto_pay" => Some("1".to_owned()),
            "shipping_instructions" => self.some(&"Leave it at the door, please. ".repeat(30)),
            "identity" => self.some(&"x".repeat(5000)),
            "metadata" => {
                let text = self.text("gold <tier>");
                Some(
                    serde_json::json!({ text.clone(): text, "seats": [1, {"a": null}] })
                        .to_string(),
                )
            }
            "upstream_created_at" => self.some("2019-05-05T05:05:05Z"),
            name if name.contains("_address_") => {
                self.some(name.rsplit('_').next().unwrap_or_default())
            }
            name => self.some(name),
        };
        let mut columns: Vec<_> = COLUMNS
            .iter()
            .map(|column| (column.name, value(column.name)))
            .collect();
        columns.push(("first_seen_at", Some(self.ago(9_000_000))));
        columns.push(("changed_at", Some(self.ago(4000))));
        columns.push(("deleted_at", is_deleted.then(|| self.ago(3000))));
        columns.push(("a_later_column", self.some("of a later version")));
        let users = ["MEMBER", "MANAGER", "ADMIN"].map(|role| ProfileUser {
            user_id: self.text(&format!("u-{role}")),
            name: (role != "MEMBER").then(|| self.text("Someone <b>bold</b>")),
            role: self.some(role),
        });
        let profile = Profile {
            columns,
            users: users.to_vec(),
            raw: self.text(RAW),
        };
        customer(&CustomerView {
            profile: &profile,
            history: &self.history(),
            conflict: self.conflicts().first(),
            before_seq: is_deleted.then_some(9000),
            now: now(),
        })
    }

    fn history(self) -> History {
        let field = |pointer: &str, before: Option<&str>, after: Option<&str>| FieldChange {
            pointer: self.text(pointer),
            before: before.map(|json| self.text(json)),
            after: after.map(|json| self.text(json)),
        };
        let fields = vec![
            field(
                "/contact/email",
                Some("\"asa@example.com\""),
                Some("\"asa.lindqvist@example.com\""),
            ),
            field("/metadata/tier", None, Some("\"<gold>\"")),
            field(
                "/billing/address",
                Some("{\"street1\": \"Storgatan 1\"}"),
                None,
            ),
            field("/name", Some("null"), Some("\"Åsa \\u202e\"")),
        ];
        let change = |seq: i64, kind: &str, fields: Vec<FieldChange>| PastChange {
            seq,
            changed_at: self.ago((9000 - seq) * 60),
            pass_id: (seq % 2 == 0).then_some(seq / 100),
            kind: self.text(kind),
            more_fields: fields.len() * 3,
            fields,
        };
        History {
            changes: vec![
                change(8990, "restored", vec![]),
                change(8889, "deleted", vec![]),
                change(8700, "updated", fields),
                change(120, "created", vec![]),
            ],
            has_older: true,
            pruned_before: None,
        }
    }

    fn bare_customer(self) -> String {
        let mut columns: Vec<_> = COLUMNS.iter().map(|column| (column.name, None)).collect();
        columns[0].1 = Some("..".to_owned());
        columns.push(("first_seen_at", Some(self.ago(9_000_000))));
        columns.push(("changed_at", Some(self.ago(9_000_000))));
        let profile = Profile {
            columns,
            users: Vec::new(),
            raw: self.text("{\"customerId\": \"..\"}"),
        };
        let history = History {
            pruned_before: Some(self.ago(90 * 86_400)),
            ..History::default()
        };
        customer(&CustomerView {
            profile: &profile,
            history: &history,
            conflict: None,
            before_seq: None,
            now: now(),
        })
    }
}
