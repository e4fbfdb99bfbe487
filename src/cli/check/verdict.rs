//! What a check came to, and what all of them come to together.

use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};

use crate::cli::{Exit, Failure};

/// How one thing is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Well; what was found.
    Ok(String),
    /// It works, but somebody should do something about it.
    Warn {
        /// What was found.
        found: String,
        /// What to do.
        remedy: String,
    },
    /// It doesn't work.
    Fail {
        /// The exit status that `sync` has for it.
        exit: Exit,
        /// What was found.
        found: String,
        /// What to do.
        remedy: String,
    },
    /// It can't be known, and why.
    Skipped(String),
}

impl Verdict {
    pub(super) fn ok(found: impl Into<String>) -> Self {
        Self::Ok(found.into())
    }

    pub(super) fn warn(found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Warn {
            found: found.into(),
            remedy: remedy.into(),
        }
    }

    pub(super) fn fail(exit: Exit, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Fail {
            exit,
            found: found.into(),
            remedy: remedy.into(),
        }
    }

    pub(super) fn skipped(why: impl Into<String>) -> Self {
        Self::Skipped(why.into())
    }

    /// A failure of another room. Its message says what to do behind the last semicolon; if it doesn't, `remedy` does.
    pub(super) fn failed(failure: &Failure, remedy: &str) -> Self {
        let (found, remedy) = failure
            .message
            .rsplit_once("; ")
            .unwrap_or((&failure.message, remedy));
        Self::fail(failure.exit, found, remedy)
    }

    /// `ok`, `warn`, `fail` or `skipped`.
    pub(super) fn status(&self) -> &'static str {
        match self {
            Self::Ok(_) => "ok",
            Self::Warn { .. } => "warn",
            Self::Fail { .. } => "fail",
            Self::Skipped(_) => "skipped",
        }
    }

    /// What was found, or why nothing was.
    pub(super) fn found(&self) -> &str {
        match self {
            Self::Ok(found)
            | Self::Skipped(found)
            | Self::Warn { found, .. }
            | Self::Fail { found, .. } => found,
        }
    }

    /// What to do.
    pub(super) fn remedy(&self) -> Option<&str> {
        match self {
            Self::Ok(_) | Self::Skipped(_) => None,
            Self::Warn { remedy, .. } | Self::Fail { remedy, .. } => Some(remedy),
        }
    }
}

/// One line of the report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Check {
    /// Which check: `lock`.
    pub(super) name: &'static str,
    /// What it came to.
    pub(super) verdict: Verdict,
}

impl Serialize for Check {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut check = serializer.serialize_struct("Check", 4)?;
        check.serialize_field("name", self.name)?;
        check.serialize_field("status", self.verdict.status())?;
        check.serialize_field("found", self.verdict.found())?;
        check.serialize_field("remedy", &self.verdict.remedy())?;
        check.end()
    }
}

/// All checks, in the order in which `sync` meets what they are about; those that belong together, together.
#[derive(Debug)]
pub(super) struct Report(pub(super) Vec<Vec<Check>>);

impl Report {
    /// The checks, one after another.
    pub(super) fn checks(&self) -> impl Iterator<Item = &Check> {
        self.0.iter().flatten()
    }

    /// The names of the checks of a status; one that is there twice, once.
    pub(super) fn names_of(&self, status: &str) -> Vec<&'static str> {
        let of_status = self
            .checks()
            .filter(|check| check.verdict.status() == status);
        let mut names: Vec<_> = of_status.map(|check| check.name).collect();
        names.dedup();
        names
    }

    /// `fail` if anything failed, else `warn` if anybody should do something, else `ok`.
    pub(super) fn status(&self) -> &'static str {
        let statuses = ["fail", "warn"];
        let worst = statuses
            .into_iter()
            .find(|status| !self.names_of(status).is_empty());
        worst.unwrap_or("ok")
    }

    /// That of the first failure, which is the one that `sync` would end with.
    pub(super) fn exit(&self) -> Exit {
        let exit = self.checks().find_map(|check| match check.verdict {
            Verdict::Fail { exit, .. } => Some(exit),
            _ => None,
        });
        exit.unwrap_or(Exit::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_failure_decides() {
        let check = |verdict| Check { name: "x", verdict };
        let fail = |exit| check(Verdict::fail(exit, "a", "b"));
        let (ok, warn) = (check(Verdict::ok("a")), check(Verdict::warn("a", "b")));
        let skipped = check(Verdict::skipped("a"));
        for (checks, status, exit) in [
            (vec![ok.clone(), skipped], "ok", Exit::Done),
            (vec![ok, warn.clone()], "warn", Exit::Done),
            (
                vec![warn, fail(Exit::Storage), fail(Exit::Config)],
                "fail",
                Exit::Storage,
            ),
        ] {
            let report = Report(vec![checks]);
            assert_eq!((report.status(), report.exit()), (status, exit));
        }
    }

    #[test]
    fn a_message_is_parted_into_what_is_wrong_and_what_to_do() {
        for (message, found, remedy) in [
            ("it is too new; upgrade it", "it is too new", "upgrade it"),
            ("a; b; c", "a; b", "c"),
            ("it is wrong", "it is wrong", "correct it"),
        ] {
            let verdict = Verdict::failed(&Failure::new(Exit::Config, message), "correct it");
            assert_eq!(verdict, Verdict::fail(Exit::Config, found, remedy));
        }
    }
}
