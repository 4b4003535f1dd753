//! Command lines: recognised, made into a question, and judged once they have run (docs: the runner's rules).

mod conceal;
mod passwords;
mod surroundings;

pub use surroundings::Surroundings;

use super::{Context, Cwd, Facts, Ignored, Lifetime, Pass, PassReason, Plan, RunOptions, ToolMatch, ToolVerdict};
use crate::{
    Question, Share, Variant,
    adapter::{
        Adapter, Operation, Tool,
        tool::{Does, Line, ToolRule},
    },
    freshness::RequestControl,
    json::{Json, Object},
    record::Want,
    scan,
    secret::{Secret, credential_digest},
    share::CredentialDigest,
};
use conceal::Concealer;
use memchr::memmem;
use std::sync::Arc;

/// Values of secret variables that are shorter than this many bytes stand in every output by chance.
const LEAST_SECRET: usize = 6;
/// The operation of a tool that no adapter knows.
const RUN: &str = "run";
/// The variant of a run whose stdout and stderr were one file: the order between them is exact there, and only there.
const ONE_OUTPUT: &str = "one-output";

/// Recognises a command line. `command` is the program's base name, `args` what follows it.
#[must_use]
pub fn judge_tool(adapter: Option<&Adapter>, command: &str, args: &[String], options: &RunOptions) -> ToolVerdict {
    let known = adapter.and_then(|adapter| Some((adapter, adapter.tool.as_ref()?)));
    let Some((adapter, tool)) = known else { return without_adapter(command, options) };
    match adapter.recognise(tool, args) {
        Line::Operation(operation) => judge_operation(adapter, tool, operation, options),
        Line::Untouched(operation, said) => pass(PassReason::Excluded(said), operation.as_deref(), Vec::new()),
        // What is not understood may have written: everything of this tool that is kept may be stale now.
        Line::Strange(operation, what) => pass(PassReason::Excluded(what), Some(&*operation), reads(adapter)),
        Line::Unknown => pass(PassReason::NoOperation, None, reads(adapter)),
    }
}

fn pass(reason: PassReason, operation: Option<&Operation>, invalidates: Vec<String>) -> ToolVerdict {
    ToolVerdict::Pass(Pass { reason, operation: operation.map(|operation| operation.name.clone()), invalidates })
}

fn without_adapter(command: &str, options: &RunOptions) -> ToolVerdict {
    let Some(ttl) = options.ttl else { return pass(PassReason::UnknownTool, None, Vec::new()) };
    ToolVerdict::Match(ToolMatch {
        service: command.to_owned(),
        operation: None,
        env: options.env.clone(),
        credential_env: Vec::new(),
        files: Vec::new(),
        credential_files: Vec::new(),
        cwd: Cwd::Path,
        stdin: true,
        pass_env: Vec::new(),
        terminal: true,
        keep_exit: kept_codes(&[], options),
        fail_when: Vec::new(),
        lifetime: Lifetime { ttl, ..Lifetime::default() },
    })
}

/// Every operation of the tool whose output is kept.
fn reads(adapter: &Adapter) -> Vec<String> {
    let kept = adapter.operations.iter().filter(|operation| does(operation) == Some(Does::Read));
    kept.map(|operation| operation.name.clone()).collect()
}

fn does(operation: &Operation) -> Option<Does> {
    operation.tool.as_ref().map(|rule| rule.does)
}

fn judge_operation(adapter: &Adapter, tool: &Tool, operation: Arc<Operation>, options: &RunOptions) -> ToolVerdict {
    let stale = || match operation.invalidates.as_slice() {
        [] => reads(adapter),
        named => named.to_vec(),
    };
    match &operation.tool {
        Some(rule) if rule.does == Does::Read => ToolVerdict::Match(matched(adapter, tool, rule, &operation, options)),
        Some(rule) if rule.does == Does::Pass => {
            pass(PassReason::Excluded(format!("`{}`", operation.name)), Some(&operation), Vec::new())
        }
        _ => pass(PassReason::Write, Some(&operation), stale()),
    }
}

fn matched(
    adapter: &Adapter,
    tool: &Tool,
    rule: &ToolRule,
    operation: &Arc<Operation>,
    options: &RunOptions,
) -> ToolMatch {
    let mut env = tool.env.clone();
    env.extend(options.env.iter().filter(|name| !tool.env.contains(name)).cloned());
    // Whoever lists one twice, it is a credential: its value is in the share.
    env.retain(|name| !tool.credential_env.contains(name));
    let lifetime = options.ttl.map_or(kept_for(operation), |ttl| Lifetime { ttl, ..Lifetime::default() });
    ToolMatch {
        service: adapter.name.clone(),
        operation: Some(Arc::clone(operation)),
        env,
        credential_env: tool.credential_env.clone(),
        files: tool.files.clone(),
        credential_files: tool.credential_files.clone(),
        cwd: rule.cwd,
        stdin: rule.stdin,
        pass_env: tool.pass_env.clone(),
        terminal: options.ttl.is_some(),
        keep_exit: kept_codes(&rule.keep_exit, options),
        fail_when: tool.fail_when.clone(),
        lifetime,
    }
}

/// A tool's answers carry no freshness of their own: the rule's word is the only one.
fn kept_for(operation: &Operation) -> Lifetime {
    Lifetime {
        ttl: operation.ttl.otherwise,
        stale_while_revalidate: operation.stale_while_revalidate,
        stale_if_error: operation.stale_if_error,
        from_origin: false,
    }
}

fn kept_codes(rule: &[u8], options: &RunOptions) -> Vec<u8> {
    let mut codes = if rule.is_empty() { vec![0] } else { rule.to_vec() };
    codes.extend(&options.keep_exit);
    codes
}

/// The plan of a recognised command line. Never anonymous: uid and credentials make the share's digest.
#[must_use]
pub fn plan_tool(matched: &ToolMatch, args: &[String], facts: Facts, context: &Context<'_>) -> Plan {
    let facts = only_asked(matched, facts);
    let mut concealer = Concealer::new(context.secret);
    let params = params(&matched.service, args, &facts, &mut concealer);
    let variant = Variant(if facts.one_output { ONE_OUTPUT.to_owned() } else { String::new() });
    let credential = caller(facts, context.secret);
    let question = Question {
        service: matched.service.clone(),
        operation: matched.operation_name().to_owned(),
        share: Share::Credential(credential.clone()),
        params,
        origin: context.origin.map(str::to_owned),
        path: None,
        query: None,
        headers: None,
        body: None,
    };
    let key = question.key();
    Plan {
        want: Want { variant, ..Want::plain(key) },
        key,
        question,
        operation: matched.operation.clone(),
        lifetime: matched.lifetime,
        control: RequestControl::default(),
        credential: Some(credential),
        credential_headers: Vec::new(),
        ignored: ignored(matched, concealer),
        finish: false,
    }
}

/// Facts that the rule did not ask for would make one question many.
fn only_asked(matched: &ToolMatch, mut facts: Facts) -> Facts {
    facts.env.retain(|name, _| matched.env.contains(name));
    facts.files.retain(|name, _| matched.files.contains(name));
    facts.cwd.take_if(|_| matched.cwd == Cwd::None);
    facts.stdin.take_if(|_| !matched.stdin);
    facts
}

fn params(tool: &str, args: &[String], facts: &Facts, concealer: &mut Concealer<'_>) -> Object {
    let mut params = Object::default();
    params.insert("argv", Json::Array(concealer.args(tool, args)));
    let text = |text: &String| Json::String(text.clone());
    let optional = [("cwd", &facts.cwd), ("program", &facts.program)];
    for (name, value) in optional {
        value.iter().for_each(|value| params.insert(name, text(value)));
    }
    facts.stdin.iter().for_each(|digest| params.insert("stdin", concealer.stdin(digest)));
    if !facts.env.is_empty() {
        let mut env = Object::default();
        facts.env.iter().for_each(|(name, value)| env.insert(name, concealer.variable(name, value)));
        params.insert("env", Json::Object(env));
    }
    if !facts.files.is_empty() {
        let mut files = Object::default();
        facts.files.iter().for_each(|(name, digest)| files.insert(name, digest.as_ref().map_or(Json::Null, text)));
        params.insert("files", Json::Object(files));
    }
    params
}

/// Who asks: the user and every credential that the tool would use.
fn caller(facts: Facts, secret: &Secret) -> CredentialDigest {
    let mut pairs = facts.credentials;
    pairs.push(("uid".to_owned(), Secret::new(facts.uid.to_string())));
    credential_digest(secret, &pairs)
}

fn ignored(matched: &ToolMatch, concealer: Concealer<'_>) -> Vec<Ignored> {
    let credentials = matched.credential_env.iter().map(|name| format!("variable {name}"));
    let files = matched.credential_files.iter().map(|path| format!("file {path}"));
    let said = credentials.chain(files).map(|what| Ignored { what, rule: "credentials (in the share)".to_owned() });
    let hidden = concealer.into_concealed().into_iter();
    said.chain(hidden.map(|what| Ignored { what, rule: "credentials (as HMAC)".to_owned() })).collect()
}

impl ToolMatch {
    /// The operation's name.
    #[must_use]
    pub fn operation_name(&self) -> &str {
        self.operation.as_ref().map_or(RUN, |operation| &operation.name)
    }

    /// The secret variable whose value (`value_of` its name, in bytes) stands in one of the outputs: such output is not
    /// kept. Secret are those that the command's rule calls so, and those of the surroundings (`names`) that say so.
    pub fn told_secret<'a>(
        &'a self,
        outputs: &[&[u8]],
        names: &'a [String],
        value_of: impl Fn(&str) -> Option<Vec<u8>>,
    ) -> Option<&'a str> {
        let holds_secret = |name: &str| {
            value_of(name).is_some_and(|value| conceal::is_secret_variable(name, &String::from_utf8_lossy(&value)))
        };
        let named = names.iter().filter(|name| holds_secret(name));
        let mut names = self.credential_env.iter().chain(named).map(String::as_str);
        names.find(|name| {
            let value = value_of(name).filter(|value| value.len() >= LEAST_SECRET);
            value.is_some_and(|value| outputs.iter().any(|output| memmem::find(output, &value).is_some()))
        })
    }

    /// Whether runs that end with this exit code are kept, and so may be served: a failure that somebody else wanted to
    /// keep is no answer to whoever did not ask for it.
    #[must_use]
    pub fn keeps_exit(&self, code: u8) -> bool {
        self.keep_exit.contains(&code)
    }
}

/// Whether a finished run may be kept: exit code, `fail-when` patterns, and output in which a token is seen.
/// The error says why not.
pub fn judge_run(matched: &ToolMatch, exit_code: u8, stdout: &[u8], stderr: &[u8]) -> Result<(), String> {
    if !matched.keeps_exit(exit_code) {
        return Err(format!("exit code {exit_code} is not kept"));
    }
    let holds =
        |text: &&String| memmem::find(stdout, text.as_bytes()).or(memmem::find(stderr, text.as_bytes())).is_some();
    if let Some(text) = matched.fail_when.iter().find(holds) {
        return Err(format!("the output holds `{text}`, which means that it failed"));
    }
    let both = [stdout, stderr];
    let formed = both.iter().find_map(|output| scan::token_in(output)).map(str::to_owned);
    match formed.or_else(|| both.iter().find_map(|output| scan::named_in(output))) {
        Some(kind) => Err(format!("the output seems to hold a secret ({kind})")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
