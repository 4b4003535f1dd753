//! `larder env`: the lines that lead clients to the gateway.

use super::{
    Outcome,
    serve::{ListenAddress, ListenSpec},
    session::Session,
};
use crate::error::CliError;
use larder_core::adapter::Adapter;
use serde::Serialize;
use std::{collections::BTreeMap, process::ExitCode, sync::Arc};

/// What `larder env` takes.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct EnvArgs {
    /// Only this service
    #[arg(value_name = "SERVICE")]
    service: Option<String>,
    /// For this shell
    #[arg(long, value_enum, default_value_t = Shell::Sh)]
    shell: Shell,
}

/// How a shell sets a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Shell {
    /// sh, bash, zsh
    Sh,
    /// fish
    Fish,
    /// PowerShell
    Powershell,
}

#[derive(Serialize)]
struct Document<'a> {
    variables: &'a BTreeMap<String, String>,
}

/// Prints the lines.
pub(crate) fn run(args: &EnvArgs, session: &Session) -> Outcome {
    let adapters: Vec<Arc<Adapter>> = match &args.service {
        Some(name) => vec![session.adapter(name)?],
        None => session.registry()?.iter().cloned().collect(),
    };
    let listen =
        session.settings.listen.value.iter().map(|text| text.parse::<ListenSpec>()).collect::<Result<Vec<_>, _>>()?;
    let variables = variables(&adapters, &listen);
    if let (Some(name), true) = (&args.service, variables.is_empty()) {
        return Err(CliError::failed(format!("`{name}` is not led to the gateway by a variable"))
            .hint("the adapter's `env` names none, or the gateway listens on unix sockets only"));
    }
    if session.output.json {
        session.output.document("larder.env/1", &Document { variables: &variables })?;
    } else {
        let lines: Vec<String> = variables.iter().map(|(name, value)| args.shell.line(name, value)).collect();
        session.output.line(lines.join("\n"))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Variable → URL. A listener that serves one service at its root comes before the common one.
pub(super) fn variables(adapters: &[Arc<Adapter>], listen: &[ListenSpec]) -> BTreeMap<String, String> {
    let url = |service: Option<&str>| {
        listen.iter().find_map(|spec| match &spec.address {
            ListenAddress::Tcp(address) if spec.service.as_deref() == service => Some(format!("http://{address}")),
            _ => None,
        })
    };
    let mut variables = BTreeMap::new();
    for adapter in adapters {
        let below = || url(None).map(|url| format!("{url}/{}", adapter.name));
        let Some(base) = url(Some(&adapter.name)).or_else(below) else { continue };
        for (name, path) in adapter.http.iter().flat_map(|http| &http.env) {
            variables.insert(name.clone(), format!("{base}{path}"));
        }
    }
    variables
}

impl Shell {
    /// Values are URLs of loopback addresses and adapter names: they hold nothing that a shell would read.
    fn line(self, name: &str, value: &str) -> String {
        match self {
            Self::Sh => format!("export {name}={value}"),
            Self::Fish => format!("set -gx {name} {value}"),
            Self::Powershell => format!("$env:{name} = '{value}'"),
        }
    }
}
