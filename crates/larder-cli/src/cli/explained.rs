//! A verdict in words: the question field by field, what is not in the key, what is stored, and on a miss what is near.

use super::{
    Outcome,
    session::{Session, now},
    values::{length, table},
    view::{EntryView, raw},
};
use crate::{
    error::CliError,
    output::{DIM, GOOD, HEADING, LOOK},
};
use larder::{Cache, tier::Selection};
use larder_core::{
    Json, Question, Share,
    explain::{Difference, nearest},
    judge::{Pass, Plan, Verdict},
};
use serde::Serialize;
use serde_json::value::RawValue;
use std::process::ExitCode;

/// How many stored questions are looked at for the nearest.
const LOOKED_AT: usize = 1000;

#[derive(Serialize)]
struct Passed<'a> {
    verdict: &'static str,
    reason: String,
    operation: Option<&'a str>,
    invalidates: &'a [String],
}

#[derive(Serialize)]
struct Kept {
    verdict: &'static str,
    key: String,
    question: Box<RawValue>,
    variant: String,
    ignored: Vec<Left>,
    ttl_s: u64,
    stale_while_revalidate_s: u64,
    stale_if_error_s: u64,
    /// The origin's own word on freshness comes before `ttl_s`.
    from_origin: bool,
    share: String,
    /// `null`: a miss.
    stored: Option<EntryView>,
    /// On a miss.
    nearest: Option<Near>,
}

#[derive(Serialize)]
struct Left {
    what: String,
    rule: String,
}

#[derive(Serialize)]
struct Near {
    key: String,
    differences: Vec<Differs>,
}

#[derive(Serialize)]
struct Differs {
    at: String,
    asked: Option<Box<RawValue>>,
    stored: Option<Box<RawValue>>,
}

/// What the store says of a plan. Without a usable store everything is a miss.
#[derive(Default)]
struct Found {
    stored: Option<EntryView>,
    nearest: Option<(String, Vec<Difference>)>,
}

/// Prints the verdict.
pub(super) fn print(verdict: &Verdict, session: &Session) -> Outcome {
    match verdict {
        Verdict::Pass(pass) => passed(pass, session)?,
        Verdict::Keep(plan) => kept(plan, session)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn passed(pass: &Pass, session: &Session) -> Result<(), CliError> {
    if session.output.json {
        let document = Passed {
            verdict: "pass",
            reason: pass.reason.to_string(),
            operation: pass.operation.as_deref(),
            invalidates: &pass.invalidates,
        };
        return session.output.document("larder.explain/1", &document);
    }
    let mut rows = vec![row("verdict", &format!("{LOOK}passed through{LOOK:#}: {}", pass.reason))];
    rows.extend(pass.operation.as_ref().map(|operation| row("operation", operation)));
    if !pass.invalidates.is_empty() {
        rows.push(row("makes stale", &pass.invalidates.join(", ")));
    }
    session.output.line(table(&rows, &[]))
}

fn kept(plan: &Plan, session: &Session) -> Result<(), CliError> {
    let found = match session.cache() {
        Ok(cache) => {
            let found = look_up(&cache, plan);
            cache.close();
            found?
        }
        Err(error) => {
            session.output.warn(error.to_string());
            Found::default()
        }
    };
    if session.output.json {
        session.output.document("larder.explain/1", &document(plan, found)?)
    } else {
        session.output.line(text(plan, &found))
    }
}

fn look_up(cache: &Cache, plan: &Plan) -> Result<Found, CliError> {
    let now = now();
    if let Some((entry, _)) = pollster::block_on(cache.get(&plan.want, now))? {
        return Ok(Found { stored: Some(EntryView::of(&entry.record)), nearest: None });
    }
    let selection = Selection {
        service: Some(plan.question.service.clone()),
        operation: Some(plan.question.operation.clone()),
        ..Selection::default()
    };
    let entries = pollster::block_on(cache.list(&selection, LOOKED_AT, now))?;
    let others = entries.iter().filter_map(|entry| {
        Some((
            entry.record.key,
            with_variant(Question::parse(&entry.record.question).ok()?.document(), &entry.record.variant.0),
        ))
    });
    let (keys, documents): (Vec<_>, Vec<_>) = others.unzip();
    let asked = with_variant(plan.question.document(), &plan.want.variant.0);
    let nearest = nearest(&asked, &documents).map(|(place, found)| (keys[place].to_string(), found));
    Ok(Found { stored: None, nearest })
}

/// Two forms of one answer have one key and differ in this.
fn with_variant(mut document: Json, variant: &str) -> Json {
    if let Json::Object(members) = &mut document {
        members.insert("variant", variant);
    }
    document
}

fn document(plan: &Plan, found: Found) -> Result<Kept, CliError> {
    let left = |ignored: &larder_core::judge::Ignored| Left { what: ignored.what.clone(), rule: ignored.rule.clone() };
    Ok(Kept {
        verdict: "keep",
        key: plan.key.to_string(),
        question: raw(&plan.question.canonical())?,
        variant: plan.want.variant.0.clone(),
        ignored: plan.ignored.iter().map(left).collect(),
        ttl_s: plan.lifetime.ttl.as_secs(),
        stale_while_revalidate_s: plan.lifetime.stale_while_revalidate.as_secs(),
        stale_if_error_s: plan.lifetime.stale_if_error.as_secs(),
        from_origin: plan.lifetime.from_origin,
        share: plan.question.share.to_string(),
        stored: found.stored,
        nearest: found.nearest.map(near).transpose()?,
    })
}

fn near((key, found): (String, Vec<Difference>)) -> Result<Near, CliError> {
    let side = |value: Option<Json>| value.map(|value| raw(&value.canonical())).transpose();
    let differs =
        |found: Difference| Ok(Differs { at: found.at, asked: side(found.asked)?, stored: side(found.stored)? });
    Ok(Near { key, differences: found.into_iter().map(differs).collect::<Result<_, CliError>>()? })
}

fn text(plan: &Plan, found: &Found) -> String {
    let mut out = section("question", question_rows(plan));
    if !plan.ignored.is_empty() {
        let rows = plan.ignored.iter().map(|ignored| row(&ignored.what, &ignored.rule)).collect();
        out.push_str(&section("not in the key, by which rule", rows));
    }
    out.push_str(&section("verdict", verdict_rows(plan)));
    out.push_str(&section("store", store_rows(found)));
    if let Some((key, differences)) = &found.nearest {
        let title = format!("nearest stored question {DIM}{key}{DIM:#}");
        out.push_str(&section(&title, difference_rows(differences)));
    }
    out.trim_end().to_owned()
}

fn section(title: &str, rows: Vec<Vec<String>>) -> String {
    let lines: String = table(&rows, &[]).lines().map(|line| format!("  {line}\n")).collect();
    format!("{HEADING}{title}{HEADING:#}\n{lines}\n")
}

/// Member by member; parameters, headers and the like one by one.
fn question_rows(plan: &Plan) -> Vec<Vec<String>> {
    let Json::Object(members) = plan.question.document() else { return Vec::new() };
    let mut rows = Vec::new();
    for (name, value) in members.iter() {
        match value {
            Json::Object(inner) if !inner.is_empty() && name != "body" => {
                rows.extend(inner.iter().map(|(field, value)| row(&format!("{name} {field}"), &shortened(value))));
            }
            value => rows.push(row(name, &shortened(value))),
        }
    }
    rows
}

fn verdict_rows(plan: &Plan) -> Vec<Vec<String>> {
    let lifetime = &plan.lifetime;
    let ttl = match (lifetime.from_origin, lifetime.ttl.is_zero()) {
        (true, true) => "what the origin says".to_owned(),
        (true, false) => format!("what the origin says, else {}", length(lifetime.ttl)),
        (false, _) => length(lifetime.ttl),
    };
    let mut rows = vec![
        row("kept", &format!("{GOOD}yes{GOOD:#}, if the answer is complete")),
        row("key", &plan.key.to_string()),
        row("fresh for", &ttl),
        row("share", &share(&plan.question.share)),
    ];
    let mut stale = |name, length_of: std::time::Duration| {
        rows.extend((!length_of.is_zero()).then(|| row(name, &length(length_of))));
    };
    stale("stale while asking again", lifetime.stale_while_revalidate);
    stale("stale if the origin fails", lifetime.stale_if_error);
    if !plan.want.variant.0.is_empty() {
        rows.push(row("form", &plan.want.variant.0));
    }
    rows
}

fn share(share: &Share) -> String {
    let who = match share {
        Share::Public => "anyone; with a credential only once the origin has accepted it in the last 24 hours",
        Share::Team => "everyone whose credential the origin has accepted in the last 24 hours",
        Share::Credential(_) => "only who sends this credential",
        Share::Anonymous => "everyone who sends no credential",
    };
    format!("{share} ({who})")
}

fn store_rows(found: &Found) -> Vec<Vec<String>> {
    match &found.stored {
        Some(entry) => vec![
            row("stored", &format!("{GOOD}yes{GOOD:#}, {}", entry.created)),
            row("age", &length(std::time::Duration::from_secs(entry.age_s))),
            row("fresh for", &entry.ttl()),
            row("body", &entry.body),
        ],
        None => vec![row("stored", &format!("{LOOK}no{LOOK:#}: the origin would be asked"))],
    }
}

fn difference_rows(differences: &[Difference]) -> Vec<Vec<String>> {
    let side = |value: &Option<Json>| value.as_ref().map_or_else(|| "–".to_owned(), shortened);
    let mut rows = vec![["", "ASKED", "STORED"].map(str::to_owned).to_vec()];
    rows.extend(differences.iter().map(|found| vec![found.at.clone(), side(&found.asked), side(&found.stored)]));
    if differences.is_empty() {
        rows = vec![row("the same question", "its answer has gone stale, or was given for other request headers")];
    }
    rows
}

/// A value on one line, its middle left out where it is long.
fn shortened(value: &Json) -> String {
    const MOST: usize = 160;
    let text = value.to_string();
    let letters: Vec<char> = text.chars().collect();
    if letters.len() <= MOST {
        return text;
    }
    let (head, tail) = (&letters[..MOST / 2], &letters[letters.len() - MOST / 4..]);
    let left_out = letters.len() - head.len() - tail.len();
    format!("{}… {left_out} more …{}", head.iter().collect::<String>(), tail.iter().collect::<String>())
}

fn row(name: &str, value: &str) -> Vec<String> {
    vec![name.to_owned(), value.to_owned()]
}
