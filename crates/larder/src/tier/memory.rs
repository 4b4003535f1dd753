//! The memory tier: verified answers, handed out without copying.
//!
//! Coherent with other processes: an entry remembers its key's word and the epoch of the sidecar, read before the answer
//! was, and is dead when they moved on. All forms of a key are one value: who replaces it holds the key's lock, so that
//! no form is lost, or comes back, because two change it at once.

use super::{
    Selection, Tier, Usage,
    sidecar::{Sidecar, Token, View},
};
use crate::{Body, Entry, Error, stats::Event};
use bytes::Bytes;
use futures_core::future::BoxFuture;
use larder_core::{
    Head, QueryKey, Record, Timestamp,
    record::{Freshness, Want},
};
use quick_cache::{OptionsBuilder, Weighter, sync::Cache};
use std::{
    hash::{BuildHasherDefault, Hasher},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// What an entry takes besides its body, question and headers.
const OVERHEAD: u64 = 1024;
/// What a header takes besides its name and value, in both forms.
const HEADER: u64 = 320;
/// Few shards, so that a large answer still fits one.
const SHARDS: usize = 4;
/// Keys whose first bytes are alike share a lock.
const LOCKS: usize = 16;

/// The memory tier.
#[derive(Debug)]
pub struct Memory {
    cache: Cache<QueryKey, Kept, Weight, BuildHasherDefault<DigestHasher>>,
    sidecar: Arc<Sidecar>,
    /// Held while a key's forms are changed; readers need none.
    changing: [Mutex<()>; LOCKS],
    max_bytes: u64,
    /// Whether no tier below it keeps these entries: then expirations and removals are counted here.
    is_alone: bool,
}

/// The forms of one key's answer.
type Kept = Arc<[Form]>;

#[derive(Debug)]
struct Form {
    entry: Entry,
    word: u64,
    /// Moves on when a new epoch turned out not to concern this entry.
    epoch: AtomicU64,
}

impl Form {
    fn copy(&self) -> Self {
        Self { entry: self.entry.clone(), word: self.word, epoch: AtomicU64::new(self.epoch.load(Ordering::Acquire)) }
    }
}

#[derive(Clone, Debug)]
struct Weight;

impl Weighter<QueryKey, Kept> for Weight {
    fn weight(&self, _key: &QueryKey, kept: &Kept) -> u64 {
        kept.iter().map(|form| size(&form.entry)).sum()
    }
}

fn size(entry: &Entry) -> u64 {
    entry.body.len() + entry.record.question.len() as u64 + headers(&entry.record) + OVERHEAD
}

/// Headers are held twice: as they are kept, and as they are sent.
fn headers(record: &Record) -> u64 {
    let Head::Http { headers, .. } = &record.head else { return 0 };
    headers.iter().map(|(name, value)| 2 * (name.len() + value.len()) as u64 + HEADER).sum()
}

/// A digest is as good as a hash: its first 8 bytes are taken.
#[derive(Default)]
struct DigestHasher(u64);

impl Hasher for DigestHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk::<8>() {
            self.0 ^= u64::from_le_bytes(*first);
        }
    }

    fn write_usize(&mut self, _len: usize) {}
}

impl Memory {
    /// At most `max_bytes`, with nothing below it.
    #[must_use]
    pub fn new(max_bytes: u64) -> Self {
        Self::with(max_bytes, Arc::new(Sidecar::private()), true)
    }

    pub(crate) fn with(max_bytes: u64, sidecar: Arc<Sidecar>, is_alone: bool) -> Self {
        let options = OptionsBuilder::new()
            .shards(SHARDS)
            .weight_capacity(max_bytes)
            .estimated_items_capacity(usize::try_from(max_bytes / 4096).unwrap_or(usize::MAX).clamp(16, 1 << 20))
            .build();
        let cache = match options {
            Ok(options) => Cache::with_options(options, Weight, BuildHasherDefault::default(), Default::default()),
            Err(_) => Cache::with(16, max_bytes, Weight, BuildHasherDefault::default(), Default::default()),
        };
        Self { cache, sidecar, changing: Default::default(), max_bytes, is_alone }
    }

    /// The generation of (service, operation), to be handed to a later put.
    #[must_use]
    pub fn generation(&self, service: &str, operation: &str) -> u64 {
        self.sidecar.generation(service, operation).unwrap_or(u64::MAX)
    }

    /// What must be read before the answer that is then handed to [`Self::keep`].
    pub(crate) fn token(&self, key: &QueryKey) -> Token {
        self.sidecar.token(key)
    }

    /// The entry that answers `want`, if it is here and still the newest.
    pub(crate) fn find(&self, want: &Want, now: Timestamp) -> Option<Entry> {
        let kept = self.cache.get(&want.key)?;
        let view = self.sidecar.view();
        let mut is_over = false;
        for form in kept.iter().filter(|form| want.accepts(&form.entry.record)) {
            if self.is_alive(form, &view, now) {
                view.used(&want.key);
                return Some(form.entry.clone());
            }
            is_over = true;
        }
        if is_over {
            self.prune(&want.key, now);
        }
        None
    }

    /// The entry that [`Self::find`] would find, if it `suits`, and the sidecar's words by which it is the newest. Where it
    /// does not, nothing is changed.
    pub(crate) fn at_hand(
        &self,
        want: &Want,
        now: Timestamp,
        suits: impl Fn(&Record) -> bool,
    ) -> Option<(Entry, View)> {
        let kept = self.cache.get(&want.key)?;
        let view = self.sidecar.view();
        let is_found = |form: &&Form| want.accepts(&form.entry.record) && self.is_alive(form, &view, now);
        let entry = kept.iter().find(is_found).map(|form| &form.entry).filter(|entry| suits(&entry.record))?.clone();
        view.used(&want.key);
        Some((entry, view))
    }

    fn is_alive(&self, form: &Form, view: &View, now: Timestamp) -> bool {
        self.is_current(form, view) && form.entry.record.freshness(now) != Freshness::Gone
    }

    /// Drops what is over of a key's forms, and nothing else.
    fn prune(&self, key: &QueryKey, now: Timestamp) {
        let _changing = self.change(key);
        let Some(kept) = self.cache.peek(key) else { return };
        let view = self.sidecar.view();
        let (alive, over): (Vec<&Form>, Vec<&Form>) = kept.iter().partition(|form| self.is_alive(form, &view, now));
        for form in over.iter().filter(|form| self.is_alone && self.is_current(form, &view)) {
            let record = &form.entry.record;
            self.sidecar.count(&record.service, &record.operation, Event::Expiration, 1);
        }
        if alive.is_empty() {
            self.cache.remove(key);
        } else if !over.is_empty() {
            self.cache.insert(*key, alive.into_iter().map(Form::copy).collect());
        }
    }

    fn change(&self, key: &QueryKey) -> MutexGuard<'_, ()> {
        self.changing[usize::from(key.digest()[0]) % LOCKS].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_current(&self, form: &Form, view: &View) -> bool {
        let record = &form.entry.record;
        let token = view.token(&record.key);
        if form.word != token.word {
            return false;
        }
        if form.epoch.load(Ordering::Acquire) == token.epoch {
            return true;
        }
        let is_current = self.sidecar.generation(&record.service, &record.operation) == Some(form.entry.generation);
        if is_current {
            form.epoch.store(token.epoch, Ordering::Release);
        }
        is_current
    }

    /// Keeps an entry whose bytes are in memory. `token` was read before the entry was.
    pub(crate) fn keep(&self, entry: Entry, token: Token) {
        let key = entry.record.key;
        if matches!(entry.body, Body::File { .. }) || size(&entry) > self.max_bytes / SHARDS as u64 {
            return;
        }
        let _changing = self.change(&key);
        // Whoever removes says so first, and then waits here.
        if self.sidecar.view().is_removed(&key, entry.removals) {
            return;
        }
        let old = self.cache.peek(&key);
        let is_other = |form: &&Form| {
            form.word == token.word
                && (&form.entry.record.variant, &form.entry.record.vary) != (&entry.record.variant, &entry.record.vary)
        };
        let others = old.iter().flat_map(|kept| kept.iter()).filter(is_other);
        let mut forms: Vec<Form> = others.map(Form::copy).collect();
        forms.insert(0, Form { entry, word: token.word, epoch: AtomicU64::new(token.epoch) });
        self.cache.insert(key, forms.into());
    }

    /// Forgets what is selected; how many live entries that were.
    pub(crate) fn forget(&self, what: &Selection, now: Timestamp) -> u64 {
        let removed = AtomicU64::new(0);
        let judge = |kept: &Kept| {
            let hit = kept.iter().filter(|form| what.holds(&form.entry.record));
            let (all, live) = hit.fold((0, 0), |(all, live), form| {
                (all + 1, live + u64::from(form.entry.record.freshness(now) != Freshness::Gone))
            });
            removed.fetch_add(live, Ordering::Relaxed);
            all == 0
        };
        if let Some(key) = what.key {
            let _changing = self.change(&key);
            drop(self.cache.remove_if(&key, |kept| !judge(kept)));
        } else {
            let _changing = self.changing.each_ref().map(|lock| lock.lock().unwrap_or_else(PoisonError::into_inner));
            self.cache.retain(|_, kept| judge(kept));
        }
        removed.into_inner()
    }

    /// Keeps an entry unless what it belongs to was invalidated since the origin was asked. `token` was read first: an
    /// invalidation between the two makes the entry dead on arrival.
    pub(crate) fn keep_if_wanted(&self, entry: Entry, token: Token) {
        if self.is_wanted(&entry) {
            self.keep(entry, token);
        }
    }

    /// Whether an answer that was asked for under `generation` may still be kept.
    fn is_wanted(&self, entry: &Entry) -> bool {
        let record = &entry.record;
        self.sidecar.generation(&record.service, &record.operation) == Some(entry.generation)
    }

    fn invalidate(&self, what: &Selection) {
        if what.key.is_none() && what.prefix.is_none() {
            let (service, operation) = (what.service.as_deref(), what.operation.as_deref());
            let (service, operation) = (service.unwrap_or_default(), operation.unwrap_or_default());
            self.sidecar.raise(service, operation, self.sidecar.scope(service, operation).saturating_add(1));
        }
    }
}

impl Tier for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn get<'a>(&'a self, want: &'a Want, now: Timestamp) -> BoxFuture<'a, Result<Option<Entry>, Error>> {
        Box::pin(std::future::ready(Ok(self.find(want, now))))
    }

    fn put(&self, entry: Entry, _now: Timestamp) -> BoxFuture<'_, Result<(), Error>> {
        let token = self.sidecar.token(&entry.record.key);
        self.keep_if_wanted(entry, token);
        Box::pin(std::future::ready(Ok(())))
    }

    fn remove<'a>(&'a self, what: &'a Selection, now: Timestamp) -> BoxFuture<'a, Result<u64, Error>> {
        self.invalidate(what);
        Box::pin(std::future::ready(Ok(self.forget(what, now))))
    }

    fn list<'a>(
        &'a self,
        what: &'a Selection,
        limit: usize,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<Entry>, Error>> {
        let mut listed: Vec<Entry> = Vec::new();
        for (_, kept) in self.cache.iter() {
            let live = kept.iter().filter(|form| {
                let record = &form.entry.record;
                what.holds(record)
                    && record.freshness(now) != Freshness::Gone
                    && self.is_current(form, &self.sidecar.view())
            });
            listed.extend(live.map(|form| Entry { body: Body::Bytes(Bytes::new()), ..form.entry.clone() }));
        }
        listed.sort_by_key(|entry| std::cmp::Reverse(entry.record.created));
        listed.truncate(limit);
        Box::pin(std::future::ready(Ok(listed)))
    }

    fn usage(&self) -> Usage {
        Usage {
            entries: self.cache.len() as u64,
            max_entries: 0,
            bytes: self.cache.weight(),
            max_bytes: self.max_bytes,
        }
    }
}
