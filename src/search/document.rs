//! What of a customer goes into the index.

use std::sync::LazyLock;

use super::fold::{self, Folded};
use crate::decode::{COLUMNS, Customer, Value};

/// What a searched text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The customer's own name: found by words, and their beginnings.
    Name,
    /// Another name, found the same way.
    OtherName,
    /// Part of an address, found the same way.
    Address,
    /// An e-mail address: found by any part of it.
    Email,
    /// A phone number: found by any part of it, with or without its country's code.
    Phone,
    /// An ID or identity number: found by any part of it, with or without what separates its groups.
    Id,
}

/// Words of a customer that are indexed. One with more has users by the thousand, of whom the last ones are not found by their names.
const WORDS_MAX: usize = 20_000;

/// The longest zip code, with its gaps.
const GROUPS_MAX: usize = 10;

/// A column that is searched.
#[derive(Debug, Clone, Copy)]
pub struct Searched {
    /// Its name in `customers`.
    pub column: &'static str,
    /// What it holds.
    pub kind: Kind,
}

const fn searched(column: &'static str, kind: Kind) -> Searched {
    Searched { column, kind }
}

/// The columns of `customers` that are searched; besides, it is the names of users.
pub const SEARCHED: [Searched; 27] = [
    searched("name", Kind::Name),
    searched("contact_person_name", Kind::OtherName),
    searched("shipping_name", Kind::OtherName),
    searched("billing_address_attention", Kind::OtherName),
    searched("shipping_address_attention", Kind::OtherName),
    searched("contact_email", Kind::Email),
    searched("billing_email", Kind::Email),
    searched("contact_msisdn", Kind::Phone),
    searched("shipping_msisdn", Kind::Phone),
    searched("identity", Kind::Id),
    searched("customer_id", Kind::Id),
    searched("reference_id", Kind::Id),
    searched("human_readable_id", Kind::Id),
    searched("billing_address_street1", Kind::Address),
    searched("billing_address_street2", Kind::Address),
    searched("billing_address_zip", Kind::Address),
    searched("billing_address_city", Kind::Address),
    searched("billing_address_state", Kind::Address),
    searched("billing_address_region", Kind::Address),
    searched("billing_address_country", Kind::Address),
    searched("shipping_address_street1", Kind::Address),
    searched("shipping_address_street2", Kind::Address),
    searched("shipping_address_zip", Kind::Address),
    searched("shipping_address_city", Kind::Address),
    searched("shipping_address_state", Kind::Address),
    searched("shipping_address_region", Kind::Address),
    searched("shipping_address_country", Kind::Address),
];

/// Where in [`COLUMNS`] they are.
static PLACES: LazyLock<Vec<(usize, Kind)>> = LazyLock::new(|| {
    let place = |column| COLUMNS.iter().position(|known| known.name == column);
    SEARCHED
        .iter()
        .filter_map(|searched| Some((place(searched.column)?, searched.kind)))
        .collect()
});

/// What the index has of a customer. Both lists are sorted, and have nothing twice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Document {
    words: Vec<Word>,
    grams: Vec<Gram>,
}

/// A word. The index has one entry for it, so what is in names and in addresses comes and goes together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Word {
    text: String,
    of_names: bool,
    of_addresses: bool,
}

/// Three characters, packed: a customer has some seventy of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Gram(u64);

impl Document {
    /// Of a customer as read from its record.
    pub fn of(customer: &Customer<'_>) -> Self {
        let mut document = Self::default();
        for (place, kind) in PLACES.iter() {
            if let Some(Some(Value::Text(text))) = customer.values.get(*place) {
                document.add(*kind, text);
            }
        }
        for name in customer
            .users
            .iter()
            .filter_map(|user| user.name.as_deref())
        {
            if document.words.len() >= WORDS_MAX {
                break;
            }
            document.add(Kind::OtherName, name);
        }
        document.settle();
        document
    }

    fn add(&mut self, kind: Kind, text: &str) {
        match kind {
            Kind::Name | Kind::OtherName | Kind::Address => {
                self.add_words(text, kind == Kind::Address);
            }
            Kind::Email | Kind::Phone | Kind::Id => {
                // The index of the column finds it, whole and by its beginning.
                if kind != Kind::Id || !is_uuid(text) {
                    self.add_grams(kind, text);
                }
            }
        }
    }

    fn add_words(&mut self, text: &str, of_addresses: bool) {
        let word = |text| Word {
            text,
            of_names: !of_addresses,
            of_addresses,
        };
        if let Some(words) = fold::plain_words(text) {
            let texts = words.map(str::to_ascii_lowercase);
            self.words.extend(texts.map(word));
            return;
        }
        let folded = fold::folded(text);
        for found in fold::words(&folded) {
            self.words
                .extend(fold::after_apostrophe(&folded, &found).map(word));
            self.words.push(word(found.text));
        }
        self.words.extend(without_gaps(&folded).map(word));
    }

    fn add_grams(&mut self, kind: Kind, text: &str) {
        // The short way for nearly all of them; phone numbers with more than digits in them are seldom enough.
        let is_plain = text.len() < fold::TEXT_MAX && text.is_ascii() && !text.contains('(');
        if !is_plain {
            self.grams.extend(grams(comparable(kind, text).chars()));
            return;
        }
        let characters = text.chars().map(|character| character.to_ascii_lowercase());
        let compared = characters.filter(|character| is_compared(kind, *character));
        self.grams.extend(grams(compared));
    }

    fn settle(&mut self) {
        self.words.sort_unstable();
        self.words.dedup_by(|next, kept| {
            let same = next.text == kept.text;
            if same {
                kept.of_names |= next.of_names;
                kept.of_addresses |= next.of_addresses;
            }
            same
        });
        self.grams.sort_unstable();
        self.grams.dedup();
    }

    /// What this has and the other one has not.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        Self {
            words: without(&self.words, &other.words),
            grams: without(&self.grams, &other.grams),
        }
    }

    /// The words of names, as the index takes them.
    pub fn names(&self) -> String {
        self.words_that(|word| word.of_names)
    }

    /// The words of addresses.
    pub fn addresses(&self) -> String {
        self.words_that(|word| word.of_addresses)
    }

    fn words_that(&self, are_meant: impl Fn(&Word) -> bool) -> String {
        let mut text = String::with_capacity(self.words.len() * 8);
        for word in self.words.iter().filter(|word| are_meant(word)) {
            text.push_str(&word.text);
            text.push(' ');
        }
        text
    }

    /// The grams.
    pub fn grams(&self) -> String {
        let mut text = String::with_capacity(self.grams.len() * 4);
        for gram in &self.grams {
            gram.write(&mut text);
            text.push(' ');
        }
        text
    }

    /// True if there are no words.
    pub fn has_no_words(&self) -> bool {
        self.words.is_empty()
    }

    /// True if there are no grams.
    pub fn has_no_grams(&self) -> bool {
        self.grams.is_empty()
    }
}

fn without<T: Ord + Clone>(list: &[T], other: &[T]) -> Vec<T> {
    list.iter()
        .filter(|item| other.binary_search(item).is_err())
        .cloned()
        .collect()
}

/// `415 22`, which some write `41522`: the text as one word, if it is a short one of digits in groups.
pub(super) fn without_gaps(folded: &[Folded]) -> Option<String> {
    let is_gap = |character: char| matches!(character, ' ' | '-');
    let has = |is: &dyn Fn(char) -> bool| folded.iter().any(|(character, _)| is(*character));
    let is_other = |character: char| !character.is_ascii_digit() && !is_gap(character);
    let is_short = folded.len() <= GROUPS_MAX;
    (is_short && has(&is_gap) && has(&|c| c.is_ascii_digit()) && !has(&is_other)).then(|| {
        let characters = folded.iter().map(|(character, _)| *character);
        characters.filter(char::is_ascii_digit).collect()
    })
}

/// The text of an e-mail address, a phone number or an ID as it is compared.
pub(super) fn comparable(kind: Kind, text: &str) -> String {
    comparable_places(kind, text)
        .into_iter()
        .map(|(character, _)| character)
        .collect()
}

/// The same, with the places.
pub(super) fn comparable_places(kind: Kind, text: &str) -> Vec<Folded> {
    let mut folded = fold::folded(text);
    // +46 (0)70-123 45 67: the zero is not dialled with the country's code.
    if kind == Kind::Phone
        && text.trim_start().starts_with('+')
        && let Some(at) = text.find("(0)")
    {
        folded.retain(|(_, place)| place.start != at + 1);
    }
    folded.retain(|(character, _)| is_compared(kind, *character));
    folded
}

/// Whether a folded character of an e-mail address, a phone number or an ID is more than a separator.
fn is_compared(kind: Kind, character: char) -> bool {
    match kind {
        Kind::Email => fold::is_of_email(character),
        Kind::Phone => character.is_ascii_digit(),
        _ => fold::is_of_number(character),
    }
}

pub(super) fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// Each three neighbours of a text.
pub(super) fn grams(characters: impl Iterator<Item = char>) -> impl Iterator<Item = Gram> {
    let mut window = 0_u64;
    characters.enumerate().filter_map(move |(at, character)| {
        window = (window << 21 | u64::from(u32::from(character))) & ((1 << 63) - 1);
        (at >= 2).then_some(Gram(window))
    })
}

impl Gram {
    pub(super) fn write(self, text: &mut String) {
        let character = |shift: u32| char::from_u32((self.0 >> shift & 0x1f_ffff) as u32);
        text.extend([42, 21, 0].into_iter().filter_map(character));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode;

    fn document(raw: &str) -> Document {
        Document::of(&decode::customer(raw).unwrap())
    }

    #[test]
    fn names_and_addresses_go_in_as_words_the_rest_as_grams() {
        let document = document(
            r#"{"customerId":"6f638c2e-0c57-42d9-9c34-170556cef7f1","name":"Åsa O'Brien","identity":"12-3b",
                "contact":{"email":"Ab@x.SE","msisdn":"+46 (0)7-1"},"users":[{"userId":"u","name":"山田"}],
                "billing":{"address":{"street1":"Åvägen 1","zip":"415 22","city":"Åsa"}}}"#,
        );
        assert_eq!(document.names().trim(), "asa brien obrien 山田 田");
        assert_eq!(document.addresses().trim(), "1 22 415 41522 asa avagen");
        assert_eq!(
            document.grams().trim(),
            ".se 123 23b 467 671 @x. ab@ b@x x.s"
        );
    }

    /// The long way.
    fn slowly(kind: Kind, text: &str) -> Document {
        let mut document = Document::default();
        let folded = fold::folded(text);
        match kind {
            Kind::Name => {
                let word = |text| Word {
                    text,
                    of_names: true,
                    of_addresses: false,
                };
                for found in fold::words(&folded) {
                    document
                        .words
                        .extend(fold::after_apostrophe(&folded, &found).map(word));
                    document.words.push(word(found.text));
                }
                document.words.extend(without_gaps(&folded).map(word));
            }
            kind => document.grams.extend(grams(comparable(kind, text).chars())),
        }
        document.settle();
        document
    }

    proptest::proptest! {
        #[test]
        fn the_short_way_leads_to_the_same(text in "([ -~]{0,30}|[0-9 ()+'-]{0,14}|[a-zA-Z'.]{0,80}|\\PC{0,20})") {
            for kind in [Kind::Name, Kind::Email, Kind::Phone, Kind::Id] {
                let mut document = Document::default();
                if kind == Kind::Id && is_uuid(&text) {
                    continue;
                }
                document.add(kind, &text);
                document.settle();
                proptest::prop_assert_eq!(document, slowly(kind, &text));
            }
        }
    }

    #[test]
    fn every_searched_column_is_there() {
        assert_eq!(PLACES.len(), SEARCHED.len());
    }

    #[test]
    fn a_difference_is_what_came_and_what_went() {
        let before = document(r#"{"customerId":"c-001","name":"Ada Byron"}"#);
        let after = document(r#"{"customerId":"c-001","name":"Ada Lovelace"}"#);
        assert_eq!(before.without(&after).names().trim(), "byron");
        assert_eq!(after.without(&before).names().trim(), "lovelace");
        assert!(after.without(&before).has_no_grams());
        assert!(before.without(&before).has_no_words());
    }

    #[test]
    fn a_word_that_stays_in_one_place_is_written_again() {
        let both =
            document(r#"{"customerId":"c","name":"Åsa","billing":{"address":{"city":"Asa"}}}"#);
        let one = document(r#"{"customerId":"c","name":"Åsa"}"#);
        let (gone, come) = (both.without(&one), one.without(&both));
        assert_eq!(
            (gone.names(), gone.addresses()),
            ("asa ".into(), "asa ".into())
        );
        assert_eq!(
            (come.names(), come.addresses()),
            ("asa ".into(), String::new())
        );
    }

    #[test]
    fn a_gram_keeps_any_character() {
        let mut text = String::new();
        grams("a\u{10ffff}日".chars()).for_each(|gram| gram.write(&mut text));
        assert_eq!(text, "a\u{10ffff}日");
        assert_eq!(grams("ab".chars()).count(), 0);
    }
}
