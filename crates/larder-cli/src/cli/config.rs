//! `larder config`: what larder was told, and by whom.

use super::{
    Outcome,
    session::Session,
    values::{length, table},
};
use crate::{
    address::shown,
    config::{Setting, Settings, Source, show_share, show_size},
    error::CliError,
};
use serde::Serialize;
use std::process::ExitCode;

/// What `larder config` takes.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    command: ConfigCommand,
}

/// What is to be shown.
#[derive(Clone, Debug, clap::Subcommand)]
enum ConfigCommand {
    /// Show every setting
    Show {
        /// Say where each value came from
        #[arg(long)]
        origin: bool,
    },
    /// Print the path of the configuration file
    Path,
}

/// One setting as text.
#[derive(Serialize)]
struct Line {
    name: String,
    value: String,
    origin: String,
}

#[derive(Serialize)]
struct Show {
    settings: Vec<Line>,
}

#[derive(Serialize)]
struct Path {
    path: String,
    exists: bool,
}

/// Shows the configuration.
pub(crate) fn run(args: &ConfigArgs, session: &Session) -> Outcome {
    match args.command {
        ConfigCommand::Show { origin } => show(origin, session)?,
        ConfigCommand::Path => path(session)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn path(session: &Session) -> Result<(), CliError> {
    let file = session.settings.file.as_ref().ok_or_else(|| {
        CliError::failed("no folder for the configuration: neither `HOME` nor `XDG_CONFIG_HOME` is set")
            .hint("`--config FILE` (or `LARDER_CONFIG`) names a file")
    })?;
    let path = file.value.display().to_string();
    if session.output.json {
        return session.output.document("larder.config-path/1", &Path { exists: file.value.exists(), path });
    }
    session.output.line(path)
}

fn show(origin: bool, session: &Session) -> Result<(), CliError> {
    let settings = lines(&session.settings);
    if session.output.json {
        return session.output.document("larder.config/1", &Show { settings });
    }
    let row = |line: &Line| {
        let mut cells = vec![line.name.clone(), line.value.clone()];
        cells.extend(origin.then(|| line.origin.clone()));
        cells
    };
    session.output.line(table(&settings.iter().map(row).collect::<Vec<_>>(), &[]))
}

fn lines(settings: &Settings) -> Vec<Line> {
    let path = |setting: &std::path::PathBuf| setting.display().to_string();
    let limit = |bytes: &u64| if *bytes == 0 { "no limit".to_owned() } else { show_size(*bytes) };
    let number = |number: &u64| if *number == 0 { "no limit".to_owned() } else { number.to_string() };
    let nowhere =
        || Line { name: String::new(), value: "none (no home)".to_owned(), origin: Source::Default.to_string() };
    let maybe = |name: &str, setting: &Option<Setting<std::path::PathBuf>>| match setting {
        Some(setting) => line(name, setting, path),
        None => Line { name: name.to_owned(), ..nowhere() },
    };
    let mut lines = vec![
        maybe("store", &settings.store),
        line("listen", &settings.listen, |listen| listen.join(", ")),
        line("share", &settings.share, |share| show_share(*share).to_owned()),
        line("max-size", &settings.max_size, limit),
        line("max-entries", &settings.max_entries, number),
        line("memory", &settings.memory, |bytes| show_size(*bytes)),
        line("max-question", &settings.max_question, |bytes| show_size(*bytes)),
        line("upstream-timeout", &settings.upstream_timeout, |time| length(*time)),
        line("durable", &settings.durable, bool::to_string),
        maybe("adapters", &settings.adapters),
    ];
    // A file that the gateway refuses is shown all the same, and nobody is to read a credential here.
    let safe = |text: &String| shown(text).into_owned();
    for (name, service) in &settings.services {
        let name = shown(name);
        let text = |what: &str, setting: &Option<Setting<String>>| {
            setting.as_ref().map(|setting| line(&format!("service.{name}.{what}"), setting, safe))
        };
        let share = service.share.as_ref();
        lines.extend(text("upstream", &service.upstream));
        lines.extend(text("name", &service.name));
        lines.extend(share.map(|share| line(&format!("service.{name}.share"), share, |it| show_share(*it).to_owned())));
    }
    lines
}

fn line<T>(name: &str, setting: &Setting<T>, show: impl Fn(&T) -> String) -> Line {
    Line { name: name.to_owned(), value: show(&setting.value), origin: setting.source.to_string() }
}
