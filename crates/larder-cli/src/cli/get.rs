//! `larder get`: a stored answer on stdout, or exit 3.

use super::{
    Outcome, body,
    grammar::QuestionArgs,
    question,
    session::{Session, now},
    view::EntryView,
};
use crate::error::CliError;
use larder::{Cache, Entry, stats::Event};
use larder_core::{judge::Plan, record::Freshness};
use serde::Serialize;
use std::process::ExitCode;

/// What `larder get` takes.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Exit code 3, and nothing on stdout: the store has no fresh answer.")]
pub(crate) struct GetArgs {
    #[command(flatten)]
    question: QuestionArgs,
}

#[derive(Serialize)]
struct Document {
    #[serde(flatten)]
    entry: EntryView,
    /// Which tier had it.
    tier: &'static str,
    #[serde(flatten)]
    value: body::Text,
}

/// Prints the answer to a question, if it is in the store and fresh.
pub(crate) fn run(args: &GetArgs, session: &Session) -> Outcome {
    let plan = question::plan(&args.question, session)?;
    let cache = session.cache()?;
    let found = look_up(&cache, &plan);
    let outcome = match found {
        Ok((entry, tier)) => print(&entry, tier, session),
        Err(error) => Err(error),
    };
    cache.close();
    outcome
}

fn look_up(cache: &Cache, plan: &Plan) -> Result<(Entry, &'static str), CliError> {
    let now = now();
    let count = |event| cache.count(&plan.question.service, &plan.question.operation, event);
    match pollster::block_on(cache.get(&plan.want, now))? {
        Some((entry, tier)) if entry.record.freshness(now) == Freshness::Fresh => {
            [Event::Hit, Event::ApiCallSaved].into_iter().for_each(count);
            Ok((entry, tier))
        }
        Some(_) => {
            [Event::Miss, Event::Expiration].into_iter().for_each(count);
            Err(miss(plan, "the stored answer has expired"))
        }
        None => {
            count(Event::Miss);
            Err(miss(plan, "the store has no answer"))
        }
    }
}

fn miss(plan: &Plan, what: &str) -> CliError {
    let question = &plan.question;
    CliError::miss(format!("{what} to `{} {}` (key `{}`)", question.service, question.operation, plan.key))
        .hint(format!(
            "share and origin are part of the key (`--share`, `--origin`); `larder ls --service {}` lists what is stored",
            question.service
        ))
}

fn print(entry: &Entry, tier: &'static str, session: &Session) -> Outcome {
    if session.output.json {
        let document = Document { entry: EntryView::of(&entry.record), tier, value: body::text(&entry.body)? };
        session.output.document("larder.get/1", &document)?;
    } else {
        body::print(entry)?;
    }
    Ok(ExitCode::SUCCESS)
}
