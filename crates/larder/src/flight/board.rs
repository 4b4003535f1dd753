//! The board: who is in the air, and who may come aboard.

use super::{Flight, Limits, Phase, Place};
use crate::{
    Since,
    sync::{AtomicU64, Mutex, MutexGuard},
};
use larder_core::{QueryKey, judge::Plan};
use std::{
    collections::HashMap,
    sync::{
        Arc, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::sync::watch;

/// Flights in the air.
#[derive(Debug, Default)]
pub struct Flights {
    pub(crate) limits: Limits,
    pub(crate) board: Mutex<HashMap<Place, Vec<Arc<Flight>>>>,
    /// Counts landings, spread by key: a caller that saw nothing in the store and finds no flight must look again if
    /// one landed in between.
    landings: PerKey,
    pub(super) airborne: watch::Sender<usize>,
    /// Whether it was said that the store is slow.
    is_called_slow: AtomicBool,
}

#[derive(Debug)]
struct PerKey([AtomicU64; 256]);

impl Default for PerKey {
    fn default() -> Self {
        Self([const { AtomicU64::new(0) }; 256])
    }
}

impl PerKey {
    fn of(&self, key: &QueryKey) -> &AtomicU64 {
        &self.0[usize::from(key.digest()[0])]
    }
}

/// What a caller finds at the board.
pub(crate) enum Boarding {
    /// A flight to follow.
    Follow(Listener),
    /// A new flight, to be flown.
    Lead(Listener),
    /// A flight landed since the store was looked at: look again.
    LookAgain,
}

/// Somebody who listens to a flight. Dropping it is leaving.
#[derive(Debug)]
pub(crate) struct Listener {
    flights: Arc<Flights>,
    pub(crate) flight: Arc<Flight>,
    /// Came aboard when all bytes were there.
    pub(crate) late: bool,
}

/// How a caller wants to fly.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ticket<'a> {
    pub(crate) plan: &'a Arc<Plan>,
    /// Follow nobody and let nobody follow.
    pub(crate) alone: bool,
    /// May be given answers that others asked for; else only those of a flight that the same credential leads.
    pub(crate) trusted: bool,
    /// [`Flights::landings`] when the store was looked at.
    pub(crate) seen: u64,
    /// What the store knew since the caller came: what was asked for before an invalidation or a removal is not for him.
    pub(crate) since: Since,
    /// What an answer to another caller turned out to vary with, and this one's values of it.
    pub(crate) varies: &'a [(String, Option<String>)],
}

impl Flights {
    /// The store took too long, and `what` follows from it. Every call may meet that: it is warned about once.
    pub(super) fn call_slow(&self, what: &'static str) {
        if self.is_called_slow.swap(true, Ordering::Relaxed) {
            tracing::debug!(what, "the store is slow");
        } else {
            tracing::warn!("the store is slow: {what}");
        }
    }

    /// An empty board.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Waits until nothing is in the air, nor on its way into a slow store (for a graceful end).
    pub async fn landed(&self) {
        // The sender lives as long as `self`, so that waiting cannot fail.
        let _ = self.airborne.subscribe().wait_for(|flying| *flying == 0).await;
    }

    pub(crate) fn landings(&self, key: &QueryKey) -> u64 {
        self.landings.of(key).load(Ordering::Acquire)
    }

    fn board(&self) -> MutexGuard<'_, HashMap<Place, Vec<Arc<Flight>>>> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Follows a flight or begins one.
    pub(crate) fn take_off(self: &Arc<Self>, ticket: Ticket<'_>) -> Boarding {
        let plan = ticket.plan;
        let place = Place { key: plan.key, variant: plan.want.variant.clone() };
        if ticket.alone {
            return Boarding::Lead(self.listen(&Arc::new(Flight::new(place, ticket, plan.finish, 1))));
        }
        let mut board = self.board();
        let fresh_call = plan.control.no_cache;
        let found = board.get(&place).into_iter().flatten().find(|flight| !fresh_call && flight.takes(ticket));
        if let Some(flight) = found {
            *flight.listeners() += 1;
            return Boarding::Follow(self.listen(flight));
        }
        if !fresh_call && self.landings(&plan.key) != ticket.seen {
            return Boarding::LookAgain;
        }
        let flight = Arc::new(Flight::new(place.clone(), ticket, plan.finish, 1));
        board.entry(place).or_default().push(Arc::clone(&flight));
        Boarding::Lead(self.listen(&flight))
    }

    /// The flight whose answer is whole and on its way into the store, for a caller who asks nobody else.
    pub(crate) fn ending(self: &Arc<Self>, ticket: Ticket<'_>) -> Option<Listener> {
        let place = Place { key: ticket.plan.key, variant: ticket.plan.want.variant.clone() };
        let board = self.board();
        let ending = |flight: &&Arc<Flight>| matches!(*flight.phase.borrow(), Phase::Committing(_));
        let found = board.get(&place).into_iter().flatten().filter(ending).find(|flight| flight.takes(ticket))?;
        *found.listeners() += 1;
        Some(self.listen(found))
    }

    /// A flight that nobody listens to, to refresh what is stored; `None` where one is in the air.
    pub(crate) fn take_off_unmanned(self: &Arc<Self>, ticket: Ticket<'_>) -> Option<Arc<Flight>> {
        let place = Place { key: ticket.plan.key, variant: ticket.plan.want.variant.clone() };
        let mut board = self.board();
        let flying = board.entry(place.clone()).or_default();
        if flying.iter().any(|flight| flight.suits(ticket)) {
            return None;
        }
        let flight = Arc::new(Flight::new(place, ticket, true, 0));
        flying.push(Arc::clone(&flight));
        Some(flight)
    }

    /// Follows `flight`'s phase to `phase`, under the board's lock.
    pub(super) fn advance(&self, flight: &Flight, phase: Phase) {
        let mut board = self.board();
        if let Phase::Landed(_) = phase {
            remove(&mut board, flight);
            self.landings.of(&flight.place.key).fetch_add(1, Ordering::Release);
        }
        flight.phase.send_replace(phase);
    }

    /// Lets nobody else aboard: what the flight brings is not kept, and who comes after a reader could see why asks anew.
    pub(super) fn close(&self, flight: &Flight) {
        remove(&mut self.board(), flight);
    }

    fn listen(self: &Arc<Self>, flight: &Arc<Flight>) -> Listener {
        let late = matches!(*flight.phase.borrow(), Phase::Committing(_));
        Listener { flights: Arc::clone(self), flight: Arc::clone(flight), late }
    }

    /// A listener leaves. The last one ends a flight that is not to be finished, unless all its bytes are there.
    fn leave(&self, flight: &Flight) {
        let mut board = self.board();
        let mut listeners = flight.listeners();
        *listeners = listeners.saturating_sub(1);
        let under_way = matches!(*flight.phase.borrow(), Phase::Asking | Phase::Streaming(_));
        if *listeners == 0 && under_way && !flight.finish {
            remove(&mut board, flight);
            flight.abandoned.notify_one();
        }
    }
}

fn remove(board: &mut HashMap<Place, Vec<Arc<Flight>>>, flight: &Flight) {
    if let Some(flying) = board.get_mut(&flight.place) {
        flying.retain(|other| !std::ptr::eq(Arc::as_ptr(other), flight));
        if flying.is_empty() {
            board.remove(&flight.place);
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.flights.leave(&self.flight);
    }
}
