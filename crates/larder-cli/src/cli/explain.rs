//! `larder explain`: what larder makes of a request or a command, and why.

use super::{Outcome, explained, question, session::Session};
use crate::{config::parse_share, error::CliError, run};
use http::{HeaderMap, HeaderName, HeaderValue, Method, header::CONTENT_TYPE};
use larder_core::{
    Json, ShareChoice,
    adapter::Adapter,
    judge::{BodyView, Context, HttpRequest, MAX_JSON, RunOptions, Verdict, judge_http, judge_plain},
};
use std::{
    ffi::OsString,
    io::Read as _,
    path::{Path, PathBuf},
    sync::Arc,
};

/// What `larder explain` takes.
#[derive(Clone, Debug, clap::Args)]
#[command(
    override_usage = "larder explain [OPTIONS] <SERVICE> <METHOD> <PATH>\n       larder explain [OPTIONS] -- <COMMAND>..."
)]
pub(crate) struct ExplainArgs {
    /// The service that is asked
    #[arg(value_name = "SERVICE", required_unless_present = "command")]
    service: Option<String>,
    /// The request's method
    #[arg(value_name = "METHOD", required_unless_present = "command")]
    method: Option<String>,
    /// The request's path, with its query, as clients send it behind the service's URL
    #[arg(value_name = "PATH", required_unless_present = "command")]
    path: Option<String>,
    /// The request's body; - is standard input
    #[arg(long, value_name = "FILE")]
    body: Option<PathBuf>,
    /// A request header (repeatable); credentials are hashed, never shown
    #[arg(long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// Whose origin: an URL, or the name that the configuration gives it
    #[arg(long, value_name = "URL|NAME")]
    origin: Option<String>,
    /// How wide answers are shared: credential or team
    #[arg(long, value_name = "SHARE", value_parser = parse_share)]
    share: Option<ShareChoice>,
    /// For a command: explain it as `larder run --ttl` would run it
    #[arg(long, value_name = "DURATION", value_parser = crate::config::parse_duration)]
    ttl: Option<std::time::Duration>,
    /// The tool and its arguments
    #[arg(last = true, value_name = "COMMAND", conflicts_with_all = ["service", "body", "headers", "origin"])]
    command: Vec<OsString>,
}

/// Explains.
pub(crate) fn run(args: &ExplainArgs, session: &Session) -> Outcome {
    let share = args.share.unwrap_or(session.settings.share.value);
    let verdict = match (&args.service, &args.method, &args.path) {
        (Some(service), Some(method), Some(path)) => request(service, method, path, args, share, session)?,
        _ => command(args, share, session)?,
    };
    explained::print(&verdict, session)
}

fn command(args: &ExplainArgs, share: ShareChoice, session: &Session) -> Result<Verdict, CliError> {
    let options = RunOptions { ttl: args.ttl, ..RunOptions::default() };
    let judged =
        run::judge(&args.command, &options, share, &session.settings).map_err(|why| CliError::failed(why.what))?;
    Ok(match judged.verdict {
        run::Verdict::Pass { pass, .. } => Verdict::Pass(pass),
        run::Verdict::Keep(keep) => Verdict::Keep(Box::new(keep.plan)),
    })
}

fn request(
    service: &str,
    method: &str,
    path: &str,
    args: &ExplainArgs,
    share: ShareChoice,
    session: &Session,
) -> Result<Verdict, CliError> {
    let method = Method::from_bytes(method.to_ascii_uppercase().as_bytes())
        .map_err(|_| CliError::usage(format!("`{method}` is not a method")))?;
    let (path, query) = target(path)?;
    let body = args.body.as_deref().map(read).transpose()?;
    let headers = headers(&args.headers, body.as_deref())?;
    let digest = body.as_deref().filter(|body| body.len() > MAX_JSON).map(larder_core::cid::sha256);
    let view = match (&body, &digest) {
        (None, _) => BodyView::None,
        (Some(body), Some(sha256)) => BodyView::Digest { sha256, len: body.len() as u64 },
        (Some(body), None) => BodyView::Bytes(body),
    };
    let request = HttpRequest { method: &method, path, query, headers: &headers, body: view };
    judge(service, &request, args, share, session)
}

fn judge(
    service: &str,
    request: &HttpRequest<'_>,
    args: &ExplainArgs,
    share: ShareChoice,
    session: &Session,
) -> Result<Verdict, CliError> {
    let adapter: Option<Arc<Adapter>> = session.registry()?.get(service).cloned();
    let secret = session.secret()?;
    let configured = session.settings.service(service);
    let share = configured.and_then(|service| service.share.as_ref()).map_or(share, |setting| setting.value);
    let said = args.origin.as_deref();
    let origin = match &adapter {
        Some(adapter) => question::origin(adapter, said, session)?,
        None => Some(question::plain_origin(service, said, session)?),
    };
    let context = Context { secret: &secret, share, origin: origin.as_deref() };
    Ok(match &adapter {
        Some(adapter) => judge_http(adapter, request, &context),
        None => judge_plain(service, request, &context),
    })
}

fn target(path: &str) -> Result<(&str, Option<&str>), CliError> {
    if !path.starts_with('/') {
        return Err(CliError::usage(format!("`{path}` is not a path: it must begin with `/`"))
            .hint("write what follows the service's URL, such as /v1/models"));
    }
    Ok(path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query))))
}

fn read(path: &Path) -> Result<Vec<u8>, CliError> {
    let mut bytes = Vec::new();
    let read = match path.to_str() {
        Some("-") => std::io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes),
        _ => std::fs::read(path),
    };
    read.map_err(|error| CliError::usage(format!("the body `{}` cannot be read: {error}", path.display())))
}

/// The headers as given; a body that is JSON, or was meant to be, is sent as JSON unless they say otherwise.
fn headers(given: &[String], body: Option<&[u8]>) -> Result<HeaderMap, CliError> {
    let mut headers = HeaderMap::new();
    for text in given {
        let (name, value) = header(text)?;
        headers.append(name, value);
    }
    if !headers.contains_key(CONTENT_TYPE) && body.is_some_and(is_meant_as_json) {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    Ok(headers)
}

/// A slip in an object is to be told as the slip that it is.
fn is_meant_as_json(body: &[u8]) -> bool {
    matches!(body.trim_ascii_start().first(), Some(b'{' | b'[')) || Json::parse(body).is_ok()
}

/// The value may be a credential: no error shows it.
fn header(text: &str) -> Result<(HeaderName, HeaderValue), CliError> {
    let hint = "write --header 'NAME: VALUE'";
    let (name, value) = text.split_once(':').ok_or_else(|| CliError::usage("a header has no `:`").hint(hint))?;
    let shown = name.trim();
    let wrong = |what: &str| CliError::usage(format!("the header `{shown}`: {what}")).hint(hint);
    let name = HeaderName::try_from(shown).map_err(|_| wrong("this is not a header's name"))?;
    let value = HeaderValue::try_from(value.trim()).map_err(|_| wrong("its value is not one line of text"))?;
    Ok((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_error_shows_a_headers_value() {
        for text in ["authorization Bearer sk-1234", "authorization: sk-1234\n", "not a name: sk-1234"] {
            let error = header(text).map(|_| ());
            assert!(error.is_ok() || !error.clone().unwrap_err().to_string().contains("sk-1234"), "{error:?}");
        }
        assert!(header("authorization Bearer sk-1234").is_err());
    }

    #[test]
    fn a_json_body_is_sent_as_json_unless_told_otherwise() {
        let content_type = |given: &[&str], body: &[u8]| {
            let given: Vec<String> = given.iter().map(ToString::to_string).collect();
            headers(&given, Some(body)).unwrap().get(CONTENT_TYPE).map(|value| value.to_str().unwrap().to_owned())
        };
        assert_eq!(content_type(&[], b"{}").as_deref(), Some("application/json"));
        assert_eq!(content_type(&["Content-Type: text/plain"], b"{}").as_deref(), Some("text/plain"));
        for body in [&b" {\"a\":1,}"[..], b"[1", b"3"] {
            assert_eq!(content_type(&[], body).as_deref(), Some("application/json"), "{body:?}");
        }
        assert_eq!(content_type(&[], b"a=b"), None);
    }
}
