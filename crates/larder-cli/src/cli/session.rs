//! What a command works with: settings, store, adapters, the installation's secret.

use super::grammar::Globals;
use crate::{
    config::{Flags, Settings, installation_secret},
    error::CliError,
    output::Output,
};
use larder::Cache;
use larder_core::{
    Registry, Timestamp,
    adapter::{Adapter, Diagnostic},
    registry::Builtin,
    secret::Secret,
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

/// One command's surroundings.
pub(crate) struct Session {
    /// Where it writes.
    pub(crate) output: Output,
    /// What flags, variables and the configuration file say.
    pub(crate) settings: Settings,
}

impl Session {
    /// Reads variables and the configuration file; opens nothing yet.
    pub(crate) fn open(globals: &Globals) -> Result<Self, CliError> {
        let flags = Flags { store: globals.store.clone(), config: globals.config.clone() };
        Ok(Self { output: Output { json: globals.json }, settings: Settings::load(&flags)? })
    }

    /// The store, for a short-lived process: nothing is kept in memory.
    pub(crate) fn cache(&self) -> Result<Cache, CliError> {
        Ok(Cache::open(self.settings.options(0)?)?)
    }

    /// Every adapter: built in, then the user's own. A broken one of the user's is left out with a warning.
    pub(crate) fn registry(&self) -> Result<Registry, CliError> {
        Ok(self.known()?.registry)
    }

    /// The same with the files that the user's own came from.
    pub(super) fn known(&self) -> Result<Known, CliError> {
        let (known, broken) = self.load()?;
        broken.iter().for_each(|found| self.output.warn(format!("an adapter is left out: {found}")));
        Ok(known)
    }

    /// Every adapter; a broken one is an error, for those who would go on without it for days.
    pub(super) fn known_or_refuse(&self) -> Result<Known, CliError> {
        let (known, broken) = self.load()?;
        if broken.is_empty() { Ok(known) } else { Err(broken.into()) }
    }

    /// The adapter `name`. Error: there is none (usage), with the names that there are.
    pub(crate) fn adapter(&self, name: &str) -> Result<Arc<Adapter>, CliError> {
        let registry = self.registry()?;
        registry.get(name).cloned().ok_or_else(|| {
            let names: Vec<String> = registry.iter().map(|adapter| format!("`{}`", adapter.name)).collect();
            CliError::usage(format!("no adapter is called `{name}`"))
                .hint(format!("there are {}; `larder adapters` says more", names.join(", ")))
        })
    }

    fn load(&self) -> Result<(Known, Vec<Diagnostic>), CliError> {
        let mut registry = Registry::builtin()?;
        let mut files = BTreeMap::new();
        let mut broken = Vec::new();
        if let Some(folder) = &self.settings.adapters {
            for file in adapter_files(&folder.value)? {
                match read_adapter(&file) {
                    Ok(adapter) => {
                        files.insert(adapter.name.clone(), file);
                        registry.insert(adapter);
                    }
                    Err(found) => broken.extend(found),
                }
            }
        }
        Ok((Known { registry, files }, broken))
    }

    /// This installation's secret.
    pub(crate) fn secret(&self) -> Result<Secret, CliError> {
        Ok(self.secret_and_whether_it_lasts()?.0)
    }

    /// The same, and whether it outlives this process.
    pub(crate) fn secret_and_whether_it_lasts(&self) -> Result<(Secret, bool), CliError> {
        installation_secret(self.settings.folder.as_deref())
    }
}

/// The adapters, and where those came from that are not built in.
pub(super) struct Known {
    /// All of them.
    pub(super) registry: Registry,
    /// Files of the user's own, by the adapter's name.
    pub(super) files: BTreeMap<String, PathBuf>,
}

impl Known {
    /// One line for each of the user's own that stands where a built-in one would: a forgotten file changes every call.
    pub(super) fn replaced(&self) -> impl Iterator<Item = String> {
        let built_in = |name: &str| Builtin::all().iter().any(|built_in| built_in.name == name);
        self.files
            .iter()
            .filter(move |(name, _)| built_in(name))
            .map(|(name, file)| format!("`{}` stands in place of the built-in adapter `{name}`", file.display()))
    }
}

/// Reads and checks one adapter file.
pub(crate) fn read_adapter(path: &Path) -> Result<Adapter, Vec<Diagnostic>> {
    Adapter::parse(&read_text(path)?, &path.display().to_string())
}

/// The text of a file; that it cannot be read is a diagnostic like any other.
pub(crate) fn read_text(path: &Path) -> Result<String, Vec<Diagnostic>> {
    std::fs::read_to_string(path).map_err(|error| {
        let what = format!("the file cannot be read: {error}");
        vec![Diagnostic { file: path.display().to_string(), line: 1, what, hint: None }]
    })
}

/// The adapters of a folder in the order of their names; their tests (`*.test.toml`) are none.
fn adapter_files(folder: &Path) -> Result<Vec<std::path::PathBuf>, CliError> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(Vec::new()) };
    let mut files: Vec<_> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.to_str().is_some_and(|name| name.ends_with(".toml") && !name.ends_with(".test.toml")))
        .collect();
    files.sort();
    Ok(files)
}

/// The clock.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
