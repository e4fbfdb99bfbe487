//! How rows and messages look.

use std::io::Write;

/// Shows an error on stderr, in one line.
pub fn error(message: &str) {
    let _ = writeln!(anstream::stderr(), "customer-mirror: {message}");
}
