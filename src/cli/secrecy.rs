//! The process keeps to itself what it holds: the API key, and customers.
//!
//! A process that crashes leaves its memory in a file, and any other process of its user may read that memory, and the environment,
//! in which the key may be. Neither is of use to anybody but a thief. So the kernel is told that this process has no dumps and is
//! nobody's to look into; root still can. And whatever files it makes, also those that SQLite makes by itself, are nothing to other
//! users from the moment at which they are there, whatever the umask was.

use rustix::fs::Mode;
use rustix::process::{Resource, Rlimit, setrlimit, umask};

/// Others get nothing of a new file.
const OTHERS: Mode = Mode::RWXO;

/// What a umask may take away: whatever the group has. The owner's own share must stay, or the program is locked out of its files.
const OF_GROUP: Mode = Mode::RWXG;

/// Closes the process to others. To be called before there is a second thread, which could make a file in between.
pub(super) fn keep() {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        // Every Linux can do this; what else it needs is nothing.
        let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    }
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    let _ = setrlimit(Resource::Core, none);
    let before = umask(OTHERS);
    umask((before & OF_GROUP) | OTHERS);
}
