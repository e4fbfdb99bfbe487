//! What is being looked at, for those who wait: one line on a terminal, nothing elsewhere.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

const REDRAW_INTERVAL: Duration = Duration::from_millis(100);

/// Shown until it is dropped.
#[derive(Debug)]
pub(super) struct Watch(Option<ProgressBar>);

impl Watch {
    pub(super) fn start(quiet: bool) -> Self {
        let wanted = !quiet && std::io::stderr().is_terminal();
        Self(wanted.then(|| {
            let style = ProgressStyle::with_template("{spinner} {wide_msg}");
            let bar = ProgressBar::new_spinner();
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            bar.enable_steady_tick(REDRAW_INTERVAL);
            bar
        }))
    }

    /// Says what is looked at now.
    pub(super) fn looks_at(&self, what: String) {
        if let Some(bar) = &self.0 {
            bar.set_message(what);
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
