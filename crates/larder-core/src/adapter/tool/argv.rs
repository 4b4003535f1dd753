//! Reading a command line by a tool's rule, the way getopt_long and its relatives read it.

use super::{Does, FlagKind, Flags};
use crate::adapter::{Adapter, Operation, Tool};
use std::sync::Arc;

/// What a command line turned out to be.
#[derive(Clone, Debug)]
pub enum Line {
    /// One of these operations, every word of it understood.
    Operation(Arc<Operation>),
    /// An operation, with a flag or a word that says: untouched. Which one.
    Untouched(Option<Arc<Operation>>, String),
    /// An operation, with something in its command line that no rule knows: what.
    Strange(Arc<Operation>, String),
    /// No operation's sub-command.
    Unknown,
}

/// One argument, as flags are cut.
enum Piece<'a> {
    /// Not a flag.
    Word(&'a str),
    /// A flag that is known, and how.
    Flag(&'a str, FlagKind),
    /// A flag that is not.
    Strange(String),
    /// `--`: only words follow.
    End,
}

/// Cuts arguments into pieces; the values of flags are swallowed.
struct Pieces<'a> {
    args: &'a [String],
    at: usize,
    /// The letters of a bundle (`-abc`) that are still to come.
    bundle: &'a str,
    ended: bool,
    flags: &'a [&'a Flags],
}

impl<'a> Pieces<'a> {
    fn new(args: &'a [String], flags: &'a [&'a Flags]) -> Self {
        Self { args, at: 0, bundle: "", ended: false, flags }
    }

    fn kind(&self, flag: &str) -> Option<FlagKind> {
        self.flags.iter().find_map(|flags| flags.kind(flag))
    }

    /// `--name`, `--name=value`.
    fn long(&mut self, arg: &'a str) -> Piece<'a> {
        let (name, value) = arg.split_once('=').map_or((arg, None), |(name, value)| (name, Some(value)));
        match self.kind(name) {
            None => Piece::Strange(name.to_owned()),
            Some(kind) => {
                // A missing value is the tool's own error; it runs, fails, and nothing is kept.
                self.at += usize::from(kind == FlagKind::Valued && value.is_none());
                Piece::Flag(name, kind)
            }
        }
    }

    /// The first letter of `-abc`, `-L5`, `-L=5`; the rest stays in the bundle.
    fn short(&mut self, letters: &'a str) -> Piece<'a> {
        let mut rest = letters.chars();
        let Some(letter) = rest.next() else { return Piece::Strange("-".to_owned()) };
        let (rest, name) = (rest.as_str(), format!("-{letter}"));
        let Some((known, kind)) = self.known(&name) else { return Piece::Strange(name) };
        self.bundle = match kind {
            FlagKind::Valued => {
                self.at += usize::from(rest.is_empty());
                ""
            }
            // `-a=true`: what follows is a value.
            _ if rest.starts_with('=') => "",
            _ => rest,
        };
        Piece::Flag(known, kind)
    }

    fn known(&self, name: &str) -> Option<(&'a str, FlagKind)> {
        self.flags.iter().find_map(|flags| {
            let every = flags.pass.iter().chain(&flags.valued).chain(&flags.plain);
            let known = every.map(String::as_str).find(|known| *known == name)?;
            Some((known, flags.kind(known)?))
        })
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        if !self.bundle.is_empty() {
            return Some(self.short(self.bundle));
        }
        let arg = self.args.get(self.at)?.as_str();
        self.at += 1;
        Some(match arg {
            "--" if !self.ended => {
                self.ended = true;
                Piece::End
            }
            _ if self.ended || arg == "-" || !arg.starts_with('-') => Piece::Word(arg),
            _ if arg.starts_with("--") => self.long(arg),
            _ => self.short(arg.trim_start_matches('-')),
        })
    }
}

impl Adapter {
    /// Reads the command line of this adapter's tool. `args`: what follows the command's name.
    #[must_use]
    pub fn recognise(&self, tool: &Tool, args: &[String]) -> Line {
        let common = [&tool.flags];
        let (words, passing) = leading_words(Pieces::new(args, &common));
        match (self.longest(&words), passing) {
            (Some((operation, length)), _) => judge_line(tool, operation, length, args),
            (None, Some(flag)) if words.is_empty() => Line::Untouched(None, of_flag(&flag)),
            (None, _) => Line::Unknown,
        }
    }

    /// The operation whose sub-command is the longest beginning of `words`, and how many words that is.
    fn longest(&self, words: &[&str]) -> Option<(&Arc<Operation>, usize)> {
        let spellings = self.operations.iter().flat_map(|operation| {
            let rule = operation.tool.as_ref();
            rule.into_iter().flat_map(|rule| &rule.words).map(move |spelling| (operation, spelling))
        });
        let fitting = spellings.filter(|(_, spelling)| {
            words.len() >= spelling.len() && words.iter().zip(*spelling).all(|(word, known)| word == known)
        });
        fitting.map(|(operation, spelling)| (operation, spelling.len())).max_by_key(|(_, length)| *length)
    }
}

/// The words before the first flag that is not common to all sub-commands, and a common flag that says: untouched.
fn leading_words<'a>(pieces: Pieces<'a>) -> (Vec<&'a str>, Option<String>) {
    let mut words = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Word(word) => words.push(word),
            Piece::Flag(flag, FlagKind::Pass) => return (words, Some(flag.to_owned())),
            Piece::Flag(..) => {}
            Piece::Strange(_) | Piece::End => break,
        }
    }
    (words, None)
}

/// Reads the whole line by the operation's own flags. Lines of writes are not read: they run untouched anyway.
fn judge_line(tool: &Tool, operation: &Arc<Operation>, length: usize, args: &[String]) -> Line {
    let found = || Arc::clone(operation);
    let Some(rule) = operation.tool.as_ref().filter(|rule| rule.does == Does::Read) else {
        return Line::Operation(found());
    };
    let flags = [&rule.flags, &tool.flags];
    let (mut words, mut passing) = (0, None);
    for piece in Pieces::new(args, &flags) {
        match piece {
            Piece::Word(_) => words += 1,
            // Something strange may still follow, and that may write.
            Piece::Flag(flag, FlagKind::Pass) => passing = passing.or(Some(flag)),
            Piece::Strange(flag) => return Line::Strange(found(), format!("the flag `{flag}` is not known")),
            Piece::Flag(..) | Piece::End => {}
        }
    }
    let most = length + usize::from(rule.positionals);
    if words > most {
        return Line::Strange(found(), format!("{} arguments, at most {} are known", words - length, rule.positionals));
    }
    let said = passing.map(of_flag).or_else(|| tool.pass_word(args).map(|word| format!("the word `{word}`")));
    said.map_or_else(|| Line::Operation(found()), |said| Line::Untouched(Some(found()), said))
}

fn of_flag(flag: &str) -> String {
    format!("the flag `{flag}`")
}
