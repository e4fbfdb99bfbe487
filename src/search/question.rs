//! A question: what somebody typed, and the ways in which it can be meant.

use super::Kind;
use super::document::{comparable, without_gaps};
use super::fold;

/// Nobody types more; what comes after it is not looked at.
const LENGTH_MAX: usize = 300;
const TERMS_MAX: usize = 12;

/// Digits in groups are taken for one number from so many on.
const NUMBER_MIN: usize = 5;

/// Shorter words are found whole, not by their beginnings: far too many begin like that.
pub(super) const PREFIX_MIN: usize = 3;

/// Shorter parts of e-mail addresses and numbers are not found.
pub(super) const PART_MIN: usize = 3;

/// Longest code of a country in digits.
const COUNTRY_CODE_MAX: usize = 3;

/// What is looked for. A customer answers it by every term of one of its readings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    text: String,
    pub(super) readings: Vec<Vec<Term>>,
}

/// One of the things looked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Term {
    /// It is meant as these words, all of them in one name or address,
    pub(super) words: Vec<TermWord>,
    /// or as this part of an e-mail address,
    pub(super) email: Option<String>,
    /// or as a part of a number or ID, in one of these forms.
    pub(super) numbers: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TermWord {
    pub(super) text: String,
    /// Whether a word that only begins like it will do.
    pub(super) is_beginning: bool,
}

impl Question {
    /// Any text is a question; one without letters and digits asks for nothing, see [`Question::is_empty`].
    pub fn new(text: &str) -> Self {
        let text: String = text.trim().chars().take(LENGTH_MAX).collect();
        let terms: Vec<&str> = text.split_whitespace().take(TERMS_MAX).collect();
        let mut readings = Vec::new();
        for terms in [
            joined(&terms),
            terms.iter().map(|term| (*term).to_owned()).collect(),
        ] {
            let reading: Vec<Term> = terms
                .iter()
                .map(|term| Term::new(term))
                .filter(|term| !term.is_empty())
                .collect();
            if !reading.is_empty() && !readings.contains(&reading) {
                readings.push(reading);
            }
        }
        Self { text, readings }
    }

    /// True if nothing is asked for.
    pub fn is_empty(&self) -> bool {
        self.readings.is_empty()
    }

    /// The text, as an ID that it may be.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// The terms, with neighbours of digits in groups, as people write phone numbers, joined to one.
fn joined(terms: &[&str]) -> Vec<String> {
    let mut joined: Vec<String> = Vec::new();
    let mut groups = 0;
    let says_something = |term: &&&str| term.contains(char::is_alphanumeric);
    for term in terms.iter().filter(says_something) {
        let is_group = term.chars().any(|character| character.is_ascii_digit())
            && term
                .chars()
                .all(|c| c.is_ascii_digit() || matches!(c, '+' | '-' | '(' | ')' | '.' | '/'));
        match joined.last_mut().filter(|_| is_group && groups > 0) {
            Some(last) => last.push_str(term),
            None => joined.push((*term).to_owned()),
        }
        groups = if is_group { groups + 1 } else { 0 };
    }
    let is_number = |term: &String| term.chars().filter(char::is_ascii_digit).count() >= NUMBER_MIN;
    if joined
        .iter()
        .all(|term| terms.contains(&term.as_str()) || is_number(term))
    {
        joined
    } else {
        terms.iter().map(|term| (*term).to_owned()).collect()
    }
}

impl Term {
    fn new(text: &str) -> Self {
        let folded = fold::folded(text);
        let whole = without_gaps(&folded);
        let words = match whole {
            // 415-22 is the zip code 41522 as well.
            Some(whole) => vec![TermWord::new(whole)],
            None => fold::words(&folded)
                .into_iter()
                .map(|word| TermWord::new(word.text))
                .collect(),
        };
        Self {
            email: Some(comparable(Kind::Email, text))
                .filter(|part| is_long(part) && part.contains(char::is_alphanumeric)),
            numbers: numbers(text),
            words: without_last(words),
        }
    }

    fn is_empty(&self) -> bool {
        self.words.is_empty() && self.email.is_none() && self.numbers.is_empty()
    }

    /// True if it can be part of an e-mail address, a number or an ID.
    pub(super) fn can_be_part(&self) -> bool {
        self.email.is_some() || !self.numbers.is_empty()
    }
}

/// The last character of a run without spaces stands alone in the index; who typed more than one asks for their neighbourhood.
fn without_last(mut words: Vec<TermWord>) -> Vec<TermWord> {
    let is_unspaced = |word: &TermWord| word.text.chars().all(fold::is_unspaced);
    let mut at = words.len();
    while at > 1 {
        at -= 1;
        let alone = is_unspaced(&words[at]) && words[at].text.chars().count() == 1;
        if alone && is_unspaced(&words[at - 1]) {
            words.remove(at);
        }
    }
    words
}

impl TermWord {
    fn new(text: String) -> Self {
        let is_beginning =
            text.chars().count() >= PREFIX_MIN || text.chars().all(fold::is_unspaced);
        Self { text, is_beginning }
    }
}

fn is_long(part: &str) -> bool {
    part.chars().count() >= PART_MIN
}

/// The forms in which a number that was typed may be in the mirror: as it is, without the zero before a national number, without
/// what dials out of a country, and the national number behind a country's code.
fn numbers(text: &str) -> Vec<String> {
    if text.contains('@') {
        return Vec::new();
    }
    let whole = comparable(Kind::Id, text);
    let mut forms = vec![whole.clone()];
    let phone = comparable(Kind::Phone, text);
    if phone.len() >= NUMBER_MIN && whole.chars().all(|character| character.is_ascii_digit()) {
        let abroad = phone.strip_prefix("00");
        forms.extend(
            abroad
                .or_else(|| phone.strip_prefix('0'))
                .map(str::to_owned),
        );
        if text.trim_start().starts_with('+') {
            forms.push(phone.clone());
        }
        let with_code = match abroad {
            None if text.trim_start().starts_with('+') => Some(phone.as_str()),
            abroad => abroad,
        };
        if let Some(number) =
            with_code.filter(|number| number.len() > NUMBER_MIN + COUNTRY_CODE_MAX)
        {
            forms.extend((1..=COUNTRY_CODE_MAX).map(|code| format!("0{}", &number[code..])));
        }
    }
    forms.retain(|form| is_long(form));
    let mut distinct: Vec<String> = Vec::new();
    for form in forms {
        if !distinct.contains(&form) {
            distinct.push(form);
        }
    }
    distinct
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_known_in_every_form() {
        for (text, forms) in [
            (
                "+46701234567",
                "46701234567 06701234567 0701234567 001234567",
            ),
            (
                "0046-70-1234567",
                "0046701234567 46701234567 06701234567 0701234567 001234567",
            ),
            ("070-1234567", "0701234567 701234567"),
            ("841221-6485", "8412216485"),
            ("131052-308T", "131052308t"),
            (
                "+46(0)701234567",
                "460701234567 46701234567 06701234567 0701234567 001234567",
            ),
            ("42", ""),
        ] {
            assert_eq!(numbers(text).join(" "), forms, "{text}");
        }
    }

    #[test]
    fn groups_of_digits_are_a_number_or_words() {
        let words = |reading: &Vec<Term>| -> Vec<String> {
            let words = reading.iter().flat_map(|term| &term.words);
            words.map(|word| word.text.clone()).collect()
        };
        let question = Question::new("070 - 123 45 67 ada");
        assert_eq!(question.readings.len(), 2);
        assert_eq!(question.readings[0].len(), 2);
        assert!(
            question.readings[0][0]
                .numbers
                .contains(&"0701234567".to_owned())
        );
        assert_eq!(
            words(&question.readings[1]),
            ["070", "123", "45", "67", "ada"]
        );
        // A house and its door are no number.
        assert_eq!(Question::new("storgatan 12 3").readings.len(), 1);
    }

    #[test]
    fn any_text_is_a_question() {
        for text in ["", "  ", "\"", "* ( ) : ^ - \u{0}", "🎉", "'"] {
            assert!(Question::new(text).is_empty(), "{text:?}");
        }
        for text in [
            "a",
            "NOT",
            "name:x*",
            "\"a b\"",
            "é",
            "日",
            &"x ".repeat(10_000),
            &"1".repeat(10_000),
        ] {
            assert!(!Question::new(text).is_empty(), "{text:?}");
        }
    }

    #[test]
    fn what_has_no_spaces_is_asked_for_in_pairs() {
        let texts = |text: &str| -> Vec<String> {
            let reading = &Question::new(text).readings[0];
            reading[0]
                .words
                .iter()
                .map(|word| word.text.clone())
                .collect()
        };
        assert_eq!(texts("山田太"), ["山田", "田太"]);
        assert_eq!(texts("山"), ["山"]);
        assert_eq!(texts("東京Tower"), ["東京", "tower"]);
    }
}
