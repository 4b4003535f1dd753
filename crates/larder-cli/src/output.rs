//! Data on stdout, talk on stderr.
//!
//! Colours only where a person looks: `anstream` strips them for files, pipes, `NO_COLOR` and dumb terminals.

use crate::error::{CliError, Kind};
use anstyle::{AnsiColor, Style};
use serde::Serialize;
use std::io::{self, Write};

/// Headings in tables and answers.
pub(crate) const HEADING: Style = Style::new().bold();
/// Good news: hits, fresh answers.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
/// What deserves a look: warnings, misses.
pub(crate) const LOOK: Style = AnsiColor::Yellow.on_default();
/// Errors.
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
/// What matters less.
pub(crate) const DIM: Style = Style::new().dimmed();

/// Where a command writes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    /// `--json`: documents instead of text.
    pub(crate) json: bool,
}

/// A document with its tag in front.
#[derive(Serialize)]
struct Tagged<'a, T: Serialize> {
    schema: &'static str,
    #[serde(flatten)]
    value: &'a T,
}

/// An error as a document.
#[derive(Serialize)]
struct ErrorDocument<'a> {
    kind: &'static str,
    message: &'a str,
    hints: &'a [String],
}

impl Output {
    /// Text for people on stdout. A newline is added.
    pub(crate) fn line(self, text: impl AsRef<str>) -> Result<(), CliError> {
        written(writeln!(anstream::stdout().lock(), "{}", text.as_ref()))
    }

    /// Bytes on stdout, as they are.
    pub(crate) fn bytes(self, bytes: &[u8]) -> Result<(), CliError> {
        let mut out = io::stdout().lock();
        written(out.write_all(bytes).and_then(|()| out.flush()))
    }

    /// One document on stdout, on one line, its `schema` first.
    pub(crate) fn document<T: Serialize>(self, schema: &'static str, value: &T) -> Result<(), CliError> {
        let text = serde_json::to_string(&Tagged { schema, value })
            .map_err(|error| CliError::failed(format!("the document cannot be written: {error}")))?;
        self.bytes(format!("{text}\n").as_bytes())
    }

    /// Words for people on stderr. Nobody may be listening: a failure is no failure.
    pub(crate) fn say(self, text: impl AsRef<str>) {
        let _ = writeln!(anstream::stderr().lock(), "{}", text.as_ref());
    }

    /// A warning on stderr.
    pub(crate) fn warn(self, text: impl AsRef<str>) {
        self.say(format!("{LOOK}warning:{LOOK:#} {}", text.as_ref()));
    }

    /// An error on stderr: text, or a document with `--json`.
    pub(crate) fn error(self, error: &CliError) {
        let kind = match error.kind {
            Kind::Closed => return,
            Kind::Failed => "failed",
            Kind::Usage => "usage",
            Kind::Miss => "miss",
        };
        let document = ErrorDocument { kind, message: &error.what, hints: &error.hints };
        match serde_json::to_string(&Tagged { schema: "larder.error/1", value: &document }) {
            Ok(text) if self.json => self.say(text),
            _ => self.say(styled(error)),
        }
    }
}

fn styled(error: &CliError) -> String {
    let head = match error.kind {
        Kind::Miss => format!("{LOOK}miss:{LOOK:#}"),
        _ => format!("{BAD}error:{BAD:#}"),
    };
    let hints: String = error.hints.iter().map(|hint| format!("\n{HEADING}hint:{HEADING:#} {hint}")).collect();
    format!("{head} {}{hints}", error.what)
}

/// A closed stdout (`larder ls | head`) is how a reader says "enough": the command ends quietly.
pub(crate) fn written(result: io::Result<()>) -> Result<(), CliError> {
    result.map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => CliError::new(Kind::Closed, "stdout is closed"),
        _ => CliError::failed(format!("stdout cannot be written: {error}")),
    })
}
