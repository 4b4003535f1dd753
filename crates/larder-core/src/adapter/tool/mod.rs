//! The words of an adapter that speak of a command-line tool.

mod argv;

pub use argv::Line;

use crate::judge::Cwd;

/// `[tool]`: what holds for every command line of the tool.
#[derive(Clone, Debug, Default)]
pub struct Tool {
    /// The command's name, without a folder.
    pub command: String,
    /// Flags that may stand before and between the sub-command's words, and everywhere else.
    pub flags: Flags,
    /// Variables that change what the tool prints: they enter the question.
    pub env: Vec<String>,
    /// Variables that, when set, mean: run it untouched (debugging, forced terminal output).
    pub pass_env: Vec<String>,
    /// Words that mean, wherever they stand in an argument: run it untouched (filters that look at any variable).
    pub pass_words: Vec<String>,
    /// Variables that hold credentials: they enter the share's digest.
    pub credential_env: Vec<String>,
    /// Files that change what the tool prints: their digests enter the question. `~/…` and `$NAME/…` are expanded.
    pub files: Vec<String>,
    /// Files that hold credentials: their digests enter the share's digest.
    pub credential_files: Vec<String>,
    /// Texts in stdout or stderr that mean that the tool failed, whatever its exit code says.
    pub fail_when: Vec<String>,
}

impl Tool {
    /// The first of its [`pass_words`](Self::pass_words) that stands in one of the arguments.
    fn pass_word(&self, args: &[String]) -> Option<&str> {
        let mut words =
            args.iter().flat_map(|arg| arg.split(|letter: char| !letter.is_alphanumeric() && letter != '_'));
        words.find_map(|word| self.pass_words.iter().find(|known| *known == word).map(String::as_str))
    }
}

/// What an operation says of its command lines.
#[derive(Clone, Debug, Default)]
pub struct ToolRule {
    /// The sub-command, one list of words per spelling (`repo list`, `repo ls`).
    pub words: Vec<Vec<String>>,
    /// What such a command line does.
    pub does: Does,
    /// Its flags, besides the tool's.
    pub flags: Flags,
    /// The most arguments after the sub-command that are not flags.
    pub positionals: u16,
    /// What of the working directory it depends on.
    pub cwd: Cwd,
    /// Whether it reads standard input.
    pub stdin: bool,
    /// Exit codes that are kept. Empty means `[0]`.
    pub keep_exit: Vec<u8>,
}

/// What a command line does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Does {
    /// It reads: its output is kept.
    #[default]
    Read,
    /// It writes: it runs untouched and makes kept output stale.
    Write,
    /// It neither writes nor is worth keeping (or must not be kept): it runs untouched.
    Pass,
}

/// Flags by how they are read. An unknown flag is never guessed at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// Flags without a value: `--archived`, `-a`.
    pub plain: Vec<String>,
    /// Flags with a value: `--limit 5`, `--limit=5`, `-L 5`, `-L5`.
    pub valued: Vec<String>,
    /// Flags that make the command interactive or following, or open something: run it untouched.
    pub pass: Vec<String>,
}

impl Flags {
    /// What is known of `flag` (`--limit`, `-L`).
    #[must_use]
    pub fn kind(&self, flag: &str) -> Option<FlagKind> {
        let has = |flags: &[String]| flags.iter().any(|known| known == flag);
        let kinds = [(&self.pass, FlagKind::Pass), (&self.valued, FlagKind::Valued), (&self.plain, FlagKind::Plain)];
        kinds.into_iter().find(|(flags, _)| has(flags)).map(|(_, kind)| kind)
    }
}

/// How a flag is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlagKind {
    /// Without a value.
    Plain,
    /// With a value.
    Valued,
    /// Run it untouched.
    Pass,
}
