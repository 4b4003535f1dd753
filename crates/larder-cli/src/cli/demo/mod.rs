//! `larder demo`: a miss, a hit, a replayed stream, a tool's hit and the statistics, in ten seconds and without a key.
//!
//! Everything is real but the origin: gateway, runner, store. It lives in a temporary folder, which is removed.

mod client;
mod origin;

use super::{Outcome, serve::ServeOptions, stats};
use crate::{
    error::CliError,
    gateway::{server::Server, workers::Workers},
    net::Client,
    output::{DIM, GOOD, HEADING, LOOK, Output},
    report::stats::stats_document,
    service::Services,
};
use client::Seen;
use larder::Cache;
use larder_core::{Registry, ShareChoice, adapter::Adapter, origin_id::Upstream, secret::Secret};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::atomic::Ordering,
    time::Duration,
};

/// What `larder demo` takes.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct DemoArgs {}

/// What `larder demo-tool` takes.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ToolArgs {}

/// One thing that was shown.
#[derive(Serialize)]
struct Step {
    name: &'static str,
    /// Until the first byte, milliseconds.
    first_ms: f64,
    /// Until the last byte, milliseconds.
    ms: f64,
    bytes: usize,
    /// Answered without the origin.
    hit: bool,
    /// What the gateway (`Cache-Status`) or the runner (`-v`) said.
    said: String,
}

#[derive(Serialize)]
struct Document {
    steps: Vec<Step>,
    origin_calls: u64,
    statistics: serde_json::Value,
}

/// Everything that the steps need.
struct Stage {
    home: PathBuf,
    client: Client,
    gateway: Upstream,
    output: Output,
    steps: Vec<Step>,
}

/// Shows larder at work.
pub(crate) fn run(_: &DemoArgs, output: Output) -> Outcome {
    let home = tempfile::Builder::new().prefix("larder-demo-").tempdir().map_err(|error| unset(&error))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| unset(&error))?;
    let shown = runtime.block_on(show(home.path(), output));
    // Nothing may write into the folder any more when it is removed.
    runtime.shutdown_timeout(Duration::from_secs(1));
    home.close().map_err(|error| CliError::failed(format!("the temporary folder was not removed: {error}")))?;
    end(shown?, output)?;
    Ok(ExitCode::SUCCESS)
}

fn unset(error: &std::io::Error) -> CliError {
    CliError::failed(format!("the demonstration cannot be set up: {error}"))
}

/// What the demonstration runs as its tool: slow, and always the same.
pub(crate) fn tool(_: &ToolArgs) -> Outcome {
    std::thread::sleep(Duration::from_millis(1200));
    Output { json: false }.line("three reports, none of them read")?;
    Ok(ExitCode::SUCCESS)
}

fn store(home: &Path) -> PathBuf {
    home.join("store")
}

async fn show(home: &Path, output: Output) -> Result<Document, CliError> {
    let (url, asked) = origin::start().await.map_err(|error| unset(&error))?;
    let options = options(home, &url)?;
    let cache = Cache::open(options.store.clone())?;
    let services = Services::effective(&options)?;
    let listen = options.listen.clone();
    let server = Server::bind(options, &listen, services, Some(cache.clone()))?;
    let gateway = server.listeners().first().map(|listener| listener.url()).unwrap_or_default();
    let upstream = gateway.parse().map_err(|_| CliError::failed(format!("`{gateway}` is no address")))?;
    if !output.json {
        output.line(greeting(&url, &gateway, home))?;
    }
    let client = Client::new(Duration::from_secs(30), 1);
    let mut stage = Stage { home: home.to_owned(), client, gateway: upstream, output, steps: Vec::new() };
    // Ctrl-C ends the server, and that ends the demonstration before its time: the folder is removed then, too.
    tokio::select! {
        shown = stage.show() => shown?,
        _ = server.run(Workers::none(), || {}) => return Err(CliError::failed("interrupted")),
    }
    let statistics = stats_document(&cache)?;
    cache.close();
    Ok(Document { steps: stage.steps, origin_calls: asked.load(Ordering::Relaxed), statistics })
}

fn greeting(origin: &str, gateway: &str, home: &Path) -> String {
    format!(
        "{HEADING}larder demo{HEADING:#}\n{DIM}a small origin   {origin}\nthe gateway      {gateway}\n\
         the store        {} (removed at the end){DIM:#}\n",
        home.display()
    )
}

fn options(home: &Path, origin: &str) -> Result<ServeOptions, CliError> {
    let mut registry = Registry::default();
    registry.insert(Adapter::parse(include_str!("adapter.toml"), "demo.toml")?);
    let mut secret = vec![0; 32];
    getrandom::fill(&mut secret).map_err(|error| CliError::failed(format!("no randomness: {error}")))?;
    Ok(ServeOptions {
        listen: vec!["127.0.0.1:0".parse()?],
        upstreams: vec![("demo".to_owned(), origin.to_owned())],
        services: BTreeMap::new(),
        store: larder::Options {
            dir: store(home),
            max_bytes: 0,
            max_entries: 0,
            memory_bytes: 1 << 20,
            durable: false,
        },
        share: ShareChoice::default(),
        max_question: 1 << 20,
        upstream_timeout: Duration::from_secs(30),
        registry,
        secret: Secret::new(secret),
        is_secret_fleeting: false,
    })
}

impl Stage {
    async fn show(&mut self) -> Result<(), CliError> {
        let first = self.ask("a question", false, false).await?;
        let again = self.ask("the same question again", false, true).await?;
        same(&first, &again)?;
        let first = self.ask("a streamed answer, word by word", true, false).await?;
        let again = self.ask("the stream, replayed", true, true).await?;
        same(&first, &again)?;
        let first = self.run("a slow tool: larder run -- …", false).await?;
        let again = self.run("the same tool again", true).await?;
        same(&first, &again)
    }

    async fn ask(&mut self, name: &'static str, stream: bool, hit: bool) -> Result<Seen, CliError> {
        let question = if stream { "tell me slowly" } else { "what is larder for?" };
        let seen = client::ask(&self.client, &self.gateway, question, stream).await?;
        let was_hit = seen.said.contains("; hit");
        self.done(name, &seen, hit, was_hit)?;
        Ok(seen)
    }

    async fn run(&mut self, name: &'static str, hit: bool) -> Result<Seen, CliError> {
        let home = self.home.clone();
        let seen = tokio::task::spawn_blocking(move || client::run_tool(&home))
            .await
            .map_err(|error| CliError::failed(format!("the tool cannot be run: {error}")))??;
        // The tool alone sleeps for longer than this.
        let was_hit = seen.whole < Duration::from_millis(1200);
        self.done(name, &seen, hit, was_hit)?;
        Ok(seen)
    }

    /// Records a step and shows it; what did not go as it is told is an error, not a story.
    fn done(&mut self, name: &'static str, seen: &Seen, expected: bool, hit: bool) -> Result<(), CliError> {
        if hit != expected {
            let word = |hit| if hit { "a hit" } else { "a miss" };
            return Err(CliError::failed(format!(
                "`{name}` was {}, expected {}: {}",
                word(hit),
                word(expected),
                seen.said
            )));
        }
        let ms = |time: Duration| (time.as_secs_f64() * 10_000.0).round() / 10.0;
        let step = Step {
            name,
            first_ms: ms(seen.first),
            ms: ms(seen.whole),
            bytes: seen.body.len(),
            hit,
            said: seen.said.clone(),
        };
        if !self.output.json {
            self.output.line(line(self.steps.len() + 1, &step))?;
        }
        self.steps.push(step);
        Ok(())
    }
}

fn end(document: Document, output: Output) -> Result<(), CliError> {
    if output.json {
        return output.document("larder.demo/1", &document);
    }
    let asked = document.origin_calls;
    output.line(format!("\n{}\n", stats::text(&document.statistics)))?;
    output.line(format!("The origin was asked {asked} times, the tool ran once.\n\n{}", next()))
}

fn same(first: &Seen, again: &Seen) -> Result<(), CliError> {
    match first.body == again.body {
        true => Ok(()),
        false => Err(CliError::failed("the stored answer is not the origin's, byte for byte")),
    }
}

fn line(number: usize, step: &Step) -> String {
    let (style, word) = if step.hit { (GOOD, "hit ") } else { (LOOK, "miss") };
    let said = step.said.split("; key=").next().unwrap_or_default().lines().next().unwrap_or_default();
    format!("{number}  {:<34}{style}{word}{style:#}{:>10.1} ms   {DIM}{said}{DIM:#}", step.name, step.ms)
}

fn next() -> String {
    format!(
        "{HEADING}What to do next{HEADING:#}\n  \
         larder serve                 the gateway; it prints the lines to export\n  \
         larder adapters              the services and tools that it knows\n  \
         larder run --ttl 1h -- CMD   keeps what any command prints"
    )
}
