//! DAG-CBOR, as far as records go: what is written is canonical, and only what is canonical is read (RFC 8949 §3 and §4.2.1,
//! IPLD's DAG-CBOR specification).

/// Major types (RFC 8949 §3.1), in the first three bits of an item.
const POSITIVE: u8 = 0;
const NEGATIVE: u8 = 1;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const LIST: u8 = 4;
const MAP: u8 = 5;
/// The one-byte item that says nothing.
const NULL: u8 = 0xf6;

/// Writes items one behind the other.
#[derive(Default)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    pub(super) fn done(self) -> Vec<u8> {
        self.0
    }

    pub(super) fn number(&mut self, number: u64) {
        self.head(POSITIVE, number);
    }

    pub(super) fn signed(&mut self, number: i64) {
        match u64::try_from(number) {
            Ok(number) => self.head(POSITIVE, number),
            // −1 − n, which for two's complement is the bits turned over.
            Err(_) => self.head(NEGATIVE, (!number).cast_unsigned()),
        }
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.head(BYTES, bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    pub(super) fn text(&mut self, text: &str) {
        self.head(TEXT, text.len() as u64);
        self.0.extend_from_slice(text.as_bytes());
    }

    pub(super) fn text_or_null(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.text(text),
            None => self.0.push(NULL),
        }
    }

    pub(super) fn list(&mut self, elements: usize) {
        self.head(LIST, elements as u64);
    }

    pub(super) fn map(&mut self, members: usize) {
        self.head(MAP, members as u64);
    }

    fn head(&mut self, major: u8, number: u64) {
        let [.., c3, c2, c1, c0] = number.to_be_bytes();
        let major = major << 5;
        match number {
            0..=23 => self.0.push(major | c0),
            24..=0xff => self.0.extend_from_slice(&[major | 24, c0]),
            0x100..=0xffff => self.0.extend_from_slice(&[major | 25, c1, c0]),
            0x1_0000..=0xffff_ffff => self.0.extend_from_slice(&[major | 26, c3, c2, c1, c0]),
            _ => {
                self.0.push(major | 27);
                self.0.extend_from_slice(&number.to_be_bytes());
            }
        }
    }
}

/// Reads items one behind the other; `None` where the next one is not what is asked for, or not canonical.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn number<N: TryFrom<u64>>(&mut self) -> Option<N> {
        N::try_from(self.head(POSITIVE)?).ok()
    }

    pub(super) fn signed(&mut self) -> Option<i64> {
        match self.0.first()? >> 5 {
            NEGATIVE => i64::try_from(self.head(NEGATIVE)?).ok().map(|number| !number),
            _ => self.number(),
        }
    }

    pub(super) fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.head(BYTES)?;
        self.take(length)
    }

    pub(super) fn text(&mut self) -> Option<&'a str> {
        let length = self.head(TEXT)?;
        std::str::from_utf8(self.take(length)?).ok()
    }

    pub(super) fn text_or_null(&mut self) -> Option<Option<&'a str>> {
        if let Some((&NULL, rest)) = self.0.split_first() {
            self.0 = rest;
            return Some(None);
        }
        self.text().map(Some)
    }

    /// The elements of a list, each read by `element`.
    pub(super) fn list<T>(&mut self, mut element: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = self.head(LIST)?;
        // An element takes a byte at least.
        let mut list = Vec::with_capacity(usize::try_from(count).ok().filter(|count| *count <= self.0.len())?);
        for _ in 0..count {
            list.push(element(self)?);
        }
        Some(list)
    }

    /// A list of so many elements begins.
    pub(super) fn begin_list(&mut self, elements: u64) -> Option<()> {
        (self.head(LIST)? == elements).then_some(())
    }

    /// A map of so many members begins.
    pub(super) fn begin_map(&mut self, members: u64) -> Option<()> {
        (self.head(MAP)? == members).then_some(())
    }

    /// This text, and no other.
    pub(super) fn name(&mut self, name: &str) -> Option<()> {
        let length = self.head(TEXT)?;
        (self.take(length)? == name.as_bytes()).then_some(())
    }

    /// Whether nothing is left.
    pub(super) fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }

    fn take(&mut self, length: u64) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(usize::try_from(length).ok()?)?;
        self.0 = rest;
        Some(taken)
    }

    /// The number of an item of this type, if it could not be written shorter.
    fn head(&mut self, major: u8) -> Option<u64> {
        let (first, rest) = self.0.split_first().filter(|(first, _)| **first >> 5 == major)?;
        let (number, rest) = super::strict::number(first & 31, rest)?;
        self.0 = rest;
        Some(number)
    }
}
