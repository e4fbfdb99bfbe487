//! Who else can change what a path leads to. A file that only its owner may write is no safer than the folders above it: who can write
//! to one of those can put another file in its place. And in a folder like /tmp, where everybody may make files, a symbolic link may
//! be somebody's trap.
//!
//! [`walk`] looks at each folder, link and file on the way, as the kernel goes it; [`doubts`] judges, and is *pure*. Trusted are root,
//! whoever owns `/`, and the user of this process. What a group may do is the administrator's decision and not looked at, and so are
//! access control lists. What is found was true when it was looked at: it is for telling an operator what to mend.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fmt;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

/// As many links are followed as the kernel follows.
const LINKS_MAX: usize = 40;
/// More folders than a path has that the kernel takes.
const STEPS_MAX: usize = 4096;

/// Everybody may write it, or make files there.
pub(crate) const BY_OTHERS_WRITABLE: u32 = 0o002;
/// Of a folder like /tmp: everybody may make files there, but not replace those of others.
const STICKY: u32 = 0o1000;
const ROOT: u32 = 0;

/// A folder, link or file on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) path: PathBuf,
    pub(crate) kind: Kind,
    pub(crate) user: u32,
    pub(crate) mode: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Folder,
    Link,
    File,
}

/// Why what is at the end of a path may be somebody else's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Doubt {
    /// Everybody may write it.
    OpenFile { file: PathBuf, mode: u32 },
    /// Everybody may replace what is in a folder on the way.
    OpenFolder { folder: PathBuf, mode: u32 },
    /// It belongs to another user.
    FileOf { file: PathBuf, user: u32 },
    /// So does a folder on the way.
    FolderOf { folder: PathBuf, user: u32 },
    /// Another user's link leads there, from where everybody may put one.
    LinkOf { link: PathBuf, user: u32 },
}

impl Doubt {
    /// What to do about it.
    pub(crate) fn remedy(&self) -> String {
        match self {
            Self::OpenFile { file, .. } => format!("chmod o-w {}", file.display()),
            Self::OpenFolder { folder, .. } => format!("chmod o-w {}", folder.display()),
            Self::FileOf { file, .. } => {
                format!(
                    "see that it says what it should, then: chown {} {}",
                    us(),
                    file.display()
                )
            }
            Self::FolderOf { .. } => "move it to a folder that is root's or your own".to_owned(),
            Self::LinkOf { .. } => "name the file itself, and see who made the link".to_owned(),
        }
    }
}

impl fmt::Display for Doubt {
    /// Who can do what: to be followed by what that leads to.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OpenFile { mode, .. } => {
                write!(
                    f,
                    "every user of this machine can change it (mode {mode:04o})"
                )
            }
            Self::OpenFolder { folder, mode } => write!(
                f,
                "every user of this machine can put another in its place, by way of {} (mode {mode:04o})",
                folder.display()
            ),
            Self::FileOf { user, .. } => write!(f, "user {user}, whose it is, can change it"),
            Self::FolderOf { folder, user } => write!(
                f,
                "user {user}, whose {} is, can put another in its place",
                folder.display()
            ),
            Self::LinkOf { link, user } => write!(
                f,
                "user {user} has put the symbolic link {} there, where everybody may put one",
                link.display()
            ),
        }
    }
}

/// The user of this process, as `chown` takes it.
fn us() -> String {
    match rustix::process::geteuid().as_raw() {
        ROOT => "root".to_owned(),
        user => user.to_string(),
    }
}

/// Who may change what this process relies on.
pub(crate) fn trusted() -> Vec<u32> {
    // In a container's user namespace root may have no name, or another one.
    let top = std::fs::metadata("/").map_or(ROOT, |top| top.uid());
    vec![ROOT, top, rustix::process::geteuid().as_raw()]
}

/// The first reason why somebody else may change what `path` leads to; `None` also if it can't be seen.
pub(crate) fn doubt_of(path: &Path) -> Option<Doubt> {
    doubts(&walk(path).ok()?, &trusted()).into_iter().next()
}

/// A warning of that: what is wrong, what it leads to, and behind the last semicolon what to do.
pub(crate) fn warning_of(path: &Path, and_so: &str) -> Option<String> {
    let doubt = doubt_of(path)?;
    Some(format!(
        "{}: {doubt}{and_so}; {}",
        path.display(),
        doubt.remedy()
    ))
}

/// The first link on the way to `path` that another user has put where everybody may put one: not to be followed, whatever it leads
/// to. The kernel has the same rule (`fs.protected_symlinks`), where it is switched on.
pub(crate) fn strange_link(path: &Path) -> Option<Doubt> {
    let found = doubts(&walk(path).ok()?, &trusted());
    found
        .into_iter()
        .find(|doubt| matches!(doubt, Doubt::LinkOf { .. }))
}

/// Every reason why somebody who isn't trusted may change what is at the end of the way.
fn doubts(steps: &[Step], trusted: &[u32]) -> Vec<Doubt> {
    let mut found = Vec::new();
    // The owner of the folder that everybody may make files in, if it is one.
    let mut shared_by = None;
    for step in steps {
        let is_strange = !trusted.contains(&step.user);
        let is_open = step.mode & BY_OTHERS_WRITABLE != 0;
        let (path, user, mode) = (step.path.clone(), step.user, step.mode & 0o7777);
        match step.kind {
            // Elsewhere whoever can make a link is judged by the folder.
            Kind::Link if is_strange && shared_by.is_some_and(|owner| owner != user) => {
                found.push(Doubt::LinkOf { link: path, user });
            }
            Kind::Folder => {
                shared_by = is_open.then_some(user);
                if is_strange {
                    found.push(Doubt::FolderOf { folder: path, user });
                } else if is_open && mode & STICKY == 0 {
                    found.push(Doubt::OpenFolder { folder: path, mode });
                }
            }
            Kind::File if is_strange => found.push(Doubt::FileOf { file: path, user }),
            Kind::File if is_open => found.push(Doubt::OpenFile { file: path, mode }),
            Kind::Link | Kind::File => {}
        }
    }
    found
}

/// Every folder, link and file that the kernel passes on its way to `path`, the first one `/`. Ends early where there is nothing.
///
/// # Errors
/// If a part of the way can't be seen.
pub(crate) fn walk(path: &Path) -> io::Result<Vec<Step>> {
    let whole = std::path::absolute(path)?;
    let mut left: VecDeque<OsString> = parts(&whole);
    let mut steps = vec![step(Path::new("/"))?];
    let mut at = PathBuf::from("/");
    let mut links = 0;
    while let Some(name) = left.pop_front() {
        if steps.len() > STEPS_MAX {
            return Err(rustix::io::Errno::NAMETOOLONG.into());
        }
        if name == ".." {
            at.pop();
            steps.push(step(&at)?);
            continue;
        }
        let next = at.join(&name);
        let found = match step(&next) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => break,
            found => found?,
        };
        let is_link = found.kind == Kind::Link;
        steps.push(found);
        if !is_link {
            at = next;
            continue;
        }
        links += 1;
        if links > LINKS_MAX {
            return Err(rustix::io::Errno::LOOP.into());
        }
        let target = std::fs::read_link(&next)?;
        if target.is_absolute() {
            at = PathBuf::from("/");
        }
        // Back to the folder that the link leads on from, so that what follows is judged by it.
        steps.push(step(&at)?);
        for part in parts(&target).into_iter().rev() {
            left.push_front(part);
        }
    }
    Ok(steps)
}

/// The names in a path, `..` among them.
fn parts(path: &Path) -> VecDeque<OsString> {
    path.components()
        .filter_map(|component| match component {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some("..".into()),
            _ => None,
        })
        .collect()
}

fn step(path: &Path) -> io::Result<Step> {
    let metadata: Metadata = std::fs::symlink_metadata(path)?;
    let kind = if metadata.is_symlink() {
        Kind::Link
    } else if metadata.is_dir() {
        Kind::Folder
    } else {
        Kind::File
    };
    Ok(Step {
        path: path.to_owned(),
        kind,
        user: metadata.uid(),
        mode: metadata.mode(),
    })
}

#[cfg(test)]
mod tests;
