//! `larder show`: everything about one stored answer.

use super::{
    Outcome, body, select,
    session::{Session, now},
    values::table,
    view::{EntryView, raw},
};
use crate::{config::show_size, error::CliError, output::HEADING};
use http::{HeaderMap, HeaderName, HeaderValue};
use larder::{Cache, Entry};
use larder_core::{
    Head, Json, Question, Record,
    record::{Cost, Want},
};
use serde::Serialize;
use serde_json::value::RawValue;
use std::process::ExitCode;

/// What `larder show` takes.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ShowArgs {
    /// A key, or the beginning of one that begins no other
    #[arg(value_name = "CID")]
    cid: String,
    /// Print the answer's bytes, and nothing else
    #[arg(long)]
    body: bool,
    /// Only this form of the answer, where several are stored
    #[arg(long, value_name = "VARIANT")]
    variant: Option<String>,
}

#[derive(Serialize)]
struct Document {
    entries: Vec<Shown>,
}

#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    entry: EntryView,
    record: Option<String>,
    headers: Vec<(String, String)>,
    vary: Vec<(String, Option<String>)>,
    cost: Cost,
    question: Box<RawValue>,
}

/// Shows.
pub(crate) fn run(args: &ShowArgs, session: &Session) -> Outcome {
    let cache = session.cache()?;
    let outcome = find(&cache, args).and_then(|entries| match &entries[..] {
        [first, ..] if args.body => print_body(&cache, first, entries.len(), session),
        _ => print_all(&entries, session),
    });
    cache.close();
    outcome
}

fn find(cache: &Cache, args: &ShowArgs) -> Result<Vec<Entry>, CliError> {
    let mut entries = select::one_key(cache, &args.cid)?;
    if let Some(variant) = &args.variant {
        entries.retain(|entry| entry.record.variant.0 == *variant);
        if entries.is_empty() {
            return Err(CliError::miss(format!("`{}` is not stored in the form `{variant}`", args.cid))
                .hint("`larder show CID` lists the forms that are"));
        }
    }
    Ok(entries)
}

fn print_body(cache: &Cache, entry: &Entry, forms: usize, session: &Session) -> Outcome {
    if forms > 1 {
        let variant = &entry.record.variant.0;
        session.output.say(format!("{forms} forms are stored; this is the newest, `--variant '{variant}'`"));
    }
    let found = pollster::block_on(cache.get(&want(&entry.record), now()))?;
    let Some((whole, _)) = found else {
        return Err(CliError::miss(format!("the answer under `{}` is gone", entry.record.key)));
    };
    body::print(&whole)?;
    Ok(ExitCode::SUCCESS)
}

/// What asks for exactly this record: the request headers that its `vary` names.
fn want(record: &Record) -> Want {
    let header = |(name, value): &(String, Option<String>)| {
        Some((HeaderName::try_from(name).ok()?, HeaderValue::try_from(value.as_deref()?).ok()?))
    };
    let headers: HeaderMap = record.vary.iter().filter_map(header).collect();
    Want { key: record.key, variant: record.variant.clone(), headers }
}

fn print_all(entries: &[Entry], session: &Session) -> Outcome {
    if session.output.json {
        let entries = entries.iter().map(|entry| shown(&entry.record)).collect::<Result<_, _>>()?;
        session.output.document("larder.show/1", &Document { entries })?;
    } else {
        let parts: Vec<String> = entries.iter().map(|entry| text(&entry.record)).collect();
        session.output.line(parts.join("\n\n"))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn shown(record: &Record) -> Result<Shown, CliError> {
    Ok(Shown {
        entry: EntryView::of(record),
        record: record.encode().ok().map(|bytes| larder_core::RecordCid::of(&bytes).to_string()),
        headers: headers(record),
        vary: record.vary.clone(),
        cost: record.cost,
        question: raw(&record.question)?,
    })
}

fn headers(record: &Record) -> Vec<(String, String)> {
    match &record.head {
        Head::Http { headers, .. } => {
            headers.iter().map(|(name, value)| (name.clone(), String::from_utf8_lossy(value).into_owned())).collect()
        }
        Head::Tool { .. } | Head::Value { .. } => Vec::new(),
    }
}

fn text(record: &Record) -> String {
    let view = EntryView::of(record);
    let mut rows = vec![
        row("key", &view.key),
        row("service", &view.service),
        row("operation", &view.operation),
        row("share", &view.share),
        row("created", &view.created),
        row("fresh for", &view.ttl()),
        row("body", &view.body),
        row("size", &show_size(view.size)),
    ];
    let mut more = |name: &str, value: Option<String>| rows.extend(value.map(|value| row(name, &value)));
    more("form", Some(view.variant).filter(|variant| !variant.is_empty()));
    more("type", view.content_type);
    more("status", view.status.map(|status| status.to_string()));
    more("exit code", view.exit_code.map(|code| code.to_string()));
    more("took", Some(record.cost.elapsed_ms).filter(|ms| *ms > 0).map(|ms| format!("{ms} ms")));
    let tokens = record.cost.input_tokens + record.cost.output_tokens;
    let of_tokens = format!("{} in, {} out", record.cost.input_tokens, record.cost.output_tokens);
    more("tokens", Some(of_tokens).filter(|_| tokens > 0));
    more("fingerprint", record.fingerprint.clone());
    let mut out = table(&rows, &[]);
    for (name, value) in headers(record) {
        out.push_str(&format!("\n  {name}: {value}"));
    }
    out.push_str(&format!("\n{HEADING}question{HEADING:#}\n{}", question(&record.question)));
    out
}

fn row(name: &str, value: &str) -> Vec<String> {
    vec![name.to_owned(), value.to_owned()]
}

/// The question, one member a line.
fn question(canonical: &[u8]) -> String {
    match Question::parse(canonical).map(|question| question.document()) {
        Ok(Json::Object(members)) => {
            members.iter().map(|(name, value)| format!("  {name}: {value}")).collect::<Vec<_>>().join("\n")
        }
        _ => format!("  {}", String::from_utf8_lossy(canonical)),
    }
}
