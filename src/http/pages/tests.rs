//! What holds for all pages: nothing from outside becomes markup, nothing needs what the content security policy forbids, and what
//! refers to another part of the page finds it.

pub(super) mod tokens;

use std::collections::HashSet;
use std::sync::LazyLock;

use proptest::prelude::*;

use super::samples::{PLAIN, Sample};
use crate::harmless::harmless;
use tokens::{Tag, Tokens};

/// Texts that were made to break out of where they are put.
const HOSTILE: [&str; 10] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' onmouseover='alert(1)",
    "--></title></style></pre><svg onload=alert(1)>",
    "]]>&lt;b&gt;&#60;i&#62;",
    "javascript:alert(1)",
    "</textarea><!--",
    "\0\u{1b}[2J\u{202e}\u{2028}",
    "a\u{0300}\u{1f9d1}\u{200d}\u{1f680}\u{feff}",
    "{\"a\": \"<b>\"}",
];

/// What comes from outside.
#[derive(Debug, Clone, Copy)]
enum Outside {
    Texts,
    Times,
}

/// Pages on which every text, or every time, that comes from outside is this one.
fn pages_with(outside: Outside, text: &str) -> Vec<(&'static str, String)> {
    let say = |_: &str| text.to_owned();
    let time = |_: String| text.to_owned();
    match outside {
        Outside::Texts => Sample { say: &say, ..PLAIN }.pages(),
        Outside::Times => Sample {
            time: &time,
            ..PLAIN
        }
        .pages(),
    }
}

/// Tags, names of attributes, and the values that are never from outside.
fn shape(tags: &[Tag]) -> Vec<String> {
    let shape = tags.iter().map(|tag| {
        let attributes = tag
            .attributes
            .iter()
            .map(|(name, value)| match name.as_str() {
                "id" | "class" | "src" | "role" | "rel" | "type" | "for" => {
                    format!("{name}={value}")
                }
                _ => name.clone(),
            });
        format!("{} {}", tag.name, attributes.collect::<Vec<_>>().join(" "))
    });
    shape.collect()
}

fn shapes_with_a_letter(outside: Outside) -> Vec<Vec<String>> {
    let pages = pages_with(outside, "x");
    let shapes = pages.iter().map(|(_, page)| shape(&Tokens::of(page).tags));
    shapes.collect()
}

static SHAPES: LazyLock<[Vec<Vec<String>>; 2]> =
    LazyLock::new(|| [Outside::Texts, Outside::Times].map(shapes_with_a_letter));

/// Pages with this text everywhere are built as pages with a letter in its place, and show it.
fn stays_text(text: &str, outside: Outside) {
    for ((name, page), plain) in pages_with(outside, text)
        .iter()
        .zip(&SHAPES[outside as usize])
    {
        let hostile = Tokens::of(page);
        assert_eq!(&shape(&hostile.tags), plain, "{name} with {text:?}");
        let shows_texts = matches!(
            *name,
            "customer" | "customers" | "status-troubled" | "error"
        );
        if shows_texts && matches!(outside, Outside::Texts) {
            let shown = harmless(text).into_owned();
            assert!(hostile.text.contains(&shown), "{name} lacks {shown:?}");
        }
    }
}

#[test]
fn hostile_texts_stay_texts() {
    for hostile in HOSTILE {
        // A page says something else of a customer without a name.
        stays_text(&format!("x{hostile}"), Outside::Texts);
        stays_text(&format!("x{hostile}"), Outside::Times);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn any_text_stays_a_text(text in "x(?s:.{0,40})", is_time: bool) {
        stays_text(&text, if is_time { Outside::Times } else { Outside::Texts });
    }
}

#[test]
fn a_page_needs_nothing_that_its_policy_forbids() {
    for (name, page) in PLAIN.pages() {
        let tokens = Tokens::of(&page);
        for tag in &tokens.tags {
            for (attribute, value) in &tag.attributes {
                assert!(
                    attribute != "style" && !attribute.starts_with("on"),
                    "{name}: {tag:?}"
                );
                if matches!(attribute.as_str(), "src" | "href" | "action") && tag.name != "/" {
                    let is_own = value.starts_with('/') && !value.starts_with("//");
                    assert!(is_own || value.starts_with('#'), "{name}: {value}");
                }
            }
            assert!(tag.name != "style" && tag.name != "iframe", "{name}");
            assert!(tag.name != "script" || tag.value("src").is_some(), "{name}");
        }
    }
}

#[test]
fn what_is_referred_to_is_there_once() {
    for (name, page) in PLAIN.pages() {
        let tokens = Tokens::of(&page);
        let ids: Vec<&str> = tokens
            .tags
            .iter()
            .filter_map(|tag| tag.value("id"))
            .collect();
        let unique: HashSet<&str> = ids.iter().copied().collect();
        assert_eq!(ids.len(), unique.len(), "{name} has an ID twice: {ids:?}");
        for tag in &tokens.tags {
            let lists = ["aria-labelledby", "aria-describedby", "for", "list"];
            let named = lists.iter().filter_map(|attribute| tag.value(attribute));
            let local = tag.value("href").and_then(|href| href.strip_prefix('#'));
            for id in named.flat_map(str::split_whitespace).chain(local) {
                assert!(unique.contains(id), "{name} has no {id}");
            }
        }
    }
}

#[test]
fn headings_are_in_order_and_there_is_one_main() {
    for (name, page) in PLAIN.pages() {
        let tokens = Tokens::of(&page);
        let mut before = 0;
        for tag in &tokens.tags {
            let level = tag
                .name
                .strip_prefix('h')
                .and_then(|level| level.parse::<u32>().ok());
            if let Some(level) = level {
                assert!(
                    level <= before + 1 && (level > 1 || before == 0),
                    "{name}: h{level} after h{before}"
                );
                before = level;
            }
        }
        assert!(before > 0, "{name} has no heading");
        let mains = tokens.tags.iter().filter(|tag| tag.name == "main");
        assert_eq!(mains.count(), 1, "{name}");
    }
}

#[test]
fn only_the_status_page_is_live_and_without_scripts_it_is_loaded_anew() {
    for (name, page) in PLAIN.pages() {
        let is_live = name.starts_with("status");
        assert_eq!(page.contains("/assets/live.js?v="), is_live, "{name}");
        assert_eq!(
            page.contains("<noscript><meta http-equiv=\"refresh\" content=\"30\"></noscript>"),
            is_live
        );
        assert_eq!(
            page.contains("id=\"stale-banner\" role=\"alert\" hidden"),
            is_live
        );
    }
}

/// Writes every page into a folder, to be looked at: `PAGES_FOLDER=/tmp/pages cargo test --lib pages_to_look_at -- --ignored`.
#[test]
#[ignore = "writes files, to be looked at"]
fn pages_to_look_at() {
    let folder = std::path::PathBuf::from(std::env::var("PAGES_FOLDER").unwrap());
    std::fs::create_dir_all(folder.join("assets")).unwrap();
    for (name, page) in PLAIN.pages() {
        std::fs::write(folder.join(format!("{name}.html")), page).unwrap();
    }
    for name in ["style.css", "live.js", "favicon.svg"] {
        let asset = super::asset(name).unwrap();
        std::fs::write(folder.join("assets").join(name), asset.content).unwrap();
    }
}
