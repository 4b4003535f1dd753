//! `larder key`: the CID of a question, or its canonical bytes.

use super::{Outcome, grammar::QuestionArgs, question, session::Session};
use serde::Serialize;
use serde_json::value::RawValue;
use std::process::ExitCode;

/// What `larder key` takes.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct KeyArgs {
    #[command(flatten)]
    question: QuestionArgs,
    /// Print the question's canonical bytes instead, without a newline: their CID as one raw block is the key
    #[arg(long)]
    canonical: bool,
}

#[derive(Serialize)]
struct Document<'a> {
    key: String,
    question: &'a RawValue,
}

/// Prints the key.
pub(crate) fn run(args: &KeyArgs, session: &Session) -> Outcome {
    let plan = question::plan(&args.question, session)?;
    let canonical = plan.question.canonical();
    if session.output.json {
        let question = super::view::raw(&canonical)?;
        session.output.document("larder.key/1", &Document { key: plan.key.to_string(), question: &question })?;
    } else if args.canonical {
        session.output.bytes(&canonical)?;
    } else {
        session.output.line(plan.key.to_string())?;
    }
    Ok(ExitCode::SUCCESS)
}
