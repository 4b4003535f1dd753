//! The facts that a tool's question needs, gathered from this process's surroundings.

use super::{git, input::hex, program::Program};
use larder_core::{
    cid::sha256,
    judge::{Cwd, Facts, PassReason, ToolMatch},
    secret::Secret,
};
use std::{
    collections::BTreeMap,
    env, fs, io,
    path::{Path, PathBuf},
};

/// Gathers them. `stdin`: the digest of standard input, where it was read; `one_output`: stdout and stderr are one file.
/// Error: something is not text.
pub(crate) fn gather(
    matched: &ToolMatch,
    program: &Program,
    stdin: Option<String>,
    one_output: bool,
) -> Result<Facts, PassReason> {
    Ok(Facts {
        env: variables(&matched.env)?,
        credentials: credentials(matched),
        files: digests(&matched.files),
        cwd: working_directory(matched.cwd)?,
        stdin,
        program: Some(program.identity().ok_or_else(|| not_text("the program's path"))?),
        uid: rustix::process::geteuid().as_raw(),
        one_output,
    })
}

fn not_text(what: &str) -> PassReason {
    PassReason::NotText(format!("{what} is not text"))
}

fn variables(names: &[String]) -> Result<BTreeMap<String, String>, PassReason> {
    let set = names.iter().filter_map(|name| Some((name, env::var_os(name)?)));
    set.map(|(name, value)| {
        let text = value.into_string().map_err(|_| not_text(&format!("the variable `{name}`")))?;
        Ok((name.clone(), text))
    })
    .collect()
}

fn credentials(matched: &ToolMatch) -> Vec<(String, Secret)> {
    let variables = matched.credential_env.iter().filter_map(|name| {
        let value = env::var_os(name)?;
        Some((format!("variable {name}"), Secret::new(value.into_encoded_bytes())))
    });
    let files = matched.credential_files.iter().filter_map(|file| {
        let digest = digest(&expand(file)?)?;
        Some((format!("file {file}"), Secret::new(digest)))
    });
    variables.chain(files).collect()
}

fn digests(files: &[String]) -> BTreeMap<String, Option<String>> {
    files.iter().map(|file| (file.clone(), expand(file).as_deref().and_then(digest))).collect()
}

/// `~/…` and `$NAME/…`; `None` where the variable is unset or empty.
fn expand(file: &str) -> Option<PathBuf> {
    let (variable, rest) = match (file.strip_prefix("~/"), file.strip_prefix('$').and_then(|file| file.split_once('/')))
    {
        (Some(rest), _) => ("HOME", rest),
        (_, Some((variable, rest))) => (variable, rest),
        _ => return Some(file.into()),
    };
    let folder = env::var_os(variable).filter(|folder| !folder.is_empty())?;
    Some(Path::new(&folder).join(rest))
}

/// What cannot be read by us cannot be read by the tool either: it is as good as absent.
fn digest(path: &Path) -> Option<String> {
    fs::read(path).ok().map(|bytes| hex(&sha256(&bytes)))
}

fn working_directory(cwd: Cwd) -> Result<Option<String>, PassReason> {
    let head = match cwd {
        Cwd::None => return Ok(None),
        Cwd::Path => return path_token().map(Some),
        Cwd::GitRemotes => false,
        Cwd::GitHead => true,
    };
    let folder = here()?;
    let git_dir = env::var_os("GIT_DIR").map(PathBuf::from);
    git::token(&folder, git_dir.as_deref(), head).map_or_else(path_token, Ok).map(Some)
}

fn here() -> Result<PathBuf, PassReason> {
    env::current_dir().map_err(|_: io::Error| not_text("the working directory's path"))
}

/// The path, and how the shell calls it where that differs: tools print either.
fn path_token() -> Result<String, PassReason> {
    let folder = here()?;
    let path = folder.to_str().ok_or_else(|| not_text("the working directory's path"))?;
    let called = env::var("PWD").ok().filter(|called| called != path);
    Ok(called.map_or_else(|| format!("path:{path}"), |called| format!("path:{path} called {called}")))
}
