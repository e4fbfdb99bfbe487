//! The server, by the one request that it was asked.

use crate::cli::Exit;
use crate::cli::check::facts::{Facts, ServerFacts};
use crate::cli::check::verdict::Verdict;
use crate::cli::output::{ago, moment, span};
use crate::model::format_timestamp;
use crate::source::{Head, Refusal, Trouble, Visit};

/// Clocks that differ by more make `Retry-After` dates and freshness wrong.
const SKEW_MAX_SECONDS: u64 = 60;

/// What the request came to; a verdict where there was none.
fn visit(facts: &Facts) -> Result<&Visit, Verdict> {
    match &facts.server {
        ServerFacts::Asked(visit) => Ok(visit),
        ServerFacts::NotAsked(why) => Err(Verdict::skipped(*why)),
        ServerFacts::LeftAlone(_) => Err(Verdict::skipped("the server wants to be left alone")),
        ServerFacts::NotReady(_) => Err(Verdict::skipped("nothing can be sent")),
    }
}

/// The head of the answer; a verdict where there is none.
fn head(visit: &Visit) -> Result<&Head, Verdict> {
    visit
        .head
        .as_ref()
        .ok_or_else(|| Verdict::skipped("no answer came"))
}

/// What the request came to, if there was an answer of any kind.
fn answered(facts: &Facts) -> Result<&Visit, Verdict> {
    let visit = visit(facts)?;
    head(visit).map(|_| visit)
}

/// The refusal, if it is of this kind.
fn refused_by(visit: &Visit, trouble: Trouble) -> Option<&Refusal> {
    visit
        .result
        .as_ref()
        .err()
        .filter(|refusal| refusal.trouble == trouble)
}

fn fail(exit: Exit, visit: &Visit, refusal: &Refusal) -> Verdict {
    let found = format!("{}: {}", visit.request, refusal.what);
    Verdict::fail(exit, found, refusal.remedy)
}

/// Whether the server is who it says it is.
pub(super) fn tls(facts: &Facts) -> Verdict {
    let visit = match visit(facts) {
        Ok(visit) => visit,
        Err(verdict) => return verdict,
    };
    if visit.request.starts_with("GET http://") {
        return Verdict::ok("none: plain http, to this machine only");
    }
    if let Some(refusal) = refused_by(visit, Trouble::Certificate) {
        return fail(Exit::Unavailable, visit, refusal);
    }
    match head(visit) {
        Ok(_) => Verdict::ok("the server's certificate is trusted"),
        Err(verdict) => verdict,
    }
}

/// Whether it answers, and is well.
pub(super) fn server(facts: &Facts) -> Verdict {
    let visit = match &facts.server {
        ServerFacts::Asked(visit) => visit,
        ServerFacts::NotAsked(why) => return Verdict::skipped(*why),
        ServerFacts::NotReady(failure) => {
            return Verdict::failed(failure, "correct the configuration");
        }
        ServerFacts::LeftAlone(until) => {
            let until = format_timestamp(*until);
            return Verdict::warn(
                format!(
                    "it asked to be left alone until {} ({}), so no request was sent",
                    moment(&until),
                    ago(&until, facts.now)
                ),
                "wait; the next pass does so by itself",
            );
        }
    };
    if let Err(refusal) = &visit.result {
        match refusal.trouble {
            Trouble::Certificate => return Verdict::skipped("no request was sent"),
            Trouble::NoAnswer | Trouble::Status => return fail(Exit::Unavailable, visit, refusal),
            Trouble::Busy => {
                let found = format!("{}: {}", visit.request, refusal.what);
                return Verdict::warn(found, refusal.remedy);
            }
            Trouble::Key | Trouble::Protocol => {}
        }
    }
    let status = visit.head.as_ref().map_or_else(String::new, |head| {
        format!(" {} ({})", head.status, head.protocol)
    });
    let took = match visit.took.as_millis() {
        milliseconds @ ..10_000 => format!("{milliseconds} ms"),
        _ => span(visit.took),
    };
    Verdict::ok(format!("{}: answered{status} in {took}", visit.request))
}

/// Whether the key is accepted.
pub(super) fn access(facts: &Facts) -> Verdict {
    let visit = match answered(facts) {
        Ok(visit) => visit,
        Err(verdict) => return verdict,
    };
    match &visit.result {
        Ok(_) => Verdict::ok("the key is accepted"),
        Err(refusal) if refusal.trouble == Trouble::Key => {
            Verdict::fail(Exit::KeyRefused, &refusal.what, refusal.remedy)
        }
        Err(_) => Verdict::skipped("the answer doesn't tell whether the key is accepted"),
    }
}

/// Whether what comes is a listing of customers.
pub(super) fn listing(facts: &Facts) -> Verdict {
    let visit = match answered(facts) {
        Ok(visit) => visit,
        Err(verdict) => return verdict,
    };
    match &visit.result {
        Ok(listed) if listed.customers == 0 && !listed.leads_on => Verdict::warn(
            "the listing is empty",
            "check that the key may see customers, and that api.filter, if set, matches any",
        ),
        Ok(listed) => Verdict::ok(if listed.leads_on {
            "a page of customers, more follow"
        } else {
            "a page of customers, the only one"
        }),
        Err(refusal) if refusal.trouble == Trouble::Protocol => {
            Verdict::fail(Exit::Protocol, &refusal.what, refusal.remedy)
        }
        Err(_) => Verdict::skipped("there was no listing in the answer"),
    }
}

/// Whether the server knows the parameters by our names, as far as one answer and past passes tell.
pub(super) fn parameters(facts: &Facts) -> Verdict {
    let visit = match answered(facts) {
        Ok(visit) => visit,
        Err(verdict) => return verdict,
    };
    let (Ok(listed), Some(api)) = (&visit.result, &facts.config.api) else {
        return Verdict::skipped("there was no listing in the answer");
    };
    let names = &api.parameters;
    if listed.customers > 1 {
        return Verdict::warn(
            format!(
                "asked for one customer by `{}`, the server sent {}: it doesn't seem to know that name",
                names.limit, listed.customers
            ),
            "set api.parameters.limit to what the API calls it",
        );
    }
    if !listed.leads_on {
        return Verdict::skipped("too few customers to tell");
    }
    let pages = super::contents(facts).ok().and_then(|contents| {
        let complete = contents.status.last_complete_pass()?;
        Some(complete.pages).filter(|pages| *pages > 1)
    });
    let cursor = pages.map_or_else(String::new, |pages| {
        format!(
            ", `{}` led the last pass through {pages} pages",
            names.cursor
        )
    });
    let filter = if api.has_filter {
        format!(
            "; whether it knows `{}` one page doesn't tell",
            names.filter
        )
    } else {
        String::new()
    };
    Verdict::ok(format!("it knows `{}`{cursor}{filter}", names.limit))
}

/// How many requests it still allows.
pub(super) fn rate_limit(facts: &Facts) -> Verdict {
    let head = match visit(facts).and_then(head) {
        Ok(head) => head,
        Err(verdict) => return verdict,
    };
    match head.quota.as_deref() {
        None => Verdict::ok("the server tells of none"),
        Some(left) if left == "0" || left.starts_with("0 of") => Verdict::warn(
            format!("{left} requests left"),
            "none needed: a pass waits as long as the server asks; if it happens often, set api.max_requests_per_second",
        ),
        Some(left) => Verdict::ok(format!("{left} requests left")),
    }
}

/// Whether this machine's clock agrees with the server's.
pub(super) fn clock(facts: &Facts) -> Verdict {
    let head = match visit(facts).and_then(head) {
        Ok(head) => head,
        Err(verdict) => return verdict,
    };
    let Some(ahead) = head.clock_ahead else {
        return Verdict::skipped("the server doesn't tell the time");
    };
    let skew = ahead.abs().to_std().unwrap_or_default();
    if skew.as_secs() <= SKEW_MAX_SECONDS {
        return Verdict::ok(format!("{} from the server's", span(skew)));
    }
    let direction = if ahead.num_seconds() > 0 {
        "ahead of"
    } else {
        "behind"
    };
    Verdict::warn(
        format!(
            "this machine's is {} {direction} the server's: what the server says about waiting, and freshness, are off by that",
            span(skew)
        ),
        "see which one is wrong, and have this one set by NTP: timedatectl",
    )
}
