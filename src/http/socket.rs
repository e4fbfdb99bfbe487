//! Where the endpoint listens: a TCP port, or a Unix socket for its owner and group.

use std::io;
use std::net::TcpListener;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use rustix::fs::Mode;
use rustix::process::umask;

use crate::config::Listen;

/// What is taken away of the mode of a new Unix socket: owner and group are left, who may read the mirror's file, too.
const OTHERS: Mode = Mode::from_bits_truncate(0o117);

/// An endpoint that can't be had.
#[derive(Debug, thiserror::Error)]
#[error("can't listen on {listen}: {reason}")]
pub struct BindError {
    listen: Listen,
    reason: String,
}

/// A listener that nobody serves yet.
#[derive(Debug)]
pub struct Bound {
    pub(super) listener: Listener,
    address: Listen,
}

#[derive(Debug)]
pub(super) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener, SocketFile),
}

/// The name of a Unix socket; it goes with this value, if it is still the same one.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    identity: Option<(u64, u64)>,
}

impl Bound {
    /// Begins to listen; connections wait until they are served.
    ///
    /// # Errors
    /// [`BindError`] if the address can't be had.
    pub fn new(listen: &Listen) -> Result<Self, BindError> {
        let bound = match listen {
            Listen::Tcp(address) => TcpListener::bind(address).and_then(|listener| {
                listener.set_nonblocking(true)?;
                let address = Listen::Tcp(listener.local_addr()?);
                Ok(Self {
                    listener: Listener::Tcp(listener),
                    address,
                })
            }),
            Listen::Unix(path) => bind_socket(path).map(|listener| Self {
                listener,
                address: listen.clone(),
            }),
        };
        bound.map_err(|error| BindError {
            listen: listen.clone(),
            reason: explain(&error),
        })
    }

    /// Where it listens; with the port that the system chose, if it was asked to.
    pub fn address(&self) -> &Listen {
        &self.address
    }
}

fn bind_socket(path: &Path) -> io::Result<Listener> {
    let listener = match listen_at(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_left_over(path) => {
            std::fs::remove_file(path)?;
            listen_at(path)?
        }
        other => other?,
    };
    listener.set_nonblocking(true)?;
    let file = SocketFile {
        path: path.to_owned(),
        identity: identity(path),
    };
    Ok(Listener::Unix(listener, file))
}

/// The mode is right from the beginning, whatever the umask. At the start no other thread makes files.
fn listen_at(path: &Path) -> io::Result<UnixListener> {
    let before = umask(OTHERS);
    let listener = UnixListener::bind(path);
    umask(before);
    listener
}

/// A socket that nobody listens on: its process was killed. What is no socket isn't touched.
fn is_left_over(path: &Path) -> bool {
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
    is_socket
        && UnixStream::connect(path)
            .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    let file = std::fs::symlink_metadata(path).ok()?;
    Some((file.dev(), file.ino()))
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Another process may have put its own there meanwhile.
        if self.identity.is_some() && identity(&self.path) == self.identity {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn explain(error: &io::Error) -> String {
    let remedy = match error.kind() {
        io::ErrorKind::AddrInUse => {
            "somebody listens there already, perhaps another customer-mirror; stop it, or choose another address"
        }
        io::ErrorKind::AddrNotAvailable => "this machine has no such address",
        io::ErrorKind::PermissionDenied => {
            "choose a port from 1024 on, or a folder that this user may write to"
        }
        io::ErrorKind::NotFound => "its folder isn't there; create it",
        _ => "choose another address",
    };
    format!("{error}; {remedy}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(path: &Path) -> Listen {
        Listen::Unix(path.to_owned())
    }

    #[test]
    fn a_socket_is_for_owner_and_group_and_goes_with_the_listener() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let bound = Bound::new(&at(&path)).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o660);
        UnixStream::connect(&path).unwrap();
        // A second one does not push the first one aside.
        let error = Bound::new(&at(&path)).unwrap_err().to_string();
        assert!(error.contains("somebody listens there already"), "{error}");
        drop(bound);
        assert!(!path.exists());
    }

    #[test]
    fn a_socket_that_a_killed_process_left_is_replaced_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let bound = Bound::new(&at(&path)).unwrap();
        UnixStream::connect(&path).unwrap();
        // It is gone, and another one has its name.
        std::fs::remove_file(&path).unwrap();
        let _other = UnixListener::bind(&path).unwrap();
        drop(bound);
        UnixStream::connect(&path).unwrap();
        let file = folder.path().join("f");
        std::fs::write(&file, "precious").unwrap();
        Bound::new(&at(&file)).unwrap_err();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "precious");
    }

    #[test]
    fn a_port_that_is_taken_is_told() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let listen = Listen::Tcp(taken.local_addr().unwrap());
        let error = Bound::new(&listen).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("can't listen on {listen}: ")),
            "{error}"
        );
        let free = Bound::new(&Listen::parse("127.0.0.1:0").unwrap()).unwrap();
        assert!(matches!(free.address(), Listen::Tcp(address) if address.port() != 0));
    }
}
