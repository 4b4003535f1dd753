//! TLS with the system's roots (`SSL_CERT_FILE` and `SSL_CERT_DIR` are honoured).

use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use std::sync::Arc;

/// `inner` with TLS over it. The error is a sentence for people.
pub(super) fn connector<C>(inner: C) -> Result<HttpsConnector<C>, String> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(|error| format!("TLS: {error}"))?;
    let config = builder.with_root_certificates(roots()?).with_no_client_auth();
    Ok(HttpsConnectorBuilder::new().with_tls_config(config).https_only().enable_http1().wrap_connector(inner))
}

/// Certificates that cannot be read or parsed are left out: one bad file must not take the others away.
fn roots() -> Result<RootCertStore, String> {
    let mut store = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    store.add_parsable_certificates(found.certs);
    if store.is_empty() {
        let why = found.errors.first().map(|error| format!(" ({error})")).unwrap_or_default();
        return Err(format!("this machine has no TLS roots{why}: install `ca-certificates` or set `SSL_CERT_FILE`"));
    }
    Ok(store)
}
