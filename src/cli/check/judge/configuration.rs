//! Configuration, schedule and key.

use std::time::Duration;

use crate::cli::check::facts::{Facts, Finding, HttpFacts, KeyFacts, KeyFile};
use crate::cli::check::verdict::Verdict;
use crate::cli::output::{ago, moment, span};
use crate::cli::{Exit, Failure};
use crate::config::Listen;
use crate::mirror::FileFacts;
use crate::model::format_timestamp;

/// Anybody may do anything.
const BY_OTHERS: u32 = 0o007;
/// The group may do anything.
const BY_GROUP: u32 = 0o070;
const ROOT: u32 = 0;

const CORRECT: &str = "correct it, then tell a running daemon, which keeps the old one until then: systemctl reload customer-mirror";

/// What is wrong with the configuration, each on its own; or that nothing is.
pub(super) fn configuration(facts: &Facts) -> Vec<Verdict> {
    let config = &facts.config;
    let errors = config.errors.iter().map(|error| {
        let failure = Failure::new(Exit::Config, error);
        Verdict::failed(&failure, CORRECT)
    });
    let warnings = config.warnings.iter().map(|warning| warn(warning));
    let mut verdicts: Vec<Verdict> = errors.chain(warnings).collect();
    if verdicts.is_empty() {
        verdicts.push(Verdict::ok(match &config.file {
            Some(file) => file.path.display().to_string(),
            None => "no file; defaults and environment variables".to_owned(),
        }));
    }
    verdicts
}

/// A warning that says what to do behind its last semicolon, if it does.
fn warn(warning: &str) -> Verdict {
    let (found, remedy) = warning.rsplit_once("; ").unwrap_or((warning, CORRECT));
    Verdict::warn(found, remedy)
}

/// When passes are due.
pub(super) fn schedule(facts: &Facts) -> Verdict {
    let Some(timing) = &facts.schedule else {
        return Verdict::skipped("what the configuration says of it is not clear");
    };
    let when = &timing.when;
    let shown = format!("{} {}", when.expression(), when.timezone().name());
    let Some(next) = when.next_after(facts.now) else {
        return Verdict::warn(
            format!("{shown} is never due again"),
            "set schedule.cron to something that is",
        );
    };
    let then = when
        .next_after(next)
        .and_then(|after| (after - next).to_std().ok())
        .filter(|gap| *gap > Duration::ZERO)
        .map_or_else(String::new, |gap| format!(", then after {}", span(gap)));
    let at = format_timestamp(next);
    Verdict::ok(format!(
        "{shown}: next due {} ({}){then}",
        moment(&at),
        ago(&at, facts.now)
    ))
}

/// Where the key comes from, and who can get at it.
pub(super) fn key(facts: &Facts) -> Verdict {
    match &facts.key {
        KeyFacts::NotLookedFor(why) => Verdict::skipped(*why),
        KeyFacts::Unusable(failure) => {
            Verdict::failed(failure, "put the key into the file that api.key_file names")
        }
        KeyFacts::OutOfReach(path) => Verdict::skipped(format!(
            "the service's is in {}, which this user can't read: run this as root to have it looked at",
            path.display()
        )),
        KeyFacts::InEnvironment(name) => Verdict::ok(format!("in the environment variable {name}")),
        KeyFacts::InFile(file, kind, doubt) => key_file(file, *kind, doubt.as_ref()),
    }
}

/// The HTTP endpoint: where, and for whom.
pub(super) fn http(facts: &Facts) -> Verdict {
    let (listen, token) = match &facts.http {
        HttpFacts::Unclear => {
            return Verdict::skipped("what the configuration says of it is not clear");
        }
        HttpFacts::Off => return Verdict::ok("off"),
        HttpFacts::On(listen, token) => (listen, token),
    };
    match (token, listen) {
        (Err(problem), _) => Verdict::warn(
            format!("`customer-mirror run` won't start: {problem}"),
            "put a token there, of 16 characters or more, as `openssl rand -hex 32` makes them; if systemd hands it to the service, all is well",
        ),
        (Ok(token), _) if !token.warnings.is_empty() => warn(&token.warnings[0]),
        (Ok(token), _) if token.is_there => {
            Verdict::ok(format!("{listen}, for who knows the token"))
        }
        (Ok(_), Listen::Unix(_)) => Verdict::ok(format!("{listen}, for its owner and group")),
        (Ok(_), Listen::Tcp(_)) => Verdict::ok(format!(
            "{listen}, without a token: every user of this machine can read the customers"
        )),
    }
}

fn key_file(file: &FileFacts, kind: KeyFile, doubt: Option<&Finding>) -> Verdict {
    let (shown, mode) = (file.path.display(), file.mode);
    if mode & BY_OTHERS != 0 {
        return Verdict::warn(
            format!("{shown}: every user of this machine can get at it (mode {mode:04o})"),
            format!("chmod o= {shown}; if others were logged in, have the key replaced"),
        );
    }
    // A file of root's is given to a service by its group; and systemd lets users in by more than the mode shows.
    let is_given = file.user == ROOT && file.group != ROOT;
    if mode & BY_GROUP != 0 && !is_given && kind != KeyFile::Credential {
        return Verdict::warn(
            format!(
                "{shown}: its group {} can get at it (mode {mode:04o})",
                file.group
            ),
            format!("chmod g= {shown}, unless the group is there for that"),
        );
    }
    if let Some(Finding { found, remedy }) = doubt {
        return Verdict::warn(found, remedy);
    }
    let by_whom = match kind {
        KeyFile::Configured => "",
        KeyFile::Credential => ", a credential from systemd",
        KeyFile::OfService => {
            ", from where systemd hands it to the service; `sync` by hand needs api.key_file"
        }
    };
    Verdict::ok(format!("{shown} (mode {mode:04o}){by_whom}"))
}
