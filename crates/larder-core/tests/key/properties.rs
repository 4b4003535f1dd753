//! What holds of every value and every text.

use crate::generate::{json, object, respelled};
use larder_core::{
    Json, Question, Share,
    params::{body_member, query_members},
    share::CredentialDigest,
};
use proptest::prelude::*;

fn share() -> impl Strategy<Value = Share> {
    prop_oneof![
        Just(Share::Public),
        Just(Share::Team),
        Just(Share::Anonymous),
        any::<[u8; 32]>().prop_map(|mac| Share::Credential(CredentialDigest::from_mac(&mac))),
    ]
}

fn question() -> impl Strategy<Value = Question> {
    let maybe = || proptest::option::of(object().prop_filter("no empty ones", |object| !object.is_empty()));
    let words = ("[a-z]{1,4}", "[a-z_]{1,4}", share(), proptest::option::of(any::<String>()));
    (words, object(), maybe(), maybe(), maybe(), proptest::option::of(json())).prop_map(
        |((service, operation, share, origin), params, path, query, headers, body)| Question {
            service,
            operation,
            share,
            params,
            origin,
            path,
            query,
            headers,
            body,
        },
    )
}

proptest! {
    #[test]
    fn the_canonical_form_is_stable(value in json()) {
        let canonical = value.canonical();
        let again = Json::parse(&canonical).unwrap();
        prop_assert_eq!(&again, &value);
        prop_assert_eq!(again.canonical(), canonical);
    }

    #[test]
    fn another_spelling_is_the_same(value in json()) {
        prop_assert_eq!(Json::parse(respelled(&value).as_bytes()).unwrap().canonical(), value.canonical());
    }

    #[test]
    fn different_values_differ(a in json(), b in json()) {
        prop_assert_eq!(a == b, a.canonical() == b.canonical());
    }

    #[test]
    fn others_can_read_the_canonical_form(value in json()) {
        prop_assert!(serde_json::from_slice::<serde_json::Value>(&value.canonical()).is_ok());
    }

    /// Whatever is accepted is JSON to another strict reader.
    #[test]
    fn nothing_is_accepted_that_is_not_json(text in "[\\[\\]{}:,\"\\\\u0-9dDe.+ nulltrefas-]{0,24}") {
        if Json::parse(text.as_bytes()).is_ok() {
            prop_assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), "{}", text);
        }
    }

    #[test]
    fn no_bytes_make_the_parser_panic(bytes in any::<Vec<u8>>(), near in "[\\[\\]{}:,\"\\\\u0-9dDe.+ \u{e9}-]{0,40}") {
        let _ = Json::parse(&bytes);
        if let Ok(value) = Json::parse(near.as_bytes()) {
            prop_assert_eq!(Json::parse(&value.canonical()).unwrap(), value);
        }
    }

    #[test]
    fn a_question_is_its_document(question in question()) {
        let canonical = question.canonical();
        prop_assert_eq!(question.document().canonical(), canonical.clone());
        prop_assert_eq!(Question::parse(&canonical).unwrap(), question.clone());
        prop_assert_eq!(Question::parse(respelled(&question.document()).as_bytes()).unwrap().key(), question.key());
    }

    #[test]
    fn different_questions_have_different_keys(a in question(), b in question()) {
        prop_assert_eq!(a == b, a.key() == b.key());
    }

    /// What a request carried can be read back, however deep it is wrapped.
    #[test]
    fn whatever_a_request_carries_is_a_question(query in "[a-c=&%+0-9f]{0,20}", body in any::<Vec<u8>>(), question in question()) {
        let body = Some(body_member(Some("application/json"), Some(&body)));
        let question = Question { params: query_members(&query), body, ..question };
        prop_assert_eq!(Question::parse(&question.canonical()).unwrap(), question);
    }
}
