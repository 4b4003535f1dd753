//! Catches what larder says while something is done in this thread.

use std::{
    fmt::Write as _,
    sync::{Arc, Mutex},
};
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};

/// Does `work` and hands back the warnings and errors that were told meanwhile.
pub(crate) fn told<T>(work: impl FnOnce() -> T) -> (T, Vec<String>) {
    let said = Arc::<Mutex<Vec<String>>>::default();
    let done = tracing::subscriber::with_default(Ears(Arc::clone(&said)), work);
    let said = said.lock().unwrap().clone();
    (done, said)
}

struct Ears(Arc<Mutex<Vec<String>>>);

impl Subscriber for Ears {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::WARN
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        println!("> told {}", line.0);
        self.0.lock().unwrap().push(line.0);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[derive(Default)]
struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let _ = write!(self.0, "{}={value:?} ", field.name());
    }
}
