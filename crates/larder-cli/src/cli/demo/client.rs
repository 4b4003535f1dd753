//! The demonstration's client: one question at a time to the gateway, and the tool through the runner.

use crate::{
    env,
    error::CliError,
    net::{Client, whole},
};
use http::{Request, header::CONTENT_TYPE};
use http_body_util::BodyExt as _;
use larder_core::origin_id::Upstream;
use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

/// An answer as the client saw it.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    /// All of the body, or of the tool's stdout.
    pub(super) body: Vec<u8>,
    /// The header `Cache-Status` (RFC 9211); what `-v` said of a tool.
    pub(super) said: String,
    /// Until the first byte.
    pub(super) first: Duration,
    /// Until the last byte.
    pub(super) whole: Duration,
}

/// Asks the gateway.
pub(super) async fn ask(client: &Client, gateway: &Upstream, question: &str, stream: bool) -> Result<Seen, CliError> {
    let failed = |what: String| CliError::failed(format!("the gateway gave no answer: {what}"));
    let body = serde_json::json!({"question": question, "stream": stream}).to_string();
    let request = Request::post("/demo/v1/ask")
        .header(CONTENT_TYPE, "application/json")
        .body(whole(body))
        .map_err(|error| failed(error.to_string()))?;
    let begun = Instant::now();
    let answer = client.send(gateway, request).await.map_err(|error| failed(error.to_string()))?;
    let said = answer.headers().get("cache-status").map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let mut seen = Seen { said: said.unwrap_or_default(), ..Seen::default() };
    let mut body = answer.into_body();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| failed(error.to_string()))?;
        if seen.body.is_empty() {
            seen.first = begun.elapsed();
        }
        seen.body.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
    }
    seen.whole = begun.elapsed();
    Ok(seen)
}

/// Runs the demonstration's tool through the runner, in a process of its own that shares the store in `home`.
pub(super) fn run_tool(home: &Path) -> Result<Seen, CliError> {
    let failed = |error: std::io::Error| CliError::failed(format!("the tool cannot be run: {error}"));
    let larder = std::env::current_exe().map_err(failed)?;
    let mut command = Command::new(&larder);
    for variable in env::ALL {
        command.env_remove(variable.name);
    }
    command.env("HOME", home).env("XDG_CONFIG_HOME", home.join("config")).env(env::STORE.name, super::store(home));
    command.args(["run", "-v", "--ttl", "1h", "--"]).arg(&larder).arg("demo-tool");
    let begun = Instant::now();
    let output = command.stdin(std::process::Stdio::null()).output().map_err(failed)?;
    let whole = begun.elapsed();
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    if !output.status.success() {
        return Err(CliError::failed(format!("the tool failed ({}): {said}", output.status)));
    }
    Ok(Seen { body: output.stdout, said, first: whole, whole })
}
