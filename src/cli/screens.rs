//! Screens for the tests of what is shown on one.

use super::output::Screen;

pub(super) const PIPE: Screen = Screen {
    terminal: false,
    width: None,
    color: false,
};

/// A terminal of a width in columns.
pub(super) fn terminal(width: usize) -> Screen {
    Screen {
        terminal: true,
        width: Some(width),
        color: false,
    }
}
