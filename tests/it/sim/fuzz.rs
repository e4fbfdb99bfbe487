//! Bounded fuzzing on plain `cargo test`: pages as a server sends them, then damaged. `FUZZ_SEED=123` chooses others,
//! `FUZZ_INPUTS=1000000` takes more of them. For more, see `tests/fuzz.sh`.

use std::panic::{AssertUnwindSafe, catch_unwind};

use customer_mirror::simulator::Listing;
use fastrand::Rng;

use super::{count, pick, properties, world::World};
use crate::seeds::from_environment;

const INPUTS_DEFAULT: u64 = 20_000;

/// Pieces that matter to a reader of JSON.
const PIECES: [&[u8]; 30] = [
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"\"",
    b"\\",
    b"null",
    b"true",
    b"0",
    b"-",
    b"1e400",
    b".5",
    b" ",
    b"\n",
    b"\0",
    b"\\ud800",
    b"\\udc00",
    b"\\u0000",
    b"\\u00e9",
    b"\xff",
    b"\xed\xa0\x80",
    b"\xc3",
    "é".as_bytes(),
    b"\"items\":[]",
    b"\"pagination\":{}",
    b"\"nextCursor\":\"\"",
    b"\"customerId\":\"c\"",
    b"\"users\":[{\"userId\":\"u\"}]",
];

fn damage(random: &mut Rng, input: &mut Vec<u8>) {
    let at = random.usize(0..=input.len());
    let length = pick(random, &[4, 4, 200]);
    let end = (at + random.usize(0..length)).min(input.len());
    match random.u32(0..8) {
        0 => drop(input.drain(at..end)),
        1 => input.truncate(at),
        2 => {
            let again = input[at..end].to_vec();
            let to = random.usize(0..=input.len());
            input.splice(to..to, again);
        }
        3 => {
            let depth = random.usize(0..200);
            input.splice(at..at, b"[".repeat(depth));
        }
        4 if at < input.len() => input[at] = random.u8(..),
        5 if at < input.len() => input[at] ^= 1 << random.u8(0..8),
        _ => drop(input.splice(at..at, pick(random, &PIECES).to_vec())),
    }
}

#[test]
fn damaged_pages_are_survived() {
    let seed = from_environment("FUZZ_SEED").unwrap_or(1);
    let inputs = from_environment("FUZZ_INPUTS").unwrap_or(INPUTS_DEFAULT);
    let mut random = Rng::with_seed(seed);
    let mut records: Vec<String> = Listing::seeded(seed, 20).iter().collect();
    for _ in 0..5 {
        records.extend(World::explicit(&mut random, 20).listing().iter());
    }
    for number in 0..inputs {
        let items: Vec<String> = (0..random.usize(0..4))
            .map(|_| pick(&mut random, &records))
            .collect();
        let next = pick(
            &mut random,
            &["{}", r#"{"nextCursor":null}"#, r#"{"nextCursor":"A-_"}"#],
        );
        let mut input =
            format!(r#"{{"items":[{}],"pagination":{next}}}"#, items.join(",")).into_bytes();
        for _ in 0..random.usize(0..4) {
            damage(&mut random, &mut input);
        }
        let text = String::from_utf8_lossy(&input).into_owned();
        let survived = catch_unwind(AssertUnwindSafe(|| {
            if properties::of_body(&input) {
                count("fuzz: pages");
            }
            let at = text.ceil_char_boundary(random.usize(0..=text.len()));
            properties::of_values(&text[..at], &text[at..]);
            let mut other = pick(&mut random, &records).into_bytes();
            let record = String::from_utf8_lossy(&other).into_owned();
            damage(&mut random, &mut other);
            properties::of_values(&record, &String::from_utf8_lossy(&other));
        }));
        assert!(
            survived.is_ok(),
            "input {number} of FUZZ_SEED={seed}: {text}"
        );
    }
}
