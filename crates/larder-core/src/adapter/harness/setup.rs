//! What a case asks: a request, a call, or a command line.

use super::outcome::Outcome;
use crate::{
    Json, ShareChoice,
    adapter::{Adapter, document::Table},
    judge::{
        BodyView, Context, Facts, HttpRequest, Pass, RunOptions, Surroundings, ToolMatch, ToolVerdict, Verdict,
        judge_call, judge_http, judge_tool, plan_tool,
    },
    params,
    secret::Secret,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, header::CONTENT_TYPE};
use std::collections::BTreeMap;

/// What is asked.
#[derive(Clone, Debug, Default)]
pub(super) struct Setup {
    request: Option<String>,
    headers: BTreeMap<String, String>,
    json: Option<String>,
    body: Option<String>,
    call: Option<Vec<String>>,
    command: Option<Vec<String>>,
    env: BTreeMap<String, String>,
    cwd: Option<String>,
    team: bool,
}

impl Setup {
    /// Reads the words of a case.
    pub(super) fn read(table: &Table<'_>) -> Self {
        let text = |word| table.text(word).map(|(text, _)| text);
        Self {
            request: text("request"),
            headers: lower(named(table, "headers")),
            json: text("json"),
            body: text("body"),
            call: table.has("call").then(|| table.texts("call").into_iter().map(|(text, _)| text).collect()),
            command: command(table),
            env: named(table, "env"),
            cwd: text("cwd"),
            team: table.flag("team"),
        }
    }

    /// The same with a change's words.
    pub(super) fn changed(&self, table: &Table<'_>) -> Result<Self, String> {
        let change = Self::read(table);
        let mut json = change.json.or_else(|| self.json.clone());
        if let Some((patch, _)) = table.text("merge") {
            let base = json.as_deref().ok_or("`merge` needs a `json` to change")?;
            json = Some(merged(base, &patch)?);
        }
        let is_other = change.request.is_some() || change.call.is_some();
        Ok(Self {
            request: change.request.or_else(|| self.request.clone()),
            headers: self.headers.clone().into_iter().chain(change.headers).collect(),
            json,
            body: change.body.or_else(|| self.body.clone()),
            call: if is_other { change.call } else { self.call.clone() },
            command: change.command.or_else(|| self.command.clone()),
            env: self.env.clone().into_iter().chain(change.env).collect(),
            cwd: change.cwd.or_else(|| self.cwd.clone()),
            team: if table.has("team") { change.team } else { self.team },
        })
    }

    /// Asks the judge. `case` gives a call its operation. Errors are sentences about the test file.
    pub(super) fn run(&self, adapter: &Adapter, case: &Table<'_>) -> Result<Outcome, String> {
        let secret = Secret::new([0; 32]);
        let share = if self.team { ShareChoice::Team } else { ShareChoice::Credential };
        let context = Context { secret: &secret, share, origin: None };
        if let Some(words) = &self.call {
            let (operation, _) = case.text("operation").ok_or("a call needs `operation`")?;
            let params = params::words(words)?;
            let plan = judge_call(adapter, &operation, params, None, &context).map_err(|error| error.to_string())?;
            return Ok(Outcome::from(&plan));
        }
        match (&self.request, &self.command) {
            (Some(line), None) => self.ask(adapter, line, &context),
            (None, Some(words)) => self.execute(adapter, words, &context),
            _ => Err("a case has one of `request`, `call` and `command`".to_owned()),
        }
    }

    fn ask(&self, adapter: &Adapter, line: &str, context: &Context<'_>) -> Result<Outcome, String> {
        let (method, target) = line.split_once(' ').ok_or_else(|| format!("`{line}` is not a method and a path"))?;
        let method = Method::from_bytes(method.as_bytes()).map_err(|error| error.to_string())?;
        let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
        let headers = self.header_map()?;
        let body = self.json.as_deref().or(self.body.as_deref());
        let body = body.map_or(BodyView::None, |body| BodyView::Bytes(body.as_bytes()));
        let request = HttpRequest { method: &method, path, query, headers: &headers, body };
        Ok(match judge_http(adapter, &request, context) {
            Verdict::Keep(plan) => Outcome::from(&*plan),
            Verdict::Pass(pass) => Outcome::from(pass),
        })
    }

    fn header_map(&self) -> Result<HeaderMap, String> {
        let mut map = HeaderMap::new();
        if self.json.is_some() {
            map.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        for (name, value) in &self.headers {
            let key =
                HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("`{name}` is not a header's name"))?;
            map.remove(&key);
            if !value.is_empty() {
                map.insert(
                    key,
                    HeaderValue::from_str(value).map_err(|_| format!("`{value}` is not a header's value"))?,
                );
            }
        }
        Ok(map)
    }

    fn execute(&self, adapter: &Adapter, words: &[String], context: &Context<'_>) -> Result<Outcome, String> {
        let (command, args) = words.split_first().ok_or("`command` is empty")?;
        let is_set = |name: &str| self.env.contains_key(name);
        let around = Surroundings { terminal: false, data_on_stdin: false, is_set: &is_set };
        Ok(match judge_tool(Some(adapter), command, args, &RunOptions::default()) {
            ToolVerdict::Pass(pass) => Outcome::from(pass),
            ToolVerdict::Match(matched) => match matched.refusal(&around) {
                Some(reason) => Outcome::from(Pass { reason, operation: None, invalidates: Vec::new() }),
                None => Outcome::from(&plan_tool(&matched, args, self.facts(&matched), context)),
            },
        })
    }

    fn facts(&self, matched: &ToolMatch) -> Facts {
        let set = |names: &[String]| -> BTreeMap<String, String> {
            let known = names.iter().filter_map(|name| Some((name.clone(), self.env.get(name)?.clone())));
            known.collect()
        };
        let credentials = set(&matched.credential_env).into_iter().map(|(name, value)| (name, Secret::new(value)));
        Facts { env: set(&matched.env), credentials: credentials.collect(), cwd: self.cwd.clone(), ..Facts::default() }
    }
}

fn named(table: &Table<'_>, word: &str) -> BTreeMap<String, String> {
    table.named_texts(word).into_iter().map(|(name, (value, _))| (name, value)).collect()
}

fn lower(headers: BTreeMap<String, String>) -> BTreeMap<String, String> {
    headers.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect()
}

fn command(table: &Table<'_>) -> Option<Vec<String>> {
    let words: Vec<_> = table.texts("command").into_iter().map(|(text, _)| text).collect();
    match words.as_slice() {
        [] => None,
        [line] => Some(line.split_whitespace().map(str::to_owned).collect()),
        _ => Some(words),
    }
}

/// `base` changed by a JSON merge patch (RFC 7396 §2).
fn merged(base: &str, patch: &str) -> Result<String, String> {
    let parse = |text: &str| Json::parse(text.as_bytes()).map_err(|error| format!("`{text}` is not JSON: {error}"));
    let merged = merge(Some(parse(base)?), parse(patch)?);
    Ok(String::from_utf8_lossy(&merged.canonical()).into_owned())
}

fn merge(base: Option<Json>, patch: Json) -> Json {
    let Json::Object(patch) = patch else { return patch };
    let mut members = match base {
        Some(Json::Object(members)) => members,
        _ => Default::default(),
    };
    for (name, value) in patch.iter() {
        let before = members.remove(name);
        if *value != Json::Null {
            members.insert(name, merge(before, value.clone()));
        }
    }
    Json::Object(members)
}
