//! A stored answer as people and programs see it.

use super::{
    session::now,
    values::{length, rfc3339},
};
use crate::{config::show_size, error::CliError};
use larder_core::{Head, Record, Timestamp, record::Freshness};
use serde::Serialize;
use serde_json::value::RawValue;
use std::time::Duration;

/// What every listing says of an entry.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct EntryView {
    /// The question's key.
    pub(crate) key: String,
    /// The form of the answer; empty: the plain one.
    pub(crate) variant: String,
    pub(crate) service: String,
    pub(crate) operation: String,
    pub(crate) share: String,
    /// `http`, `tool` or `value`.
    pub(crate) kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) exit_code: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) content_type: Option<String>,
    /// The CID of the answer's bytes.
    pub(crate) body: String,
    /// Bytes.
    pub(crate) size: u64,
    /// RFC 3339.
    pub(crate) created: String,
    pub(crate) age_s: u64,
    /// Seconds that it stays fresh; negative once it is stale.
    pub(crate) ttl_s: i64,
    /// `fresh`, `stale` (may be served while or after asking again fails), `unconfirmed` (kept for its validator: served
    /// once the origin has said that it still holds) or `gone`.
    pub(crate) freshness: &'static str,
}

impl EntryView {
    /// `record` at this moment.
    pub(crate) fn of(record: &Record) -> Self {
        Self::at(record, now())
    }

    fn at(record: &Record, now: Timestamp) -> Self {
        let (kind, status, exit_code) = match &record.head {
            Head::Http { status, .. } => ("http", Some(*status), None),
            Head::Tool { exit_code, .. } => ("tool", None, Some(*exit_code)),
            Head::Value { .. } => ("value", None, None),
        };
        Self {
            key: record.key.to_string(),
            variant: record.variant.0.clone(),
            service: record.service.clone(),
            operation: record.operation.clone(),
            share: record.share.clone(),
            kind,
            status,
            exit_code,
            content_type: content_type(record),
            body: record.body.to_string(),
            size: record.body_len,
            created: rfc3339(record.created),
            age_s: record.age(now).as_secs(),
            ttl_s: remaining(record, now),
            freshness: freshness(record, now),
        }
    }

    /// How long it is still fresh, for people.
    pub(crate) fn ttl(&self) -> String {
        match u64::try_from(self.ttl_s) {
            Ok(seconds) if self.freshness == "fresh" => length(Duration::from_secs(seconds)),
            _ => self.freshness.to_owned(),
        }
    }

    /// A line of `larder ls`.
    pub(crate) fn row(&self) -> Vec<String> {
        vec![
            self.key.clone(),
            self.service.clone(),
            self.operation.clone(),
            show_size(self.size),
            length(Duration::from_secs(self.age_s)),
            self.ttl(),
            self.variant.clone(),
        ]
    }
}

/// The heads of [`EntryView::row`].
pub(crate) fn heads() -> Vec<String> {
    ["KEY", "SERVICE", "OPERATION", "SIZE", "AGE", "TTL", "FORM"].map(str::to_owned).to_vec()
}

/// What the answer says it is.
pub(crate) fn content_type(record: &Record) -> Option<String> {
    match &record.head {
        Head::Http { headers, .. } => headers
            .iter()
            .find(|(name, _)| name == "content-type")
            .map(|(_, value)| String::from_utf8_lossy(value).into_owned()),
        Head::Value { content_type } => content_type.clone(),
        Head::Tool { .. } => None,
    }
}

fn remaining(record: &Record, now: Timestamp) -> i64 {
    let ttl = i64::try_from(record.ttl_ms).unwrap_or(i64::MAX);
    let age = i64::try_from(record.age(now).as_millis()).unwrap_or(i64::MAX);
    ttl.saturating_sub(age).div_euclid(1000)
}

fn freshness(record: &Record, now: Timestamp) -> &'static str {
    match record.freshness(now) {
        Freshness::Fresh => "fresh",
        Freshness::StaleWhileRevalidate | Freshness::StaleIfError => "stale",
        Freshness::Unconfirmed => "unconfirmed",
        Freshness::Gone => "gone",
    }
}

/// Canonical JSON as a member of a document: digit for digit, which a parsed number would not be.
pub(crate) fn raw(canonical: &[u8]) -> Result<Box<RawValue>, CliError> {
    let text = String::from_utf8_lossy(canonical).into_owned();
    RawValue::from_string(text).map_err(|error| CliError::failed(format!("the question is not JSON: {error}")))
}
