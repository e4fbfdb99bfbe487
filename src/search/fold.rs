//! Text as it is compared: `Łukasz Åström` is `lukasz astrom`. And the words in it.

use std::ops::Range;

use icu_normalizer::ComposingNormalizerBorrowed;
use icu_normalizer::properties::{
    CanonicalCombiningClassMapBorrowed, CanonicalDecompositionBorrowed, Decomposed,
};

/// Canonical decompositions are no deeper than this.
const DEPTH_MAX: u32 = 4;

/// Characters of one text that are searched; no name or address has more. What comes after them is not found.
pub(super) const TEXT_MAX: usize = 1000;

/// Characters of a word that count.
const WORD_MAX: usize = 64;

/// A folded character, and the bytes of the text that it stands for.
pub(super) type Folded = (char, Range<usize>);

/// The characters of a text without case, diacritics, and differences of mere form (`ﬁ`, `Ａ`, `①`).
pub(super) fn folded(text: &str) -> Vec<Folded> {
    let mut out = Vec::with_capacity(text.len().min(TEXT_MAX));
    for (at, character) in text.char_indices().take(TEXT_MAX) {
        let place = at..at + character.len_utf8();
        if character.is_ascii() {
            out.push((character.to_ascii_lowercase(), place));
        } else {
            fold(character, &mut |folded| out.push((folded, place.clone())));
        }
    }
    out
}

/// The same, without the places.
pub(super) fn fold_text(text: &str) -> String {
    folded(text)
        .into_iter()
        .map(|(character, _)| character)
        .collect()
}

fn fold(character: char, push: &mut impl FnMut(char)) {
    let normalizer = ComposingNormalizerBorrowed::new_nfkc();
    let mut bytes = [0; 4];
    for character in normalizer
        .normalize(character.encode_utf8(&mut bytes))
        .chars()
    {
        if is_unspaced(character) {
            push(character);
        } else {
            strip(character, DEPTH_MAX, push);
        }
    }
}

/// A character's letters without the marks on them.
fn strip(character: char, depth: u32, push: &mut impl FnMut(char)) {
    match CanonicalDecompositionBorrowed::new().decompose(character) {
        Decomposed::Expansion(first, second) if depth > 0 => {
            strip(first, depth - 1, push);
            strip(second, depth - 1, push);
        }
        Decomposed::Singleton(single) if depth > 0 => strip(single, depth - 1, push),
        _ if CanonicalCombiningClassMapBorrowed::new().get_u8(character) != 0 => {}
        _ => plain(character, push),
    }
}

/// Lower case; and letters that Unicode takes for letters of their own, where people without them on the keyboard type others.
fn plain(character: char, push: &mut impl FnMut(char)) {
    let letters = match character {
        'ł' | 'Ł' => "l",
        'ø' | 'Ø' => "o",
        'đ' | 'Đ' | 'ð' | 'Ð' => "d",
        'ħ' | 'Ħ' => "h",
        'ŧ' | 'Ŧ' => "t",
        'ı' => "i",
        'ŋ' | 'Ŋ' => "n",
        'ß' | 'ẞ' => "ss",
        'æ' | 'Æ' => "ae",
        'œ' | 'Œ' => "oe",
        'þ' | 'Þ' => "th",
        'ς' => "σ",
        other => {
            other.to_lowercase().for_each(push);
            return;
        }
    };
    letters.chars().for_each(push);
}

/// Characters of scripts that put no spaces between words; Korean does, but is searched for in parts of words.
pub(super) fn is_unspaced(character: char) -> bool {
    matches!(character,
        '\u{0e00}'..='\u{0eff}' // Thai, Lao
        | '\u{1000}'..='\u{109f}' // Myanmar
        | '\u{1780}'..='\u{17ff}' // Khmer
        | '\u{1100}'..='\u{11ff}' // Hangul in parts
        | '\u{2e80}'..='\u{2fdf}' // Han radicals
        | '\u{3005}'..='\u{3007}' | '\u{3040}'..='\u{30ff}' | '\u{3100}'..='\u{31ff}' // kana, Bopomofo
        | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' // Han
        | '\u{ac00}'..='\u{d7ff}' // Hangul
        | '\u{20000}'..='\u{3ffff}') // Han
        && character != '・'
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || is_unspaced(character)
}

/// `O'Brien` is one word.
fn is_apostrophe(character: char) -> bool {
    matches!(character, '\'' | '’' | '‘' | 'ʼ' | 'ʹ' | '´' | '`')
}

/// A word of a text, folded, and where it is: from the first folded character to the one after its last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) text: String,
    pub(super) place: Range<usize>,
}

/// The words of a text. What is written without spaces comes in pairs of neighbours, and its last character alone, so that each
/// character begins a word: `山田太` is `山田`, `田太`, `太`.
pub(super) fn words(folded: &[Folded]) -> Vec<Word> {
    let mut words = Vec::new();
    let mut at = 0;
    while let Some((character, _)) = folded.get(at) {
        let unspaced = is_unspaced(*character);
        let length = folded[at..]
            .iter()
            .take_while(|(character, _)| {
                if unspaced {
                    is_unspaced(*character)
                } else {
                    !is_unspaced(*character) && (is_word(*character) || is_apostrophe(*character))
                }
            })
            .count();
        let run = at..at + length;
        at += length.max(1);
        if unspaced {
            for start in run.clone() {
                words.extend(word(folded, start..run.end.min(start + 2)));
            }
        } else {
            words.extend(word(folded, run));
        }
    }
    words
}

/// The words of a text that is written in nothing but ASCII letters, digits, and what stands between words, where that says no more
/// than that: nearly all are. Not folded yet.
pub(super) fn plain_words(text: &str) -> Option<impl Iterator<Item = &str>> {
    let is_plain = |byte: u8| byte.is_ascii() && !matches!(byte, b'\'' | b'`');
    // Groups of digits are one word more.
    let has_groups = text.contains([' ', '-']) && !text.contains(|c: char| c.is_ascii_alphabetic());
    (text.len() <= WORD_MAX && !has_groups && text.bytes().all(is_plain)).then(|| {
        text.split(|character: char| !character.is_ascii_alphanumeric())
            .filter(|word| !word.is_empty())
    })
}

fn word(folded: &[Folded], place: Range<usize>) -> Option<Word> {
    let text: String = folded[place.clone()]
        .iter()
        .map(|(character, _)| *character)
        .filter(|character| !is_apostrophe(*character))
        .take(WORD_MAX)
        .collect();
    (!text.is_empty()).then_some(Word { text, place })
}

/// What comes after an apostrophe in a word, which some type alone: `Brien`.
pub(super) fn after_apostrophe(folded: &[Folded], word: &Word) -> Option<String> {
    let letters = &folded[word.place.clone()];
    let at = letters
        .iter()
        .rposition(|(character, _)| is_apostrophe(*character))?;
    let rest: String = letters[at + 1..]
        .iter()
        .map(|(character, _)| *character)
        .take(WORD_MAX)
        .collect();
    (at > 0 && rest.chars().count() > 2).then_some(rest)
}

/// Which of the folded characters make up an e-mail address, as it is compared.
pub(super) fn is_of_email(character: char) -> bool {
    is_word(character) || matches!(character, '@' | '.' | '-' | '_' | '+')
}

/// Which make up an ID or a number, as it is compared: `+46 70-123` is `4670123`.
pub(super) fn is_of_number(character: char) -> bool {
    is_word(character)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_diacritics_make_no_difference() {
        for (text, shown) in [
            ("Åsa ÖBERG", "asa oberg"),
            ("Łukasz Żółć", "lukasz zolc"),
            ("Søren Ærø Strauß ẞ", "soren aero strauss ss"),
            ("Ðorđe Þór", "dorde thor"),
            ("İstanbul Işık", "istanbul isik"),
            ("e\u{301} \u{e9} ﬁn Ａｂ①", "e e fin ab1"),
            ("Nguyễn Thị", "nguyen thi"),
            ("ΟΔΥΣΣΕΥΣ Οδυσσεύς", "οδυσσευσ οδυσσευσ"),
            ("Йод ёлка", "иод елка"),
            ("山田 ｶﾅ 김민수 がガ", "山田 カナ 김민수 がガ"),
            ("שָׁלוֹם", "שלום"),
        ] {
            assert_eq!(fold_text(text), shown, "{text}");
        }
    }

    #[test]
    fn words_are_what_people_type() {
        for (text, expected) in [
            ("Anna-Karin O'Brien", "anna karin obrien"),
            ("  \"Knudsen & co.\" ", "knudsen co"),
            ("山田太郎", "山田 田太 太郎 郎"),
            ("東京Tower 2", "東京 京 tower 2"),
            ("김 민수", "김 민수 수"),
            ("ジョン・スミス", "ジョ ョン ン スミ ミス ス"),
            ("हिन्दी", "हिनदी"),
            ("' ’ 🎉 ...", ""),
            ("’t Hooft", "t hooft"),
        ] {
            let words: Vec<_> = words(&folded(text)).into_iter().map(|w| w.text).collect();
            assert_eq!(words.join(" "), expected, "{text}");
        }
    }

    #[test]
    fn a_place_is_that_of_the_characters_as_they_were() {
        let text = "Åse Strauß";
        let folded = folded(text);
        let words = words(&folded);
        let range = folded[words[1].place.start].1.start..folded[words[1].place.end - 1].1.end;
        assert_eq!(&text[range], "Strauß");
    }
}
