//! Names to addresses, without the C library: a static one cannot load the system's resolver modules.
//!
//! Address literals never come here, `localhost` asks nobody (RFC 6761 §6.3), `/etc/hosts` goes before DNS.

use futures_core::future::BoxFuture;
use hickory_resolver::{TokioResolver, config::ResolverConfig, net::runtime::TokioRuntimeProvider};
use hyper_util::client::legacy::connect::dns::Name;
use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Arc, OnceLock},
    task::{Context, Poll},
    vec,
};

/// The resolver, made at the first name.
#[derive(Clone, Default)]
pub(super) struct Names {
    resolver: Arc<OnceLock<TokioResolver>>,
}

impl Names {
    /// The system's resolver. Without nameservers: one that knows `/etc/hosts` and is not remembered, since a network
    /// may come up later.
    fn resolver(&self) -> io::Result<TokioResolver> {
        if let Some(resolver) = self.resolver.get() {
            return Ok(resolver.clone());
        }
        match TokioResolver::builder_tokio().and_then(hickory_resolver::ResolverBuilder::build) {
            Ok(resolver) => Ok(self.resolver.get_or_init(|| resolver).clone()),
            Err(error) => {
                tracing::debug!(%error, "no nameservers: only /etc/hosts is asked");
                let config = ResolverConfig::default();
                let builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
                builder.build().map_err(io::Error::other)
            }
        }
    }

    async fn addresses(self, host: String) -> io::Result<vec::IntoIter<SocketAddr>> {
        if host.eq_ignore_ascii_case("localhost") {
            let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
            return Ok(sockets(loopback));
        }
        let found = self.resolver()?.lookup_ip(host.as_str()).await;
        let found = found.map_err(|error| io::Error::other(format!("the name `{host}` was not found: {error}")))?;
        Ok(sockets(found.iter()))
    }
}

/// The connector puts the port in.
fn sockets(addresses: impl IntoIterator<Item = IpAddr>) -> vec::IntoIter<SocketAddr> {
    addresses.into_iter().map(|address| SocketAddr::new(address, 0)).collect::<Vec<_>>().into_iter()
}

impl tower::Service<Name> for Names {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        Box::pin(self.clone().addresses(name.as_str().to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn localhost_needs_no_resolver() {
        let names = Names::default();
        let found: Vec<_> = names.clone().addresses("LocalHost".into()).await.unwrap().collect();
        assert_eq!(found[0].ip(), IpAddr::V4(Ipv4Addr::LOCALHOST));
        assert!(names.resolver.get().is_none(), "no resolver was made");
    }
}
