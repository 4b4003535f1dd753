//! A write makes answers stale: they are removed before it and after it.
//!
//! Before, because nobody is to be told what is about to change; after, because a fill that began meanwhile may have
//! seen the old state (its operation's generation, or the count of its key's removals, has moved on then, and it is dropped).

use super::Gateway;
use larder::{Cache, tier::Selection};

/// The removals of one write. Dropped without [`Self::settle`], as when the client goes away in the middle, it removes
/// all the same: the upstream may have done what it was asked.
pub(super) struct Invalidation {
    cache: Cache,
    selections: Vec<Selection>,
}

impl Invalidation {
    /// Removes what the write is going to make stale.
    pub(super) async fn begin(gateway: &Gateway, selections: Vec<Selection>) -> Self {
        remove(&gateway.cache, &selections).await;
        Self { cache: gateway.cache.clone(), selections }
    }

    /// The write has ended; `refused`: the upstream said 4xx, so that nothing changed.
    pub(super) async fn settle(mut self, refused: bool) {
        let selections = std::mem::take(&mut self.selections);
        if !refused {
            remove(&self.cache, &selections).await;
        }
    }
}

impl Drop for Invalidation {
    fn drop(&mut self) {
        let (cache, selections) = (self.cache.clone(), std::mem::take(&mut self.selections));
        if let (false, Ok(runtime)) = (selections.is_empty(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(async move { remove(&cache, &selections).await });
        }
    }
}

async fn remove(cache: &Cache, selections: &[Selection]) {
    for selection in selections {
        if let Err(error) = cache.remove(selection, super::now()).await {
            tracing::warn!(%error, ?selection, "answers that a write made stale could not be removed");
        }
    }
}
