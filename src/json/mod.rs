//! JSON values as this program compares them: keys unordered, numbers as text, strings by their characters.
//!
//! `serde_json` splits and validates pages; what it can't do without losing data is keep the text of numbers (1.10, 2^63,
//! 1e400) and strings with lone surrogates. So the tree here is built by a small reader over text that `serde_json`
//! has already found valid. It never panics on anything, but on text that is not JSON its answer is `None` or arbitrary.

mod reader;

use std::borrow::Cow;

use xxhash_rust::xxh3::xxh3_128_with_seed;

use reader::Reader;

/// A record with more changed places than this has only its changed top-level members listed …
const POINTERS_MAX: usize = 256;

/// … and so has one whose pointers would be longer than this together: each repeats the keys above it, however long they are.
const POINTERS_BYTES_MAX: usize = 64 * 1024;

/// A JSON value and the text it was read from.
#[derive(Debug, Clone)]
pub struct Node<'a> {
    /// The text as sent, without surrounding white space.
    pub text: &'a str,
    /// What it is.
    pub kind: Kind<'a>,
}

/// The kinds of JSON values.
#[derive(Debug, Clone)]
pub enum Kind<'a> {
    /// Members sorted by key; of a duplicate key, the last.
    Object(Vec<(Text<'a>, Node<'a>)>),
    /// Items in order.
    Array(Vec<Node<'a>>),
    /// A string, escapes resolved.
    String(Text<'a>),
    /// A number, `true`, `false` or `null`, or a container nested too deep or too large: equal if its text is.
    Literal,
}

/// A JSON string's characters. JSON allows lone surrogates (`"\ud800"`), Rust strings don't: such text is kept as WTF-8.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Text<'a>(Cow<'a, [u8]>);

impl<'a> Text<'a> {
    /// The text, or `None` if it has a lone surrogate.
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// The text as UTF-8, lone surrogates as in WTF-8; what members of an object are sorted by.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The text, with U+FFFD in place of lone surrogates.
    pub fn to_lossy(&self) -> Cow<'a, str> {
        match &self.0 {
            // Only a text with escapes can have a lone surrogate, and that is owned.
            Cow::Borrowed(bytes) => utf8(bytes),
            Cow::Owned(bytes) => Cow::Owned(lossy(bytes)),
        }
    }
}

/// Bytes as text, with U+FFFD in place of what is not UTF-8. Nearly all of it is, which is seen several times as fast as the rest is mended.
pub fn utf8(bytes: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

/// WTF-8 → UTF-8. A lone surrogate is ED, A0 to BF, and one more byte.
fn lossy(bytes: &[u8]) -> String {
    let mut clean = bytes.to_vec();
    for at in 0..clean.len().saturating_sub(2) {
        if let [0xED, 0xA0..=0xBF, ..] = clean[at..] {
            clean[at..at + 3].copy_from_slice("\u{fffd}".as_bytes());
        }
    }
    String::from_utf8_lossy(&clean).into_owned()
}

impl<'a> Node<'a> {
    /// Reads one value; `None` if the text is not one JSON value.
    pub fn parse(text: &'a str) -> Option<Self> {
        Reader::read_all(text)
    }

    /// A member of an object by key.
    pub fn member(&self, key: &str) -> Option<&Node<'a>> {
        let Kind::Object(members) = &self.kind else {
            return None;
        };
        let index = members
            .binary_search_by(|(name, _)| name.0.as_ref().cmp(key.as_bytes()))
            .ok()?;
        members.get(index).map(|(_, node)| node)
    }

    /// What a JSON pointer (RFC 6901) leads to.
    pub fn at(&self, pointer: &str) -> Option<&Node<'a>> {
        pointer.split('/').skip(1).try_fold(self, |node, step| {
            if let Kind::Array(items) = &node.kind {
                return items.get(step.parse::<usize>().ok()?);
            }
            node.member(&step.replace("~1", "/").replace("~0", "~"))
        })
    }

    /// True for `null`.
    pub fn is_null(&self) -> bool {
        matches!(self.kind, Kind::Literal) && self.text == "null"
    }

    /// A hash of the value: equal for equal values whatever their key order, white space and escapes.
    pub fn content_hash(&self, seed: u64) -> u128 {
        let mut canonical = Vec::with_capacity(self.text.len() + 256);
        self.write_canonical(&mut canonical);
        xxh3_128_with_seed(&canonical, seed)
    }

    // Tag, length, content: unambiguous without any quoting.
    fn write_canonical(&self, out: &mut Vec<u8>) {
        match &self.kind {
            Kind::Object(members) => {
                frame(out, b'{', members.len());
                for (key, node) in members {
                    frame(out, b':', key.0.len());
                    out.extend_from_slice(&key.0);
                    node.write_canonical(out);
                }
            }
            Kind::Array(items) => {
                frame(out, b'[', items.len());
                for node in items {
                    node.write_canonical(out);
                }
            }
            Kind::String(text) => {
                frame(out, b'"', text.0.len());
                out.extend_from_slice(&text.0);
            }
            Kind::Literal => {
                frame(out, b'#', self.text.len());
                out.extend_from_slice(self.text.as_bytes());
            }
        }
    }

    /// The JSON pointers (RFC 6901) of the places where two values differ; empty if they are equal.
    pub fn changed_pointers(before: &Self, after: &Self) -> Vec<String> {
        let mut difference = Difference::new(usize::MAX);
        difference.walk(before, after);
        if difference.is_large() {
            difference = Difference::new(1);
            difference.walk(before, after);
        }
        difference.pointers
    }
}

impl PartialEq for Node<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (&self.kind, &other.kind) {
            (Kind::Object(a), Kind::Object(b)) => a == b,
            (Kind::Array(a), Kind::Array(b)) => a == b,
            (Kind::String(a), Kind::String(b)) => a == b,
            (Kind::Literal, Kind::Literal) => self.text == other.text,
            _ => false,
        }
    }
}

fn frame(out: &mut Vec<u8>, tag: u8, len: usize) {
    out.push(tag);
    out.extend_from_slice(&(len as u64).to_le_bytes());
}

/// Where two values differ, as far as it is listed.
struct Difference {
    /// Steps from the values' own place down to which places are told apart.
    depth_max: usize,
    depth: usize,
    path: String,
    pointers: Vec<String>,
    bytes: usize,
}

impl Difference {
    fn new(depth_max: usize) -> Self {
        Self {
            depth_max,
            depth: 0,
            path: String::new(),
            pointers: Vec::new(),
            bytes: 0,
        }
    }

    /// True if there are too many places to list each.
    fn is_large(&self) -> bool {
        self.depth_max > 1
            && (self.pointers.len() > POINTERS_MAX || self.bytes > POINTERS_BYTES_MAX)
    }

    fn push(&mut self) {
        self.bytes += self.path.len();
        if !self.is_large() {
            self.pointers.push(self.path.clone());
        }
    }

    /// Goes on one step further down, `None` being nothing there.
    fn step(&mut self, key: &str, before: Option<&Node<'_>>, after: Option<&Node<'_>>) {
        let length = self.path.len();
        self.path.push('/');
        self.path
            .push_str(&key.replace('~', "~0").replace('/', "~1"));
        self.depth += 1;
        match (before, after) {
            (Some(before), Some(after)) => self.walk(before, after),
            _ => self.push(),
        }
        self.depth -= 1;
        self.path.truncate(length);
    }

    fn walk(&mut self, before: &Node<'_>, after: &Node<'_>) {
        if self.is_large() {
            return;
        }
        match (&before.kind, &after.kind) {
            (Kind::Object(a), Kind::Object(b)) if self.depth < self.depth_max => {
                for (key, old) in a {
                    self.step(&key.to_lossy(), Some(old), find(b, key));
                }
                for (key, new) in b {
                    if find(a, key).is_none() {
                        self.step(&key.to_lossy(), None, Some(new));
                    }
                }
            }
            (Kind::Array(a), Kind::Array(b)) if self.depth < self.depth_max => {
                for index in 0..a.len().max(b.len()) {
                    self.step(&index.to_string(), a.get(index), b.get(index));
                }
            }
            _ if before == after => {}
            _ => self.push(),
        }
    }
}

/// The value of a key among an object's members.
fn find<'n, 'a>(members: &'n [(Text<'a>, Node<'a>)], key: &Text<'_>) -> Option<&'n Node<'a>> {
    let index = members.binary_search_by(|(name, _)| name.cmp(key)).ok()?;
    members.get(index).map(|(_, node)| node)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(text: &str) -> u128 {
        Node::parse(text).unwrap().content_hash(7)
    }

    #[test]
    fn values_are_equal_whatever_their_key_order_white_space_and_escapes() {
        for (a, b) in [
            (
                r#"{"a":1,"b":[true,null]}"#,
                "{ \"b\" : [ true , null ] ,\n\"a\":1 }",
            ),
            (r#"{"n":"é"}"#, r#"{"n":"\u00e9"}"#),
            (r#"{"n":"🎉/"}"#, r#"{"n":"\ud83c\udf89\/"}"#),
            (r#"{"a":1,"a":2}"#, r#"{"a":2}"#),
            (r#"{"a":1,"b":0,"a":2,"a":3}"#, r#"{"b":0,"a":3}"#),
            (r#""\ud800""#, r#""\uD800""#),
            ("{}", " { } "),
            ("[]", "[ ]"),
        ] {
            assert_eq!(Node::parse(a), Node::parse(b), "{a} {b}");
            assert_eq!(hash(a), hash(b), "{a} {b}");
        }
    }

    #[test]
    fn values_differ_by_number_text_array_order_null_and_lone_surrogates() {
        for (a, b) in [
            ("1.10", "1.1"),
            ("9223372036854775808", "9223372036854775807"),
            ("1e400", "1E400"),
            ("[1,2]", "[2,1]"),
            (r#"{"a":null}"#, "{}"),
            (r#""\ud800""#, r#""\ud801""#),
            (r#""\ud800""#, r#""\ufffd""#),
            (r#""1""#, "1"),
            (r#"["a","b"]"#, r#"["ab",""]"#),
            ("[[],[]]", "[[[]]]"),
            ("{}", "[]"),
        ] {
            assert_ne!(Node::parse(a), Node::parse(b), "{a} {b}");
            assert_ne!(hash(a), hash(b), "{a} {b}");
        }
    }

    #[test]
    fn pointers_lead_to_what_they_name() {
        let node = Node::parse(r#"{"a":{"b/c":[1,{"~":2.0}]},"":{"":3}}"#).unwrap();
        for (pointer, text) in [
            ("/a/b~1c/0", Some("1")),
            ("/a/b~1c/1/~0", Some("2.0")),
            ("//", Some("3")),
            ("/a/b~1c/2", None),
            ("/a/b~1c/x", None),
            ("/a/x", None),
        ] {
            assert_eq!(node.at(pointer).map(|node| node.text), text, "{pointer}");
        }
        assert_eq!(node.at("").map(|node| node.text), Some(node.text));
    }

    #[test]
    fn pointers_name_what_changed() {
        for (before, after, expected) in [
            (r#"{"a":1}"#, r#"{"a":1}"#, vec![]),
            (r#"{"a":1}"#, r#"{"a":2}"#, vec!["/a"]),
            (
                r#"{"a":{"b":1,"c":2}}"#,
                r#"{"a":{"b":1,"c":3,"d":4}}"#,
                vec!["/a/c", "/a/d"],
            ),
            (r#"{"a":[1,2]}"#, r#"{"a":[1,3,4]}"#, vec!["/a/1", "/a/2"]),
            (r#"{"a":{"b":1}}"#, r#"{"a":null}"#, vec!["/a"]),
            (r#"{"a":null}"#, "{}", vec!["/a"]),
            (
                r#"{"x/y":1,"m~n":1}"#,
                r#"{"x/y":2,"m~n":2}"#,
                vec!["/m~0n", "/x~1y"],
            ),
        ] {
            let (old, new) = (Node::parse(before).unwrap(), Node::parse(after).unwrap());
            assert_eq!(
                Node::changed_pointers(&old, &new),
                expected,
                "{before} {after}"
            );
        }
    }

    #[test]
    fn a_record_that_changed_everywhere_lists_its_members_only() {
        let list = |n: i32| {
            (0..1000)
                .map(|i| (i + n).to_string())
                .collect::<Vec<_>>()
                .join(",")
        };
        let (a, b) = (
            format!(r#"{{"m":{{"l":[{}]}}}}"#, list(0)),
            format!(r#"{{"m":{{"l":[{}]}}}}"#, list(1)),
        );
        assert_eq!(
            Node::changed_pointers(&Node::parse(&a).unwrap(), &Node::parse(&b).unwrap()),
            ["/m"]
        );
    }

    #[test]
    fn a_record_with_long_keys_lists_its_members_only() {
        // Each pointer repeats the key: a megabyte for each of the values.
        let key = "k".repeat(1 << 20);
        let text = |n: i32| {
            format!(
                r#"{{"{key}":[{}],"same":1}}"#,
                vec![n.to_string(); 100_000].join(",")
            )
        };
        let (a, b) = (text(1), text(2));
        assert_eq!(
            Node::changed_pointers(&Node::parse(&a).unwrap(), &Node::parse(&b).unwrap()),
            [format!("/{key}")]
        );
    }

    #[test]
    fn members_that_come_and_go_are_listed_however_many_they_are() {
        let text = |name: &str| {
            let members: Vec<String> = (0..300)
                .map(|n| format!(r#""{name}{n:03}":[{n}]"#))
                .collect();
            format!(r#"{{"kept":{{"a":1}},{}}}"#, members.join(","))
        };
        let (a, b) = (text("old"), text("new"));
        let pointers = Node::changed_pointers(&Node::parse(&a).unwrap(), &Node::parse(&b).unwrap());
        let names = ["old", "new"];
        let expected = names
            .iter()
            .flat_map(|name| (0..300).map(move |n| format!("/{name}{n:03}")));
        assert_eq!(pointers, expected.collect::<Vec<_>>());
    }

    /// The depth at which values nest does not matter to what they hold.
    #[test]
    fn what_holds_too_much_is_kept_as_text_and_its_neighbours_are_read() {
        let large = vec!["0"; reader::VALUES_MAX].join(", ");
        let text = format!(
            r#"{{"a":[1],"large":[{large}],"nested":{{"too":[[{large}]]}},"z":{{"b":2}}}}"#
        );
        let node = Node::parse(&text).unwrap();
        assert_eq!(node.text, text);
        assert_eq!(node.at("/a/0").map(|node| node.text), Some("1"));
        assert_eq!(node.at("/z/b").map(|node| node.text), Some("2"));
        for pointer in ["/large", "/nested/too/0"] {
            let large_node = node.at(pointer).unwrap();
            assert!(matches!(large_node.kind, Kind::Literal), "{pointer}");
            assert_eq!(large_node.text, format!("[{large}]"), "{pointer}");
        }
        let other = text.replace("0, 0]", "0, 1]");
        assert_eq!(
            Node::changed_pointers(&node, &Node::parse(&other).unwrap()),
            ["/large", "/nested/too/0"]
        );
        let at_the_bound = format!("[{}]", vec!["0"; reader::VALUES_MAX - 1].join(","));
        assert!(Node::parse(&at_the_bound).unwrap().at("/7").is_some());
    }

    #[test]
    fn nesting_is_bounded_and_deep_values_still_compare() {
        let deep = |inner: &str| format!("{}{inner}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(Node::parse(&deep("1")), Node::parse(&deep("1")));
        assert_ne!(Node::parse(&deep("1")), Node::parse(&deep("2")));
    }

    #[test]
    fn text_that_is_not_json_gives_nothing_and_no_panic() {
        for text in [
            "",
            "{",
            "[1",
            "\"a",
            "{\"a\"}",
            "{\"a\":}",
            "\"\\u12\"",
            "\"\\x\"",
            "[1 2]",
            "{\"a\":1,}x",
            "\"\\ud800\\u\"",
        ] {
            assert_eq!(Node::parse(text), None, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_survived(text in ".{0,80}") {
            let _ = Node::parse(&text);
        }

        /// The tree agrees with `serde_json` wherever that is lossless.
        #[test]
        fn equality_agrees_with_serde_json(a in json(), b in json()) {
            let (text_a, text_b) = (serde_json::to_string_pretty(&a).unwrap(), b.to_string());
            let same = Node::parse(&text_a).unwrap() == Node::parse(&text_b).unwrap();
            proptest::prop_assert_eq!(same, a == b);
            proptest::prop_assert!(hash(&text_a) == hash(&a.to_string()));
        }
    }

    fn json() -> impl proptest::strategy::Strategy<Value = serde_json::Value> {
        use proptest::prelude::*;
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            (0..3_i64).prop_map(Into::into),
            "[a-bé\"\\\\\n🎉]{0,3}".prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 24, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Into::into),
                prop::collection::btree_map("[ab]", inner, 0..3)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }
}
