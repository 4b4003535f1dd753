//! What went wrong, as people read it: a kind, a sentence, hints. Kinds become exit codes here and nowhere else.

use std::{fmt, process::ExitCode};

/// What kind of failure, and so which exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The command could not do its work: 1.
    Failed,
    /// Wrong flags, words, configuration or adapter files: 2.
    Usage,
    /// The store has no answer: 3.
    Miss,
    /// Whoever reads stdout has gone (`| head`): 0, and nothing is said.
    Closed,
}

impl Kind {
    /// The exit code.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Closed => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Miss => 3,
        }
    }
}

/// An error for people.
#[derive(Clone, Debug)]
pub(crate) struct CliError {
    /// What kind.
    pub(crate) kind: Kind,
    /// What happened: a sentence, values in backticks.
    pub(crate) what: String,
    /// What to do.
    pub(crate) hints: Vec<String>,
}

impl CliError {
    /// Of any kind.
    pub(crate) fn new(kind: Kind, what: impl Into<String>) -> Self {
        Self { kind, what: what.into(), hints: Vec::new() }
    }

    /// The command could not do its work.
    pub(crate) fn failed(what: impl Into<String>) -> Self {
        Self::new(Kind::Failed, what)
    }

    /// The user's words or files are wrong.
    pub(crate) fn usage(what: impl Into<String>) -> Self {
        Self::new(Kind::Usage, what)
    }

    /// The store has no answer.
    pub(crate) fn miss(what: impl Into<String>) -> Self {
        Self::new(Kind::Miss, what)
    }

    /// With one more hint.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// The exit code.
    pub(crate) fn exit(&self) -> ExitCode {
        ExitCode::from(self.kind.code())
    }
}

/// `what`, then one `hint:` line each.
impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        self.hints.iter().try_for_each(|hint| write!(f, "\nhint: {hint}"))
    }
}

impl std::error::Error for CliError {}

impl From<larder::Error> for CliError {
    fn from(error: larder::Error) -> Self {
        let hint = error.hint();
        Self::failed(error.to_string()).hint(hint)
    }
}

impl From<larder_core::judge::CallError> for CliError {
    fn from(error: larder_core::judge::CallError) -> Self {
        Self { kind: Kind::Usage, what: error.what, hints: error.hint.into_iter().collect() }
    }
}

/// What the grammar refuses, without its decoration: its first paragraph is what happened, tips and usage are hints.
impl From<&clap::Error> for CliError {
    fn from(error: &clap::Error) -> Self {
        // The grammar's own words would list hidden commands too.
        if error.kind() == clap::error::ErrorKind::MissingSubcommand {
            return Self::usage("no command was given").hint("`larder --help` lists them");
        }
        let text = error.to_string();
        let mut parts = text.split("\n\n").map(str::trim).filter(|part| !part.is_empty());
        let what = parts.next().unwrap_or("the words are not understood");
        let hints = parts.map(|part| part.strip_prefix("tip: ").unwrap_or(part).to_owned());
        Self { hints: hints.collect(), ..Self::usage(what.strip_prefix("error: ").unwrap_or(what)) }
    }
}

/// Wrong files: every diagnostic, one after the other.
impl From<Vec<larder_core::adapter::Diagnostic>> for CliError {
    fn from(found: Vec<larder_core::adapter::Diagnostic>) -> Self {
        let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
        Self::usage(lines.join("\n"))
    }
}
