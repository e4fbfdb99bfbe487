//! Which processes have the mirror open, as far as this one may see: a program that reads it for hours is found by that.

use std::fs;
use std::path::Path;

use super::files;

/// More are not named.
const NAMED_MAX: usize = 5;

/// A process that has the mirror open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its process id.
    pub pid: u32,
    /// What it calls itself.
    pub name: String,
}

/// Processes but this one that have the mirror at `path` open, the first few. Those of other users only root can see.
pub(super) fn opened_by(path: &Path) -> Vec<Process> {
    let file = files::beside(path, "");
    let own = std::process::id();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
            let mut open = fs::read_dir(entry.path().join("fd")).ok()?.flatten();
            let has_it = open.any(|open| fs::read_link(open.path()).is_ok_and(|open| open == file));
            if pid == own || !has_it {
                return None;
            }
            let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            let name = name.trim_end().to_owned();
            Some(Process { pid, name })
        })
        .take(NAMED_MAX)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_it_open_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.db");
        fs::write(&path, "").unwrap();
        let mut reader = std::process::Command::new("sh")
            .args(["-c", "read line"])
            .stdin(std::process::Stdio::piped())
            .stdout(fs::File::open(&path).unwrap())
            .spawn()
            .unwrap();
        let pid = reader.id();
        let is_named = || opened_by(&path).iter().any(|process| process.pid == pid);
        assert!(is_named());
        drop(reader.stdin.take());
        reader.wait().unwrap();
        assert!(!is_named());
    }
}
