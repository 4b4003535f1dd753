//! A write makes answers stale: they are removed before it and after it.
//!
//! Before, because nobody is to be told what is about to change; after, because a fill that began meanwhile may have
//! seen the old state (its operation's generation, or the count of its key's removals, has moved on then, and it is dropped).
//!
//! A write belongs to no client: the upstream may do what it was asked long after the client went away. So the call is a
//! task of its own, and what was kept meanwhile is removed when the client leaves, and when the answer's head has come or the
//! upstream is given up.

use super::Gateway;
use larder::{Cache, OriginError, tier::Selection};
use std::{
    pin::pin,
    sync::{Arc, Once},
};
use tokio::sync::{RwLock, oneshot};

/// The writes that are under way: each reads.
#[derive(Default)]
pub(crate) struct Writes(Arc<RwLock<()>>);

impl Writes {
    /// Waits until there is none.
    pub(super) async fn settled(&self) {
        drop(self.0.write().await);
    }
}

/// Makes a call that makes `stale` what these select, also where nobody waits for it any more.
pub(super) async fn write<B: Send + 'static>(
    gateway: &Gateway,
    stale: Vec<Selection>,
    call: impl Future<Output = Result<http::Response<B>, OriginError>> + Send + 'static,
) -> Result<http::Response<B>, OriginError> {
    let under_way = Arc::clone(&gateway.writes.0).read_owned().await;
    remove(&gateway.cache, &stale).await;
    let cache = gateway.cache.clone();
    let (mut client, told) = oneshot::channel();
    tokio::spawn(async move {
        let mut call = pin!(call);
        let answer = tokio::select! {
            answer = &mut call => answer,
            () = client.closed() => {
                // It may be written already, and whoever left asks what has become of it.
                remove(&cache, &stale).await;
                call.await
            }
        };
        // 4xx: refused, so that nothing changed.
        if !answer.as_ref().is_ok_and(|answer| answer.status().is_client_error()) {
            remove(&cache, &stale).await;
        }
        drop(under_way);
        // A client that left is told nothing.
        let _ = client.send(answer);
    });
    // Not larder's own failure, after which the call would be made once more.
    told.await.unwrap_or_else(|_| Err(OriginError::Unreachable("larder failed while it waited".to_owned())))
}

async fn remove(cache: &Cache, selections: &[Selection]) {
    for selection in selections {
        if let Err(error) = cache.remove(selection, super::now()).await {
            // Once: a store that cannot be written is so for every write that comes.
            static SAID: Once = Once::new();
            SAID.call_once(|| tracing::warn!(%error, "answers that a write made stale could not be removed"));
        }
    }
}
