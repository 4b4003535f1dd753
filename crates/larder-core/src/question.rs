//! The question and its key (docs/design/key.md).

use crate::{
    cid::QueryKey,
    json::{Json, JsonError, MAX_DEPTH, Object},
    share::{Share, ShareError},
};

/// The version of the question's form: the member `larder`.
pub const VERSION: u64 = 1;

/// A document nests what a request carried this much deeper (`body`, and larder's own wrapping inside it).
const WRAPPING: usize = 4;

/// The canonical document whose CID is the key. Optional members are left out where there is nothing to say: an empty
/// `path`, `query` or `headers` is the same as none.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// The adapter's name.
    pub service: String,
    /// The operation's name.
    pub operation: String,
    /// Who may be given the answer.
    pub share: Share,
    /// Parameters by their bare names.
    pub params: Object,
    /// The effective upstream, where it is not the adapter's fixed public URL: normalised URL or the user's name for it.
    pub origin: Option<String>,
    /// Placeholders whose names a parameter has too.
    pub path: Option<Object>,
    /// The query string of an operation whose parameters are in the body.
    pub query: Option<Object>,
    /// Headers that the rule lists, by lower-case name.
    pub headers: Option<Object>,
    /// What the request carried where it is not a JSON object: `Some(Json::Null)` for none.
    pub body: Option<Json>,
}

/// Why a document is not a question.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QuestionError {
    /// Not JSON.
    #[error("not JSON: {0}")]
    Json(#[from] JsonError),
    /// JSON, but not a question of this version.
    #[error("not a question: {0}")]
    Form(String),
}

impl Question {
    /// The canonical bytes: no newline at the end.
    #[must_use]
    pub fn canonical(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(2048);
        let mut before = b'{';
        self.each_member(|name, member| {
            out.push(before);
            before = b',';
            out.push(b'"');
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b"\":");
            member.write(&mut out);
        });
        out.push(b'}');
        out
    }

    /// The key: the CID of the canonical bytes.
    #[must_use]
    pub fn key(&self) -> QueryKey {
        QueryKey::of(&self.canonical())
    }

    /// The question as a JSON document (what [`Self::canonical`] writes), for `explain` and `show`.
    #[must_use]
    pub fn document(&self) -> Json {
        let mut members = Vec::new();
        self.each_member(|name, member| members.push((name, member.json())));
        Json::Object(members.into_iter().collect())
    }

    /// Reads a question's document: what [`Self::canonical`] wrote, or any other spelling of it.
    /// Refused: another version, a missing or an unknown member, a share that is not one.
    pub fn parse(bytes: &[u8]) -> Result<Self, QuestionError> {
        let Json::Object(mut members) = Json::parse_nested(bytes, MAX_DEPTH + WRAPPING)? else {
            return Err(QuestionError::Form("expected an object".to_owned()));
        };
        if members.remove("larder") != Some(VERSION.into()) {
            return Err(QuestionError::Form(format!("expected `\"larder\":{VERSION}`")));
        }
        let question = Self {
            service: text(&mut members, "service")?,
            operation: text(&mut members, "operation")?,
            share: text(&mut members, "share")?
                .parse()
                .map_err(|error: ShareError| QuestionError::Form(error.to_string()))?,
            params: object(&mut members, "params")?.ok_or_else(|| missing("params"))?,
            origin: members.contains("origin").then(|| text(&mut members, "origin")).transpose()?,
            path: object(&mut members, "path")?,
            query: object(&mut members, "query")?,
            headers: object(&mut members, "headers")?,
            body: members.remove("body"),
        };
        match members.iter().next() {
            Some((name, _)) => Err(QuestionError::Form(format!("unknown member `{name}`"))),
            None => Ok(question),
        }
    }

    /// Visits the members in canonical order.
    fn each_member(&self, mut visit: impl FnMut(&'static str, Member<'_>)) {
        if let Some(body) = &self.body {
            visit("body", Member::Json(body));
        }
        if let Some(headers) = present(&self.headers) {
            visit("headers", headers);
        }
        visit("larder", Member::Json(&VERSION.into()));
        visit("operation", Member::Text(&self.operation));
        if let Some(origin) = &self.origin {
            visit("origin", Member::Text(origin));
        }
        visit("params", Member::Object(&self.params));
        for (name, members) in [("path", &self.path), ("query", &self.query)] {
            if let Some(members) = present(members) {
                visit(name, members);
            }
        }
        visit("service", Member::Text(&self.service));
        visit("share", Member::Text(&self.share.to_string()));
    }
}

/// A member's value, borrowed: writing the key copies no parameters.
enum Member<'a> {
    Text(&'a str),
    Object(&'a Object),
    Json(&'a Json),
}

/// An optional object that has something to say.
fn present(members: &Option<Object>) -> Option<Member<'_>> {
    members.as_ref().filter(|members| !members.is_empty()).map(Member::Object)
}

impl Member<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Text(text) => crate::json::write_string(text, out),
            Self::Object(members) => members.write_canonical(out),
            Self::Json(value) => value.write_canonical(out),
        }
    }

    fn json(&self) -> Json {
        match self {
            Self::Text(text) => Json::from(*text),
            Self::Object(members) => Json::Object((*members).clone()),
            Self::Json(value) => (*value).clone(),
        }
    }
}

fn missing(name: &str) -> QuestionError {
    QuestionError::Form(format!("expected a member `{name}`"))
}

fn text(members: &mut Object, name: &str) -> Result<String, QuestionError> {
    match members.remove(name) {
        Some(Json::String(text)) => Ok(text),
        Some(_) => Err(QuestionError::Form(format!("expected `{name}` to be a string"))),
        None => Err(missing(name)),
    }
}

fn object(members: &mut Object, name: &str) -> Result<Option<Object>, QuestionError> {
    match members.remove(name) {
        Some(Json::Object(object)) => Ok(Some(object)),
        Some(_) => Err(QuestionError::Form(format!("expected `{name}` to be an object"))),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::share::CredentialDigest;

    fn full() -> Question {
        let object = |name: &str| Some([(name, "x")].into_iter().collect::<Object>());
        Question {
            service: "s".to_owned(),
            operation: "o".to_owned(),
            share: Share::Credential(CredentialDigest::from_mac(&[7; 32])),
            params: object("b").unwrap_or_default(),
            origin: Some("prod".to_owned()),
            path: object("p"),
            query: object("q"),
            headers: object("h"),
            body: Some(Json::Null),
        }
    }

    #[test]
    fn written_directly_is_written_through_the_document() {
        let question = full();
        assert_eq!(question.canonical(), question.document().canonical());
        let text = String::from_utf8(question.canonical()).unwrap();
        assert_eq!(
            text,
            r#"{"body":null,"headers":{"h":"x"},"larder":1,"operation":"o","origin":"prod","params":{"b":"x"},"path":{"p":"x"},"query":{"q":"x"},"service":"s","share":"credential:a4dqobyha4dqobyha4dqobyha4dqobyha4dqobyha4dqobyha4dq"}"#
        );
        assert_eq!(Question::parse(text.as_bytes()).unwrap(), question);
    }

    #[test]
    fn empty_members_are_left_out() {
        let empty = || Some(Object::new());
        let question = Question { path: empty(), query: empty(), headers: empty(), body: None, origin: None, ..full() };
        let bare = Question { path: None, query: None, headers: None, ..question.clone() };
        assert_eq!(question.key(), bare.key());
        assert_eq!(question.document(), bare.document());
        assert!(!question.document().to_string().contains("path"));
    }

    #[test]
    fn what_is_not_a_question_is_refused() {
        let good = r#"{"larder":1,"operation":"o","params":{},"service":"s","share":"team"}"#;
        assert!(Question::parse(good.as_bytes()).is_ok());
        for (from, to, what) in [
            ("\"larder\":1", "\"larder\":2", "expected `\"larder\":1`"),
            ("\"larder\":1", "\"larder\":\"1\"", "expected `\"larder\":1`"),
            ("\"params\":{}", "\"params\":[]", "expected `params` to be an object"),
            ("\"params\":{},", "", "expected a member `params`"),
            ("\"service\":\"s\"", "\"service\":1", "expected `service` to be a string"),
            (
                "team",
                "credential:",
                "`credential:` is not a share: expected `public`, `team`, `anonymous` or `credential:` and 52 base32 letters",
            ),
            (
                "team",
                "teams",
                "`teams` is not a share: expected `public`, `team`, `anonymous` or `credential:` and 52 base32 letters",
            ),
            ("\"params\"", "\"extra\":1,\"params\"", "unknown member `extra`"),
        ] {
            let error = Question::parse(good.replace(from, to).as_bytes()).unwrap_err();
            assert_eq!(error.to_string(), format!("not a question: {what}"));
        }
        assert!(matches!(Question::parse(b"[]"), Err(QuestionError::Form(_))));
        assert!(matches!(Question::parse(b"{"), Err(QuestionError::Json(_))));
    }

    #[test]
    fn the_deepest_body_can_still_be_read_back() {
        let deep = format!("{}{}", "[".repeat(MAX_DEPTH), "]".repeat(MAX_DEPTH));
        let question = Question { body: Some(Json::parse(deep.as_bytes()).unwrap()), ..full() };
        assert_eq!(Question::parse(&question.canonical()).unwrap(), question);
    }
}
