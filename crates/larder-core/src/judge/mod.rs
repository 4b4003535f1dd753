//! The judge: request in, verdict out. Pure; the edge gathers the facts and acts on the verdict.

mod answer;
mod body;
mod call;
mod credentials;
mod guard;
mod parts;
mod plain;
mod request;
mod stale;
mod stored;
#[cfg(test)]
mod tests;
mod tool;
mod variant;

pub use answer::{end_to_end, has_validator, is_of_the_asker, judge_head, stored_headers};
pub use call::judge_call;
pub use guard::{is_steered, wants_upgrade};
pub use plain::judge_plain;
pub use request::judge_http;
pub use stale::{stale_keys, stale_operations};
pub use stored::{Use, judge_stored, may_serve_on_error, record_headers};
pub use tool::{Surroundings, judge_run, judge_tool, plan_tool};

use crate::{
    QueryKey, Question,
    adapter::Operation,
    freshness::RequestControl,
    json::JsonError,
    record::Want,
    secret::Secret,
    share::{CredentialDigest, ShareChoice},
};
use http::{HeaderMap, HeaderName, Method};
use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

/// An HTTP request as the judge sees it. `path` and `query` as the client sent them, after the service's prefix.
/// `Debug` shows the names of headers and no values, neither the query nor the body: credentials may be in all of them.
#[derive(Clone, Copy)]
pub struct HttpRequest<'a> {
    /// Method.
    pub method: &'a Method,
    /// Path, beginning with `/`.
    pub path: &'a str,
    /// Query string without `?`.
    pub query: Option<&'a str>,
    /// Headers, credentials included.
    pub headers: &'a HeaderMap,
    /// Body.
    pub body: BodyView<'a>,
}

impl fmt::Debug for HttpRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.keys().collect();
        f.debug_struct("HttpRequest")
            .field("method", self.method)
            .field("path", &self.path)
            .field("headers", &names)
            .field("body", &self.body)
            .finish_non_exhaustive()
    }
}

/// A request's body as the judge sees it. `Debug` shows how long it is.
#[derive(Clone, Copy)]
pub enum BodyView<'a> {
    /// None was sent.
    None,
    /// All of it (at most [`MAX_JSON`] bytes).
    Bytes(&'a [u8]),
    /// Too large to look into: its digest and length.
    Digest {
        /// sha2-256.
        sha256: &'a [u8; 32],
        /// Bytes.
        len: u64,
    },
}

impl fmt::Debug for BodyView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("no body"),
            Self::Bytes(bytes) => write!(f, "{} bytes", bytes.len()),
            Self::Digest { len, .. } => write!(f, "{len} bytes"),
        }
    }
}

/// JSON up to this many bytes is canonicalised; larger bodies enter the key by their digest.
pub const MAX_JSON: usize = 8 << 20;

/// What the installation and the user's configuration say, for one service.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// This installation's secret: keys the credential digests.
    pub secret: &'a Secret,
    /// What the user chose.
    pub share: ShareChoice,
    /// The question's `origin` member: `None` when the upstream is the adapter's own public URL.
    pub origin: Option<&'a str>,
}

/// What is to be done with a request.
#[derive(Debug)]
pub enum Verdict {
    /// Pass it through untouched, keep nothing.
    Pass(Pass),
    /// Look it up; on a miss ask the origin and keep the answer.
    Keep(Box<Plan>),
}

/// Why a request is passed through, and what that makes stale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pass {
    /// Why.
    pub reason: PassReason,
    /// The operation, where one matched (a write, or a read that is excluded this time).
    pub operation: Option<String>,
    /// Operations of this service whose answers it makes stale, once the origin has said 2xx or 3xx; where only a body
    /// that cannot be read would tell which operation it is, those of each that it may be.
    pub invalidates: Vec<String>,
}

/// Why a request is passed through. `Display` is a sentence for `explain`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PassReason {
    /// No operation of the adapter matches.
    #[error("no operation matches")]
    NoOperation,
    /// The operation writes.
    #[error("the operation writes")]
    Write,
    /// The rule excludes requests like this one; which member, flag or header.
    #[error("the rule passes it through: {0}")]
    Excluded(String),
    /// The rule asks for members of a body that is larger than [`MAX_JSON`].
    #[error("the body is larger than 8 MiB and its rule looks into it")]
    TooLarge,
    /// The body says JSON and is not.
    #[error("the body is not JSON: {0}")]
    MalformedJson(JsonError),
    /// The client said `no-store`.
    #[error("the client said `no-store`")]
    NoStore,
    /// A header value, an argument or a variable is not text.
    #[error("{0}")]
    NotText(String),
    /// Without an adapter only GET and HEAD are looked at.
    #[error("only GET and HEAD are cached without an adapter")]
    PlainMethod,
    /// No adapter for the tool and no `--ttl`.
    #[error("no adapter knows this tool and no `--ttl` was given")]
    UnknownTool,
}

/// A cacheable request: its key, and what is to be done with the answer.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The question.
    pub question: Question,
    /// Its key.
    pub key: QueryKey,
    /// What to look up: key, variant, request headers without credentials.
    pub want: Want,
    /// The operation; `None` for a plain GET or a tool without an adapter.
    pub operation: Option<Arc<Operation>>,
    /// How long answers live, before the answer itself is seen.
    pub lifetime: Lifetime,
    /// The client's own `Cache-Control`.
    pub control: RequestControl,
    /// Digest of the credential that the request carried.
    pub credential: Option<CredentialDigest>,
    /// The headers that were left out of the key as credentials, lower-case.
    pub credential_headers: Vec<HeaderName>,
    /// What was left out of the key, and by which rule: for `explain`.
    pub ignored: Vec<Ignored>,
    /// Go on when nobody listens any more (`finish = true`).
    pub finish: bool,
}

/// Lifetimes of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lifetime {
    /// Fresh for this long.
    pub ttl: Duration,
    /// May be served for this much longer while it is asked again (RFC 5861 §3).
    pub stale_while_revalidate: Duration,
    /// May be served for this much longer when the origin fails (RFC 5861 §4).
    pub stale_if_error: Duration,
    /// `freshness = "origin"`: the origin's `Cache-Control`, `Expires` and `Age` come first, `ttl` where it is silent.
    pub from_origin: bool,
}

/// Something that was left out of the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ignored {
    /// `body /stream`, `header x-request-id`, `query cache_buster`, …
    pub what: String,
    /// The word of the rule that says so: `ignore`, `variant`, `credentials`, …
    pub rule: String,
}

/// Why a call is not a question.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct CallError {
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub hint: Option<String>,
}

/// What the origin's status line and headers allow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeadVerdict {
    /// May be kept if the rest is complete, for this long; what the request's `Vary` headers were.
    Keep {
        /// Lifetimes, the origin's word applied.
        lifetime: Lifetime,
        /// The origin's `Age`.
        initial_age: Duration,
        /// Header names of `Vary` with this request's values.
        vary: Vec<(String, Option<String>)>,
    },
    /// Not to be kept; why.
    Refuse(String),
}

/// What the command line of a tool turned out to be.
#[derive(Clone, Debug)]
pub enum ToolVerdict {
    /// Run it untouched.
    Pass(Pass),
    /// A read that may be answered from the store, once these facts are known.
    Match(ToolMatch),
}

/// An operation of a tool, and which facts its question needs.
#[derive(Clone, Debug)]
pub struct ToolMatch {
    /// Service name (the adapter's, or the command's base name).
    pub service: String,
    /// The operation; `None` without an adapter (then named `run`).
    pub operation: Option<Arc<Operation>>,
    /// Variables that enter the question.
    pub env: Vec<String>,
    /// Variables that hold credentials: they enter the share's digest.
    pub credential_env: Vec<String>,
    /// Files whose digests enter the question (`~/…` and `$NAME/…` are expanded by the edge).
    pub files: Vec<String>,
    /// Files that hold credentials: their digests enter the share's digest.
    pub credential_files: Vec<String>,
    /// What of the working directory enters the question.
    pub cwd: Cwd,
    /// Whether standard input is read and hashed; otherwise data on stdin means: run it untouched.
    pub stdin: bool,
    /// Variables that, when set, mean: run it untouched.
    pub pass_env: Vec<String>,
    /// Whether its output is kept even where stdout is a terminal (the user asked with `--ttl`).
    pub terminal: bool,
    /// Exit codes that are kept.
    pub keep_exit: Vec<u8>,
    /// Texts in the output that mean that it failed.
    pub fail_when: Vec<String>,
    /// Lifetimes.
    pub lifetime: Lifetime,
}

/// What of the working directory enters a tool's question.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cwd {
    /// Nothing.
    None,
    /// Its path. The default.
    #[default]
    Path,
    /// The git remotes of the repository around it (else its path).
    GitRemotes,
    /// The git remotes, the head's commit and branch (else its path).
    GitHead,
}

/// What `larder run` was told.
#[derive(Clone, Debug, Default)]
pub struct RunOptions {
    /// `--ttl`.
    pub ttl: Option<Duration>,
    /// `--env NAME`.
    pub env: Vec<String>,
    /// `--keep-exit CODE`: failures to keep.
    pub keep_exit: Vec<u8>,
}

/// The facts that a [`ToolMatch`] asked for.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Variables; absent ones are absent.
    pub env: BTreeMap<String, String>,
    /// Credentials: variables and file digests.
    pub credentials: Vec<(String, Secret)>,
    /// Digests (hex sha2-256) of files; `None`: there is none.
    pub files: BTreeMap<String, Option<String>>,
    /// The working-directory token.
    pub cwd: Option<String>,
    /// Digest (hex sha2-256) of standard input, where it is in the key.
    pub stdin: Option<String>,
    /// Identity of the program: absolute path, inode and mtime, as one text.
    pub program: Option<String>,
    /// The user.
    pub uid: u32,
    /// Whether stdout and stderr are one file: a variant.
    pub one_output: bool,
}
