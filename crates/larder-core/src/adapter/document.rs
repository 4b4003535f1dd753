//! Reading an adapter file: every table knows its words, every complaint knows its line.
//!
//! Words are declared once, in a [`Section`]. The same declaration refuses unknown words, tells where a misplaced word
//! belongs, and is what `docs/reference/adapter-format.md` is made of: no word can be accepted and undocumented.

use super::{Diagnostic, duration, sections};
use std::{cell::RefCell, ops::Range, time::Duration};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// A stretch of the file, in bytes.
pub(crate) type Span = Range<usize>;

/// One word of the format.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Word {
    /// As it is written.
    pub(crate) name: &'static str,
    /// What kind of value follows, for people: `text`, `list of text`, …
    pub(crate) form: &'static str,
    /// What it means, for the reference.
    pub(crate) says: &'static str,
}

/// A word of the format; a short way to write tables of them.
pub(crate) const fn word(name: &'static str, form: &'static str, says: &'static str) -> Word {
    Word { name, form, says }
}

/// One table of the format and the words that may stand in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Section {
    /// As people find it in the file: `[http]`, `[[operation]]`, `ttl = [{…}]`.
    pub(crate) title: &'static str,
    /// What the table is for, for the reference.
    pub(crate) says: &'static str,
    /// Its words, in groups.
    pub(crate) words: &'static [&'static [Word]],
}

impl Section {
    /// All its words.
    pub(crate) fn words(&self) -> impl Iterator<Item = &'static Word> {
        self.words.iter().flat_map(|group| group.iter())
    }

    fn has(&self, name: &str) -> bool {
        self.words().any(|word| word.name == name)
    }
}

/// A file that is being read, and what was wrong with it so far.
#[derive(Debug)]
pub(crate) struct Document<'t> {
    file: &'t str,
    text: &'t str,
    problems: RefCell<Vec<Diagnostic>>,
}

impl<'t> Document<'t> {
    /// A file of this name with this text.
    pub(crate) fn new(text: &'t str, file: &'t str) -> Self {
        Self { file, text, problems: RefCell::default() }
    }

    /// Parses the TOML; syntax errors are reported, all of them.
    pub(crate) fn toml(&self) -> Option<Spanned<DeTable<'t>>> {
        let (table, errors) = DeTable::parse_recoverable(self.text);
        for error in &errors {
            let what = format!("not TOML: {}", error.message().replace('\n', ", "));
            self.report(&error.span().unwrap_or_default(), what, None);
        }
        errors.is_empty().then_some(table)
    }

    /// Notes a problem at `span`.
    pub(crate) fn report(&self, span: &Span, what: impl Into<String>, hint: Option<String>) {
        let before = self.text.as_bytes().get(..span.start).unwrap_or_default();
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let problem = Diagnostic { file: self.file.to_owned(), line, what: what.into(), hint };
        self.problems.borrow_mut().push(problem);
    }

    /// Whether nothing was wrong so far.
    pub(crate) fn is_sound(&self) -> bool {
        self.problems.borrow().is_empty()
    }

    /// What was wrong, in the file's order.
    pub(crate) fn into_problems(self) -> Vec<Diagnostic> {
        let mut problems = self.problems.into_inner();
        problems.sort_by_key(|problem| problem.line);
        problems
    }
}

/// One table of the file, its words checked.
#[derive(Clone, Debug)]
pub(crate) struct Table<'a> {
    /// The file, for reports.
    pub(crate) doc: &'a Document<'a>,
    /// Where the table begins.
    pub(crate) span: Span,
    section: &'static Section,
    members: &'a DeTable<'a>,
}

/// A text and where it stands.
pub(crate) type Text = (String, Span);

impl<'a> Table<'a> {
    /// Opens a table and reports every word that does not belong into it.
    pub(crate) fn open(doc: &'a Document<'a>, section: &'static Section, members: &'a DeTable<'a>, span: Span) -> Self {
        for (name, _) in members.iter().filter(|(name, _)| !section.has(name.get_ref())) {
            refuse_word(doc, section, name.get_ref(), &name.span());
        }
        Self { doc, span, section, members }
    }

    /// The value of a word.
    pub(crate) fn value(&self, word: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        debug_assert!(self.section.has(word), "`{word}` is not declared in {}", self.section.title);
        self.members.iter().find(|(name, _)| name.get_ref() == word).map(|(_, value)| value)
    }

    /// Whether the word is there.
    pub(crate) fn has(&self, word: &str) -> bool {
        self.value(word).is_some()
    }

    /// Where a word's value stands; the table itself without it.
    pub(crate) fn span_of(&self, word: &str) -> Span {
        self.value(word).map_or_else(|| self.span.clone(), Spanned::span)
    }

    /// Reports a problem with a word's value.
    pub(crate) fn report(&self, word: &str, what: impl Into<String>, hint: impl Into<Option<&'static str>>) {
        self.doc.report(&self.span_of(word), what, hint.into().map(str::to_owned));
    }

    fn expected(&self, word: &str, found: &Spanned<DeValue<'_>>, expected: &str) {
        let what = format!("`{word}` is {}, expected {expected}", kind(found.get_ref()));
        self.doc.report(&found.span(), what, None);
    }

    /// A text.
    pub(crate) fn text(&self, word: &str) -> Option<Text> {
        let value = self.value(word)?;
        let text = value.get_ref().as_str();
        if text.is_none() {
            self.expected(word, value, "a text");
        }
        text.map(|text| (text.to_owned(), value.span()))
    }

    /// A text that must be there.
    pub(crate) fn required_text(&self, word: &str) -> Option<Text> {
        if !self.has(word) {
            self.missing(word);
        }
        self.text(word)
    }

    /// Reports that a word is missing.
    pub(crate) fn missing(&self, word: &str) {
        let form = self.section.words().find(|known| known.name == word).map_or("", |known| known.form);
        let hint = format!("write `{word} = …` ({form})");
        self.doc.report(&self.span, format!("`{word}` is missing in {}", self.section.title), Some(hint));
    }

    /// `true` or `false`; `false` when it is not there.
    pub(crate) fn flag(&self, word: &str) -> bool {
        self.optional_flag(word).unwrap_or(false)
    }

    /// `true` or `false`.
    pub(crate) fn optional_flag(&self, word: &str) -> Option<bool> {
        let value = self.value(word)?;
        let flag = value.get_ref().as_bool();
        if flag.is_none() {
            self.expected(word, value, "`true` or `false`");
        }
        flag
    }

    /// A list; one value stands for a list of one.
    pub(crate) fn list(&self, word: &str) -> Vec<&'a Spanned<DeValue<'a>>> {
        match self.value(word) {
            None => Vec::new(),
            Some(value) => match value.get_ref() {
                DeValue::Array(items) => items.iter().collect(),
                _ => vec![value],
            },
        }
    }

    /// A list of texts; one text stands for a list of one.
    pub(crate) fn texts(&self, word: &str) -> Vec<Text> {
        let mut texts = Vec::new();
        for item in self.list(word) {
            match item.get_ref().as_str() {
                Some(text) => texts.push((text.to_owned(), item.span())),
                None => self.expected(word, item, "a list of texts"),
            }
        }
        texts
    }

    /// A list of whole numbers from `low` to `high`.
    pub(crate) fn numbers(&self, word: &str, low: u16, high: u16) -> Vec<u16> {
        let mut numbers = Vec::new();
        for item in self.list(word) {
            match whole(item.get_ref()).filter(|number| (low..=high).contains(number)) {
                Some(number) => numbers.push(number),
                None => self.expected(word, item, &format!("whole numbers from {low} to {high}")),
            }
        }
        numbers
    }

    /// A length of time.
    pub(crate) fn duration(&self, word: &str) -> Option<Duration> {
        let (text, span) = self.text(word)?;
        let length = duration::parse(&text);
        if length.is_none() {
            self.doc.report(
                &span,
                format!("`{word}` is `{text}`, expected a length of time"),
                Some(duration::HINT.to_owned()),
            );
        }
        length
    }

    /// A table under this word.
    pub(crate) fn table(&self, word: &str, section: &'static Section) -> Option<Table<'a>> {
        let value = self.value(word)?;
        self.as_table(word, value, section)
    }

    /// A list of tables under this word; one table stands for a list of one.
    pub(crate) fn tables(&self, word: &str, section: &'static Section) -> Vec<Table<'a>> {
        self.list(word).into_iter().filter_map(|item| self.as_table(word, item, section)).collect()
    }

    /// `value` as a table of `section`.
    pub(crate) fn as_table(
        &self,
        word: &str,
        value: &'a Spanned<DeValue<'a>>,
        section: &'static Section,
    ) -> Option<Table<'a>> {
        match value.get_ref() {
            DeValue::Table(members) => Some(Table::open(self.doc, section, members, value.span())),
            _ => {
                self.expected(word, value, &format!("a table ({})", section.title));
                None
            }
        }
    }

    /// A table of free names with texts as values.
    pub(crate) fn named_texts(&self, word: &str) -> Vec<(String, Text)> {
        let Some(value) = self.value(word) else { return Vec::new() };
        let DeValue::Table(members) = value.get_ref() else {
            self.expected(word, value, "a table of texts");
            return Vec::new();
        };
        let mut texts = Vec::new();
        for (name, value) in members.iter() {
            match value.get_ref().as_str() {
                Some(text) => texts.push((name.get_ref().clone().into_owned(), (text.to_owned(), value.span()))),
                None => self.expected(word, value, "a table of texts"),
            }
        }
        texts
    }
}

fn refuse_word(doc: &Document<'_>, section: &Section, name: &str, span: &Span) {
    let homes = sections::family(section).iter().filter(|other| other.has(name));
    let homes: Vec<_> = homes.map(|other| format!("`{}`", other.title)).collect();
    if homes.is_empty() {
        let known: Vec<_> = section.words().map(|word| format!("`{}`", word.name)).collect();
        let hint = format!("its words are {}", known.join(", "));
        doc.report(span, format!("unknown word `{name}` in `{}`", section.title), Some(hint));
    } else {
        let hint = format!("`{name}` is a word of {}", homes.join(" and "));
        doc.report(span, format!("`{name}` does not belong into `{}`", section.title), Some(hint));
    }
}

fn whole(value: &DeValue<'_>) -> Option<u16> {
    let integer = value.as_integer()?;
    u16::from_str_radix(integer.as_str(), integer.radix()).ok()
}

/// What a value is, for people.
pub(crate) fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "`true` or `false`",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
