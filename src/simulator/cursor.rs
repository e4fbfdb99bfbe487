//! The opaque cursor: where a walk stands, sealed so that nobody reads or forges it by chance. It is a toy seal, not cryptography.

use super::hash::mix;

/// What a cursor says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// Which page of the walk this cursor asks for; the first page, which has no cursor, is 1.
    pub(super) page: u64,
    /// Position in the listing of the first row of that page.
    pub(super) position: u64,
    /// The day on which it was issued.
    pub(super) day: u32,
    /// Rises when all cursors are made to expire.
    pub(super) generation: u32,
    /// When it was issued, in milliseconds since the Unix epoch.
    pub(super) issued_at_ms: u64,
}

const WORDS: usize = 4;
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

impl Place {
    /// The cursor's text: base64url without padding.
    pub(super) fn seal(&self, seed: u64) -> String {
        let words = [
            self.page,
            self.position,
            u64::from(self.day) << 32 | u64::from(self.generation),
            self.issued_at_ms,
        ];
        let tag = tag(seed, words);
        let mut bytes = tag.to_be_bytes().to_vec();
        for (number, word) in words.into_iter().enumerate() {
            bytes.extend((word ^ mix(&[seed, tag, number as u64])).to_be_bytes());
        }
        encode(&bytes)
    }

    /// Reads a cursor that [`Place::seal`] wrote with the same seed.
    pub(super) fn unseal(text: &str, seed: u64) -> Option<Self> {
        let bytes = decode(text)?;
        let mut numbers = bytes.chunks_exact(8).map(|chunk| {
            chunk
                .iter()
                .fold(0_u64, |number, byte| number << 8 | u64::from(*byte))
        });
        let sealed_tag = numbers.next()?;
        let mut words = [0; WORDS];
        for (number, word) in words.iter_mut().enumerate() {
            *word = numbers.next()? ^ mix(&[seed, sealed_tag, number as u64]);
        }
        let place = Self {
            page: words[0],
            position: words[1],
            day: (words[2] >> 32) as u32,
            generation: words[2] as u32,
            issued_at_ms: words[3],
        };
        // Sealing again proves length and spelling too.
        (tag(seed, words) == sealed_tag && place.seal(seed) == text).then_some(place)
    }
}

fn tag(seed: u64, words: [u64; WORDS]) -> u64 {
    mix(&[
        seed,
        0x0063_7572_736f_7221,
        words[0],
        words[1],
        words[2],
        words[3],
    ])
}

fn encode(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk
            .iter()
            .fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte))
            << (8 * (3 - chunk.len()));
        for sextet in 0..=chunk.len() {
            text.push(char::from(
                ALPHABET[(bits >> (18 - 6 * sextet)) as usize & 63],
            ));
        }
    }
    text
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for chunk in text.as_bytes().chunks(4) {
        let mut bits = 0_u32;
        for character in chunk {
            bits = bits << 6 | ALPHABET.iter().position(|one| one == character)? as u32;
        }
        bits <<= 6 * (4 - chunk.len());
        bytes.extend(&bits.to_be_bytes()[1..chunk.len()]);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place = Place {
        page: 3,
        position: 2000,
        day: 2,
        generation: 1,
        issued_at_ms: 1_700_000_000_123,
    };

    #[test]
    fn what_is_sealed_is_unsealed() {
        let extreme = Place {
            page: u64::MAX,
            position: u64::MAX,
            day: u32::MAX,
            generation: 0,
            issued_at_ms: 0,
        };
        for place in [PLACE, extreme] {
            let text = place.seal(42);
            assert_eq!(Place::unseal(&text, 42), Some(place));
            assert!(text.bytes().all(|byte| ALPHABET.contains(&byte)), "{text}");
        }
    }

    #[test]
    fn forged_and_foreign_cursors_are_refused() {
        let text = PLACE.seal(42);
        assert_eq!(Place::unseal(&text, 43), None);
        for at in 0..text.len() {
            let mut forged = text.clone().into_bytes();
            forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(Place::unseal(&String::from_utf8(forged).unwrap(), 42), None);
        }
        for forged in [
            "",
            "x",
            "3",
            "ü",
            &text[1..],
            &format!("{text}A"),
            &format!("{text}AAAA"),
        ] {
            assert_eq!(Place::unseal(forged, 42), None, "{forged}");
        }
    }

    #[test]
    fn neighbouring_pages_have_unlike_cursors() {
        let next = Place { page: 4, ..PLACE };
        let (one, other) = (PLACE.seal(42), next.seal(42));
        let same = one
            .bytes()
            .zip(other.bytes())
            .filter(|(a, b)| a == b)
            .count();
        assert!(same < one.len() / 2, "{one} {other}");
    }
}
