//! Which entries a command speaks of.

use super::session::now;
use crate::error::CliError;
use larder::{Cache, Entry, tier::Selection};
use larder_core::QueryKey;
use std::str::FromStr as _;

/// What `ls` and `rm` select by.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct SelectArgs {
    /// A key, or how it begins
    #[arg(value_name = "CID")]
    pub(crate) cid: Option<String>,
    /// Only this service
    #[arg(long, value_name = "NAME")]
    pub(crate) service: Option<String>,
    /// Only this operation
    #[arg(long, value_name = "NAME")]
    pub(crate) operation: Option<String>,
}

impl SelectArgs {
    /// Whether anything was said at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.cid.is_none() && self.service.is_none() && self.operation.is_none()
    }

    /// Whether the beginning that was written is one of every key.
    pub(crate) fn begins_every_key(&self) -> bool {
        self.cid.as_deref().is_some_and(|text| HEAD.starts_with(text))
    }

    /// As the store understands it. Error: a CID that cannot be one.
    pub(crate) fn selection(&self) -> Result<Selection, CliError> {
        let mut selection = match &self.cid {
            Some(text) => by_cid(text)?,
            None => Selection::default(),
        };
        selection.service.clone_from(&self.service);
        selection.operation.clone_from(&self.operation);
        Ok(selection)
    }
}

/// How every key begins.
const HEAD: &str = "bafkrei";

/// A whole key or the beginning of one.
fn by_cid(text: &str) -> Result<Selection, CliError> {
    if let Ok(key) = QueryKey::from_str(text) {
        return Ok(Selection { key: Some(key), ..Selection::default() });
    }
    let begins = if text.len() < HEAD.len() { HEAD.starts_with(text) } else { text.starts_with(HEAD) };
    let letters = text.bytes().all(|byte| byte.is_ascii_lowercase() || (b'2'..=b'7').contains(&byte));
    if text.is_empty() || !begins || !letters || text.len() >= 59 {
        return Err(CliError::usage(format!("`{text}` is neither a key nor the beginning of one"))
            .hint("a key begins with `bafkrei` and has 59 letters; `larder ls` lists them"));
    }
    Ok(Selection { prefix: Some(text.to_owned()), ..Selection::default() })
}

/// How many entries are looked at before a beginning is called too short.
const LOOKED_AT: usize = 1000;

/// The entries of the one key that `text` is or begins, the newest first. Errors: none (miss), several keys (usage).
pub(crate) fn one_key(cache: &Cache, text: &str) -> Result<Vec<Entry>, CliError> {
    let found = pollster::block_on(cache.list(&by_cid(text)?, LOOKED_AT, now()))?;
    let Some(first) = found.first() else {
        return Err(CliError::miss(format!("nothing is stored under `{text}`")).hint("`larder ls` lists what is"));
    };
    let mut keys: Vec<String> = found.iter().map(|entry| entry.record.key.to_string()).collect();
    keys.sort();
    keys.dedup();
    if keys.len() > 1 {
        let some: Vec<String> = keys.iter().take(4).map(|key| format!("`{key}`")).collect();
        let more = if keys.len() > some.len() { ", …" } else { "" };
        let number = if found.len() < LOOKED_AT { keys.len().to_string() } else { "very many".to_owned() };
        return Err(CliError::usage(format!("`{text}` begins {number} keys"))
            .hint(format!("write more letters: {}{more}", some.join(", "))));
    }
    let key = first.record.key;
    Ok(found.into_iter().filter(|entry| entry.record.key == key).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_their_beginnings() {
        let key = QueryKey::of(b"x").to_string();
        assert!(by_cid(&key).unwrap().key.is_some());
        for text in ["b", "bafk", "bafkrei", &key[..20], &key[..58]] {
            assert_eq!(by_cid(text).unwrap().prefix.as_deref(), Some(text));
        }
        let upper = key.to_uppercase();
        for text in ["", "x", "bafy", "bafkrei1", "bafkrei%", upper.as_str(), &format!("{key}a"), &format!("{key}%")] {
            assert!(by_cid(text).is_err(), "{text}");
        }
    }
}
