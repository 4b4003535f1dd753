//! The configuration file: TOML, unknown words refused, every error with file and line.

use super::{
    Setting, Source,
    values::{parse_duration, parse_origin_name, parse_share, parse_size},
};
use crate::{address::shown_message, error::CliError};
use larder_core::{ShareChoice, adapter::Diagnostic};
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    io::ErrorKind,
    ops::Range,
    path::{Path, PathBuf},
    time::Duration,
};
use toml::Spanned;

/// `[service.NAME]`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Service {
    /// Where its origin is.
    pub(crate) upstream: Option<Setting<String>>,
    /// What the origin is called in keys, instead of its URL.
    pub(crate) name: Option<Setting<String>>,
    /// How wide its answers are shared, where that differs from the rest.
    pub(crate) share: Option<Setting<ShareChoice>>,
}

/// What the file says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Said {
    pub(crate) store: Option<Setting<PathBuf>>,
    pub(crate) listen: Option<Setting<Vec<String>>>,
    pub(crate) share: Option<Setting<ShareChoice>>,
    pub(crate) max_size: Option<Setting<u64>>,
    pub(crate) max_entries: Option<Setting<u64>>,
    pub(crate) memory: Option<Setting<u64>>,
    pub(crate) max_question: Option<Setting<u64>>,
    pub(crate) upstream_timeout: Option<Setting<Duration>>,
    pub(crate) durable: Option<Setting<bool>>,
    pub(crate) adapters: Option<Setting<PathBuf>>,
    pub(crate) services: BTreeMap<String, Service>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Raw {
    store: Option<Spanned<PathBuf>>,
    listen: Option<Spanned<Words>>,
    share: Option<Spanned<String>>,
    max_size: Option<Spanned<Size>>,
    max_entries: Option<Spanned<u64>>,
    memory: Option<Spanned<Size>>,
    max_question: Option<Spanned<Size>>,
    upstream_timeout: Option<Spanned<String>>,
    durable: Option<Spanned<bool>>,
    adapters: Option<Spanned<PathBuf>>,
    #[serde(default)]
    service: BTreeMap<String, RawService>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawService {
    upstream: Option<Spanned<String>>,
    name: Option<Spanned<String>>,
    share: Option<Spanned<String>>,
}

/// One text or a list of them.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a text or a list of texts")]
enum Words {
    One(String),
    Many(Vec<String>),
}

/// Bytes as a number or as text.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a number of bytes or a text such as `10GiB`")]
enum Size {
    Bytes(u64),
    Text(String),
}

/// Reads `path`. A missing file says nothing where `optional`; else it is an error.
pub(super) fn read(path: &Path, optional: bool) -> Result<Said, CliError> {
    match std::fs::read_to_string(path) {
        Ok(text) => parse(&text, path),
        Err(error) if optional && matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(Said::default())
        }
        Err(error) => {
            Err(CliError::usage(format!("the configuration file `{}` cannot be read: {error}", path.display())))
        }
    }
}

fn parse(text: &str, path: &Path) -> Result<Said, CliError> {
    let place = Place { text, path };
    let raw: Raw = toml::from_str(text).map_err(|error| place.error(error.span(), error.message().trim()))?;
    Ok(Said {
        store: raw.store.map(|value| place.path(value)),
        listen: raw.listen.map(|value| place.keep(value, Words::list)),
        share: raw.share.map(|value| place.check(value, |text| parse_share(&text))).transpose()?,
        max_size: raw.max_size.map(|value| place.check(value, Size::bytes)).transpose()?,
        max_entries: raw.max_entries.map(|value| place.keep(value, |number| number)),
        memory: raw.memory.map(|value| place.check(value, Size::bytes)).transpose()?,
        max_question: raw.max_question.map(|value| place.check(value, Size::bytes)).transpose()?,
        upstream_timeout: raw
            .upstream_timeout
            .map(|value| place.check(value, |text| parse_duration(&text)))
            .transpose()?,
        durable: raw.durable.map(|value| place.keep(value, |truth| truth)),
        adapters: raw.adapters.map(|value| place.path(value)),
        services: raw
            .service
            .into_iter()
            .map(|(name, raw)| Ok((name, place.service(raw)?)))
            .collect::<Result<_, CliError>>()?,
    })
}

impl Words {
    fn list(self) -> Vec<String> {
        match self {
            Self::One(word) => vec![word],
            Self::Many(words) => words,
        }
    }
}

impl Size {
    fn bytes(self) -> Result<u64, String> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            Self::Text(text) => parse_size(&text),
        }
    }
}

/// The file, to tell where something stands in it.
struct Place<'a> {
    text: &'a str,
    path: &'a Path,
}

impl Place<'_> {
    fn line(&self, span: &Range<usize>) -> usize {
        self.text.as_bytes().iter().take(span.start).filter(|byte| **byte == b'\n').count() + 1
    }

    fn source(&self, span: &Range<usize>) -> Source {
        Source::File { path: self.path.to_owned(), line: self.line(span) }
    }

    fn keep<T, U>(&self, value: Spanned<T>, make: impl Fn(T) -> U) -> Setting<U> {
        let source = self.source(&value.span());
        Setting::new(make(value.into_inner()), source)
    }

    fn check<T, U>(&self, value: Spanned<T>, make: impl Fn(T) -> Result<U, String>) -> Result<Setting<U>, CliError> {
        let span = value.span();
        let made = make(value.into_inner()).map_err(|what| self.error(Some(span.clone()), &what))?;
        Ok(Setting::new(made, self.source(&span)))
    }

    /// A relative path is meant from the file's folder, `~/` from the home.
    fn path(&self, value: Spanned<PathBuf>) -> Setting<PathBuf> {
        self.keep(value, |path| match (path.strip_prefix("~"), std::env::var_os("HOME")) {
            (Ok(below), Some(home)) => PathBuf::from(home).join(below),
            _ => self.path.parent().unwrap_or(Path::new("")).join(path),
        })
    }

    fn service(&self, raw: RawService) -> Result<Service, CliError> {
        let text = |value: Option<Spanned<String>>| value.map(|value| self.keep(value, |text| text));
        let share = raw.share.map(|value| self.check(value, |text| parse_share(&text))).transpose()?;
        let name = raw.name.map(|value| self.check(value, |text| parse_origin_name(&text))).transpose()?;
        Ok(Service { upstream: text(raw.upstream), name, share })
    }

    fn error(&self, span: Option<Range<usize>>, what: &str) -> CliError {
        let line = span.map_or(1, |span| self.line(&span));
        let file = self.path.display().to_string();
        let found = Diagnostic { file, line, what: shown_message(what).replace('\n', ": "), hint: None };
        CliError::usage(found.to_string()).hint("docs/reference/commands.md lists what the configuration file may say")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Said {
        parse(text, Path::new("/c/config.toml")).unwrap()
    }

    #[test]
    fn every_word_is_read_with_its_line() {
        let said = said(concat!(
            "store = \"below\"\nlisten = \"127.0.0.1:1\"\nshare = \"team\"\nmax-size = \"1GiB\"\nmax-entries = 5\n",
            "memory = 7\nmax-question = \"1MiB\"\ndurable = true\nadapters = \"/a\"\n",
            "[service.demo]\nupstream = \"http://127.0.0.1:9\"\nname = \"prod\"\nshare = \"team\"\n"
        ));
        let line = |line| Source::File { path: "/c/config.toml".into(), line };
        assert_eq!(said.store, Some(Setting::new("/c/below".into(), line(1))));
        assert_eq!(said.listen, Some(Setting::new(vec!["127.0.0.1:1".to_owned()], line(2))));
        assert_eq!(said.share, Some(Setting::new(ShareChoice::Team, line(3))));
        assert_eq!(said.max_size, Some(Setting::new(1 << 30, line(4))));
        assert_eq!(said.max_entries, Some(Setting::new(5, line(5))));
        assert_eq!(said.memory, Some(Setting::new(7, line(6))));
        assert_eq!(said.max_question, Some(Setting::new(1 << 20, line(7))));
        assert_eq!(said.durable, Some(Setting::new(true, line(8))));
        assert_eq!(said.adapters, Some(Setting::new("/a".into(), line(9))));
        let demo = Service {
            upstream: Some(Setting::new("http://127.0.0.1:9".to_owned(), line(11))),
            name: Some(Setting::new("prod".to_owned(), line(12))),
            share: Some(Setting::new(ShareChoice::Team, line(13))),
        };
        assert_eq!(said.services.get("demo"), Some(&demo));
    }

    #[test]
    fn wrong_files_are_refused_with_their_line() {
        let table = [
            ("\nmax-sise = 1", "/c/config.toml:2: unknown field `max-sise`"),
            ("share = \"all\"", "/c/config.toml:1: `all` is not a share: expected `credential` or `team`"),
            ("\n\nmax-size = \"big\"", "/c/config.toml:3: `big` is not a size"),
            ("listen = 5", "/c/config.toml:1: expected a text or a list of texts"),
            ("[service.x]\nurl = \"u\"", "/c/config.toml:2: unknown field `url`"),
            ("[service.x]\nname = \"http://h\"", "/c/config.toml:2: `http://h` cannot name an origin"),
            ("store", "/c/config.toml:1: "),
        ];
        for (text, expected) in table {
            let error = parse(text, Path::new("/c/config.toml")).unwrap_err();
            assert!(error.what.starts_with(expected), "{text}: {}", error.what);
            assert_eq!(error.kind, crate::error::Kind::Usage);
        }
    }
}
