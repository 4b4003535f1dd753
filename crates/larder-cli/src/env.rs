//! The one list of the variables that larder reads.

use std::ffi::OsString;

/// A variable that larder reads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Variable {
    /// Its name.
    pub(crate) name: &'static str,
    /// What it says, for `larder help` and the reference.
    pub(crate) meaning: &'static str,
}

impl Variable {
    /// Its value; `None` where it is unset or empty.
    pub(crate) fn get(&self) -> Option<OsString> {
        std::env::var_os(self.name).filter(|value| !value.is_empty())
    }
}

macro_rules! variables {
    ($($constant:ident = $name:literal, $meaning:literal;)+) => {
        $(#[doc = $meaning] pub(crate) const $constant: Variable = Variable { name: $name, meaning: $meaning };)+
        /// All of them.
        pub(crate) const ALL: &[Variable] = &[$($constant),+];
    };
}

variables! {
    STORE = "LARDER_STORE", "the store's folder";
    CONFIG = "LARDER_CONFIG", "the configuration file";
    LISTEN = "LARDER_LISTEN", "where the gateway listens, separated by commas";
    SHARE = "LARDER_SHARE", "how wide answers are shared: `credential` or `team`";
    MAX_SIZE = "LARDER_MAX_SIZE", "the most bytes on disk, such as `10GiB`; 0: no limit";
    MAX_ENTRIES = "LARDER_MAX_ENTRIES", "the most entries on disk; 0: no limit";
    MEMORY = "LARDER_MEMORY", "the most bytes that the gateway keeps in memory";
    MAX_QUESTION = "LARDER_MAX_QUESTION", "bodies beyond this size stream through uncached";
    UPSTREAM_TIMEOUT = "LARDER_UPSTREAM_TIMEOUT", "how long an upstream may be silent, such as `10m`";
    DURABLE = "LARDER_DURABLE", "`true`: survive power loss, not only a killed process";
    ADAPTERS = "LARDER_ADAPTERS", "the folder of your own adapters";
    LOG = "LARDER_LOG", "what is logged to stderr, such as `info` or `larder=debug`";
    OFF = "LARDER_OFF", "`1`: `larder run` runs every tool untouched";
    DEPTH = "LARDER_DEPTH", "set by larder: how many runners are around this process";
    AWAITED = "LARDER_AWAITED", "set by larder: others may wait for a runner around this process";
}
