//! What all pages have around them.

use maud::{DOCTYPE, Markup, html};

use super::assets::{VERSION, address};
use crate::harmless::harmless;

/// The pages that are always a click away, by the path they have.
const PLACES: [(&str, &str); 5] = [
    ("/", "Status"),
    ("/customers", "Customers"),
    ("/deletions", "Deletions"),
    ("/quarantine", "Quarantine"),
    ("/conflicts", "Conflicts"),
];

/// Without JavaScript, a live page is loaded anew this often.
const RELOAD_SECONDS: u32 = 30;

/// How a page is kept up to date.
#[derive(Debug, Clone, Copy)]
pub(super) struct Live<'a> {
    /// How often it is asked for.
    pub(super) interval_seconds: u32,
    /// The time of the page, as stored.
    pub(super) now: &'a str,
}

/// A page around what is in it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Frame<'a> {
    /// What the browser's tab says.
    pub(super) title: &'a str,
    /// The path of the place in [`PLACES`] where it belongs.
    pub(super) place: &'a str,
    pub(super) live: Option<Live<'a>>,
}

impl Frame<'_> {
    /// The whole document.
    pub(super) fn around(&self, content: &Markup) -> String {
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                (self.head())
                body {
                    a.skip href="#main" { "Skip to the content" }
                    header.top {
                        a.brand href="/" {
                            img src=(address("favicon.svg")) alt="" width="22" height="22";
                            "customer-mirror"
                        }
                        nav aria-label="Pages" {
                            ul {
                                @for (path, name) in PLACES {
                                    li { a href=(path) aria-current=[(path == self.place).then_some("page")] { (name) } }
                                }
                            }
                        }
                    }
                    @if let Some(live) = self.live {
                        p #stale-banner role="alert" hidden {}
                        main #main tabindex="-1" data-interval-seconds=(live.interval_seconds) data-now=(live.now)
                            data-version=(*VERSION) { (content) }
                    } @else {
                        main #main tabindex="-1" { (content) }
                    }
                    footer {
                        p {
                            "customer-mirror " (env!("CARGO_PKG_VERSION")) ". These pages only read: decisions are made on the command line."
                        }
                        ul {
                            li { a href="/api/status" { "Status as JSON" } }
                            li { a href="/metrics" { "Metrics" } }
                            li { a href="/readyz" { "Readiness" } }
                        }
                    }
                }
            }
        };
        page.into_string()
    }

    fn head(&self) -> Markup {
        html! {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="robots" content="noindex";
                meta name="referrer" content="no-referrer";
                title { (harmless(self.title)) " — customer-mirror" }
                link rel="icon" type="image/svg+xml" href=(address("favicon.svg"));
                link rel="stylesheet" href=(address("style.css"));
                @if self.live.is_some() {
                    noscript { meta http-equiv="refresh" content=(RELOAD_SECONDS); }
                    script src=(address("live.js")) defer {}
                }
            }
        }
    }
}
