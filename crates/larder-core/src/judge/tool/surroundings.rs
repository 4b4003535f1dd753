//! What around a command line forbids keeping its output.

use crate::judge::{PassReason, ToolMatch};

/// What the edge sees before it asks anything of the store.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// stdout is a terminal.
    pub terminal: bool,
    /// There is something to read on stdin.
    pub data_on_stdin: bool,
    /// Whether a variable is set (to anything, the empty text included).
    pub is_set: &'a dyn Fn(&str) -> bool,
}

impl ToolMatch {
    /// Why the command runs untouched after all; `None`: nothing stands in the way.
    #[must_use]
    pub fn refusal(&self, around: &Surroundings<'_>) -> Option<PassReason> {
        let excluded = |what: &str| Some(PassReason::Excluded(what.to_owned()));
        if around.terminal && !self.terminal {
            return excluded("stdout is a terminal");
        }
        if around.data_on_stdin && !self.stdin {
            return excluded("there is data on stdin");
        }
        let set = self.pass_env.iter().find(|name| (around.is_set)(name))?;
        excluded(&format!("the variable `{set}` is set"))
    }
}
