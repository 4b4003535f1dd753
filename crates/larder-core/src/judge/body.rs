//! A request's body as far as the judge looks into it.

use super::{BodyView, HttpRequest};
use crate::{
    Json,
    adapter::place::header_text,
    json::{JsonError, Object},
    params::{body_member, digest_member, is_json},
};

/// What a body turned out to be.
pub(super) enum Body {
    /// None was sent, or one of no bytes.
    None,
    /// A JSON object: its members are parameters.
    Object(Object),
    /// Anything else, as the question's `body` member will have it.
    Other(Json),
    /// Its type says JSON, and it is not.
    Malformed(JsonError),
    /// Bytes of a content coding: nothing is known about what they say.
    Coded,
}

impl Body {
    pub(super) fn read(request: &HttpRequest<'_>) -> Self {
        let content_type = header_text(request.headers, "content-type");
        let content_type = content_type.as_deref();
        let coded = header_text(request.headers, "content-encoding")
            .is_some_and(|coding| !coding.eq_ignore_ascii_case("identity"));
        match request.body {
            BodyView::None | BodyView::Bytes([]) => Self::None,
            _ if coded => Self::Coded,
            BodyView::Bytes(bytes) if is_json(content_type) => match Json::parse(bytes) {
                Ok(Json::Object(members)) => Self::Object(members),
                Ok(_) => Self::Other(body_member(content_type, Some(bytes))),
                Err(error) => Self::Malformed(error),
            },
            BodyView::Bytes(bytes) => Self::Other(body_member(content_type, Some(bytes))),
            BodyView::Digest { sha256, len } => Self::Other(digest_member(content_type, sha256, len)),
        }
    }

    /// The members, if it is a JSON object.
    pub(super) const fn as_object(&self) -> Option<&Object> {
        match self {
            Self::Object(members) => Some(members),
            _ => None,
        }
    }
}
