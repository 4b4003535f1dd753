//! `larder adapters`: what is known of services and tools.

use super::{
    Outcome,
    session::{Known, Session, read_adapter, read_text},
    values::{length, table},
};
use crate::{error::CliError, output::HEADING};
use larder_core::adapter::{Adapter, Diagnostic, Operation, harness};
use serde::Serialize;
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

/// What `larder adapters` takes.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct AdaptersArgs {
    #[command(subcommand)]
    command: Option<AdaptersCommand>,
}

/// What is to be done with them.
#[derive(Clone, Debug, clap::Subcommand)]
enum AdaptersCommand {
    /// List them (the default)
    List,
    /// Show one with its operations
    Show {
        /// The adapter's name
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Check adapter files: unknown words, ambiguous rules, bad lengths of time
    Check {
        /// The files
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
    },
    /// Run the cases of adapters' test files
    Test {
        /// Adapter files (NAME.toml) or their test files (NAME.test.toml)
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
    },
}

#[derive(Serialize)]
struct List {
    adapters: Vec<Line>,
}

#[derive(Serialize)]
struct Line {
    name: String,
    kind: &'static str,
    summary: String,
    operations: usize,
    /// The user's own file; `None`: it is built in.
    file: Option<String>,
}

#[derive(Serialize)]
struct Shown {
    name: String,
    summary: String,
    /// The user's own file; `None`: it is built in.
    file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    base_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<String>,
    operations: Vec<OperationLine>,
}

#[derive(Serialize)]
struct OperationLine {
    name: String,
    write: bool,
    ttl_s: u64,
    /// Routes of a service, sub-commands of a tool.
    when: Vec<String>,
}

#[derive(Serialize)]
struct Checked {
    ok: bool,
    files: Vec<CheckedFile>,
}

#[derive(Serialize)]
struct CheckedFile {
    file: String,
    /// What was found to be right, for people.
    #[serde(skip)]
    good: String,
    problems: Vec<Problem>,
}

#[derive(Serialize)]
struct Problem {
    file: String,
    line: usize,
    what: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

/// Lists, shows, checks or tests.
pub(crate) fn run(args: &AdaptersArgs, session: &Session) -> Outcome {
    match args.command.as_ref().unwrap_or(&AdaptersCommand::List) {
        AdaptersCommand::List => list(session),
        AdaptersCommand::Show { name } => show(&*session.adapter(name)?, file_of(&session.known()?, name), session),
        AdaptersCommand::Check { files } => judge(files, check, "larder.adapters-check/1", session),
        AdaptersCommand::Test { files } => judge(files, test, "larder.adapters-test/1", session),
    }
}

fn list(session: &Session) -> Outcome {
    let known = session.known()?;
    let adapters: Vec<Line> =
        known.registry.iter().map(|adapter| line(adapter, file_of(&known, &adapter.name))).collect();
    if session.output.json {
        session.output.document("larder.adapters/1", &List { adapters })?;
        return Ok(ExitCode::SUCCESS);
    }
    let heads = ["NAME", "KIND", "OPERATIONS", "FROM", "SUMMARY"].map(str::to_owned).to_vec();
    let row = |line: &Line| {
        let number = line.operations.to_string();
        vec![line.name.clone(), line.kind.to_owned(), number, from(line.file.as_deref()), line.summary.clone()]
    };
    let rows: Vec<_> = std::iter::once(heads).chain(adapters.iter().map(row)).collect();
    session.output.line(table(&rows, &[2]))?;
    Ok(ExitCode::SUCCESS)
}

fn file_of(known: &Known, name: &str) -> Option<String> {
    known.files.get(name).map(|file| file.display().to_string())
}

fn from(file: Option<&str>) -> String {
    file.unwrap_or("built in").to_owned()
}

fn line(adapter: &Adapter, file: Option<String>) -> Line {
    let kind = match (&adapter.http, &adapter.tool) {
        (Some(_), Some(_)) => "service, tool",
        (_, Some(_)) => "tool",
        _ => "service",
    };
    let (name, summary) = (adapter.name.clone(), adapter.summary.clone());
    Line { name, kind, summary, operations: adapter.operations.len(), file }
}

fn show(adapter: &Adapter, file: Option<String>, session: &Session) -> Outcome {
    let shown = Shown {
        name: adapter.name.clone(),
        summary: adapter.summary.clone(),
        file,
        base_url: adapter.http.as_ref().map(|http| http.base_url.clone()),
        command: adapter.tool.as_ref().map(|tool| tool.command.clone()),
        operations: adapter.operations.iter().map(|operation| operation_line(operation)).collect(),
    };
    if session.output.json {
        session.output.document("larder.adapter/1", &shown)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut rows = vec![["OPERATION", "KEPT FOR", "WHEN"].map(str::to_owned).to_vec()];
    let row = |operation: &Operation| vec![operation.name.clone(), kept_for(operation), when(operation).join(", ")];
    rows.extend(adapter.operations.iter().map(|operation| row(operation)));
    let from = from(shown.file.as_deref());
    let place = shown.base_url.or(shown.command).unwrap_or_default();
    let head = format!("{HEADING}{}{HEADING:#}  {}\n{place}\nfrom: {from}", adapter.name, adapter.summary);
    session.output.line(format!("{head}\n\n{}", table(&rows, &[])))?;
    Ok(ExitCode::SUCCESS)
}

fn operation_line(operation: &Operation) -> OperationLine {
    OperationLine {
        name: operation.name.clone(),
        write: operation.write,
        ttl_s: operation.ttl.otherwise.as_secs(),
        when: when(operation),
    }
}

fn when(operation: &Operation) -> Vec<String> {
    let routes = operation.http.iter().flat_map(|rule| &rule.routes).map(ToString::to_string);
    let words = operation.tool.iter().flat_map(|rule| &rule.words).map(|words| words.join(" "));
    routes.chain(words).collect()
}

fn kept_for(operation: &Operation) -> String {
    if operation.write {
        return "never, it writes".to_owned();
    }
    if operation.ttl.otherwise.is_zero() && operation.ttl.cases.is_empty() && !operation.from_origin {
        return "never".to_owned();
    }
    let by_case = if operation.ttl.cases.is_empty() { "" } else { " or as a condition says" };
    let by_origin = if operation.from_origin { " unless the origin says otherwise" } else { "" };
    format!("{}{by_case}{by_origin}", length(operation.ttl.otherwise))
}

type Judge = fn(&Path) -> Result<String, Vec<Diagnostic>>;

/// Judges each file and says what was found; wrong files are exit 2.
fn judge(files: &[PathBuf], judge: Judge, schema: &'static str, session: &Session) -> Outcome {
    let files: Vec<CheckedFile> = files.iter().map(|file| checked(file, judge(file))).collect();
    let ok = files.iter().all(|file| file.problems.is_empty());
    let code = if ok { ExitCode::SUCCESS } else { ExitCode::from(crate::error::Kind::Usage.code()) };
    if session.output.json {
        session.output.document(schema, &Checked { ok, files })?;
        return Ok(code);
    }
    for file in &files {
        match file.problems.is_empty() {
            true => session.output.line(format!("{}: ok, {}", file.file, file.good))?,
            false => session.output.error(&problems(file)),
        }
    }
    Ok(code)
}

fn problems(file: &CheckedFile) -> CliError {
    let text = |problem: &Problem| {
        let hint = problem.hint.as_ref().map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
        format!("{}:{}: {}{hint}", problem.file, problem.line, problem.what)
    };
    CliError::usage(file.problems.iter().map(text).collect::<Vec<_>>().join("\n"))
}

fn checked(file: &Path, found: Result<String, Vec<Diagnostic>>) -> CheckedFile {
    let (good, problems) = match found {
        Ok(good) => (good, Vec::new()),
        Err(found) => (String::new(), found),
    };
    let problem =
        |found: Diagnostic| Problem { file: found.file, line: found.line, what: found.what, hint: found.hint };
    CheckedFile { file: file.display().to_string(), good, problems: problems.into_iter().map(problem).collect() }
}

fn check(file: &Path) -> Result<String, Vec<Diagnostic>> {
    let adapter = read_adapter(file)?;
    let number = adapter.operations.len();
    Ok(format!("`{}`, {number} operation{}", adapter.name, if number == 1 { "" } else { "s" }))
}

/// An adapter file stands for its test file and the other way round: they lie beside each other.
fn test(file: &Path) -> Result<String, Vec<Diagnostic>> {
    let name = file.display().to_string();
    let (adapter, tests) = match name.strip_suffix(".test.toml") {
        Some(stem) => (format!("{stem}.toml"), name.clone()),
        None => (name.clone(), format!("{}.test.toml", name.strip_suffix(".toml").unwrap_or(&name))),
    };
    let report = harness::run(
        &read_text(Path::new(&adapter))?,
        &read_text(Path::new(&tests))?,
        harness::Files { adapter: &adapter, tests: &tests },
    );
    let cases = report.cases;
    if !report.problems.is_empty() {
        return Err(report.problems);
    }
    Ok(format!("{cases} case{}", if cases == 1 { "" } else { "s" }))
}
