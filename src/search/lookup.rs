//! What to ask the index, so that those who answer a question best are found first.

use super::document::{Gram, grams};
use super::question::{Question, Term, TermWord};

/// Grams of a text that are looked up; the rest of a longer one is compared only.
const GRAMS_MAX: usize = 24;

/// Terms whose every combination of meanings is looked up; of more, only single ones are taken for parts of numbers.
const COMBINED_MAX: usize = 3;

/// Expressions of FTS5 for the two tables of the index; who is in both may be an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lookup {
    /// For the words.
    pub words: Option<String>,
    /// For the grams.
    pub grams: Option<String>,
}

impl Question {
    /// What to look up, the most telling first: names that have the words, names that have words that begin so, e-mail addresses
    /// and numbers that have the parts, addresses.
    pub fn lookups(&self) -> Vec<Lookup> {
        let mut lookups: Vec<Lookup> = Vec::new();
        let mut add = |words: Option<String>, grams: Option<String>| {
            let lookup = Lookup { words, grams };
            if !lookups.contains(&lookup) {
                lookups.push(lookup);
            }
        };
        for reading in &self.readings {
            let terms: Vec<&Term> = reading.iter().collect();
            if let Some(exact) = words(&terms, false) {
                add(Some(format!("names : ({exact})")), None);
                let beginning = words(&terms, true).map(|words| format!("names : ({words})"));
                add(beginning, None);
            }
            for combination in combinations(&terms) {
                add(combination.0, combination.1);
            }
            if let Some(exact) = words(&terms, false) {
                add(Some(exact), None);
                add(words(&terms, true), None);
            }
        }
        lookups
    }
}

/// All ways to take one or more of the terms for parts of e-mail addresses and numbers, and the others for words; all of them first.
fn combinations(terms: &[&Term]) -> Vec<(Option<String>, Option<String>)> {
    let all = (1_u32 << terms.len().min(16)) - 1;
    let mut found = Vec::new();
    for chosen in (1..=all).rev() {
        let parts = chosen.count_ones();
        if terms.len() > COMBINED_MAX && parts != 1 && chosen != all {
            continue;
        }
        let (mut as_parts, mut as_words) = (Vec::new(), Vec::new());
        for (index, term) in terms.iter().enumerate() {
            if chosen >> index & 1 == 1 {
                as_parts.push(*term);
            } else {
                as_words.push(*term);
            }
        }
        let possible = as_parts.iter().all(|term| term.can_be_part());
        let words = words(&as_words, true);
        if possible && (as_words.is_empty() || words.is_some()) {
            found.push((words, Some(parts_expression(&as_parts))));
        }
    }
    found
}

/// An expression for customers who have all words of all terms; `None` if one of them has no words.
fn words(terms: &[&Term], beginnings: bool) -> Option<String> {
    if terms.is_empty() || terms.iter().any(|term| term.words.is_empty()) {
        return None;
    }
    let quoted = |word: &TermWord| {
        // A single character of a script without spaces is always the beginning of a pair.
        let single = word.is_beginning && word.text.chars().count() < 2;
        let star = if single || (beginnings && word.is_beginning) {
            "*"
        } else {
            ""
        };
        format!("\"{}\"{star}", word.text)
    };
    let all: Vec<String> = terms
        .iter()
        .flat_map(|term| &term.words)
        .map(quoted)
        .collect();
    Some(all.join(" AND "))
}

fn parts_expression(terms: &[&Term]) -> String {
    let all: Vec<String> = terms.iter().map(|term| part_expression(term)).collect();
    all.join(" AND ")
}

fn part_expression(term: &Term) -> String {
    let mut forms: Vec<String> = Vec::new();
    for form in term.email.iter().chain(&term.numbers) {
        let mut distinct: Vec<Gram> = grams(form.chars()).collect();
        distinct.sort_unstable();
        distinct.dedup();
        let quoted: Vec<String> = distinct
            .into_iter()
            .take(GRAMS_MAX)
            .map(|gram| {
                let mut text = "\"".to_owned();
                gram.write(&mut text);
                text + "\""
            })
            .collect();
        let form = format!("({})", quoted.join(" AND "));
        if !forms.contains(&form) {
            forms.push(form);
        }
    }
    format!("({})", forms.join(" OR "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        Question::new(text)
            .lookups()
            .into_iter()
            .map(|lookup| match (lookup.words, lookup.grams) {
                (Some(words), None) => words,
                (None, Some(grams)) => format!("~{grams}"),
                (words, grams) => format!("{} ~{}", words.unwrap(), grams.unwrap()),
            })
            .collect()
    }

    #[test]
    fn the_most_telling_comes_first() {
        assert_eq!(
            shown("Åsa bo"),
            [
                "names : (\"asa\" AND \"bo\")",
                "names : (\"asa\"* AND \"bo\")",
                "\"bo\" ~((\"asa\"))",
                "\"asa\" AND \"bo\"",
                "\"asa\"* AND \"bo\"",
            ]
        );
        assert_eq!(
            shown("a@x.se"),
            [
                "names : (\"a\" AND \"x\" AND \"se\")",
                "~((\".se\" AND \"@x.\" AND \"a@x\" AND \"x.s\"))",
                "\"a\" AND \"x\" AND \"se\"",
            ]
        );
        assert_eq!(shown("日"), ["names : (\"日\"*)", "\"日\"*"]);
    }

    #[test]
    fn their_number_is_bounded() {
        for text in [
            "aaa bbb ccc ddd eee fff ggg hhh iii jjj kkk lll mmm nnn",
            "123 456 789 012 345",
        ] {
            assert!(shown(text).len() < 40, "{text}");
        }
        assert!(shown(&"x".repeat(300))[0].len() < 1000);
        assert!(shown("").is_empty());
    }
}
