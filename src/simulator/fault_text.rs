//! Faults as text: `429:retry-after=2@page=3,times=2`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::fault::{BadId, Fault, FaultPlan, WaitHint, When};

/// The valid forms, on one line.
pub const FAULT_FORMS: &str = "FAULT[@WHEN[,WHEN]] with WHEN page=N, request=N, rate=0..1, times=N|always; \
    FAULT one of: 400..599[:retry-after=SECONDS|:retry-after-date=SECONDS|:ratelimit-reset=SECONDS|:x-ratelimit-reset=SECONDS|epoch], \
    413:above=LIMIT, 502-html, html-200, redirect=URL, echo-key, reject-cursor[=400|404|410|422], stall, stall-body, reset, truncate, \
    malformed, wrong-shape, huge-body[=BYTES], same-cursor, cycle, duplicate, shift[=ROWS], skip[=ROWS], empty-page, short-page, \
    bad-record[=missing|number|empty], drift, garbage-utf8, latency=50ms";

/// Somewhat more than the 64 MiB that a client should be willing to read.
const HUGE_BODY_BYTES: u64 = 65 << 20;
const ROWS: u64 = 3;
const EPOCH_SECONDS: u64 = 2;

/// A fault's text that can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no fault ({problem}); valid: {FAULT_FORMS}")]
pub struct FaultTextError {
    text: String,
    problem: String,
}

impl FromStr for FaultPlan {
    type Err = FaultTextError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parsed = match text.rsplit_once('@') {
            // A URL may hold an @ of its own.
            Some((fault, when)) if !fault.starts_with("redirect=") || is_when(when) => {
                fault_from(fault).and_then(|fault| plan_from(fault, when))
            }
            _ => fault_from(text).map(Fault::always),
        };
        parsed.map_err(|problem| FaultTextError {
            text: text.to_owned(),
            problem,
        })
    }
}

fn is_when(text: &str) -> bool {
    ["page=", "request=", "rate=", "times="]
        .iter()
        .any(|key| text.starts_with(key))
}

fn plan_from(fault: Fault, text: &str) -> Result<FaultPlan, String> {
    let mut plan = fault.always();
    let mut times = None;
    for part in text.split(',') {
        let (key, value) = part
            .split_once('=')
            .ok_or_else(|| format!("`{part}` lacks a `=`"))?;
        match key {
            "page" => plan.when = When::Page(count(value)?),
            "request" => plan.when = When::Request(count(value)?),
            "rate" => plan.when = When::Rate(rate(value)?),
            "times" if value == "always" => times = Some(None),
            "times" => times = Some(Some(number(value)?)),
            _ => return Err(format!("`{key}` is no time to strike")),
        }
    }
    // A page comes round again with each pass: once is what is meant, unless said otherwise.
    let usual = match plan.when {
        When::Page(_) | When::Request(_) => Some(1),
        When::Always | When::Rate(_) => None,
    };
    plan.times = times.unwrap_or(usual);
    Ok(plan)
}

fn fault_from(text: &str) -> Result<Fault, String> {
    if let Some(to) = text.strip_prefix("redirect=") {
        return Ok(Fault::Redirect { to: to.to_owned() });
    }
    let (name, value) = match text.split_once(['=', ':']) {
        Some((name, value)) => (name, Some(value)),
        None => (text, None),
    };
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        return status_from(name, value);
    }
    let fault = match name {
        "latency" => {
            let text = value.ok_or("latency needs a duration")?;
            let duration: Result<Duration, _> = humantime::parse_duration(text);
            return duration
                .map(Fault::Latency)
                .map_err(|_| format!("`{text}` is no duration"));
        }
        "reject-cursor" => {
            let status = value.map_or(Ok(410), number)?;
            if ![400, 404, 410, 422].contains(&status) {
                return Err(format!("a cursor isn't rejected with {status}"));
            }
            return Ok(Fault::RejectCursor { status });
        }
        "huge-body" => {
            return Ok(Fault::HugeBody {
                bytes: value.map_or(Ok(HUGE_BODY_BYTES), count)?,
            });
        }
        "shift" => {
            return Ok(Fault::Shift {
                rows: value.map_or(Ok(ROWS), count)?,
            });
        }
        "skip" => {
            return Ok(Fault::Skip {
                rows: value.map_or(Ok(ROWS), count)?,
            });
        }
        "bad-record" => {
            return match value {
                None | Some("missing") => Ok(Fault::BadRecord(BadId::Missing)),
                Some("number") => Ok(Fault::BadRecord(BadId::Number)),
                Some("empty") => Ok(Fault::BadRecord(BadId::Empty)),
                Some(other) => Err(format!("`{other}` is no way to spoil a record")),
            };
        }
        "html-200" => Fault::Html { status: 200 },
        "echo-key" => Fault::EchoKey,
        "stall" => Fault::Stall,
        "stall-body" => Fault::StallBody,
        "reset" => Fault::Reset,
        "truncate" => Fault::Truncate,
        "malformed" => Fault::Malformed,
        "wrong-shape" => Fault::WrongShape,
        "same-cursor" => Fault::SameCursor,
        "cycle" => Fault::Cycle,
        "duplicate" => Fault::Duplicate,
        "empty-page" => Fault::EmptyPage,
        "short-page" => Fault::ShortPage,
        "drift" => Fault::Drift,
        "garbage-utf8" => Fault::GarbageUtf8,
        _ => return Err(format!("`{name}` is unknown")),
    };
    if value.is_some() {
        Err(format!("`{name}` takes no value"))
    } else {
        Ok(fault)
    }
}

fn status_from(name: &str, option: Option<&str>) -> Result<Fault, String> {
    if let Some(status) = name.strip_suffix("-html") {
        let status = number(status)?;
        let fits = (200..600).contains(&status) && option.is_none();
        return if fits {
            Ok(Fault::Html { status })
        } else {
            Err(format!("`{name}` is no status for a page"))
        };
    }
    let status: u16 = number(name)?;
    if !(400..600).contains(&status) {
        return Err(format!("{status} is no error status"));
    }
    let Some(option) = option else {
        return Ok(Fault::Status { status, wait: None });
    };
    let (key, value) = option
        .split_once('=')
        .ok_or_else(|| format!("`{option}` lacks a `=`"))?;
    let wait = match key {
        "above" if status == 413 => {
            return Ok(Fault::TooLarge {
                above: number(value)?,
            });
        }
        "retry-after" => WaitHint::RetryAfter(number(value)?),
        "retry-after-date" => WaitHint::RetryAfterDate(number(value)?),
        "ratelimit-reset" => WaitHint::RateLimitReset(number(value)?),
        "x-ratelimit-reset" if value == "epoch" => WaitHint::RateLimitResetEpoch(EPOCH_SECONDS),
        "x-ratelimit-reset" => WaitHint::RateLimitResetEpoch(number(value)?),
        _ => return Err(format!("`{key}` is unknown")),
    };
    Ok(Fault::Status {
        status,
        wait: Some(wait),
    })
}

fn number<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("`{text}` is no number"))
}

/// A number from 1.
fn count(text: &str) -> Result<u64, String> {
    number(text).and_then(|number| {
        if number > 0 {
            Ok(number)
        } else {
            Err("0 is too little".to_owned())
        }
    })
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = number(text)?;
    if (0.0..=1.0).contains(&rate) {
        Ok(rate)
    } else {
        Err(format!("{text} is not within 0 and 1"))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Status { status, wait: None } => return write!(f, "{status}"),
            Self::Status {
                status,
                wait: Some(wait),
            } => return write!(f, "{status}:{wait}"),
            Self::Html { status: 200 } => "html-200",
            Self::Html { status } => return write!(f, "{status}-html"),
            Self::TooLarge { above } => return write!(f, "413:above={above}"),
            Self::RejectCursor { status } => return write!(f, "reject-cursor={status}"),
            Self::Redirect { to } => return write!(f, "redirect={to}"),
            Self::HugeBody { bytes } => return write!(f, "huge-body={bytes}"),
            Self::Shift { rows } => return write!(f, "shift={rows}"),
            Self::Skip { rows } => return write!(f, "skip={rows}"),
            Self::Latency(duration) => return write!(f, "latency={}ms", duration.as_millis()),
            Self::BadRecord(BadId::Missing) => "bad-record=missing",
            Self::BadRecord(BadId::Number) => "bad-record=number",
            Self::BadRecord(BadId::Empty) => "bad-record=empty",
            Self::EchoKey => "echo-key",
            Self::Stall => "stall",
            Self::StallBody => "stall-body",
            Self::Reset => "reset",
            Self::Truncate => "truncate",
            Self::Malformed => "malformed",
            Self::WrongShape => "wrong-shape",
            Self::SameCursor => "same-cursor",
            Self::Cycle => "cycle",
            Self::Duplicate => "duplicate",
            Self::EmptyPage => "empty-page",
            Self::ShortPage => "short-page",
            Self::Drift => "drift",
            Self::GarbageUtf8 => "garbage-utf8",
        };
        f.write_str(name)
    }
}

impl fmt::Display for WaitHint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RetryAfter(seconds) => write!(f, "retry-after={seconds}"),
            Self::RetryAfterDate(seconds) => write!(f, "retry-after-date={seconds}"),
            Self::RateLimitReset(seconds) => write!(f, "ratelimit-reset={seconds}"),
            Self::RateLimitResetEpoch(seconds) => write!(f, "x-ratelimit-reset={seconds}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(status: u16, wait: Option<WaitHint>) -> Fault {
        Fault::Status { status, wait }
    }

    #[test]
    fn texts_are_read() {
        let table = [
            ("503", status(503, None).always()),
            (
                "429:retry-after=2@page=3",
                status(429, Some(WaitHint::RetryAfter(2))).on_page(3),
            ),
            (
                "429:retry-after-date=2@rate=0.05",
                status(429, Some(WaitHint::RetryAfterDate(2))).at_rate(0.05),
            ),
            (
                "429:ratelimit-reset=1",
                status(429, Some(WaitHint::RateLimitReset(1))).always(),
            ),
            (
                "429:x-ratelimit-reset=epoch",
                status(429, Some(WaitHint::RateLimitResetEpoch(2))).always(),
            ),
            ("500@page=4,times=3", status(500, None).on_page(4).times(3)),
            ("500@times=3", status(500, None).always().times(3)),
            (
                "500@page=4,times=always",
                status(500, None).on_page(4).forever(),
            ),
            ("502-html", Fault::Html { status: 502 }.always()),
            ("413:above=500", Fault::TooLarge { above: 500 }.always()),
            ("stall@request=2", Fault::Stall.on_request(2)),
            (
                "reject-cursor",
                Fault::RejectCursor { status: 410 }.always(),
            ),
            (
                "redirect=http://a@b.test:1/c",
                Fault::Redirect {
                    to: "http://a@b.test:1/c".into(),
                }
                .always(),
            ),
            (
                "redirect=http://a.test/@page=2",
                Fault::Redirect {
                    to: "http://a.test/".into(),
                }
                .on_page(2),
            ),
            (
                "latency=50ms",
                Fault::Latency(Duration::from_millis(50)).always(),
            ),
            (
                "bad-record@page=2",
                Fault::BadRecord(BadId::Missing).on_page(2),
            ),
            ("skip@page=2", Fault::Skip { rows: 3 }.on_page(2)),
        ];
        for (text, plan) in table {
            assert_eq!(text.parse::<FaultPlan>().unwrap(), plan, "{text}");
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let texts = "503 429:retry-after=2 429:retry-after-date=2 503:ratelimit-reset=1 429:x-ratelimit-reset=7 502-html html-200 \
            413:above=5 redirect=http://x/ echo-key reject-cursor=422 stall stall-body reset truncate malformed wrong-shape \
            huge-body=1000 same-cursor cycle duplicate shift=2 skip=1 empty-page short-page bad-record=missing bad-record=number \
            bad-record=empty drift garbage-utf8 latency=50ms";
        for text in texts.split_whitespace() {
            assert_eq!(text.parse::<FaultPlan>().unwrap().fault.to_string(), text);
        }
    }

    #[test]
    fn nonsense_is_refused_on_one_line_with_the_valid_forms() {
        let texts = [
            "",
            "nonsense",
            "200",
            "600",
            "99999",
            "429:retry-after",
            "429:retry-after=soon",
            "429:above=3",
            "503@",
            "503@page",
            "503@page=0",
            "503@rate=2",
            "503@rate=NaN",
            "503@moon=full",
            "stall=3",
            "latency",
            "latency=soon",
            "reject-cursor=500",
            "bad-record=worse",
            "shift=0",
            "502-html:retry-after=1",
        ];
        for text in texts {
            let message = text.parse::<FaultPlan>().unwrap_err().to_string();
            assert!(
                message.contains(&format!("`{text}`")) && message.contains("reject-cursor"),
                "{message}"
            );
            assert!(!message.contains('\n'));
        }
    }
}
