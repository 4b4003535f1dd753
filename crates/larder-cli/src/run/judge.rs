//! From a command line to a verdict: what `larder run` acts on, and what `larder explain` shows.

use super::{
    adapters, facts,
    input::{self, Input, Kind},
    output,
    program::{NotRunnable, Program},
};
use crate::config::{Settings, installation_secret};
use larder_core::judge::{
    Context, Pass, PassReason, Plan, RunOptions, Surroundings, ToolMatch, ToolVerdict, judge_tool, plan_tool,
};
use larder_core::{ShareChoice, adapter::Adapter};
use std::{env, ffi::OsString, sync::Arc};

/// A command line, judged.
pub(crate) struct Judged {
    /// The program.
    pub(crate) program: Program,
    /// Its adapter.
    pub(crate) adapter: Option<Arc<Adapter>>,
    /// What is to be done.
    pub(crate) verdict: Verdict,
}

/// What is to be done with a command line.
pub(crate) enum Verdict {
    /// Run it untouched; `input` is what was read of stdin before that was known.
    Pass {
        /// Why, and what it makes stale.
        pass: Pass,
        /// Standard input.
        input: Input,
    },
    /// Look it up; on a miss run it and keep the output.
    Keep(Box<Keep>),
}

impl Keep {
    /// Whether stdout and stderr are one file: the variant says so.
    pub(crate) fn is_one_output(&self) -> bool {
        !self.plan.want.variant.0.is_empty()
    }
}

/// A run whose output is kept.
pub(crate) struct Keep {
    /// The rule.
    pub(crate) matched: ToolMatch,
    /// Question, key, variant.
    pub(crate) plan: Plan,
    /// Standard input.
    pub(crate) input: Input,
}

impl Verdict {
    fn pass(reason: PassReason, input: Input) -> Self {
        Self::Pass { pass: Pass { reason, operation: None, invalidates: Vec::new() }, input }
    }
}

/// Where the output goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outputs {
    /// stdout and stderr are one file.
    pub(crate) one: bool,
    /// stdout is a terminal.
    pub(crate) terminal: bool,
    /// Somebody runs the command, and waits until its input has come.
    pub(crate) patient: bool,
}

impl Outputs {
    /// This process's own.
    pub(crate) fn own() -> Self {
        Self { one: output::are_one(), terminal: output::is_terminal(), patient: true }
    }
}

/// Judges `command` (the tool and its arguments, at least one word) for people who ask what would become of it: as if its
/// outputs were two pipes, wherever this process's own lead. Error: there is no such program.
pub(crate) fn judge(
    command: &[OsString],
    options: &RunOptions,
    share: ShareChoice,
    settings: &Settings,
) -> Result<Judged, NotRunnable> {
    judge_for(Outputs { one: false, terminal: false, patient: false }, command, options, share, settings)
}

/// Judges `command` for these outputs. Reads standard input where the rule says so. Error: there is no such program.
pub(crate) fn judge_for(
    outputs: Outputs,
    command: &[OsString],
    options: &RunOptions,
    share: ShareChoice,
    settings: &Settings,
) -> Result<Judged, NotRunnable> {
    let (name, args) = command.split_first().map_or((OsString::new(), &[][..]), |(name, args)| (name.clone(), args));
    let program = Program::find(&name)?;
    let (adapter, found) = recognise(&program, args, options, settings);
    let verdict = match found {
        Ok((matched, args)) => keep(matched, &args, &program, &Asked { outputs, share, settings }),
        Err(pass) => Verdict::Pass { pass, input: Input::Inherited },
    };
    Ok(Judged { program, adapter, verdict })
}

type Recognised = Result<(ToolMatch, Vec<String>), Pass>;

/// What the adapter (or `--ttl`) says of the arguments.
fn recognise(
    program: &Program,
    args: &[OsString],
    options: &RunOptions,
    settings: &Settings,
) -> (Option<Arc<Adapter>>, Recognised) {
    let pass = |reason| Err(Pass { reason, operation: None, invalidates: Vec::new() });
    let Some(command) = program.base_name() else {
        return (None, pass(PassReason::NotText("the command's name is not text".to_owned())));
    };
    let folder = settings.adapters.as_ref().map(|folder| folder.value.as_path());
    let adapter = match adapters::of(command, folder) {
        Ok(adapter) => adapter,
        Err(wrong) => {
            let first = wrong.first().map(ToString::to_string).unwrap_or_default();
            return (None, pass(PassReason::Excluded(format!("the adapter is wrong: {first}"))));
        }
    };
    let Some(args) = args.iter().map(|arg| arg.to_str().map(str::to_owned)).collect::<Option<Vec<_>>>() else {
        let untold = adapter.as_deref().map(everything).unwrap_or_default();
        let reason = PassReason::NotText("an argument is not text".to_owned());
        return (adapter, Err(Pass { reason, operation: None, invalidates: untold }));
    };
    let verdict = match judge_tool(adapter.as_deref(), command, &args, options) {
        ToolVerdict::Pass(pass) => Err(pass),
        ToolVerdict::Match(matched) => Ok((matched, args)),
    };
    (adapter, verdict)
}

/// Arguments that cannot be read may write.
fn everything(adapter: &Adapter) -> Vec<String> {
    adapter.operations.iter().filter(|operation| !operation.write).map(|operation| operation.name.clone()).collect()
}

/// What was asked besides the command.
struct Asked<'a> {
    outputs: Outputs,
    share: ShareChoice,
    settings: &'a Settings,
}

fn keep(matched: ToolMatch, args: &[String], program: &Program, asked: &Asked<'_>) -> Verdict {
    let around = Surroundings {
        terminal: asked.outputs.terminal,
        data_on_stdin: !matched.stdin && input::has_data(),
        is_set: &|name| env::var_os(name).is_some(),
    };
    if let Some(reason) = matched.refusal(&around) {
        return Verdict::pass(reason, Input::Inherited);
    }
    let kind = matched.stdin.then(Kind::of_stdin);
    if kind == Some(Kind::Other) {
        let reason = PassReason::Excluded("stdin is a device or a folder".to_owned());
        return Verdict::pass(reason, Input::Inherited);
    }
    let read = || input::read(asked.settings.max_question.value, asked.outputs.patient);
    let input = match (kind == Some(Kind::Data)).then(read) {
        None => Input::Inherited,
        Some(Ok(Input::TooLarge(spool))) => {
            return Verdict::pass(PassReason::Excluded("stdin is too large".to_owned()), Input::TooLarge(spool));
        }
        Some(Ok(input)) => input,
        Some(Err(error)) => {
            let reason = PassReason::Excluded(format!("stdin cannot be read: {error}"));
            return Verdict::pass(reason, Input::Inherited);
        }
    };
    match plan(&matched, args, program, asked, &input) {
        Ok(plan) => Verdict::Keep(Box::new(Keep { matched, plan, input })),
        Err(reason) => Verdict::pass(reason, input),
    }
}

fn plan(
    matched: &ToolMatch,
    args: &[String],
    program: &Program,
    asked: &Asked<'_>,
    input: &Input,
) -> Result<Plan, PassReason> {
    // Tools ask whether they talk to people.
    let people = || input::is_terminal().then(|| "terminal".to_owned());
    let facts = facts::gather(matched, program, input.digest().or_else(people), asked.outputs.one)?;
    let folder = asked.settings.folder.as_deref();
    let (secret, lasting) = installation_secret(folder).map_err(|error| PassReason::Excluded(error.what))?;
    if !lasting {
        return Err(PassReason::Excluded("there is no folder for the installation's secret".to_owned()));
    }
    Ok(plan_tool(matched, args, facts, &Context { secret: &secret, share: asked.share, origin: None }))
}
