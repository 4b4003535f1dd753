//! A question by name, from words to plan.

use super::{grammar::QuestionArgs, session::Session};
use crate::{address, config::parse_origin_name, error::CliError};
use larder_core::{
    Share,
    adapter::Adapter,
    judge::{Context, Plan, judge_call},
    origin_id::{Upstream, origin_member},
    params,
};

/// Judges the question that `args` name.
pub(crate) fn plan(args: &QuestionArgs, session: &Session) -> Result<Plan, CliError> {
    let adapter = session.adapter(&args.service)?;
    let words = params::words(&args.params).map_err(|error| match error.split_once("\nhint: ") {
        Some((what, hint)) => CliError::usage(what).hint(hint),
        None => CliError::usage(error),
    })?;
    let share = args.share.as_deref().map(share).transpose()?;
    let origin = origin(&adapter, args.origin.as_deref(), session)?;
    let secret = session.secret()?;
    let context = Context { secret: &secret, share: session.settings.share.value, origin: origin.as_deref() };
    Ok(judge_call(&adapter, &args.operation, words, share, &context)?)
}

/// `--share` of a question: whose answer, not how wide.
pub(crate) fn share(text: &str) -> Result<Share, CliError> {
    text.parse().map_err(|_| {
        CliError::usage(format!("`{text}` is not a share"))
            .hint("write public, team, anonymous or credential:DIGEST (`larder ls --json` shows them)")
    })
}

/// The question's `origin` member. `said`: an URL or a name; without it what the configuration says of the service, so
/// that the question is the one that the gateway asks.
pub(crate) fn origin(adapter: &Adapter, said: Option<&str>, session: &Session) -> Result<Option<String>, CliError> {
    let configured = session.settings.service(&adapter.name);
    let (url, name) = match said {
        Some(url) if url.contains("://") => (Some(url), None),
        Some(name) => return origin_name(name).map(Some),
        None => (
            configured.and_then(|service| service.upstream.as_ref()).map(|setting| setting.value.as_str()),
            configured.and_then(|service| service.name.as_ref()).map(|setting| setting.value.as_str()),
        ),
    };
    let public = match &adapter.http {
        Some(http) => Some(upstream(&http.base_url)?),
        None => None,
    };
    let effective = match url {
        Some(url) => Some(upstream(url)?),
        None => public.clone(),
    };
    Ok(effective.and_then(|effective| origin_member(&effective, public.as_ref(), name)))
}

/// The `origin` member of a service without an adapter: somebody must have said where it is.
pub(crate) fn plain_origin(service: &str, said: Option<&str>, session: &Session) -> Result<String, CliError> {
    let configured = session.settings.service(service);
    let url = || configured.and_then(|service| service.upstream.as_ref()).map(|setting| setting.value.as_str());
    let name = configured.and_then(|service| service.name.as_ref()).map(|setting| setting.value.as_str());
    match said {
        Some(name) if !name.contains("://") => origin_name(name),
        _ => match said.or_else(url).map(upstream).transpose()? {
            Some(url) => Ok(origin_member(&url, None, name.filter(|_| said.is_none())).unwrap_or_default()),
            None => Err(CliError::usage(format!("no adapter is called `{service}`, and nobody says where it is"))
                .hint("`--origin URL` says so, or `[service.NAME]` in the configuration file")),
        },
    }
}

fn origin_name(text: &str) -> Result<String, CliError> {
    parse_origin_name(text).map_err(|what| CliError::usage(what).hint("an URL has a scheme: http://… or https://…"))
}

fn upstream(url: &str) -> Result<Upstream, CliError> {
    address::upstream(url).map_err(|what| CliError::usage(what).hint("write http://HOST[:PORT][/BASE] or https://…"))
}
