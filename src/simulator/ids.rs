//! Ids and numbers that look as the real ones do.

use std::fmt::Write;

use super::hash::{Dice, mix};

const HEX: &[u8; 16] = b"0123456789abcdef";

/// A text like a version 4 UUID.
pub(super) fn uuid(dice: Dice, question: &str) -> String {
    let dice = dice.fork(4);
    let high = dice.bits(question) & 0xffff_ffff_ffff_0fff | 0x4000;
    let low = dice.fork(1).bits(question) & 0x3fff_ffff_ffff_ffff | 0x8000_0000_0000_0000;
    // By hand: each record has several, and the formatting machinery is many times slower.
    let mut text = String::with_capacity(36);
    for (number, bits) in [high, low].into_iter().enumerate() {
        for nibble in 0..16 {
            if matches!((number, nibble), (0, 8 | 12) | (1, 0 | 4)) {
                text.push('-');
            }
            text.push(char::from(HEX[(bits >> (60 - 4 * nibble)) as usize & 15]));
        }
    }
    text
}

/// `pattern` with each `#` replaced by a digit.
pub(super) fn digits(dice: Dice, question: &str, pattern: &str) -> String {
    let mut bits = dice.bits(question);
    pattern
        .chars()
        .map(|character| {
            if character != '#' {
                return character;
            }
            let digit = b'0' + (bits % 10) as u8;
            bits /= 10;
            char::from(digit)
        })
        .collect()
}

/// Like `AB1-2CD3-EF4`, and no two customers of a seed share one.
pub(super) fn human_readable_id(seed: u64, index: u64) -> String {
    const LETTERS: u128 = 26;
    const NUMBERS: u128 = 26_u128.pow(6) * 10_u128.pow(4);
    // Without a factor in common with NUMBERS (2, 5, 13) it permutes 0..NUMBERS; near the golden section it scatters well.
    const MULTIPLIER: u128 = 1_909_146_853_027;
    let mut rest = (u128::from(index) * MULTIPLIER + u128::from(mix(&[seed]))) % NUMBERS;
    let mut text = String::with_capacity(12);
    for kind in "AA0-0AA0-AA0".chars() {
        let base = match kind {
            'A' => LETTERS,
            '0' => 10,
            _ => 1,
        };
        let first = if kind == '-' {
            b'-'
        } else if kind == 'A' {
            b'A'
        } else {
            b'0'
        };
        let _ = text.write_char(char::from(first + (rest % base) as u8));
        rest /= base;
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use serde_json::Value;

    use super::super::customers::customer;

    #[test]
    fn ids_look_as_they_should_and_are_unique() {
        let values = (0..3000).map(|index| customer(11, index, 1).unwrap());
        let mut seen = HashSet::new();
        for text in values {
            let value: Value = serde_json::from_str(&text).unwrap();
            let id = value["customerId"].as_str().unwrap();
            let bytes = id.as_bytes();
            assert!(
                bytes.len() == 36 && bytes[14] == b'4' && b"89ab".contains(&bytes[19]),
                "{id}"
            );
            let human = value["humanReadableId"].as_str().unwrap();
            let shape: String = human
                .chars()
                .map(|c| {
                    if c.is_ascii_digit() {
                        '0'
                    } else if c == '-' {
                        '-'
                    } else {
                        'A'
                    }
                })
                .collect();
            assert_eq!(shape, "AA0-0AA0-AA0");
            assert!(seen.insert(id.to_owned()) && seen.insert(human.to_owned()));
        }
    }
}
