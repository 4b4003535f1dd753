//! Effective services: what the adapters, the configuration file and `--upstream` say together.

use crate::{
    address::{self, shown},
    cli::serve::{ServeError, ServeOptions, ServiceConfig},
};
use larder_core::{
    Registry, ShareChoice,
    adapter::Adapter,
    origin_id::{Upstream, origin_member},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// One service as the gateway serves it.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    /// The name: first path segment.
    pub(crate) name: String,
    /// Its adapter; `None`: a plain caching reverse proxy.
    pub(crate) adapter: Option<Arc<Adapter>>,
    /// Where its requests, and their credentials, go. Nothing else is ever sent them.
    pub(crate) upstream: Upstream,
    /// The question's `origin` member.
    pub(crate) origin: Option<String>,
    /// How wide its answers may be shared.
    pub(crate) share: ShareChoice,
}

/// Services by name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Services(BTreeMap<String, Arc<Service>>);

impl Services {
    /// Every adapter with an HTTP origin, and every name that `--upstream` or the configuration file gives one.
    pub(crate) fn effective(options: &ServeOptions) -> Result<Self, ServeError> {
        let mut flags: BTreeMap<&str, &str> = BTreeMap::new();
        for (name, url) in &options.upstreams {
            if flags.insert(name, url).is_some_and(|before| before != &**url) {
                let (name, url) = (shown(name), shown(url));
                tracing::warn!("`--upstream {name}=…` is given more than once: `{url}` is taken");
            }
        }
        let nothing = ServiceConfig::default();
        let mut services = BTreeMap::new();
        for name in names(options) {
            let config = options.services.get(name).unwrap_or(&nothing);
            let url = flags.get(name).copied().or(config.upstream.as_deref());
            if let Some(service) = effective(name, url, config, &options.registry, options.share)? {
                services.insert(name.to_owned(), Arc::new(service));
            }
        }
        Ok(Self(services))
    }

    /// The service `name`.
    pub(crate) fn get(&self, name: &str) -> Option<&Arc<Service>> {
        self.0.get(name)
    }

    /// All, by name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Service>> {
        self.0.values()
    }

    /// Their names, for messages.
    pub(crate) fn names(&self) -> String {
        self.0.keys().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
impl Service {
    /// A plain service for tests.
    pub(crate) fn plain(name: &str, url: &str) -> Arc<Self> {
        let upstream: Upstream = url.parse().unwrap();
        let origin = Some(upstream.to_string());
        Arc::new(Self { name: name.to_owned(), adapter: None, upstream, origin, share: ShareChoice::Credential })
    }
}

#[cfg(test)]
impl FromIterator<Arc<Service>> for Services {
    fn from_iter<I: IntoIterator<Item = Arc<Service>>>(services: I) -> Self {
        Self(services.into_iter().map(|service| (service.name.clone(), service)).collect())
    }
}

fn names(options: &ServeOptions) -> BTreeSet<&str> {
    let adapters = options.registry.iter().filter(|adapter| adapter.http.is_some()).map(|adapter| &*adapter.name);
    let flags = options.upstreams.iter().map(|(name, _)| &**name);
    adapters.chain(flags).chain(options.services.keys().map(|name| &**name)).collect()
}

/// `None` for a tool's adapter that nobody gave an upstream (the configuration may set its share).
fn effective(
    name: &str,
    url: Option<&str>,
    config: &ServiceConfig,
    registry: &Registry,
    share: ShareChoice,
) -> Result<Option<Service>, ServeError> {
    check_name(name)?;
    let adapter = registry.get(name).filter(|adapter| adapter.http.is_some());
    let public = match adapter.and_then(|adapter| adapter.http.as_ref()) {
        Some(http) => Some(upstream(name, &http.base_url)?),
        None => None,
    };
    let upstream = match (url, &public) {
        (Some(url), _) => upstream(name, url)?,
        (None, Some(public)) => public.clone(),
        (None, None) => return Ok(None),
    };
    config.origin.as_deref().map_or(Ok(()), |origin| check_origin(name, origin))?;
    Ok(Some(Service {
        name: name.to_owned(),
        adapter: adapter.cloned(),
        origin: origin_member(&upstream, public.as_ref(), config.origin.as_deref()),
        upstream,
        share: config.share.unwrap_or(share),
    }))
}

fn upstream(name: &str, url: &str) -> Result<Upstream, ServeError> {
    address::upstream(url).map_err(|error| {
        ServeError::usage(format!("the upstream of `{name}`: {error}"), "write NAME=http://HOST[:PORT][/BASE]")
    })
}

/// A name is a path segment that no client escapes; `-` is the gateway's own.
fn check_name(name: &str) -> Result<(), ServeError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    match name.as_bytes() {
        [first, rest @ ..] if first.is_ascii_alphanumeric() && rest.iter().copied().all(plain) => Ok(()),
        _ => Err(ServeError::usage(
            format!("`{}` cannot name a service", shown(name)),
            "a name begins with a letter or digit; letters, digits, `_`, `-` and `.` follow",
        )),
    }
}

/// An origin's name stands where URLs stand too: it must not pose as one.
fn check_origin(service: &str, origin: &str) -> Result<(), ServeError> {
    match origin.contains(['/', ':']) || origin.trim() != origin || origin.is_empty() {
        true => Err(ServeError::usage(
            format!("`{}` cannot name the origin of `{service}`", shown(origin)),
            "write a word such as `prod`, without `/` and `:`",
        )),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(name: &str, url: &str, config: &ServiceConfig) -> Result<Option<Service>, ServeError> {
        effective(name, Some(url), config, &Registry::default(), ShareChoice::Credential)
    }

    #[test]
    fn a_name_without_an_adapter_is_a_plain_proxy() {
        let service = plain("files", "http://H:80/base/", &ServiceConfig::default()).unwrap().unwrap();
        assert!(service.adapter.is_none());
        assert_eq!(service.origin.as_deref(), Some("http://h/base"));
    }

    #[test]
    fn the_configuration_names_the_origin_and_the_share() {
        let config = ServiceConfig { origin: Some("prod".into()), share: Some(ShareChoice::Team), upstream: None };
        let service = plain("files", "http://h", &config).unwrap().unwrap();
        assert_eq!((service.origin.as_deref(), service.share), (Some("prod"), ShareChoice::Team));
    }

    #[test]
    fn an_origins_name_does_not_pose_as_a_url() {
        for origin in ["http://other", "h:80", "", " prod"] {
            let config = ServiceConfig { origin: Some(origin.into()), ..ServiceConfig::default() };
            assert_eq!(plain("files", "http://h", &config).unwrap_err().exit, 2, "{origin}");
        }
    }

    #[test]
    fn what_cannot_name_a_service() {
        for name in ["", "-", "a/b", "..", "a b", "ä", "a%2f"] {
            assert_eq!(plain(name, "http://h", &ServiceConfig::default()).unwrap_err().exit, 2, "{name}");
        }
        for url in ["", "h", "http://u:p@h"] {
            assert_eq!(plain("files", url, &ServiceConfig::default()).unwrap_err().exit, 2, "{url}");
        }
    }
}
