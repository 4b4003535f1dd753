//! The runner's own small command line: what stands before the tool's. The large grammar costs more than a hit.

use crate::{
    config::{Flags, parse_duration, parse_share},
    error::CliError,
};
use larder_core::{ShareChoice, judge::RunOptions};
use std::ffi::{OsStr, OsString};

/// What `larder run` was told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Words {
    /// `--store`, `--config`.
    pub(crate) flags: Flags,
    /// `--ttl`, `--env`, `--keep-exit`.
    pub(crate) options: RunOptions,
    /// `--share`.
    pub(crate) share: Option<ShareChoice>,
    /// `-v`: say on stderr what was done.
    pub(crate) verbose: bool,
    /// `--help`.
    pub(crate) help: bool,
    /// `--refresh FORM`: larder's own word to the process that it starts to ask again. Keeps, and prints nothing.
    pub(crate) refresh: Option<Form>,
    /// What stands before the command, as it was given.
    pub(crate) before: Vec<OsString>,
    /// The tool and its arguments. Never empty, unless help was asked for.
    pub(crate) command: Vec<OsString>,
}

/// Whether stdout and stderr are one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// They are two.
    Two,
    /// They are one.
    One,
}

impl Form {
    /// As `--refresh` names it.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Two => "two",
            Self::One => "one",
        }
    }
}

const HINT: &str = "usage: larder run [--ttl D] [--env NAME]… [--keep-exit CODE]… [-v] -- COMMAND ARGS…";

/// What `larder run --help` prints.
pub(crate) const HELP: &str = "\
Runs a command and keeps what it prints; the same command later is answered from the store.

Usage: larder run [OPTIONS] -- COMMAND [ARGS]…

stdout, stderr and the exit code are the command's own. Without an adapter for the command its output is kept only
when `--ttl` is given. Then standard input, unless it is a terminal, is read to its end and is part of the key.

Options:
      --ttl D           Keep the output for this long: 30s, 5m, 1h, 7d
      --env NAME        This variable is part of the key (repeatable)
      --keep-exit CODE  Keep runs that end with this exit code too (repeatable; 0 is always kept)
      --share WHO       Who may be given the output: credential (default) or team
      --store DIR       The store's folder (LARDER_STORE)
      --config FILE     The configuration file (LARDER_CONFIG)
  -v                    Say on stderr what was done
  -h, --help            Print this help

Exit codes: the command's own; 127 it is not there, 126 it cannot be run, 125 larder runs inside larder too deeply,
2 wrong usage. A command that was ended by a signal ends larder by the same one.

LARDER_OFF=1 runs every command untouched.
";

impl Words {
    /// Reads what follows the word `run`.
    pub(crate) fn parse(words: Vec<OsString>) -> Result<Self, CliError> {
        let mut said = Self::default();
        let all = words.clone();
        let mut rest = words.into_iter();
        while let Some(word) = rest.next() {
            if word == "--" {
                said.command.extend(rest.by_ref());
            } else if !word.as_encoded_bytes().starts_with(b"-") {
                said.command.push(word);
                said.command.extend(rest.by_ref());
            } else {
                said.flag(&word, &mut rest)?;
            }
        }
        let before = all.len() - said.command.len();
        said.before = all.into_iter().take(before).collect();
        match said.command.is_empty() && !said.help {
            true => Err(CliError::usage("no command to run").hint(HINT)),
            false => Ok(said),
        }
    }

    fn flag(&mut self, word: &OsStr, rest: &mut impl Iterator<Item = OsString>) -> Result<(), CliError> {
        let text = word.to_str().ok_or_else(|| unknown(word))?;
        let (name, inline) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value)));
        match (name, inline) {
            ("-v" | "--verbose", None) => self.verbose = true,
            ("-h" | "--help", None) => self.help = true,
            (JSON, None) => return Err(no_json()),
            ("--ttl" | "--env" | "--keep-exit" | "--share" | "--store" | "--config" | "--refresh", _) => {
                let value = inline.map(OsString::from).or_else(|| rest.next());
                let value = value.ok_or_else(|| CliError::usage(format!("`{name}` needs a value")).hint(HINT))?;
                self.valued(name, value)?;
            }
            _ => return Err(unknown(word)),
        }
        Ok(())
    }

    fn valued(&mut self, name: &str, value: OsString) -> Result<(), CliError> {
        match name {
            "--store" => self.flags.store = Some(value.into()),
            "--config" => self.flags.config = Some(value.into()),
            _ => {
                let text = value.to_str().ok_or_else(|| wrong(name, &value, "it is not text"))?;
                self.worded(name, text).map_err(|why| wrong(name, &value, &why))?;
            }
        }
        Ok(())
    }

    fn worded(&mut self, name: &str, text: &str) -> Result<(), String> {
        match name {
            "--ttl" => self.options.ttl = Some(parse_duration(text)?),
            "--share" => self.share = Some(parse_share(text)?),
            "--refresh" => {
                let forms = [Form::Two, Form::One];
                self.refresh = Some(forms.into_iter().find(|form| form.word() == text).ok_or("expected a form")?);
            }
            "--env" if text.is_empty() || text.contains('=') => return Err("expected a variable's name".to_owned()),
            "--env" => self.options.env.push(text.to_owned()),
            _ => {
                let code = text.parse().map_err(|_| "expected an exit code from 0 to 255".to_owned())?;
                self.options.keep_exit.push(code);
            }
        }
        Ok(())
    }
}

/// The flag that the other commands have.
const JSON: &str = "--json";

/// What the runner says to `--json`.
pub(crate) fn no_json() -> CliError {
    CliError::usage("`larder run` has no `--json`: what it prints is the tool's")
        .hint("leave `--json` out; `larder explain --json -- COMMAND` says what is kept")
}

/// Whether `words` ask for documents: a refusal is one then.
pub(crate) fn says_json(words: &[OsString]) -> bool {
    words.iter().take_while(|word| *word != "--").any(|word| word == JSON)
}

fn unknown(word: &OsStr) -> CliError {
    CliError::usage(format!("`larder run` knows no flag `{}`", word.display()))
        .hint("the command's own flags stand after the command: `larder run -- COMMAND --flag`")
}

fn wrong(name: &str, value: &OsStr, why: &str) -> CliError {
    CliError::usage(format!("`{name} {}`: {why}", value.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn parse(words: &[&str]) -> Result<Words, String> {
        Words::parse(words.iter().map(OsString::from).collect()).map_err(|error| error.what)
    }

    #[test]
    fn flags_and_the_command() {
        let said =
            parse(&["--store", "/s", "--ttl=1h", "--env", "A", "--env=B", "--keep-exit", "3", "-v", "--", "gh", "-v"]);
        let said = said.unwrap();
        assert_eq!(said.options.ttl, Some(Duration::from_secs(3600)));
        assert_eq!((said.options.env.join(","), said.options.keep_exit.clone()), ("A,B".to_owned(), vec![3]));
        assert_eq!((said.flags.store, said.verbose), (Some("/s".into()), true));
        assert_eq!(said.command, ["gh", "-v"]);
    }

    #[test]
    fn the_first_word_that_is_no_flag_begins_the_command() {
        assert_eq!(parse(&["--ttl", "1s", "gh", "--", "--ttl", "x"]).unwrap().command, ["gh", "--", "--ttl", "x"]);
        assert_eq!(parse(&["--", "-strange"]).unwrap().command, ["-strange"]);
    }

    #[test]
    fn wrong_usage() {
        for (words, expected) in [
            (&[][..], "no command to run"),
            (&["--"], "no command to run"),
            (&["--ttl"], "`--ttl` needs a value"),
            (&["--colour", "x"], "`larder run` knows no flag `--colour`"),
            (&["-v=1", "x"], "`larder run` knows no flag `-v=1`"),
            (&["--env", "A=b", "--", "x"], "`--env A=b`: expected a variable's name"),
            (&["--keep-exit", "256", "x"], "`--keep-exit 256`: expected an exit code from 0 to 255"),
        ] {
            assert_eq!(parse(words).unwrap_err(), expected, "{words:?}");
        }
        assert!(parse(&["--ttl", "soon", "x"]).unwrap_err().starts_with("`--ttl soon`: "));
    }

    #[test]
    fn documents_are_asked_for_before_the_command() {
        assert_eq!(parse(&["--json", "--", "x"]).unwrap_err(), no_json().what);
        assert_eq!(parse(&["x", "--json"]).unwrap().command, ["x", "--json"]);
        let says = |words: &[&str]| says_json(&words.iter().map(OsString::from).collect::<Vec<_>>());
        assert!(says(&["--json", "--", "x"]) && !says(&["--", "x", "--json"]));
    }

    #[test]
    fn help_needs_no_command() {
        assert!(parse(&["-v", "--help"]).unwrap().help);
    }
}
