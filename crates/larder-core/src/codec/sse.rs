//! Server-sent events, cut out of bytes however they arrive (WHATWG HTML, section 9.2.6).

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// The event's name; empty where the stream named none (`message`).
    pub name: String,
    /// Its data lines, joined by line feeds.
    pub data: String,
}

/// Cuts a stream of bytes into events.
#[derive(Debug, Default)]
pub struct Sse {
    /// The line that is not ended yet.
    line: Vec<u8>,
    /// The last byte was a carriage return: a line feed that follows belongs to it.
    after_cr: bool,
    /// The first line, from which a byte order mark is taken, is over.
    begun: bool,
    name: String,
    data: Option<String>,
}

impl Sse {
    /// Takes the next bytes; hands every event that they complete to `each`.
    pub fn feed(&mut self, mut bytes: &[u8], each: &mut dyn FnMut(Event)) {
        if self.after_cr && !bytes.is_empty() {
            self.after_cr = false;
            bytes = bytes.strip_prefix(b"\n").unwrap_or(bytes);
        }
        while let Some(at) = memchr::memchr2(b'\r', b'\n', bytes) {
            self.line.extend_from_slice(&bytes[..at]);
            let cr = bytes[at] == b'\r';
            bytes = &bytes[at + 1..];
            self.after_cr = cr && bytes.is_empty();
            if cr {
                bytes = bytes.strip_prefix(b"\n").unwrap_or(bytes);
            }
            self.end_line(each);
        }
        self.line.extend_from_slice(bytes);
    }

    /// Whether the stream, should it end here, ends in the middle of an event (which the standard discards).
    #[must_use]
    pub fn in_event(&self) -> bool {
        !self.line.is_empty() || self.data.is_some() || !self.name.is_empty()
    }

    /// How many bytes of an unfinished event are held.
    #[must_use]
    pub fn held(&self) -> usize {
        self.line.len() + self.name.len() + self.data.as_ref().map_or(0, String::len)
    }

    fn end_line(&mut self, each: &mut dyn FnMut(Event)) {
        let line = std::mem::take(&mut self.line);
        let mut text = line.as_slice();
        if !self.begun {
            self.begun = true;
            text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text);
        }
        if text.is_empty() {
            self.dispatch(each);
        } else {
            let text = String::from_utf8_lossy(text);
            let (field, value) = text.split_once(':').unwrap_or((&text, ""));
            self.field(field, value.strip_prefix(' ').unwrap_or(value));
        }
        // The allocation is used again for the next line.
        self.line = line;
        self.line.clear();
    }

    /// A field; comments have an empty name, and `id`, `retry` and unknown names say nothing about the answer.
    fn field(&mut self, field: &str, value: &str) {
        match field {
            "event" => value.clone_into(&mut self.name),
            "data" => match &mut self.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => self.data = Some(value.to_owned()),
            },
            _ => {}
        }
    }

    fn dispatch(&mut self, each: &mut dyn FnMut(Event)) {
        let name = std::mem::take(&mut self.name);
        if let Some(data) = self.data.take() {
            each(Event { name, data });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cut(pieces: &[&[u8]]) -> (Vec<Event>, bool) {
        let (mut sse, mut events) = (Sse::default(), Vec::new());
        for piece in pieces {
            sse.feed(piece, &mut |event| events.push(event));
        }
        (events, sse.in_event())
    }

    fn event(name: &str, data: &str) -> Event {
        Event { name: name.into(), data: data.into() }
    }

    #[test]
    fn the_standards_cases() {
        let table: &[(&str, Vec<Event>, bool)] = &[
            ("data: a\n\n", vec![event("", "a")], false),
            ("data:a\r\rdata:b\r\n\r\n", vec![event("", "a"), event("", "b")], false),
            ("\u{feff}data: a\n\n", vec![event("", "a")], false),
            ("data: a\n\n\u{feff}data: b\n\n", vec![event("", "a")], false),
            (": ping\n\ndata: x\ndata:  y\ndata\n\n", vec![event("", "x\n y\n")], false),
            ("event: e\nid: 1\nretry: 2\ndata: x\n\n", vec![event("e", "x")], false),
            ("event: e\n\ndata: x\n\n", vec![event("", "x")], false),
            ("data: x\n", vec![], true),
            ("data: x\n\ndata", vec![event("", "x")], true),
            ("data: x\n\nevent: e\n", vec![event("", "x")], true),
            ("", vec![], false),
        ];
        for (text, expected, in_event) in table {
            assert_eq!(cut(&[text.as_bytes()]), (expected.clone(), *in_event), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_cutting_gives_the_same_events(
            text in "(data|event|: c|\\u{feff}|:| |é|a|\r|\n|\r\n){0,60}",
            cuts in proptest::collection::vec(0usize..400, 0..12),
        ) {
            let bytes = text.as_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|at| at.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
            let each_byte: Vec<&[u8]> = bytes.chunks(1).collect();
            let whole = cut(&[bytes]);
            prop_assert_eq!(&cut(&pieces), &whole);
            prop_assert_eq!(&cut(&each_byte), &whole);
        }
    }
}
