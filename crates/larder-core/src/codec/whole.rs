//! Answers that are looked into when all of them is there.

use super::{
    Findings, MAX_WATCHED,
    conditions::{Conditions, Tokens, number},
    is_error, is_json,
};
use crate::{
    Json,
    adapter::AnswerRule,
    cid::{BASE32, sha256},
};

/// A whole answer, held until its end.
#[derive(Debug)]
pub(super) struct Whole {
    buffer: Vec<u8>,
    too_large: bool,
    /// The content type says JSON.
    json: bool,
    /// The content type says something else than JSON.
    other: bool,
    /// The rule speaks of JSON, and the status is a success: nothing else is the answer.
    needed: bool,
    /// The status is a success, so that an `error` in the document gives it the lie.
    success: bool,
    conditions: Conditions,
    tokens: Tokens,
    fingerprint: Vec<String>,
    ttl_from: Option<String>,
}

impl Whole {
    /// Whether `rule` asks anything of a whole answer.
    pub(super) fn is_wanted(rule: &AnswerRule) -> bool {
        let silent = rule.finished.is_empty() && rule.usage.is_empty() && rule.fingerprint.is_empty();
        !silent || rule.ttl_from.is_some()
    }

    /// `media` is the answer's media type; empty where it names none.
    pub(super) fn new(rule: &AnswerRule, media: &str, success: bool) -> Self {
        let json = is_json(media);
        Self {
            buffer: Vec::new(),
            too_large: false,
            json,
            other: !json && !media.is_empty(),
            needed: success && Self::is_wanted(rule),
            success,
            conditions: Conditions::new(&rule.finished, false),
            tokens: Tokens::new(&rule.usage),
            fingerprint: rule.fingerprint.clone(),
            ttl_from: rule.ttl_from.clone(),
        }
    }

    /// A document that must be read to be kept cannot be half a one.
    pub(super) fn proves_end(&self) -> bool {
        self.ttl_from.is_some() || self.conditions.any_required() || (self.json && !self.conditions.is_empty())
    }

    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.too_large |= self.buffer.len().saturating_add(bytes.len()) > MAX_WATCHED;
        if self.too_large {
            self.buffer = Vec::new();
        } else {
            self.buffer.extend_from_slice(bytes);
        }
    }

    pub(super) const fn held(&self) -> usize {
        self.buffer.len()
    }

    pub(super) fn finish(mut self) -> Result<Findings, String> {
        if self.too_large {
            return self.unread("the answer is too large to be looked into".to_owned(), !self.conditions.is_empty());
        }
        if self.needed && self.other {
            return Err("the answer's type says that it is not JSON".to_owned());
        }
        match Json::parse(&self.buffer) {
            Ok(document) => {
                self.check(&document)?;
                self.conditions.feed(&document);
                self.conditions.finish()?;
                self.tokens.feed(&document);
                Ok(self.findings(&document))
            }
            Err(error) => {
                // Nothing at all answers a HEAD; where the rule looks into the answer, it is a broken one.
                let needed = self.needed || (self.json && !self.buffer.is_empty()) || self.conditions.any_required();
                self.unread(format!("the answer is not JSON: {error}"), needed)
            }
        }
    }

    /// A page of a proxy or an error that comes as a success must not be handed out for hours.
    fn check(&self, document: &Json) -> Result<(), String> {
        if self.success && is_error(document) {
            return Err("the answer says `error`".to_owned());
        }
        let scalar = !matches!(document, Json::Object(_) | Json::Array(_));
        if self.needed && scalar { Err("the answer is neither an object nor a list".to_owned()) } else { Ok(()) }
    }

    /// An answer that could not be looked into may be kept only where nothing depends on what it says.
    fn unread(&self, reason: String, needed: bool) -> Result<Findings, String> {
        if needed || self.ttl_from.is_some() { Err(reason) } else { Ok(Findings::default()) }
    }

    fn findings(&self, document: &Json) -> Findings {
        let ttl = self.ttl_from.as_deref().and_then(|pointer| document.pointer(pointer)).and_then(number);
        Findings {
            input_tokens: self.tokens.input,
            output_tokens: self.tokens.output,
            fingerprint: (!self.fingerprint.is_empty()).then(|| digest(&self.fingerprint, document)),
            ttl_ms: ttl.map(|seconds| seconds.saturating_mul(1000)),
        }
    }
}

/// base32 sha-256 over the canonical JSON of `[value or null, …]` in the rule's order. Where a pointer has a `*`, its value
/// is the list of what stands there, `null` for an element that has nothing.
fn digest(pointers: &[String], document: &Json) -> String {
    let values = pointers.iter().map(|pointer| {
        if !pointer.split('/').any(|token| token == "*") {
            return document.pointer(pointer).cloned().unwrap_or(Json::Null);
        }
        let all = document.pointer_all(pointer).into_iter();
        Json::Array(all.map(|value| value.cloned().unwrap_or(Json::Null)).collect())
    });
    BASE32.encode(&sha256(&Json::Array(values.collect()).canonical()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_sees_every_element() {
        let pointers = ["/items/*/version".to_owned(), "/uid".to_owned()];
        let of = |text: &str| digest(&pointers, &Json::parse(text.as_bytes()).unwrap());
        let first = of(r#"{"uid":1,"items":[{"version":1},{"version":2}],"served":"today"}"#);
        assert_eq!(first, of(r#"{"served":"tomorrow","items":[{"version":1},{"version":2}],"uid":1}"#));
        for other in
            [r#"{"uid":1,"items":[{"version":1},{"version":3}]}"#, r#"{"uid":1,"items":[{"version":1},{}]}"#, "{}"]
        {
            assert_ne!(first, of(other), "{other}");
        }
    }
}
