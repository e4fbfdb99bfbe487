//! What a server says about waiting: `Retry-After` and the many spellings of `RateLimit`. Pure.

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};

use super::message::clean;
use crate::model::Timestamp;

/// A longer wait is a mistake, and believing it would stop the mirror for good.
pub(super) const WAIT_MAX: Duration = Duration::from_secs(31 * 24 * 60 * 60);
/// A number of seconds from here on (2001 as epoch seconds, 31 years as a delay) is a moment …
const EPOCH_SECONDS_MIN: f64 = 1e9;
/// … and from here on in milliseconds.
const EPOCH_MILLISECONDS_MIN: f64 = 1e11;
/// A server's `Date` that is further off than this is not believed.
const CLOCK_SKEW_MAX_SECONDS: i64 = 24 * 60 * 60;
/// The longest header value that is quoted in a message, in characters.
const QUOTED_CHARS_MAX: usize = 60;

/// The pairs of headers that tell the requests left and when there will be more.
const LIMIT_PAIRS: [(&str, &str); 3] = [
    ("ratelimit-remaining", "ratelimit-reset"),
    ("x-ratelimit-remaining", "x-ratelimit-reset"),
    ("x-rate-limit-remaining", "x-rate-limit-reset"),
];

/// A wait that the server asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    /// How long, from now.
    pub(super) delay: Duration,
    /// The header that says so, for a person: `Retry-After: 30`.
    pub(super) words: String,
}

/// What `Retry-After` asks for; `None` if it is absent or makes no sense. A date in the past is 0.
pub(super) fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Asked> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?;
    let delay = delay(text, server_time(headers, now))?;
    Some(Asked {
        delay,
        words: format!("Retry-After: {}", clean(text, QUOTED_CHARS_MAX)),
    })
}

/// What the rate-limit headers ask for: the longest wait of any limit that has nothing left.
///
/// `throttled` tells that the answer itself says so (429), then a reset alone will do.
pub(super) fn rate_limit(headers: &HeaderMap, throttled: bool, now: Timestamp) -> Option<Asked> {
    let now = server_time(headers, now);
    let number = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let pairs = LIMIT_PAIRS.iter().filter_map(|(remaining, reset)| {
        let left = number(remaining).and_then(|text| text.trim().parse::<f64>().ok());
        let exhausted = left.map_or(throttled, |left| left <= 0.0);
        let text = number(reset).filter(|_| exhausted)?;
        Some(Asked {
            delay: delay(text, now)?,
            words: format!("{reset}: {}", clean(text, QUOTED_CHARS_MAX)),
        })
    });
    let combined = headers
        .get_all("ratelimit")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .filter_map(|text| {
            let seconds = combined_reset(text)?;
            Some(Asked {
                delay: delay(seconds, now)?,
                // Not the whole header: it can hold a partition key, that is, the API key.
                words: format!("RateLimit: reset={}", clean(seconds, QUOTED_CHARS_MAX)),
            })
        });
    pairs
        .chain(combined)
        .filter(|asked| !asked.delay.is_zero())
        .max_by_key(|asked| asked.delay)
}

/// The longest reset of an exhausted limit in a `RateLimit` header, either as a dictionary
/// (`limit=100, remaining=0, reset=5`) or as a list of policies (`"burst";r=0;t=5, "day";r=70;t=900`).
fn combined_reset(text: &str) -> Option<&str> {
    // The dictionary is one limit whose members the commas part; of policies, each comma starts another.
    let is_dictionary = text.contains("remaining");
    let policies: Vec<&str> = if is_dictionary {
        vec![text]
    } else {
        text.split(',').collect()
    };
    policies
        .into_iter()
        .filter_map(|policy| {
            let member = |names: [&str; 2]| {
                policy.split([',', ';']).find_map(|part| {
                    let (name, value) = part.split_once('=')?;
                    names.contains(&name.trim()).then(|| value.trim())
                })
            };
            let left: f64 = member(["remaining", "r"])?.parse().ok()?;
            member(["reset", "t"]).filter(|_| left <= 0.0)
        })
        .max_by(|a, b| {
            let seconds = |text: &str| text.parse::<f64>().unwrap_or(0.0);
            seconds(a).total_cmp(&seconds(b))
        })
}

/// A delay in seconds, a moment in epoch seconds or milliseconds, an HTTP date (all three forms), or RFC 3339.
/// `None` for what is none of these, negative, or too long to be meant.
fn delay(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    let delay = if text.bytes().next()?.is_ascii_digit() && text.bytes().all(is_of_a_number) {
        let number: f64 = text.parse().ok()?;
        let now_seconds = now.timestamp_millis() as f64 / 1000.0;
        let seconds = if number >= EPOCH_MILLISECONDS_MIN {
            number / 1000.0 - now_seconds
        } else if number >= EPOCH_SECONDS_MIN {
            number - now_seconds
        } else {
            number
        };
        Duration::try_from_secs_f64(seconds.max(0.0)).ok()?
    } else {
        let at = http_date(text)
            .or_else(|| Some(DateTime::parse_from_rfc3339(text).ok()?.with_timezone(&Utc)))?;
        (at - now).to_std().unwrap_or_default()
    };
    (delay <= WAIT_MAX).then_some(delay)
}

/// What the server's clock says, to the second.
pub(super) fn date(headers: &HeaderMap) -> Option<Timestamp> {
    http_date(headers.get(DATE)?.to_str().ok()?)
}

/// How many requests the server still allows: `17 of 100`, or `17`; of several limits the one with the least left.
pub(super) fn quota(headers: &HeaderMap) -> Option<String> {
    let number = |name: &str| -> Option<u64> {
        let text = headers.get(name)?.to_str().ok()?;
        text.trim().parse().ok()
    };
    let pairs = LIMIT_PAIRS.iter().filter_map(|(remaining, _)| {
        let left = number(remaining)?;
        Some((left, number(&remaining.replace("remaining", "limit"))))
    });
    // In one header, of which only numbers are shown: it can hold a partition key, that is, the API key.
    let combined = headers
        .get_all("ratelimit")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split([',', ';']))
        .filter_map(|part| {
            let (name, value) = part.split_once('=')?;
            let is_left = matches!(name.trim(), "remaining" | "r");
            Some((value.trim().parse().ok().filter(|_| is_left)?, None))
        });
    let (left, limit) = pairs.chain(combined).min_by_key(|(left, _)| *left)?;
    Some(limit.map_or_else(|| left.to_string(), |limit| format!("{left} of {limit}")))
}

fn is_of_a_number(byte: u8) -> bool {
    byte.is_ascii_digit() || byte == b'.'
}

fn http_date(text: &str) -> Option<Timestamp> {
    httpdate::parse_http_date(text).ok().map(Timestamp::from)
}

/// What the server's clock says, so that a wrong clock on either side doesn't shorten a wait; ours if it doesn't tell.
fn server_time(headers: &HeaderMap, now: Timestamp) -> Timestamp {
    date(headers)
        .filter(|date| (*date - now).num_seconds().abs() <= CLOCK_SKEW_MAX_SECONDS)
        .unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::parse_timestamp;
    use reqwest::header::{HeaderName, HeaderValue};
    use rstest::rstest;

    fn now() -> Timestamp {
        parse_timestamp("2026-01-31T09:30:00.000Z").unwrap()
    }

    fn headers(lines: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines.split('|') {
            let (name, value) = line.split_once(':').unwrap();
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            headers.append(name, HeaderValue::from_str(value.trim()).unwrap());
        }
        headers
    }

    #[rstest]
    #[case("30", Some(30.0))]
    #[case(" 30 ", Some(30.0))]
    #[case("0", Some(0.0))]
    #[case("1.5", Some(1.5))]
    #[case("2678400", Some(2_678_400.0))]
    #[case("2678401", None)]
    #[case("99999999999999999999999999", None)]
    #[case("-5", None)]
    #[case("", None)]
    #[case("soon", None)]
    #[case("inf", None)]
    #[case("1e3", None)]
    #[case("1.2.3", None)]
    #[case("1769851860", Some(60.0))] // epoch seconds
    #[case("1769851860500", Some(60.5))] // epoch milliseconds
    #[case("1000000000", Some(0.0))]
    #[case("Sat, 31 Jan 2026 09:30:45 GMT", Some(45.0))]
    #[case("Saturday, 31-Jan-26 09:30:45 GMT", Some(45.0))]
    #[case("Sat Jan 31 09:30:45 2026", Some(45.0))]
    #[case("Sat, 31 Jan 2026 09:00:00 GMT", Some(0.0))]
    #[case("Wed, 31 Jan 2035 09:00:00 GMT", None)]
    #[case("2026-01-31T09:31:00Z", Some(60.0))]
    fn retry_after_forms(#[case] text: &str, #[case] seconds: Option<f64>) {
        let asked = retry_after(&headers(&format!("retry-after:{text}")), now());
        assert_eq!(asked.map(|asked| asked.delay.as_secs_f64()), seconds);
    }

    #[test]
    fn the_servers_clock_counts_if_it_is_not_absurd() {
        let at = |date: &str| {
            let lines = format!("date:{date}|retry-after:Sat, 31 Jan 2026 09:30:45 GMT");
            retry_after(&headers(&lines), now())
                .unwrap()
                .delay
                .as_secs()
        };
        assert_eq!(at("Sat, 31 Jan 2026 09:30:40 GMT"), 5);
        assert_eq!(at("Sun, 06 Nov 1994 08:49:37 GMT"), 45);
    }

    #[rstest]
    #[case("ratelimit-remaining:0|ratelimit-reset:7", false, Some(7))]
    #[case("ratelimit-remaining:1|ratelimit-reset:7", false, None)]
    #[case("ratelimit-remaining:1|ratelimit-reset:7", true, None)]
    #[case("ratelimit-remaining:-1|ratelimit-reset:7", false, Some(7))]
    #[case("ratelimit-reset:7", false, None)]
    #[case("ratelimit-reset:7", true, Some(7))]
    #[case("ratelimit-remaining:0", true, None)]
    #[case(
        "x-ratelimit-remaining:0|x-ratelimit-reset:1769851860",
        false,
        Some(60)
    )]
    #[case(
        "x-ratelimit-remaining:0|x-ratelimit-reset:1769851860000",
        false,
        Some(60)
    )]
    #[case("x-ratelimit-remaining:0|x-ratelimit-reset:1769851000", false, None)]
    #[case("x-rate-limit-remaining:0|x-rate-limit-reset:9", false, Some(9))]
    #[case(
        "ratelimit-remaining:0|ratelimit-reset:3|x-ratelimit-remaining:0|x-ratelimit-reset:9",
        false,
        Some(9)
    )]
    #[case("ratelimit:limit=100, remaining=0, reset=30", false, Some(30))]
    #[case("ratelimit:limit=100, remaining=2, reset=30", false, None)]
    #[case("ratelimit:limit=100,remaining=0,reset=30", false, Some(30))]
    #[case("ratelimit:\"default\";r=0;t=5", false, Some(5))]
    #[case("ratelimit:\"default\";r=3;t=5", false, None)]
    #[case("ratelimit:\"burst\";r=0;t=5, \"day\";r=0;t=50", false, Some(50))]
    #[case("ratelimit:\"burst\";r=0;t=5, \"day\";r=9;t=50", false, Some(5))]
    #[case(
        "ratelimit:\"burst\";r=0;t=5|ratelimit:\"day\";r=0;t=50",
        false,
        Some(50)
    )]
    #[case("ratelimit:\"default\";r=0", true, None)]
    #[case("ratelimit:nonsense", true, None)]
    fn rate_limit_forms(
        #[case] lines: &str,
        #[case] throttled: bool,
        #[case] seconds: Option<u64>,
    ) {
        let asked = rate_limit(&headers(lines), throttled, now());
        assert_eq!(asked.map(|asked| asked.delay.as_secs()), seconds);
    }

    #[rstest]
    #[case("x-ratelimit-remaining:17|x-ratelimit-limit:100", Some("17 of 100"))]
    #[case("ratelimit-remaining:17", Some("17"))]
    #[case("ratelimit:limit=100, remaining=2, reset=30", Some("2"))]
    #[case(
        "ratelimit:\"burst\";r=9;t=5;pk=:c2VjcmV0:, \"day\";r=4;t=50",
        Some("4")
    )]
    #[case("x-ratelimit-remaining:many", None)]
    #[case("content-type:x", None)]
    fn what_is_left_is_told_in_numbers(#[case] lines: &str, #[case] left: Option<&str>) {
        assert_eq!(quota(&headers(lines)).as_deref(), left);
    }

    #[test]
    fn says_which_header() {
        let asked = retry_after(&headers("retry-after:30"), now()).unwrap();
        assert_eq!(asked.words, "Retry-After: 30");
    }
}
