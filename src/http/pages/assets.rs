//! The files that the pages refer to. They are part of the program, and their addresses change with their content: a browser may
//! keep them for ever.

use std::fmt::Write as _;
use std::sync::LazyLock;

use xxhash_rust::xxh3::xxh3_64;

const STYLE: &str = include_str!("../assets/style.css");
const LIVE: &str = include_str!("../assets/live.js");
const ICON: &str = include_str!("../assets/favicon.svg");

/// Says which assets these are; a page that is kept up to date is loaded anew when it changes.
pub(super) static VERSION: LazyLock<String> = LazyLock::new(|| {
    let mut version = String::new();
    // Writing to memory doesn't fail.
    let _ = write!(
        version,
        "{:016x}",
        xxh3_64([STYLE, LIVE, ICON].concat().as_bytes())
    );
    version
});

/// A file that the pages refer to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Asset {
    /// Its `Content-Type`.
    pub(crate) content_type: &'static str,
    /// What is in it.
    pub(crate) content: &'static str,
}

/// The asset that is to be found under `/assets/NAME`, whatever the query says.
pub(crate) fn asset(name: &str) -> Option<Asset> {
    let (content_type, content) = match name {
        "style.css" => ("text/css; charset=utf-8", STYLE),
        "live.js" => ("text/javascript; charset=utf-8", LIVE),
        "favicon.svg" => ("image/svg+xml", ICON),
        _ => return None,
    };
    Some(Asset {
        content_type,
        content,
    })
}

/// Where a page finds an asset.
pub(super) fn address(name: &str) -> String {
    format!("/assets/{name}?v={}", *VERSION)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assets_are_of_this_program_alone() {
        for name in ["style.css", "live.js", "favicon.svg"] {
            let asset = asset(name).unwrap();
            assert!(!asset.content.is_empty());
            // A browser with the pages' policy would refuse to load it; the name space of SVG is none to load.
            let foreign = asset.content.replace("http://www.w3.org/2000/svg", "");
            for wish in ["http:", "https:", "@import", "url("] {
                assert!(!foreign.contains(wish), "{name} asks for {wish}");
            }
        }
        assert_eq!(asset("../style.css"), None);
        assert_eq!(asset(""), None);
    }

    #[test]
    fn the_look_and_the_script_know_the_same_names_as_the_pages() {
        for name in [
            "data-live",
            "stale-banner",
            "data-now",
            "data-interval-seconds",
            "data-version",
        ] {
            assert!(LIVE.contains(name), "{name}");
        }
    }
}
