//! Programs of the system that some tests need, beyond Rust and a C compiler.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Set by `tests/tools.sh`, which installs them: then none may be missing.
const REQUIRED: &str = "TOOLS_REQUIRED";

/// Whether a tool is installed and runs so without an error. Where it doesn't, it is said what is not tested.
pub(crate) fn can_run(tool: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(tool);
    command.args(arguments).stdin(Stdio::null());
    let can = command.output().is_ok_and(|run| run.status.success());
    if !can {
        let missing = format!("there is no {tool} here that runs {arguments:?}");
        assert!(std::env::var_os(REQUIRED).is_none(), "{missing}");
        not_tested(&missing);
    }
    can
}

/// Said past the test harness, which hides what passing tests print.
pub(crate) fn not_tested(reason: &str) {
    let _ = writeln!(std::io::stderr(), "NOT TESTED: {reason}");
}

/// A `$PATH` with the program under its own name before what is there. `folder` gets a link to it.
pub(crate) fn path_with_program(folder: &Path) -> String {
    let bin: PathBuf = folder.join("bin");
    if !bin.exists() {
        std::fs::create_dir(&bin).unwrap();
        let program = env!("CARGO_BIN_EXE_customer-mirror");
        std::os::unix::fs::symlink(program, bin.join("customer-mirror")).unwrap();
    }
    format!("{}:{}", bin.display(), std::env::var("PATH").unwrap())
}
