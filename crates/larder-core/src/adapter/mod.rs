//! Adapters: what larder knows about a service or a tool, as data (docs/reference/adapter-format.md).
//!
//! One TOML file is one [`Adapter`]. [`Adapter::parse`] refuses whatever it does not understand, with file and line: a
//! word that is accepted and ignored would give wrong answers.

pub mod answer;
mod answer_words;
mod check;
pub mod condition;
mod document;
pub mod duration;
mod file;
pub mod harness;
pub mod http;
mod operation;
pub mod place;
pub mod pointer;
pub mod reference;
pub mod route;
mod sections;
pub mod tool;
mod tool_words;
pub mod ttl;

pub use answer::AnswerRule;
pub(crate) use check::precedence;
pub use http::{Http, HttpRule};
pub use operation::Operation;
pub use tool::{Tool, ToolRule};

use document::Document;
use std::{fmt, sync::Arc};

/// One service or tool, read from one TOML file and checked.
#[derive(Clone, Debug)]
pub struct Adapter {
    /// The name: first path segment at the gateway, first word on the command line.
    pub name: String,
    /// One line for people.
    pub summary: String,
    /// How it is reached over HTTP, if it is.
    pub http: Option<Http>,
    /// Which command it describes, if it does.
    pub tool: Option<Tool>,
    /// Its operations in the file's order.
    pub operations: Vec<Arc<Operation>>,
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod whole_tests;

/// One thing that is wrong with an adapter file (or a configuration file).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The file.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// What is wrong, in one sentence; the values in backticks.
    pub what: String,
    /// What was expected or what to do.
    pub hint: Option<String>,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.what)?;
        self.hint.iter().try_for_each(|hint| write!(f, "\nhint: {hint}"))
    }
}

impl Adapter {
    /// Reads and checks one adapter file. `file` is the name for messages.
    pub fn parse(text: &str, file: &str) -> Result<Self, Vec<Diagnostic>> {
        let doc = Document::new(text, file);
        let adapter = doc.toml().and_then(|toml| file::read(&doc, &toml));
        match adapter {
            Some(adapter) if doc.is_sound() => Ok(adapter),
            _ => Err(doc.into_problems()),
        }
    }

    /// The operation `name`.
    #[must_use]
    pub fn operation(&self, name: &str) -> Option<&Arc<Operation>> {
        self.operations.iter().find(|operation| operation.name == name)
    }
}
