//! `larder put`: an answer from standard input into the store.

use super::{
    Outcome, body,
    grammar::QuestionArgs,
    question,
    session::{Session, now},
};
use crate::{
    config::{parse_duration, show_size},
    error::CliError,
};
use larder_core::{Head, Record, Share, judge::Plan, record::Cost};
use serde::Serialize;
use std::{
    io::{IsTerminal as _, stdin},
    process::ExitCode,
    time::Duration,
};

/// What `larder put` takes.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct PutArgs {
    #[command(flatten)]
    question: QuestionArgs,
    /// How long the answer is fresh, such as 30s, 5m, 1h, 7d [default: what the adapter says]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, allow_hyphen_values = true)]
    ttl: Option<Duration>,
    /// What the answer is, such as application/json
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
}

#[derive(Serialize)]
struct Document {
    key: String,
    body: String,
    size: u64,
    ttl_s: u64,
}

/// Reads standard input to its end and keeps it as the answer to the question.
pub(crate) fn run(args: PutArgs, session: &Session) -> Outcome {
    let plan = question::plan(&args.question, session)?;
    check_share(&plan, &args, session)?;
    args.content_type.as_deref().map_or(Ok(()), check_content_type)?;
    let ttl = args.ttl.unwrap_or(plan.lifetime.ttl);
    if ttl.is_zero() {
        return Err(CliError::usage("an answer that lives for 0 seconds is never found")
            .hint("`--ttl 1h` says how long it holds"));
    }
    if stdin().is_terminal() {
        session.output.say("reading the answer from the terminal; Ctrl-D ends it");
    }
    let cache = session.cache()?;
    let since = cache.since(&plan.key, &plan.question.service, &plan.question.operation);
    let folder = cache.spool_folder().unwrap_or_else(std::env::temp_dir);
    let incoming = body::read(stdin().lock(), &folder)?;
    let document = Document {
        key: plan.key.to_string(),
        body: incoming.cid.to_string(),
        size: incoming.len,
        ttl_s: ttl.as_secs(),
    };
    let record = record(&plan, ttl, args.content_type, &incoming);
    let kept = pollster::block_on(cache.put(record, incoming.body.clone(), since, now()));
    cache.close();
    kept?;
    if session.output.json {
        session.output.document("larder.put/1", &document)?;
    } else {
        session.output.line(&document.key)?;
        session.output.say(format!("stored {} for {} s", show_size(document.size), document.ttl_s));
    }
    Ok(ExitCode::SUCCESS)
}

/// A tool's answer always belongs to somebody: no run would ever find an anonymous one.
fn check_share(plan: &Plan, args: &PutArgs, session: &Session) -> Result<(), CliError> {
    let adapter = session.adapter(&args.question.service)?;
    let is_tools = adapter.operation(&args.question.operation).is_some_and(|operation| operation.http.is_none());
    match is_tools && plan.question.share == Share::Anonymous {
        true => Err(CliError::usage(format!("`{}` is a tool: its answers are never anonymous", adapter.name))
            .hint("`--share` says whose answer it is; `larder explain --json -- COMMAND` shows the share of a run")),
        false => Ok(()),
    }
}

/// It is sent as a header.
fn check_content_type(text: &str) -> Result<(), CliError> {
    let printable = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    match printable && text.contains('/') {
        true => Ok(()),
        false => Err(CliError::usage(format!("`{}` is not a content type", text.escape_debug()))
            .hint("write one such as `application/json` or `text/plain; charset=utf-8`")),
    }
}

fn record(plan: &Plan, ttl: Duration, content_type: Option<String>, incoming: &body::Incoming) -> Record {
    Record {
        v: 1,
        key: plan.key,
        variant: plan.want.variant.clone(),
        vary: Vec::new(),
        service: plan.question.service.clone(),
        operation: plan.question.operation.clone(),
        share: plan.question.share.to_string(),
        question: plan.question.canonical(),
        body: incoming.cid,
        body_len: incoming.len,
        head: Head::Value { content_type },
        created: now(),
        initial_age_ms: 0,
        ttl_ms: u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX),
        stale_while_revalidate_ms: 0,
        stale_if_error_ms: 0,
        cost: Cost::default(),
        fingerprint: None,
    }
}
