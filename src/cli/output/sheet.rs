//! Labels and values one below another, wrapped to the screen.

use anstyle::Style;

use super::Screen;
use super::width::{cut, width_of, wrap};
use crate::harmless::harmless;

const INDENT: usize = 2;

/// A text that grows line by line.
#[derive(Debug)]
pub(in crate::cli) struct Sheet {
    screen: Screen,
    label_width: usize,
    text: String,
}

impl Sheet {
    /// An empty sheet whose labels take up to `label_width` columns; less on a narrow screen.
    pub(in crate::cli) fn new(screen: Screen, label_width: usize) -> Self {
        let label_width = screen
            .width
            .map_or(label_width, |width| label_width.min(width * 3 / 10));
        Self {
            screen,
            label_width,
            text: String::new(),
        }
    }

    /// The text.
    pub(in crate::cli) fn into_text(self) -> String {
        self.text
    }

    /// An empty line, but not at the top.
    pub(in crate::cli) fn gap(&mut self) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
    }

    /// Lines over the whole width.
    pub(in crate::cli) fn paragraph(&mut self, style: Style, text: &str) {
        for line in wrap(&harmless(text), self.screen.width.unwrap_or(usize::MAX)) {
            self.text.push_str(&self.screen.paint(style, line));
            self.text.push('\n');
        }
    }

    /// A label and its value.
    pub(in crate::cli) fn field(&mut self, label: &str, value: &str) {
        self.styled_field(label, Style::new(), value);
    }

    /// A label that is never cut, and what it means: beside it, or below it where the label is too long.
    pub(in crate::cli) fn entry(&mut self, label: &str, value: &str) {
        let label = harmless(label);
        if width_of(&label) <= self.label_width {
            self.field(&label, value);
            return;
        }
        self.text.push_str(&" ".repeat(INDENT));
        self.text.push_str(&self.screen.dim(&label));
        self.text.push('\n');
        self.field("", value);
    }

    /// A label and its value in a style.
    pub(in crate::cli) fn styled_field(&mut self, label: &str, style: Style, value: &str) {
        let label = harmless(label);
        let label = cut(&label, self.label_width);
        let gap = " ".repeat(self.label_width.saturating_sub(width_of(&label)) + 2);
        let hanging = " ".repeat(INDENT + self.label_width + 2);
        let width = self
            .screen
            .width
            .map_or(usize::MAX, |width| width.saturating_sub(hanging.len()));
        for (index, line) in wrap(&harmless(value), width).into_iter().enumerate() {
            if index == 0 {
                self.text.push_str(&" ".repeat(INDENT));
                self.text.push_str(&self.screen.dim(&label));
                self.text.push_str(&gap);
            } else {
                self.text.push_str(&hanging);
            }
            self.text.push_str(&self.screen.paint(style, line));
            self.text.push('\n');
        }
    }

    /// Text that is laid out already.
    pub(in crate::cli) fn verbatim(&mut self, text: &str) {
        self.text.push_str(text);
    }
}
