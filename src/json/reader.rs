//! Text that `serde_json` has found valid → [`Node`].

use std::borrow::Cow;

use super::{Kind, Node, Text};

/// Containers nested deeper than this are compared by their text. It bounds the stack; real records are under 10 deep.
const DEPTH_MAX: usize = 64;

/// A container that would make a record hold more values than this is compared by its text, too. It bounds memory, of which a value
/// takes tens of times what its text does; real records have some hundred.
pub(super) const VALUES_MAX: usize = 1 << 18;

/// A position in the text being read.
pub(super) struct Reader<'a> {
    text: &'a str,
    at: usize,
    /// Values held so far.
    values: usize,
}

impl<'a> Reader<'a> {
    /// Reads the one value that the text is.
    pub(super) fn read_all(text: &'a str) -> Option<Node<'a>> {
        let mut reader = Self {
            text,
            at: 0,
            values: 0,
        };
        reader.space();
        let node = reader.value(0)?;
        reader.space();
        (reader.at == text.len()).then_some(node)
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Steps over `byte` and the white space after it, if it is next.
    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        if found {
            self.at += 1;
            self.space();
        }
        found
    }

    fn value(&mut self, depth: usize) -> Option<Node<'a>> {
        let start = self.at;
        self.values += 1;
        let kind = match self.peek()? {
            b'"' => Kind::String(self.string()?),
            b'{' | b'[' => self.container(depth)?,
            _ => {
                while self.peek().is_some_and(|byte| {
                    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.')
                }) {
                    self.at += 1;
                }
                (self.at > start).then_some(Kind::Literal)?
            }
        };
        Some(Node {
            text: self.text.get(start..self.at)?,
            kind,
        })
    }

    /// Reads a container, or steps over one that is nested too deep or holds too much.
    fn container(&mut self, depth: usize) -> Option<Kind<'a>> {
        let (start, values) = (self.at, self.values);
        if depth < DEPTH_MAX {
            let kind = if self.peek()? == b'{' {
                self.object(depth).map(Kind::Object)
            } else {
                self.array(depth).map(Kind::Array)
            };
            if self.values <= VALUES_MAX {
                return kind;
            }
        }
        (self.at, self.values) = (start, values);
        self.skip_container()?;
        Some(Kind::Literal)
    }

    /// `None` if it is no object, or as soon as it holds too much.
    fn object(&mut self, depth: usize) -> Option<Vec<(Text<'a>, Node<'a>)>> {
        let mut members = Vec::new();
        self.take(b'{');
        while self.peek()? == b'"' {
            let key = self.string()?;
            self.space();
            if !self.take(b':') {
                return None;
            }
            members.push((key, self.value(depth + 1)?));
            if self.values > VALUES_MAX {
                return None;
            }
            self.space();
            if !self.take(b',') {
                break;
            }
        }
        self.close(b'}')?;
        // The sort is stable, so of equal keys the last one sent is the last one here.
        members.sort_by(|(a, _), (b, _)| a.cmp(b));
        members.reverse();
        members.dedup_by(|(later, _), (kept, _)| later == kept);
        members.reverse();
        Some(members)
    }

    /// As [`Reader::object`].
    fn array(&mut self, depth: usize) -> Option<Vec<Node<'a>>> {
        let mut items = Vec::new();
        self.take(b'[');
        while self.peek()? != b']' {
            items.push(self.value(depth + 1)?);
            if self.values > VALUES_MAX {
                return None;
            }
            self.space();
            if !self.take(b',') {
                break;
            }
        }
        self.close(b']')?;
        Some(items)
    }

    /// Steps over the closing bracket only: white space after it is not part of the value.
    fn close(&mut self, bracket: u8) -> Option<()> {
        (self.peek() == Some(bracket)).then(|| self.at += 1)
    }

    /// Steps over a container without reading it, however deep.
    fn skip_container(&mut self) -> Option<()> {
        let mut open = 0_usize;
        loop {
            match self.peek()? {
                b'"' => {
                    self.string()?;
                    continue;
                }
                b'{' | b'[' => open += 1,
                b'}' | b']' => open -= 1,
                _ => {}
            }
            self.at += 1;
            if open == 0 {
                return Some(());
            }
        }
    }

    /// Reads a string; the next byte is its opening quote.
    fn string(&mut self) -> Option<Text<'a>> {
        let start = self.at + 1;
        let rest = self.text.as_bytes().get(start..)?;
        let plain = rest.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
        if rest.get(plain) == Some(&b'"') {
            self.at = start + plain + 1;
            return Some(Text(Cow::Borrowed(rest.get(..plain)?)));
        }
        let mut out = rest.get(..plain)?.to_vec();
        self.at = start + plain;
        loop {
            let run = self.text.as_bytes().get(self.at..)?;
            let plain = run.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
            out.extend_from_slice(run.get(..plain)?);
            self.at += plain + 1;
            if run.get(plain) == Some(&b'"') {
                return Some(Text(Cow::Owned(out)));
            }
            self.escape(&mut out)?;
        }
    }

    /// Reads what follows a backslash.
    fn escape(&mut self, out: &mut Vec<u8>) -> Option<()> {
        let byte = self.peek()?;
        self.at += 1;
        match byte {
            b'"' | b'\\' | b'/' => out.push(byte),
            b'b' => out.push(8),
            b'f' => out.push(12),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'u' => {
                let unit = self.hex()?;
                let code = self.low_half(unit).unwrap_or(unit);
                push_code(code, out);
            }
            _ => return None,
        }
        Some(())
    }

    fn hex(&mut self) -> Option<u32> {
        let digits = self.text.get(self.at..self.at + 4)?;
        self.at += 4;
        u32::from_str_radix(digits, 16).ok()
    }

    /// The code point of a surrogate pair whose high half was `high`, if the low half follows.
    fn low_half(&mut self, high: u32) -> Option<u32> {
        if !(0xD800..0xDC00).contains(&high) || !self.text.get(self.at..)?.starts_with("\\u") {
            return None;
        }
        let back = self.at;
        self.at += 2;
        match self.hex() {
            Some(low) if (0xDC00..0xE000).contains(&low) => {
                Some(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))
            }
            _ => {
                self.at = back;
                None
            }
        }
    }
}

/// Appends a code point, surrogates too (as WTF-8: three bytes that UTF-8 forbids).
fn push_code(code: u32, out: &mut Vec<u8>) {
    if let Some(character) = char::from_u32(code) {
        out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    } else {
        out.extend_from_slice(&[
            0xE0 | (code >> 12) as u8,
            0x80 | (code >> 6 & 0x3F) as u8,
            0x80 | (code & 0x3F) as u8,
        ]);
    }
}
