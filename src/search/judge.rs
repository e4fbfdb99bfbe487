//! Whether a customer answers a question, how well, and by which characters.

use std::ops::Range;

use super::Kind;
use super::document::{comparable_places, without_gaps};
use super::fold::{self, Folded};
use super::question::{Question, Term, TermWord};

/// How well a text fits a term. The numbers are ranks.
const WHOLE: u32 = 4;
const WORD: u32 = 3;
const BEGINNING: u32 = 2;
const INSIDE: u32 = 1;

/// For a name all of whose words were asked for.
const FULL_NAME_BONUS: u32 = 6;

/// A text of a customer.
#[derive(Debug, Clone, Copy)]
pub struct Field<'a> {
    /// What it is.
    pub kind: Kind,
    /// The text.
    pub text: &'a str,
}

/// How a customer answers a question.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// How well: more is better.
    pub score: u32,
    /// For each field, the bytes of its text that answer, in order and apart.
    pub marks: Vec<Vec<Range<usize>>>,
}

/// A field, folded.
struct Prepared<'a> {
    field: Field<'a>,
    folded: Vec<Folded>,
    /// Words, and where they are in `folded`.
    words: Vec<fold::Word>,
    /// How many of them are not other ways to write one of the others.
    own_words: usize,
    /// In place of words: the characters that are compared.
    comparable: String,
}

/// How one field answers one term.
struct Fit {
    quality: u32,
    /// In `folded`.
    places: Vec<Range<usize>>,
}

impl Answer {
    /// The score of an ID or e-mail address that is, to the letter, what was asked for; above every other.
    pub const EXACT: u32 = 1000;
}

impl Question {
    /// Whether the customer with these texts answers, and how.
    pub fn judge(&self, fields: &[Field<'_>]) -> Option<Answer> {
        let prepared: Vec<Prepared<'_>> = fields.iter().copied().map(Prepared::new).collect();
        let mut best = self.exactly(&prepared);
        for reading in &self.readings {
            let answer = judge(reading, &prepared);
            best = match (best, answer) {
                (Some(best), Some(answer)) if answer.score > best.score => Some(answer),
                (None, answer) => answer,
                (best, _) => best,
            };
        }
        best
    }

    /// The question is an ID or an e-mail address, however short.
    fn exactly(&self, fields: &[Prepared<'_>]) -> Option<Answer> {
        let asked = fold::fold_text(self.text());
        let is_same = |prepared: &Prepared<'_>| {
            matches!(prepared.field.kind, Kind::Id | Kind::Email)
                && fold::fold_text(prepared.field.text) == asked
        };
        let marks = |prepared: &Prepared<'_>| {
            let whole = 0..prepared.field.text.len();
            is_same(prepared).then_some(whole).into_iter().collect()
        };
        (!asked.is_empty() && fields.iter().any(is_same)).then(|| Answer {
            score: Answer::EXACT,
            marks: fields.iter().map(marks).collect(),
        })
    }
}

/// An answer to every term.
fn judge(reading: &[Term], fields: &[Prepared<'_>]) -> Option<Answer> {
    let mut places = vec![Vec::new(); fields.len()];
    let mut score = 0;
    for term in reading {
        let mut best = 0;
        for (prepared, places) in fields.iter().zip(&mut places) {
            if let Some(fit) = prepared.fit(term) {
                best = best.max(fit.quality * weight(prepared.field.kind));
                places.extend(fit.places);
            }
        }
        if best == 0 {
            return None;
        }
        score += best;
    }
    let full_name = fields
        .iter()
        .zip(&places)
        .any(|(prepared, places)| prepared.field.kind == Kind::Name && prepared.is_covered(places));
    let bonus = if full_name { FULL_NAME_BONUS } else { 0 };
    Some(Answer {
        score: score / reading.len() as u32 + bonus,
        marks: fields
            .iter()
            .zip(places)
            .map(|(prepared, places)| prepared.marks(places))
            .collect(),
    })
}

/// What somebody most likely meant.
fn weight(kind: Kind) -> u32 {
    match kind {
        Kind::Name => 8,
        Kind::Email | Kind::Phone | Kind::Id => 6,
        Kind::OtherName => 5,
        Kind::Address => 3,
    }
}

impl<'a> Prepared<'a> {
    fn new(field: Field<'a>) -> Self {
        let is_words = matches!(field.kind, Kind::Name | Kind::OtherName | Kind::Address);
        let folded = if is_words {
            fold::folded(field.text)
        } else {
            comparable_places(field.kind, field.text)
        };
        let mut words = if is_words {
            fold::words(&folded)
        } else {
            Vec::new()
        };
        let own_words = words.len();
        for index in 0..own_words {
            let place = words[index].place.clone();
            let rest = fold::after_apostrophe(&folded, &words[index]);
            words.extend(rest.map(|text| fold::Word { text, place }));
        }
        if is_words && let Some(text) = without_gaps(&folded) {
            let place = 0..folded.len();
            words.push(fold::Word { text, place });
        }
        let comparable = if is_words {
            String::new()
        } else {
            folded.iter().map(|(character, _)| *character).collect()
        };
        Self {
            field,
            folded,
            words,
            own_words,
            comparable,
        }
    }

    fn fit(&self, term: &Term) -> Option<Fit> {
        match self.field.kind {
            Kind::Name | Kind::OtherName | Kind::Address => self.fit_words(&term.words),
            Kind::Email => term.email.iter().find_map(|part| self.fit_part(part)),
            Kind::Phone | Kind::Id => term.numbers.iter().find_map(|part| self.fit_part(part)),
        }
    }

    fn fit_words(&self, asked: &[TermWord]) -> Option<Fit> {
        let mut fit = Fit {
            quality: WHOLE,
            places: Vec::new(),
        };
        for asked in asked {
            let mut quality = 0;
            for word in &self.words {
                let fits = if word.text == asked.text {
                    WORD
                } else if asked.is_beginning && word.text.starts_with(&asked.text) {
                    BEGINNING
                } else {
                    continue;
                };
                quality = quality.max(fits);
                fit.places.push(place_of(word, asked, fits));
            }
            if quality == 0 {
                return None;
            }
            fit.quality = fit.quality.min(quality);
        }
        if fit.places.is_empty() {
            return None;
        }
        if fit.quality == WORD && self.own_words == asked.len() {
            fit.quality = WHOLE;
        }
        Some(fit)
    }

    fn fit_part(&self, part: &str) -> Option<Fit> {
        let at = self.comparable.find(part)?;
        let start = self.comparable[..at].chars().count();
        let place = start..start + part.chars().count();
        let quality = match (at, place.len()) {
            (0, length) if length == self.folded.len() => WHOLE,
            (0, _) => BEGINNING,
            _ => INSIDE,
        };
        Some(Fit {
            quality,
            places: std::iter::once(place).collect(),
        })
    }

    /// Whether each of its own words is in one of these places, as a whole.
    fn is_covered(&self, places: &[Range<usize>]) -> bool {
        let mut own = self.words.iter().take(self.own_words);
        self.own_words > 0 && own.all(|word| places.contains(&word.place))
    }

    /// Places among the folded characters as bytes of the text.
    fn marks(&self, mut places: Vec<Range<usize>>) -> Vec<Range<usize>> {
        places.sort_by_key(|place| (place.start, place.end));
        let mut marks: Vec<Range<usize>> = Vec::new();
        for place in places {
            let (Some((_, first)), Some((_, last))) = (
                self.folded.get(place.start),
                place
                    .end
                    .checked_sub(1)
                    .and_then(|end| self.folded.get(end)),
            ) else {
                continue;
            };
            match marks.last_mut() {
                Some(mark) if first.start <= mark.end => mark.end = mark.end.max(last.end),
                _ => marks.push(first.start..last.end),
            }
        }
        marks
    }
}

/// The word, or as much of it as was asked for.
fn place_of(word: &fold::Word, asked: &TermWord, fits: u32) -> Range<usize> {
    let length = asked.text.chars().count();
    let is_plain = word.text.chars().count() == word.place.len();
    if fits == BEGINNING && is_plain {
        word.place.start..word.place.start + length
    } else {
        word.place.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CUSTOMER: [Field<'_>; 9] = [
        Field {
            kind: Kind::Name,
            text: "Åsa Łucja O'Brien",
        },
        Field {
            kind: Kind::OtherName,
            text: "山田太郎",
        },
        Field {
            kind: Kind::Email,
            text: "Asa.Lucja+x@Mail.example.SE",
        },
        Field {
            kind: Kind::Phone,
            text: "+46 70-123 45 67",
        },
        Field {
            kind: Kind::Id,
            text: "19841221-6485",
        },
        Field {
            kind: Kind::Id,
            text: "TM3-LCXQ-M7N",
        },
        Field {
            kind: Kind::Id,
            text: "c1",
        },
        Field {
            kind: Kind::Address,
            text: "Storgatan 12B",
        },
        Field {
            kind: Kind::Address,
            text: "415 22",
        },
    ];

    /// The texts with `[]` around what answers, those that don't answer left out.
    fn marked(question: &str) -> Option<String> {
        let answer = Question::new(question).judge(&CUSTOMER)?;
        let mut shown = Vec::new();
        for (field, marks) in CUSTOMER.iter().zip(answer.marks) {
            let mut text = field.text.to_owned();
            for mark in marks.iter().rev() {
                text.insert(mark.end, ']');
                text.insert(mark.start, '[');
            }
            if !marks.is_empty() {
                shown.push(text);
            }
        }
        Some(shown.join(" | "))
    }

    #[test]
    fn what_answers_is_marked() {
        for (question, expected) in [
            ("asa", "[Åsa] Łucja O'Brien | [Asa].Lucja+x@Mail.example.SE"),
            ("LUC", "Åsa [Łuc]ja O'Brien | Asa.[Luc]ja+x@Mail.example.SE"),
            (
                "obrien asa",
                "[Åsa] Łucja [O'Brien] | [Asa].Lucja+x@Mail.example.SE",
            ),
            ("brien", "Åsa Łucja [O'Brien]"),
            ("o’brien", "Åsa Łucja [O'Brien]"),
            ("田太", "山[田太]郎"),
            ("郎", "山田太[郎]"),
            ("山田太", "[山田太]郎"),
            ("cja+x@mai", "Asa.Lu[cja+x@Mai]l.example.SE"),
            ("070-1234567", "+46 [70-123 45 67]"),
            ("070 123 45 67", "+46 [70-123 45 67]"),
            ("+46701234567", "+[46 70-123 45 67]"),
            ("0046 70 123 45 67", "+[46 70-123 45 67]"),
            ("1234", "+46 70-[123 4]5 67"),
            ("841221-6485", "19[841221-6485]"),
            ("19841221 6485", "[19841221-6485]"),
            ("lcxq", "TM3-[LCXQ]-M7N"),
            ("tm3lcx", "[TM3-LCX]Q-M7N"),
            ("C1", "[c1]"),
            ("storgatan 12b", "[Storgatan] [12B]"),
            ("415 22", "[415 22]"),
            ("41522", "[415 22]"),
            ("storg 41522", "[Storg]atan 12B | [415 22]"),
        ] {
            assert_eq!(marked(question).as_deref(), Some(expected), "{question}");
        }
        for question in [
            "",
            "as",
            "rien",
            "asa bob",
            "0701234568",
            "太田",
            "xq-",
            "\"",
            "日",
        ] {
            assert_eq!(marked(question), None, "{question}");
        }
    }

    #[test]
    fn the_better_answer_has_the_higher_score() {
        let score = |question: &str, kind: Kind, text: &str| {
            let fields = [Field { kind, text }];
            Question::new(question).judge(&fields).unwrap().score
        };
        let ranked = [
            score("c-42", Kind::Id, "C-42"),
            score("anna", Kind::Name, "Anna"),
            score("anna berg", Kind::Name, "Berg, Anna"),
            score("anna berg", Kind::Name, "Anna Maria Berg"),
            score("anna", Kind::Name, "Annabell"),
            score("anna", Kind::Email, "anna@example.com"),
            score("anna", Kind::OtherName, "Annabell"),
            score("anna", Kind::Address, "Anna gata"),
            score("anna", Kind::Email, "susanna@example.com"),
        ];
        for pair in ranked.windows(2) {
            assert!(pair[0] >= pair[1], "{ranked:?}");
        }
    }
}
