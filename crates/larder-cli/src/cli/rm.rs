//! `larder rm`: stored answers are removed, never all of them by accident.

use super::{
    Outcome, ls,
    select::SelectArgs,
    session::{Session, now},
    values::entries,
};
use crate::error::CliError;
use larder::{Cache, tier::Selection};
use serde::Serialize;
use std::process::ExitCode;

/// What `larder rm` takes.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct RmArgs {
    #[command(flatten)]
    select: SelectArgs,
    /// Only list what would be removed
    #[arg(long)]
    dry_run: bool,
}

#[derive(Serialize)]
struct Document {
    removed: u64,
    dry_run: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    entries: Option<Vec<super::view::EntryView>>,
}

/// Removes, or says what would be.
pub(crate) fn run(args: &RmArgs, session: &Session) -> Outcome {
    if args.select.is_empty() {
        return Err(CliError::usage("nothing says what is to be removed")
            .hint("name a key or how it begins, `--service NAME` or `--operation NAME`"));
    }
    let selection = args.select.selection()?;
    if args.select.begins_every_key() {
        let cid = args.select.cid.as_deref().unwrap_or_default();
        return Err(CliError::usage(format!("every key begins with `{cid}`"))
            .hint("write more of the key than `bafkrei`; `--service NAME` removes all of a service"));
    }
    let cache = session.cache()?;
    let outcome =
        if args.dry_run { list(&cache, &selection, session) } else { remove(&cache, &selection, args, session) };
    cache.close();
    outcome
}

fn list(cache: &Cache, selection: &Selection, session: &Session) -> Outcome {
    let found = ls::views(&pollster::block_on(cache.list(selection, usize::MAX, now()))?);
    let removed = found.len() as u64;
    if session.output.json {
        let document = Document { removed, dry_run: true, entries: Some(found) };
        session.output.document("larder.rm/1", &document)?;
        return Ok(ExitCode::SUCCESS);
    }
    if !found.is_empty() {
        session.output.line(ls::listing(&found))?;
    }
    session.output.say(format!("{} would be removed", entries(removed)));
    Ok(ExitCode::SUCCESS)
}

fn remove(cache: &Cache, selection: &Selection, args: &RmArgs, session: &Session) -> Outcome {
    let removed = pollster::block_on(cache.remove(selection, now()))?;
    if let (0, Some(cid)) = (removed, &args.select.cid) {
        return Err(CliError::miss(format!("nothing is stored under `{cid}`")).hint("`larder ls` lists what is"));
    }
    if session.output.json {
        session.output.document("larder.rm/1", &Document { removed, dry_run: false, entries: None })?;
    } else {
        session.output.line(format!("{} removed", entries(removed)))?;
    }
    Ok(ExitCode::SUCCESS)
}
