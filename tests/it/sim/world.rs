//! What the seed makes up: customers, what happens to them from day to day, and what goes wrong on the way.

use std::collections::BTreeSet;
use std::time::Duration;

use customer_mirror::simulator::{BadId, Fault, FaultPlan, Listing, Rates, WaitHint};
use fastrand::Rng;

use super::value::Tree;

/// The server's customers.
#[derive(Debug)]
pub(super) enum World {
    Seeded(Listing),
    Explicit {
        listed: Vec<Person>,
        gone: Vec<Person>,
        /// How many there have been.
        born: usize,
    },
}

/// A customer of an explicit listing, or a record that is none.
#[derive(Debug, Clone)]
pub(super) struct Person {
    members: Vec<(&'static str, String)>,
    /// The record as listed.
    text: String,
}

pub(super) fn pick<T: Clone>(random: &mut Rng, from: &[T]) -> T {
    from[random.usize(..from.len())].clone()
}

/// Records without a readable customerId.
const BAD: [&str; 9] = [
    "7",
    "null",
    "[]",
    "{}",
    "\"customerId\"",
    r#"{"customerId":null,"name":"Nobody"}"#,
    r#"{"customerId":""}"#,
    r#"{"customerId":4711,"name":"Number"}"#,
    r#"{"customerId":"\ud800"}"#,
];

fn value(random: &mut Rng, key: &str) -> String {
    let n = random.u32(0..6);
    let texts: &[String] = &match key {
        "name" => vec![
            format!("\"Name {n}\""),
            "\"Åsa \\\"山\\\" 🎉\"".into(),
            "\"\\ud83c\\udf89\\/\"".into(),
            "\"\\udfff\"".into(),
            "null".into(),
            "1.50".into(),
        ],
        "referenceId" => vec![
            format!("\"ref-{n}\""),
            "\"\"".into(),
            "null".into(),
            "12.50".into(),
        ],
        "contact" => vec![
            format!(r#"{{"email":"a{n}@example.com","msisdn":"+4670{n}"}}"#),
            "{}".into(),
            "null".into(),
            "7".into(),
        ],
        "billing" => vec![
            format!(r#"{{"autoPay":true,"address":{{"zip":"0{n}","street1":null}}}}"#),
            r#"{"autoPay":false}"#.into(),
            r#"{"autoPay":"yes","address":[]}"#.into(),
        ],
        "users" => vec![
            format!(r#"[{{"userId":"u{n}","name":"U","role":"OWNER"}},{{"userId":"v"}}]"#),
            format!(r#"[{{"userId":"u","name":"A"}},{{"userId":"u","name":"B{n}"}}]"#),
            "[1,{\"userId\":2}]".into(),
            "[]".into(),
            "{}".into(),
        ],
        "metadata" => vec![
            format!(r#"{{"a":{n}.10,"b":{{"x/y":[{n},2],"m~n":null}}}}"#),
            r#"{"big":9223372036854775808,"huge":1e400}"#.into(),
            r#"{"big":9223372036854775807,"huge":1E400}"#.into(),
            "{}".into(),
            "[1]".into(),
        ],
        _ => vec![format!("{n}"), "[[],[[1.0]]]".into(), "\"\\u0000\"".into()],
    };
    pick(random, texts)
}

const KEYS: [&str; 7] = [
    "name",
    "referenceId",
    "contact",
    "billing",
    "users",
    "metadata",
    "newField",
];

impl Person {
    fn new(random: &mut Rng, number: usize) -> Self {
        let id = match random.u32(0..12) {
            0 => format!("\"kund-å{number}\""),
            1 => format!("\"q\\\"{number}/~\""),
            2 => format!("\"z\\u0000{number}\""),
            _ => format!("\"c{number}\""),
        };
        let mut members = vec![("customerId", id)];
        for key in KEYS {
            if random.u32(0..3) > 0 {
                members.push((key, value(random, key)));
            }
        }
        if random.u32(0..20) == 0 {
            // Of a duplicate key the last counts.
            members.push(("name", "\"Twice\"".to_owned()));
        }
        let mut person = Self {
            members,
            text: String::new(),
        };
        person.write(random, false);
        person
    }

    fn bad(random: &mut Rng) -> Self {
        Self {
            members: Vec::new(),
            text: pick(random, &BAD).to_owned(),
        }
    }

    /// Writes the record anew: the same value, in another order if `shuffled`.
    fn write(&mut self, random: &mut Rng, shuffled: bool) {
        let distinct: BTreeSet<_> = self.members.iter().map(|(key, _)| key).collect();
        if distinct.len() == self.members.len() && shuffled {
            random.shuffle(&mut self.members);
        }
        let space = if shuffled {
            pick(random, &["", " ", "\n  "])
        } else {
            ""
        };
        let members = self.members.iter();
        let members: Vec<String> = members
            .map(|(key, value)| format!("{space}\"{key}\":{space}{value}"))
            .collect();
        if !self.members.is_empty() {
            self.text = format!("{{{}{space}}}", members.join(","));
        }
    }

    fn change(&mut self, random: &mut Rng) {
        let key = pick(random, &KEYS);
        self.members.retain(|(name, _)| *name != key);
        if random.u32(0..4) > 0 && !self.members.is_empty() {
            self.members.push((key, value(random, key)));
        }
        self.write(random, false);
    }
}

impl World {
    pub(super) fn new(random: &mut Rng) -> Self {
        let count = random.usize(0..=80);
        if random.u32(0..3) == 0 {
            let rates = Rates {
                changed: 0.2,
                deleted: 0.06,
                added: 0.05,
            };
            return Self::Seeded(Listing::Seeded {
                seed: random.u64(..),
                count: count as u64,
                day: 1,
                rates,
            });
        }
        Self::explicit(random, count)
    }

    /// Customers of all kinds that the documentation knows, and a few that it doesn't.
    pub(super) fn explicit(random: &mut Rng, count: usize) -> Self {
        let listed = (0..count)
            .map(|number| Person::new(random, number))
            .collect();
        Self::Explicit {
            listed,
            gone: Vec::new(),
            born: count,
        }
    }

    pub(super) fn listing(&self) -> Listing {
        match self {
            Self::Seeded(listing) => listing.clone(),
            Self::Explicit { listed, .. } => {
                Listing::explicit(listed.iter().map(|person| person.text.clone()))
            }
        }
    }

    /// A night passes.
    pub(super) fn next_day(&mut self, random: &mut Rng) {
        let Self::Explicit { listed, gone, born } = self else {
            return self.in_place(random);
        };
        for _ in 0..random.u32(0..6) {
            let at = random.usize(0..=listed.len());
            let any = at.min(listed.len().saturating_sub(1));
            match random.u32(0..20) {
                0..4 => {
                    listed.insert(at, Person::new(random, *born));
                    *born += 1;
                }
                4..8 if !listed.is_empty() => listed[any].change(random),
                8..12 if !listed.is_empty() => gone.push(listed.remove(any)),
                12..14 if !gone.is_empty() => {
                    let mut back = gone.swap_remove(random.usize(..gone.len()));
                    if random.bool() {
                        back.change(random);
                    }
                    listed.insert(at, back);
                }
                14 => random.shuffle(listed),
                15 => listed
                    .iter_mut()
                    .for_each(|person| person.write(random, true)),
                16 if random.bool() => listed.insert(at, Person::bad(random)),
                17 if !listed.is_empty() => {
                    let mut twin = listed[any].clone();
                    if random.bool() {
                        twin.change(random);
                    }
                    listed.insert(at, twin);
                }
                18 => {
                    let share = pick(random, &[2, 4, 10, 100]);
                    let (out, stay) = std::mem::take(listed)
                        .into_iter()
                        .partition(|_| random.u32(0..10) < share);
                    *listed = stay;
                    gone.extend::<Vec<Person>>(out);
                }
                19 => listed.retain(|person| !person.members.is_empty()),
                _ => {}
            }
        }
    }

    /// What can happen while a walk is under way without moving a row: changes, and newcomers at the end.
    pub(super) fn in_place(&mut self, random: &mut Rng) {
        match self {
            Self::Seeded(Listing::Seeded { day, .. }) => *day += 1,
            Self::Seeded(_) => {}
            Self::Explicit { listed, born, .. } => {
                for person in listed.iter_mut() {
                    match random.u32(0..8) {
                        0 => person.change(random),
                        1 => person.write(random, true),
                        _ => {}
                    }
                }
                for _ in 0..random.u32(0..3) {
                    listed.push(Person::new(random, *born));
                    *born += 1;
                }
            }
        }
    }
}

/// The readable ids of a listing.
pub(super) fn ids(listing: &Listing) -> BTreeSet<String> {
    let id = |record: String| Tree::read(&record).id().map(str::to_owned);
    listing.iter().filter_map(id).collect()
}

/// The key of the simulated API.
pub(super) const KEY: &str = "the-key-of-the-simulation";

/// Something goes wrong: mostly once or twice, sometimes for as long as it takes.
pub(super) fn fault(random: &mut Rng) -> FaultPlan {
    let rows = random.u64(1..4);
    let fault = match random.u32(0..38) {
        0..3 => Fault::Status {
            status: pick(random, &[500, 502, 503, 504, 408, 425]),
            wait: None,
        },
        3 => Fault::Status {
            status: 429,
            wait: None,
        },
        4 => Fault::Status {
            status: 429,
            wait: Some(WaitHint::RetryAfter(0)),
        },
        // Longer than any pass here waits: it ends at once.
        5 => Fault::Status {
            status: pick(random, &[429, 503]),
            wait: Some(pick(
                random,
                &[
                    WaitHint::RetryAfter(600),
                    WaitHint::RetryAfterDate(600),
                    WaitHint::RateLimitReset(600),
                    WaitHint::RateLimitResetEpoch(600),
                ],
            )),
        },
        6 => Fault::Status {
            status: pick(random, &[400, 401, 403, 404, 418, 501]),
            wait: None,
        },
        7 => Fault::Html {
            status: pick(random, &[200, 502, 503]),
        },
        8 | 9 => Fault::TooLarge {
            above: random.u64(0..8),
        },
        10 | 11 => Fault::RejectCursor {
            status: pick(random, &[400, 404, 410, 422]),
        },
        12 => Fault::Redirect {
            to: "https://example.com/login".to_owned(),
        },
        13 => Fault::EchoKey,
        14 => Fault::Stall,
        15 | 16 => Fault::Reset,
        17 => Fault::StallBody,
        18 | 19 => Fault::Truncate,
        20 => Fault::Malformed,
        21 => Fault::WrongShape,
        22 => Fault::HugeBody {
            bytes: 2 * RESPONSE_BYTES_MAX,
        },
        23 => Fault::SameCursor,
        24 => Fault::Cycle,
        25 | 26 => Fault::Duplicate,
        27 => Fault::Shift { rows },
        28 | 29 => Fault::Skip { rows },
        30 => Fault::EmptyPage,
        31 | 32 => Fault::ShortPage,
        33 => Fault::BadRecord(pick(random, &[BadId::Missing, BadId::Number, BadId::Empty])),
        34 => Fault::Drift,
        35 | 36 => Fault::GarbageUtf8,
        _ => Fault::Latency(Duration::from_millis(1)),
    };
    // These can keep a walk from ever ending, or take long: bounded.
    let bounded = matches!(
        fault,
        Fault::Shift { .. } | Fault::Duplicate | Fault::EmptyPage | Fault::Stall | Fault::StallBody
    );
    match random.u32(0..10) {
        0 | 1 if !bounded => fault.always(),
        2 if !bounded => fault.at_rate(0.15),
        3..6 => fault.on_page(random.u64(1..8)),
        6 => fault.on_page(random.u64(1..8)).times(2),
        7 => fault.always().times(2),
        _ => fault.once(),
    }
}

/// The largest body that the passes here take.
pub(super) const RESPONSE_BYTES_MAX: u64 = 400_000;
