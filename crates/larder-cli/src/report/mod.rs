//! Documents that several doors show in the same form.

pub(crate) mod metrics;
pub(crate) mod stats;
