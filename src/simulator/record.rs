//! What a customer's record says: the contract's fields with all the variety that real data has – absent and null members, foreign
//! scripts, unknown enum values, numbers whose text matters.

use super::customers::{Change, Individual};
use super::hash::Dice;
use super::ids::{digits, human_readable_id, uuid};
use super::json::{ObjectWriter, write_object};
use super::locales::{LOCALES, Locale};

const DOMAINS: [&str; 5] = [
    "example.com",
    "example.org",
    "mail.example.net",
    "post.example",
    "büro.example",
];
/// The last of each is unknown to the documentation.
const BILLING_METHODS: [&str; 4] = [
    "E_INVOICE",
    "EMAIL_INVOICE",
    "PAPER_INVOICE",
    "DIRECT_DEBIT",
];
const ROLES: [&str; 4] = ["MEMBER", "MANAGER", "ADMIN", "AUDITOR"];

/// Appends the record, compact, without a line end.
pub(super) fn write(one: &Individual, out: &mut String) {
    let writer = Writer::new(one);
    write_object(out, |customer| writer.customer(customer));
}

/// The name in the record, if it has one.
pub(super) fn name(one: &Individual) -> Option<String> {
    let writer = Writer::new(one);
    matches!(writer.presence("name", Change::Name), Presence::Given).then(|| writer.name())
}

enum Presence {
    Given,
    Null,
    Absent,
}

struct Writer<'a> {
    one: &'a Individual,
    dice: Dice,
    locale: &'static Locale,
    business: bool,
}

impl<'a> Writer<'a> {
    fn new(one: &'a Individual) -> Self {
        let dice = one.dice;
        Self {
            one,
            dice,
            locale: dice.pick("locale", LOCALES),
            business: dice.chance("business", 25),
        }
    }

    /// Whether a member is there. One that has changed is: so a change always shows.
    fn presence(&self, key: &str, change: Change) -> Presence {
        match self.dice.below(key, 100) {
            _ if self.one.revisions.of(change) > 0 => Presence::Given,
            0..=4 => Presence::Null,
            5..=9 => Presence::Absent,
            _ => Presence::Given,
        }
    }

    fn customer(&self, customer: &mut ObjectWriter<'_>) {
        let dice = self.dice;
        customer.string("customerId", &uuid(dice, "customer"));
        let kind = match (self.business, dice.chance("odd type", 1)) {
            (_, true) => "RESELLER",
            (true, _) => "BUSINESS",
            _ => "CONSUMER",
        };
        customer.string("customerType", kind);
        match self.presence("name", Change::Name) {
            Presence::Given => customer.string("name", &self.name()),
            Presence::Null => customer.string_or_null("name", None),
            Presence::Absent => {}
        }
        self.contact(customer);
        if dice.chance("identity", 60) {
            customer.string("identity", &digits(dice, "identity number", "##########"));
        }
        if dice.chance("has locale", 95) {
            customer.string("preferredLocale", self.locale.tag);
        }
        customer.string(
            "humanReadableId",
            &human_readable_id(self.one.seed, self.one.index),
        );
        self.reference(customer);
        self.billing(customer);
        self.users(customer);
        self.shipping(customer);
        self.metadata(customer);
        self.times(customer);
    }

    fn name(&self) -> String {
        // A rename takes the next family name, so that it never gives the same one.
        let families = self.locale.family;
        let first = self.dice.below("family", families.len() as u64);
        let at = (first + self.one.revisions.of(Change::Name)) as usize % families.len();
        if self.business {
            self.locale.company.replace("{}", families[at].0)
        } else {
            self.locale
                .full_name(self.dice.pick("given", self.locale.given).0, families[at].0)
        }
    }

    fn email(&self) -> String {
        let given = self.dice.pick("given", self.locale.given).1;
        let family = self.dice.pick("family", self.locale.family).1;
        let first = self.dice.below("domain", DOMAINS.len() as u64);
        let domain =
            DOMAINS[(first + self.one.revisions.of(Change::Contact)) as usize % DOMAINS.len()];
        let number = self.dice.below("email number", 10_000);
        format!("{given}.{family}{number}@{domain}")
    }

    fn contact(&self, customer: &mut ObjectWriter<'_>) {
        match self.presence("contact", Change::Contact) {
            Presence::Given => customer.object("contact", |contact| {
                contact.string("email", &self.email());
                match self.dice.below("msisdn", 20) {
                    0 => contact.string_or_null("msisdn", None),
                    1 => {}
                    _ => contact.string(
                        "msisdn",
                        &digits(self.dice, "msisdn digits", self.locale.phone),
                    ),
                }
            }),
            Presence::Null => customer.string_or_null("contact", None),
            Presence::Absent => {}
        }
    }

    fn reference(&self, customer: &mut ObjectWriter<'_>) {
        // A clerk's slip: now and then two customers bear the same reference.
        let slip = u64::from(self.one.index > 0 && self.dice.below("slip", 2500) == 0);
        match self.dice.below("reference", 50) {
            0 => customer.string_or_null("referenceId", None),
            1 => {}
            _ => customer.string(
                "referenceId",
                &format!("crm-{:08}", self.one.index - slip + 1),
            ),
        }
    }

    fn billing(&self, customer: &mut ObjectWriter<'_>) {
        let dice = self.dice;
        let revision = self.one.revisions.of(Change::Billing);
        if revision == 0
            && self.one.revisions.of(Change::Address) == 0
            && dice.chance("no billing", 4)
        {
            return;
        }
        customer.object("billing", |billing| {
            let method =
                (dice.below("method", 40) / 13 + revision) as usize % BILLING_METHODS.len();
            billing.string("method", BILLING_METHODS[method]);
            billing.string("currency", self.locale.currency);
            if dice.chance("billing email", 70) {
                billing.string("email", &format!("billing+{}@example.com", self.one.index));
            }
            self.address(billing, "billing", self.one.revisions.of(Change::Address));
            match dice.below("profile", 3) {
                0 => billing.string("defaultPaymentProfileId", &uuid(dice, "profile id")),
                1 => billing.string_or_null("defaultPaymentProfileId", None),
                _ => {}
            }
            billing.raw("autoPay", format_args!("{}", dice.chance("auto pay", 50)));
        });
    }

    fn address(&self, parent: &mut ObjectWriter<'_>, whose: &str, moves: u64) {
        let dice = self.dice.fork(whose.len() as u64);
        let (city, zip, state) = *dice.pick("city", self.locale.cities);
        parent.object("address", |address| {
            // Who moves does so within the street: the number always differs from the one before.
            let number = dice.below("house", 180) + 1 + 2 * moves;
            let street = dice.pick("street", self.locale.streets);
            address.string("street1", &street.replace("{}", &number.to_string()));
            match dice.below("street2", 6) {
                0 => address.string("street2", "c/o Example"),
                1 => address.string("street2", ""),
                2 => address.string_or_null("street2", None),
                _ => {}
            }
            address.string("city", city);
            let zip = digits(dice, "zip", zip);
            address.string_or_null("zip", (!zip.is_empty()).then_some(&zip));
            address.string("country", self.locale.country);
            if !state.is_empty() {
                address.string(
                    if dice.chance("region", 30) {
                        "region"
                    } else {
                        "state"
                    },
                    state,
                );
            }
            if self.business {
                address.string("attention", dice.pick("attention", self.locale.given).0);
            }
        });
    }

    fn user(&self, user: &mut ObjectWriter<'_>, number: u64) {
        let dice = self.dice.fork(100 + number);
        user.string("userId", &uuid(dice, "user"));
        let given = dice.pick("given", self.locale.given).0;
        let family = dice.pick("family", self.locale.family).0;
        match dice.below("user name", 25) {
            0 => user.string_or_null("name", None),
            _ => user.string("name", &self.locale.full_name(given, family)),
        }
        // The first user takes the changes.
        let revision = if number == 0 {
            self.one.revisions.of(Change::Users)
        } else {
            0
        };
        let role = (dice.below("role", 3) + revision) as usize % ROLES.len();
        user.string("role", ROLES[role]);
    }

    fn users(&self, customer: &mut ObjectWriter<'_>) {
        let changed = self.one.revisions.of(Change::Users) > 0;
        let most = if self.business { 8 } else { 4 };
        let count = self.dice.below("users", most).max(u64::from(changed));
        match self.presence("users", Change::Users) {
            Presence::Given => {
                customer.objects("users", 0..count, |user, number| self.user(user, number));
            }
            Presence::Null => customer.string_or_null("users", None),
            Presence::Absent => {}
        }
        match self.dice.below("contact person", 5) {
            0 => customer.object("contactPerson", |person| self.user(person, 0)),
            1 => customer.string("contactPersonUserId", &uuid(self.dice.fork(100), "user")),
            2 => customer.string_or_null("contactPerson", None),
            _ => {}
        }
    }

    fn shipping(&self, customer: &mut ObjectWriter<'_>) {
        match self.dice.below("shipping", 6) {
            0 => customer.string_or_null("shipping", None),
            1 => {}
            _ => customer.object("shipping", |shipping| {
                shipping.string("name", &self.name());
                self.address(shipping, "ship", 0);
                shipping.string(
                    "msisdn",
                    &digits(self.dice, "shipping msisdn", self.locale.phone),
                );
                let instructions = [
                    "Ring twice, mind the dog",
                    "Leave at the \"back\" door\nthanks 🙏",
                    "3ème étage",
                ];
                match self.dice.below("instructions", 6) {
                    at @ 0..=2 => shipping.string("instructions", instructions[at as usize]),
                    3 => shipping.string_or_null("instructions", None),
                    _ => {}
                }
            }),
        }
    }

    fn metadata(&self, customer: &mut ObjectWriter<'_>) {
        match self.presence("metadata", Change::Metadata) {
            Presence::Given => {
                customer.object("metadata", |metadata| self.metadata_members(metadata));
            }
            Presence::Null => customer.string_or_null("metadata", None),
            Presence::Absent => {}
        }
    }

    /// Free-form: numbers whose text would not survive a 64-bit float, nesting, odd keys.
    fn metadata_members(&self, metadata: &mut ObjectWriter<'_>) {
        let dice = self.dice;
        let revision = self.one.revisions.of(Change::Metadata);
        if revision > 0 {
            metadata.raw("revision", format_args!("{revision}"));
        }
        if dice.chance("plain metadata", 70) {
            let cents = dice.below("discount", 100);
            metadata.raw(
                "discount",
                format_args!("{}.{:02}", cents / 10, cents % 10 * 10),
            );
            let segment: &&str = dice.pick("segment", &["gold", "silver", "prépayé", "法人"]);
            metadata.string("segment", segment);
            metadata.string("crmRecordId", &uuid(dice, "crm record"));
            metadata.raw(
                "tags",
                format_args!(
                    "{}",
                    dice.pick("tags", &["[]", r#"["vip","🎉"]"#, r#"["churn-risk"]"#])
                ),
            );
        }
        match dice.below("metadata", 6) {
            0 => metadata.raw(
                "ledger",
                format_args!("9007199254740993{:04}", dice.below("ledger", 10_000)),
            ),
            1 => metadata.raw(
                "usage",
                format_args!(r#"{{"ratio":1e-7,"months":[1.10,2.50,null,{{"deep":[[true]]}}]}}"#),
            ),
            2 => metadata.string("note", "Größe \"XL\" – 2. Zeile:\n\tC:\\Temp 👩‍💻"),
            3 => {
                metadata.string("key with / and ~", "");
                metadata.string("ключ 🔑", "значение");
            }
            4 => metadata.object("consent", |consent| {
                consent.raw(
                    "newsletter",
                    format_args!("{}", dice.chance("newsletter", 50)),
                );
                consent.string("at", "2025-02-28T23:59:60Z");
            }),
            _ => {}
        }
    }

    /// What older servers also tell.
    fn times(&self, customer: &mut ObjectWriter<'_>) {
        if !self.dice.chance("times", 30) {
            return;
        }
        let moment = |day: u32, question| {
            let second = self.dice.below(question, 86_400);
            let (year, month, day) = (2024 + day / 336, 1 + day % 336 / 28, 1 + day % 28);
            let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
            format!("{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
        };
        customer.string("createdAt", &moment(self.one.born_day, "created at"));
        customer.string(
            "updatedAt",
            &moment(
                self.one.revisions.last_day.max(self.one.born_day) + 1,
                "updated at",
            ),
        );
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use serde_json::Value;

    use super::super::customers::customer;

    fn values(count: u64) -> Vec<Value> {
        (0..count)
            .map(|index| serde_json::from_str(&customer(11, index, 1).unwrap()).unwrap())
            .collect()
    }

    #[test]
    fn a_record_is_about_1100_bytes() {
        let total: usize = (0..2000)
            .map(|index| customer(5, index, 1).unwrap().len())
            .sum();
        assert!(
            (950..1300).contains(&(total / 2000)),
            "{} bytes",
            total / 2000
        );
    }

    #[test]
    fn there_is_variety() {
        let values = values(3000);
        let distinct = |pointer: &str| {
            values
                .iter()
                .filter_map(|value| value.pointer(pointer)?.as_str())
                .collect::<HashSet<_>>()
                .len()
        };
        assert!(distinct("/preferredLocale") >= 15);
        assert!(distinct("/billing/currency") >= 12);
        assert_eq!(distinct("/billing/method"), 4);
        assert_eq!(distinct("/customerType"), 3);
        for key in [
            "name",
            "contact",
            "referenceId",
            "users",
            "shipping",
            "metadata",
            "contactPerson",
        ] {
            assert!(
                values.iter().any(|value| value.get(key).is_none()),
                "{key} is never absent"
            );
            assert!(
                values
                    .iter()
                    .any(|value| value.get(key).is_some_and(Value::is_null)),
                "{key} is never null"
            );
            assert!(
                values
                    .iter()
                    .any(|value| value.get(key).is_some_and(|v| !v.is_null())),
                "{key} is never there"
            );
        }
    }
}
