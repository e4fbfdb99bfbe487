//! The exit statuses, decided in one place: sysexits(3), which systemd names.

use crate::config::ConfigError;
use crate::mirror::MirrorError;
use crate::pass::PassError;
use crate::source::{FailureKind, SourceError};

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done; a search without hits too.
    Done = 0,
    /// Wrong arguments, or SQL that doesn't parse.
    Usage = 64,
    /// A sweep is held; with `--strict`, a record was quarantined.
    Held = 65,
    /// No such mirror, or no such customer.
    NotFound = 66,
    /// The API is not available; the pass is not finished, its checkpoint is kept.
    Unavailable = 69,
    /// A bug.
    Bug = 70,
    /// The mirror can't be created or opened for writing.
    CantCreate = 73,
    /// Full disk, I/O error, damaged mirror.
    Storage = 74,
    /// Another process holds the lock.
    Locked = 75,
    /// The server breaks the protocol.
    Protocol = 76,
    /// The API key is refused.
    KeyRefused = 77,
    /// Configuration; also a file that is no mirror, belongs to another source, or is newer than the program.
    Config = 78,
    /// SIGINT.
    Interrupted = 130,
    /// SIGTERM.
    Terminated = 143,
}

/// Why a command did not do what it was asked: one message, one exit status.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// The exit status.
    pub exit: Exit,
    /// What, where, what to do.
    pub message: String,
}

impl Failure {
    /// A failure with a message.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
        }
    }

    /// A failure to write to stdout. A reader that went away is no failure of ours.
    pub fn output(error: &std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            return Self::new(Exit::Done, "");
        }
        Self::new(Exit::Storage, format!("can't write the output: {error}"))
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::new(Exit::Config, error.to_string())
    }
}

impl From<MirrorError> for Failure {
    fn from(error: MirrorError) -> Self {
        let exit = match &error {
            MirrorError::Missing { .. } | MirrorError::NotReadable { .. } => Exit::NotFound,
            MirrorError::NotWritable { .. } => Exit::CantCreate,
            MirrorError::NotAMirror { .. }
            | MirrorError::OtherSource { .. }
            | MirrorError::TooNew { .. } => Exit::Config,
            MirrorError::Locked { .. } | MirrorError::Busy { .. } => Exit::Locked,
            MirrorError::Storage { .. }
            | MirrorError::Damaged { .. }
            | MirrorError::Displaced { .. }
            | MirrorError::LogFull { .. } => Exit::Storage,
            MirrorError::Interrupted { .. } => Exit::Terminated,
            MirrorError::Unexpected { .. } => Exit::Bug,
        };
        Self::new(exit, error.to_string())
    }
}

impl From<PassError> for Failure {
    fn from(error: PassError) -> Self {
        match error {
            PassError::Mirror(error) => error.into(),
            PassError::Died(_) => Self::new(Exit::Bug, error.to_string()),
        }
    }
}

impl From<&SourceError> for Exit {
    fn from(error: &SourceError) -> Self {
        match error.kind {
            FailureKind::Unavailable | FailureKind::CursorRejected => Self::Unavailable,
            FailureKind::AuthRefused => Self::KeyRefused,
            FailureKind::Protocol => Self::Protocol,
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::output(&error)
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
