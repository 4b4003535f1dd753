//! What larder was told: flags > `LARDER_*` > the user's configuration file > defaults, each value with its source.

mod file;
mod folders;
mod secret;
mod values;

pub(crate) use file::Service;
pub(crate) use folders::Folders;
pub(crate) use secret::installation_secret;
pub(crate) use values::{parse_duration, parse_origin_name, parse_share, parse_size, show_share, show_size};

use crate::{
    cli::serve::{DEFAULT_LISTEN, DEFAULT_MAX_QUESTION, DEFAULT_UPSTREAM_TIMEOUT},
    env::{self, Variable},
    error::CliError,
};
use larder_core::ShareChoice;
use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// A flag on the command line.
    Flag(&'static str),
    /// A variable.
    Variable(&'static str),
    /// A line of the configuration file.
    File {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// Nobody said anything.
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) | Self::Variable(name) => f.write_str(name),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Default => f.write_str("default"),
        }
    }
}

/// A value and where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Setting<T> {
    /// The value.
    pub(crate) value: T,
    /// Who said so.
    pub(crate) source: Source,
}

impl<T> Setting<T> {
    pub(crate) fn new(value: T, source: Source) -> Self {
        Self { value, source }
    }
}

/// What the command line says about settings.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flags {
    /// `--store`
    pub(crate) store: Option<PathBuf>,
    /// `--config`
    pub(crate) config: Option<PathBuf>,
}

/// Everything that can be set.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The configuration folder; `None` where there is neither a home nor `XDG_CONFIG_HOME`.
    pub(crate) folder: Option<PathBuf>,
    /// The configuration file: which one is looked for, and whether it is there.
    pub(crate) file: Option<Setting<PathBuf>>,
    /// The store's folder; `None` where there is neither a home nor `XDG_CACHE_HOME`.
    pub(crate) store: Option<Setting<PathBuf>>,
    /// Where the gateway listens.
    pub(crate) listen: Setting<Vec<String>>,
    /// How wide answers are shared.
    pub(crate) share: Setting<ShareChoice>,
    /// The most bytes on disk; 0: no limit.
    pub(crate) max_size: Setting<u64>,
    /// The most entries on disk; 0: no limit.
    pub(crate) max_entries: Setting<u64>,
    /// The most bytes that a long-lived process keeps in memory.
    pub(crate) memory: Setting<u64>,
    /// Bodies beyond this many bytes stream through uncached.
    pub(crate) max_question: Setting<u64>,
    /// How long an upstream may be silent.
    pub(crate) upstream_timeout: Setting<Duration>,
    /// `synchronous=FULL`.
    pub(crate) durable: Setting<bool>,
    /// The folder of the user's own adapters.
    pub(crate) adapters: Option<Setting<PathBuf>>,
    /// `[service.NAME]`, by name.
    pub(crate) services: BTreeMap<String, Service>,
}

impl Settings {
    /// Reads variables and the configuration file. Errors: a wrong value or file (usage), with its place.
    pub(crate) fn load(flags: &Flags) -> Result<Self, CliError> {
        let folders = Folders::of_this_user();
        let place = file_place(flags, &folders);
        let said = match &place {
            Some(place) => file::read(&place.value, place.source == Source::Default)?,
            None => file::Said::default(),
        };
        Self::join(flags, folders, place, said)
    }

    /// Reads the file that `--config` names, and nothing else. Error: it is not there or wrong (usage), with its place.
    pub(crate) fn check_named(flags: &Flags) -> Result<(), CliError> {
        flags.config.as_deref().map_or(Ok(()), |path| file::read(path, false).map(drop))
    }

    fn join(
        flags: &Flags,
        folders: Folders,
        place: Option<Setting<PathBuf>>,
        said: file::Said,
    ) -> Result<Self, CliError> {
        let flag = |value: &Option<PathBuf>, name| value.clone().map(|path| Setting::new(path, Source::Flag(name)));
        let default = |path: Option<PathBuf>| path.map(|path| Setting::new(path, Source::Default));
        Ok(Self {
            store: flag(&flags.store, "--store")
                .or_else(|| variable_path(&env::STORE))
                .or(said.store)
                .or_else(|| default(folders.cache)),
            listen: pick(variable(&env::LISTEN, |text| Ok(list(text)))?, said.listen, vec![DEFAULT_LISTEN.to_owned()]),
            share: pick(variable(&env::SHARE, parse_share)?, said.share, ShareChoice::default()),
            max_size: pick(variable(&env::MAX_SIZE, parse_size)?, said.max_size, 10 << 30),
            max_entries: pick(variable(&env::MAX_ENTRIES, parse_number)?, said.max_entries, 0),
            memory: pick(variable(&env::MEMORY, parse_size)?, said.memory, 256 << 20),
            max_question: pick(variable(&env::MAX_QUESTION, parse_size)?, said.max_question, DEFAULT_MAX_QUESTION),
            upstream_timeout: pick(
                variable(&env::UPSTREAM_TIMEOUT, parse_duration)?,
                said.upstream_timeout,
                DEFAULT_UPSTREAM_TIMEOUT,
            ),
            durable: pick(variable(&env::DURABLE, parse_bool)?, said.durable, false),
            adapters: variable_path(&env::ADAPTERS)
                .or(said.adapters)
                .or_else(|| default(folders.config.as_ref().map(|folder| folder.join("adapters")))),
            services: said.services,
            folder: folders.config,
            file: place,
        })
    }

    /// The store's folder. Error: nobody named one and there is no home to put it in.
    pub(crate) fn store(&self) -> Result<&Path, CliError> {
        self.store.as_ref().map(|setting| setting.value.as_path()).ok_or_else(|| {
            CliError::failed("no folder for the store: neither `HOME` nor `XDG_CACHE_HOME` is set")
                .hint("`--store DIR` (or `LARDER_STORE`) names one")
        })
    }

    /// How the store is opened. `memory_bytes`: 0 for short-lived processes.
    pub(crate) fn options(&self, memory_bytes: u64) -> Result<larder::Options, CliError> {
        Ok(self.options_in(self.store()?, memory_bytes))
    }

    /// How a store in `dir` is opened.
    pub(crate) fn options_in(&self, dir: &Path, memory_bytes: u64) -> larder::Options {
        larder::Options {
            dir: dir.to_owned(),
            max_bytes: self.max_size.value,
            max_entries: self.max_entries.value,
            memory_bytes,
            durable: self.durable.value,
        }
    }

    /// What `[service.NAME]` says.
    pub(crate) fn service(&self, name: &str) -> Option<&Service> {
        self.services.get(name)
    }
}

fn file_place(flags: &Flags, folders: &Folders) -> Option<Setting<PathBuf>> {
    let flag = flags.config.clone().map(|path| Setting::new(path, Source::Flag("--config")));
    let default = || folders.config.as_ref().map(|folder| Setting::new(folder.join("config.toml"), Source::Default));
    flag.or_else(|| variable_path(&env::CONFIG)).or_else(default)
}

fn pick<T>(variable: Option<Setting<T>>, file: Option<Setting<T>>, default: T) -> Setting<T> {
    variable.or(file).unwrap_or_else(|| Setting::new(default, Source::Default))
}

fn variable_path(variable: &Variable) -> Option<Setting<PathBuf>> {
    variable.get().map(|value| Setting::new(value.into(), Source::Variable(variable.name)))
}

fn variable<T>(variable: &Variable, parse: impl Fn(&str) -> Result<T, String>) -> Result<Option<Setting<T>>, CliError> {
    let Some(value) = variable.get() else { return Ok(None) };
    let text = value.to_string_lossy();
    let value = parse(&text).map_err(|error| CliError::usage(format!("`{}`: {error}", variable.name)))?;
    Ok(Some(Setting::new(value, Source::Variable(variable.name))))
}

fn list(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

fn parse_number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("`{text}` is not a number"))
}

fn parse_bool(text: &str) -> Result<bool, String> {
    match text {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(format!("`{text}` is neither `true` nor `false`")),
    }
}
