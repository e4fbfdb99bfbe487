//! What is known of an installation, as plain values; the judges decide on nothing else.

use std::path::PathBuf;
use std::time::Duration;

use crate::cli::Failure;
use crate::config::{Listen, Parameters, Timing};
use crate::mirror::{FileFacts, Files, Health, LockState, Soundness, Status};
use crate::model::Timestamp;
use crate::source::Visit;

/// Everything.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    pub(super) now: Timestamp,
    pub(super) config: ConfigFacts,
    /// `None` if what is said of it is broken.
    pub(super) schedule: Option<Timing>,
    pub(super) key: KeyFacts,
    pub(super) http: HttpFacts,
    /// `None` if nobody knows where it is.
    pub(super) mirror: Option<MirrorFacts>,
    pub(super) server: ServerFacts,
}

/// The configuration.
#[derive(Debug, Clone, Default)]
pub(super) struct ConfigFacts {
    /// What is wrong with it, each with its remedy.
    pub(super) errors: Vec<String>,
    /// What the operator should know besides.
    pub(super) warnings: Vec<String>,
    /// The file, if there is one.
    pub(super) file: Option<FileFacts>,
    /// What is said of the API, if that is clear.
    pub(super) api: Option<ApiFacts>,
}

/// The API as configured.
#[derive(Debug, Clone)]
pub(super) struct ApiFacts {
    /// Base URL and filter.
    pub(super) source: String,
    pub(super) parameters: Parameters,
    pub(super) has_filter: bool,
}

/// The API key.
#[derive(Debug, Clone)]
pub(super) enum KeyFacts {
    /// It was not looked for, and why.
    NotLookedFor(&'static str),
    /// There is none, or none that can be used.
    Unusable(Failure),
    /// There is one for the service, in a file that this process may not read.
    OutOfReach(PathBuf),
    /// In a file; and who else could put another in its place.
    InFile(FileFacts, KeyFile, Option<Finding>),
    /// In an environment variable of this name.
    InEnvironment(String),
}

/// Why the key is looked for in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyFile {
    /// `api.key_file` names it.
    Configured,
    /// systemd has put it there.
    Credential,
    /// systemd takes it from there for the service.
    OfService,
}

/// The HTTP endpoint.
#[derive(Debug, Clone)]
pub(super) enum HttpFacts {
    /// What is said of it is broken.
    Unclear,
    /// There is to be none.
    Off,
    /// It is to be there; and what is known of its token, or why there is none.
    On(Listen, Result<TokenFacts, String>),
}

/// The token of the endpoint.
#[derive(Debug, Clone, Default)]
pub(super) struct TokenFacts {
    pub(super) is_there: bool,
    /// What the operator should know of its file, each with its remedy.
    pub(super) warnings: Vec<String>,
}

/// Something that is wrong, and what to do.
#[derive(Debug, Clone)]
pub(super) struct Finding {
    pub(super) found: String,
    pub(super) remedy: String,
}

/// The mirror.
#[derive(Debug, Clone)]
pub(super) struct MirrorFacts {
    pub(super) path: PathBuf,
    pub(super) files: Files,
    pub(super) lock: LockState,
    pub(super) state: State,
}

/// Whether the mirror can be read.
#[derive(Debug, Clone)]
pub(super) enum State {
    /// There is none yet.
    Missing,
    /// It can't be opened.
    Closed(Failure),
    /// It can.
    Open {
        /// What it says, or why it doesn't.
        contents: Result<Box<Contents>, Failure>,
        /// Whether it is sound.
        examined: Result<Examined, Failure>,
    },
}

/// What a mirror says.
#[derive(Debug, Clone)]
pub(super) struct Contents {
    pub(super) status: Status,
    pub(super) health: Health,
}

/// What came of looking for damage.
#[derive(Debug, Clone)]
pub(super) struct Examined {
    pub(super) soundness: Soundness,
    pub(super) is_full: bool,
    pub(super) took: Duration,
}

/// The server.
#[derive(Debug, Clone)]
pub(super) enum ServerFacts {
    /// It was not asked, and why.
    NotAsked(&'static str),
    /// It was not asked, because it wants to be left alone until then.
    LeftAlone(Timestamp),
    /// Nothing can be sent.
    NotReady(Failure),
    /// It was asked.
    Asked(Visit),
}
