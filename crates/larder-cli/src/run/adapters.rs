//! The adapter of one command: the user's own, else the built-in one. The others are not parsed.

use larder_core::{
    Registry,
    adapter::{Adapter, Diagnostic},
};
use std::{fs, path::Path, sync::Arc};

/// The adapter of the tool `command`; `folder` holds the user's own. Error: the file is wrong, and nothing is guessed.
pub(crate) fn of(command: &str, folder: Option<&Path>) -> Result<Option<Arc<Adapter>>, Vec<Diagnostic>> {
    let own = folder.and_then(|folder| {
        let path = folder.join(format!("{command}.toml"));
        fs::read_to_string(&path).ok().map(|text| (text, path))
    });
    let adapter = match own {
        Some((text, path)) => Some(Adapter::parse(&text, &path.display().to_string()).map(Arc::new)?),
        None => Registry::builtin_one(command)?,
    };
    Ok(adapter.filter(|adapter| adapter.tool.as_ref().is_some_and(|tool| tool.command == command)))
}
