//! What must hold of any input, whoever wrote it: settings, cron expressions, questions, evidence of walks. The properties are shared
//! with `tests/fuzz.sh`, which looks for inputs by itself; here some thousand are made up from pieces.
//! `FUZZ_SEED=123` chooses others, `FUZZ_INPUTS=1000000` takes more of them.

mod config;
mod cron;
mod index;
mod plan;
mod search;

use std::panic::{AssertUnwindSafe, catch_unwind};

use fastrand::Rng;

use crate::seeds::from_environment;

/// Makes inputs up and holds `property` against each. It must come true of some: else nothing was tried.
fn survive(
    inputs_default: u64,
    make: impl Fn(&mut Rng) -> Vec<u8>,
    property: impl Fn(&[u8]) -> bool,
) {
    let seed = from_environment("FUZZ_SEED").unwrap_or(1);
    let inputs = from_environment("FUZZ_INPUTS").unwrap_or(inputs_default);
    let mut random = Rng::with_seed(seed);
    let mut understood = 0;
    for number in 0..inputs {
        let input = make(&mut random);
        let survived = catch_unwind(AssertUnwindSafe(|| property(&input)));
        let Ok(is_understood) = survived else {
            panic!(
                "input {number} of FUZZ_SEED={seed}: {:?}",
                String::from_utf8_lossy(&input)
            );
        };
        understood += u64::from(is_understood);
    }
    assert!(
        understood > inputs / 50,
        "only {understood} of {inputs} were understood"
    );
}

fn pick<'a>(random: &mut Rng, from: &[&'a str]) -> &'a str {
    from[random.usize(..from.len())]
}

/// A few of these, one after the other.
fn some_of(random: &mut Rng, from: &[&str], most: usize) -> String {
    (0..random.usize(..=most))
        .map(|_| pick(random, from))
        .collect()
}

const VALUES: [&str; 26] = [
    "\"\"",
    "\"x\"",
    "1",
    "0",
    "-1",
    "1000",
    "9223372036854775807",
    "1e400",
    "nan",
    "inf",
    "true",
    "[]",
    "{}",
    "\"10s\"",
    "\"never\"",
    "\"90d\"",
    "\"*/5 * * * *\"",
    "\"Europe/Malta\"",
    "\"http://127.0.0.1:1/\"",
    "\"https://u:SECRET@h/\"",
    "\"\\u001b[31m\"",
    "'a\tb'",
    "\"json\"",
    "\"/dev/null\"",
    "\"::1\"",
    "2026-01-01",
];

#[test]
fn any_configuration_is_understood_or_refused_in_one_line() {
    let example: Vec<&str> = include_str!("../../../config.example.toml")
        .lines()
        .collect();
    let make = |random: &mut Rng| {
        let mut text = String::new();
        for _ in 0..random.usize(..12) {
            let line = pick(random, &example).trim_start_matches("# ");
            match line.split_once('=').filter(|_| random.bool()) {
                Some((key, _)) => {
                    text.extend([key, "= ", pick(random, &VALUES), "\n"]);
                }
                None => text.extend([line, "\n"]),
            }
        }
        if random.u8(..4) == 0 {
            let at = text.floor_char_boundary(random.usize(..=text.len()));
            text.insert_str(
                at,
                pick(
                    random,
                    &["\"", "]", "\u{1b}", "\n[api]\n", "é", "\0", "=", "'''"],
                ),
            );
        }
        if random.bool() {
            text += "\0CUSTOMER_MIRROR__API__";
            text += pick(
                random,
                &[
                    "PAGE_SIZE",
                    "BASE_URL",
                    "KEY",
                    "key",
                    "",
                    "FILTER",
                    "PARAMETERS__LIMIT",
                    "\u{1b}",
                ],
            );
            text += "=";
            text += pick(random, &VALUES).trim_matches('"');
        }
        text.into_bytes()
    };
    survive(3000, make, config::of_settings);
}

#[test]
fn any_cron_expression_is_due_when_anybody_would_say_so() {
    let parts = [
        "*", "?", "0", "5", "59", "7", "1-5", "*/15", "10/5", "MON-FRI", "sat-1", "feb", "29",
        "31", "L", "-", "/", "1,2", "2028", ",", "60",
    ];
    let zones = [
        "UTC",
        "Europe/Stockholm",
        "Pacific/Apia",
        "Asia/Kathmandu",
        "Africa/Casablanca",
        "Nowhere",
        "",
    ];
    let make = |random: &mut Rng| {
        let fields: Vec<String> = (0..pick(random, &["5", "5", "5", "6", "7", "4"])
            .parse()
            .unwrap())
            .map(|_| {
                if random.bool() {
                    "*".to_owned()
                } else {
                    format!(
                        "{}{}",
                        pick(random, &parts),
                        some_of(random, &[",3", "/2", "-20"], 1)
                    )
                }
            })
            .collect();
        let mut input = random.u32(..).to_le_bytes().to_vec();
        input.extend_from_slice(fields.join(" ").as_bytes());
        input.push(b'\n');
        input.extend_from_slice(pick(random, &zones).as_bytes());
        input
    };
    survive(1500, make, cron::of_expression);
}

#[test]
fn any_question_finds_who_answers_it() {
    let pieces = [
        " ", "\"", "*", "(", "NEAR", "OR", "AND NOT", ":", "names :", "-", "+", "^", "{", "\0",
        "'", "@", ".", "%", "é", "山", "太", "한", "\u{301}", "ß", "İ", "4", "07", "0046",
        "\u{fffd}", "ö", "x", "--", ";", "a", "\u{202e}", "😀",
    ];
    let make = |random: &mut Rng| {
        let mut text = String::new();
        for _ in 0..random.usize(1..4) {
            let of = pick(random, &search::TEXTS);
            let characters: Vec<char> = of.chars().collect();
            let start = random.usize(..characters.len());
            let end = random.usize(start..=characters.len());
            text.extend(&characters[start..end]);
            text += &some_of(random, &pieces, 2);
        }
        text.into_bytes()
    };
    survive(400, make, index::of_question);
}

#[test]
fn any_evidence_is_judged_as_a_look_at_each_page_judges_it() {
    let make = |random: &mut Rng| {
        let mut input: Vec<u8> = (0..5).map(|_| random.u8(..)).collect();
        // A whole walk, and some damage to half of them.
        let mut cursors: Vec<u8> = (1..random.u8(1..20)).collect();
        random.shuffle(&mut cursors);
        cursors.push(0);
        for cursor in &mut cursors {
            if input[0].is_multiple_of(2) && random.u8(..8) == 0 {
                *cursor = random.u8(..);
            }
        }
        input.extend(cursors);
        input
    };
    survive(20_000, make, plan::of_evidence);
}
