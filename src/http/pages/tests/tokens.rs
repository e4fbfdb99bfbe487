//! A reader of HTML that is stricter than any browser: what it doesn't expect is a failure.

/// The tags of a page, and the text between them.
#[derive(Debug, Default)]
pub(in crate::http::pages) struct Tokens {
    pub(in crate::http::pages) tags: Vec<Tag>,
    /// Entities are resolved.
    pub(in crate::http::pages) text: String,
}

/// A tag; that of an end has `/` for its name's beginning.
#[derive(Debug)]
pub(in crate::http::pages) struct Tag {
    pub(in crate::http::pages) name: String,
    pub(in crate::http::pages) attributes: Vec<(String, String)>,
}

impl Tag {
    pub(in crate::http::pages) fn value(&self, name: &str) -> Option<&str> {
        let found = self
            .attributes
            .iter()
            .find(|(attribute, _)| attribute == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// Elements that have no end.
const VOID: [&str; 4] = ["meta", "link", "img", "input"];

impl Tokens {
    pub(in crate::http::pages) fn of(html: &str) -> Self {
        let mut tokens = Self::default();
        let mut open = Vec::new();
        let mut rest = html.strip_prefix("<!DOCTYPE html>").expect("a doctype");
        while !rest.is_empty() {
            let end = rest.find('<').unwrap_or(rest.len());
            assert!(
                !rest[..end].contains(['>', '"']),
                "unescaped: {:?}",
                &rest[..end]
            );
            tokens.text.push_str(&resolved(&rest[..end]));
            rest = &rest[end..];
            if rest.is_empty() {
                break;
            }
            let tag = take_tag(&mut rest);
            if let Some(name) = tag.name.strip_prefix('/') {
                assert_eq!(
                    open.pop().as_deref(),
                    Some(name),
                    "not the one that was opened last"
                );
            } else if !VOID.contains(&tag.name.as_str()) {
                open.push(tag.name.clone());
            }
            tokens.tags.push(tag);
        }
        assert!(open.is_empty(), "not closed: {open:?}");
        tokens
    }
}

fn take_tag(rest: &mut &str) -> Tag {
    let inside = rest.strip_prefix('<').unwrap();
    let slash = if inside.starts_with('/') { "/" } else { "" };
    let name = take_name(&inside[slash.len()..], rest);
    let mut attributes = Vec::new();
    while let Some(after) = rest.strip_prefix(' ') {
        let name = take_name(after, rest);
        let value = rest.strip_prefix("=\"").map_or("", |after| {
            let (value, after) = after.split_once('"').expect("an end of the value");
            assert!(!value.contains(['<', '>']), "unescaped: {value:?}");
            *rest = after;
            value
        });
        attributes.push((name, resolved(value)));
    }
    let after = rest.strip_prefix('>');
    *rest = after.unwrap_or_else(|| panic!("no end of a tag: {rest:.60}"));
    Tag {
        name: format!("{slash}{name}"),
        attributes,
    }
}

/// The name that a text begins with; `rest` is what follows.
fn take_name<'a>(text: &'a str, rest: &mut &'a str) -> String {
    let is_name = |character: char| character.is_ascii_alphanumeric() || character == '-';
    let end = text.find(|character| !is_name(character));
    let (name, after) = text.split_at(end.unwrap_or(text.len()));
    assert!(!name.is_empty(), "no name: {text:.60}");
    *rest = after;
    name.to_owned()
}

fn resolved(text: &str) -> String {
    let bare = text
        .replace("&lt;", "")
        .replace("&gt;", "")
        .replace("&quot;", "")
        .replace("&amp;", "");
    assert!(!bare.contains('&'), "an entity that is not ours: {text:?}");
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&amp;", "&")
}
