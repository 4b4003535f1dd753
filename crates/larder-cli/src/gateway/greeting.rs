//! What the gateway says when it starts.

use super::server::Listener;
use crate::{
    address::shown,
    service::{Service, Services},
};
use std::sync::Arc;

/// Where it listens, where it keeps, and the lines that point clients at it.
pub(crate) fn greeting(listeners: &[Listener], services: &Services, kept: &str) -> String {
    let mut lines: Vec<String> = listeners
        .iter()
        .map(|listener| match listener.service() {
            None => format!("larder {} listens on {}", env!("CARGO_PKG_VERSION"), listener.url()),
            Some(service) => {
                format!("larder {} listens on {} for {}", env!("CARGO_PKG_VERSION"), listener.url(), service.name)
            }
        })
        .collect();
    lines.push(format!("store: {kept}"));
    lines.extend(services.iter().filter_map(hint));
    let exports: Vec<String> = services.iter().flat_map(|service| exports(listeners, service)).collect();
    if !exports.is_empty() {
        lines.push("point your clients here:".to_owned());
        lines.extend(exports);
    }
    lines.join("\n")
}

/// `export NAME=URL` for each variable that the service's clients read; the URL itself for a name without an adapter.
fn exports(listeners: &[Listener], service: &Service) -> Vec<String> {
    let own = |listener: &&Listener| listener.service().is_some_and(|served| served.name == service.name);
    let tcp = || listeners.iter().filter(|listener| listener.url().starts_with("http://"));
    let root = tcp().find(own).map(Listener::url);
    let shared = tcp().find(|listener| listener.service().is_none());
    let url = root.or_else(|| shared.map(|listener| format!("{}/{}", listener.url(), service.name)));
    let env = service.adapter.as_ref().and_then(|adapter| adapter.http.as_ref()).map_or(&[][..], |http| &http.env);
    if service.adapter.is_none() {
        return url.iter().map(|url| format!("  {url}/ for {}", shown(&service.upstream.to_string()))).collect();
    }
    url.iter().flat_map(|url| env.iter().map(move |(name, path)| format!("  export {name}={url}{path}"))).collect()
}

/// An upstream that ends in the version path which clients send themselves.
fn hint(service: &Arc<Service>) -> Option<String> {
    let http = service.adapter.as_ref()?.http.as_ref()?;
    let doubled = |path: &String| !path.is_empty() && service.upstream.base().ends_with(path.as_str());
    http.env.iter().map(|(_, path)| path).find(|path| doubled(path)).map(|path| {
        format!(
            "hint: the upstream of `{}`, `{}`, ends in `{path}`, which clients send too: leave it out",
            service.name,
            shown(&service.upstream.to_string())
        )
    })
}
