//! `larder ls`: what is stored, the newest first.

use super::{
    Outcome,
    select::SelectArgs,
    session::{Session, now},
    values::table,
    view::{EntryView, heads},
};
use larder::Entry;
use serde::Serialize;
use std::process::ExitCode;

/// What `larder ls` takes.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct LsArgs {
    #[command(flatten)]
    select: SelectArgs,
    /// At most so many; 0: all
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: usize,
}

#[derive(Serialize)]
struct Document {
    entries: Vec<EntryView>,
    /// There are more than the limit allows.
    more: bool,
}

/// Lists.
pub(crate) fn run(args: &LsArgs, session: &Session) -> Outcome {
    let limit = if args.limit == 0 { usize::MAX } else { args.limit };
    let selection = args.select.selection()?;
    let cache = session.cache()?;
    let found = pollster::block_on(cache.list(&selection, limit.saturating_add(1), now()));
    cache.close();
    let mut entries = views(&found?);
    let more = entries.len() > limit;
    entries.truncate(limit);
    if session.output.json {
        session.output.document("larder.ls/1", &Document { entries, more })?;
        return Ok(ExitCode::SUCCESS);
    }
    if entries.is_empty() {
        session.output.say("nothing is stored that this selects");
        return Ok(ExitCode::SUCCESS);
    }
    session.output.line(listing(&entries))?;
    if more {
        session.output.say(format!("there are more than {limit}; `--limit 0` lists all"));
    }
    Ok(ExitCode::SUCCESS)
}

/// Entries as people and programs see them.
pub(crate) fn views(entries: &[Entry]) -> Vec<EntryView> {
    entries.iter().map(|entry| EntryView::of(&entry.record)).collect()
}

/// A table with a head.
pub(crate) fn listing(entries: &[EntryView]) -> String {
    let rows: Vec<Vec<String>> = std::iter::once(heads()).chain(entries.iter().map(EntryView::row)).collect();
    table(&rows, &[3, 4, 5])
}
