//! What there is instead of a page.

use maud::html;

use super::frame::Frame;
use crate::harmless::harmless;

/// A page that says what is wrong, and what to do about it.
pub(crate) fn error(status: u16, title: &str, text: &str, what_to_do: &str) -> String {
    let content = html! {
        section #error .message data-status=(status) aria-labelledby="error-title" {
            p.eyebrow { "Error " (status) }
            h1 #error-title { (harmless(title)) }
            @if !text.is_empty() { p { (harmless(text)) } }
            @if !what_to_do.is_empty() { p #what-to-do .remedy { (harmless(what_to_do)) } }
        }
    };
    Frame {
        title,
        ..Frame::default()
    }
    .around(&content)
}
