//! The registry: every adapter that this process knows, by name.

use crate::adapter::{Adapter, Diagnostic};
use std::{collections::BTreeMap, sync::Arc};

// `BUILTIN: &[Builtin]`, made at build time from the files in `adapters/`.
include!(concat!(env!("OUT_DIR"), "/builtin.rs"));

/// One built-in adapter's files.
#[derive(Clone, Copy, Debug)]
pub struct Builtin {
    /// The file's stem, which is the adapter's name.
    pub name: &'static str,
    /// The text of `NAME.toml`.
    pub adapter: &'static str,
    /// The text of `NAME.test.toml`; empty where there is none.
    pub tests: &'static str,
}

impl Builtin {
    /// All of them, by name.
    #[must_use]
    pub const fn all() -> &'static [Self] {
        BUILTIN
    }

    /// Reads it.
    pub fn parse(&self) -> Result<Adapter, Vec<Diagnostic>> {
        Adapter::parse(self.adapter, &format!("{}.toml", self.name))
    }
}

/// Adapters by name.
#[derive(Clone, Debug, Default)]
pub struct Registry(BTreeMap<String, Arc<Adapter>>);

impl Registry {
    /// All adapters that are built in.
    pub fn builtin() -> Result<Self, Vec<Diagnostic>> {
        let mut registry = Self::default();
        let mut problems = Vec::new();
        for builtin in BUILTIN {
            match builtin.parse() {
                Ok(adapter) => registry.insert(adapter),
                Err(wrong) => problems.extend(wrong),
            }
        }
        if problems.is_empty() { Ok(registry) } else { Err(problems) }
    }

    /// One built-in adapter, without parsing the others (the runner's hit path). A tool's adapter has its command's name.
    pub fn builtin_one(name: &str) -> Result<Option<Arc<Adapter>>, Vec<Diagnostic>> {
        let named = BUILTIN.iter().find(|builtin| builtin.name == name);
        named.map(|builtin| builtin.parse().map(Arc::new)).transpose()
    }

    /// Adds one, replacing an adapter of the same name.
    pub fn insert(&mut self, adapter: Adapter) {
        self.0.insert(adapter.name.clone(), Arc::new(adapter));
    }

    /// The adapter `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<Adapter>> {
        self.0.get(name)
    }

    /// All, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Adapter>> {
        self.0.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_parse_and_are_named_like_their_files() {
        let registry = Registry::builtin().unwrap_or_else(|problems| {
            panic!("{}", problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
        });
        let names: Vec<_> = registry.iter().map(|adapter| adapter.name.as_str()).collect();
        let files: Vec<_> = Builtin::all().iter().map(|builtin| builtin.name).collect();
        assert_eq!(names, files);
        for adapter in registry.iter() {
            let command = adapter.tool.as_ref().map_or(&adapter.name, |tool| &tool.command);
            assert_eq!(command, &adapter.name, "a tool's adapter has its command's name");
        }
    }

    #[test]
    fn one() {
        assert_eq!(Registry::builtin_one("openai").unwrap().unwrap().name, "openai");
        assert!(Registry::builtin_one("nobody").unwrap().is_none());
    }
}
