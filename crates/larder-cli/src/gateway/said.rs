//! What was said of an answer in memory, to be said again: within a second no header of it changes, and to put them together
//! costs as much as to find the answer.

use super::{Reply, recognise::Head, respond};
use crate::net;
use http::{HeaderMap, StatusCode};
use http_body::Body as _;
use larder::{Answer, Body, Entry, SharedRecord};
use larder_core::Timestamp;
use std::sync::{Mutex, PoisonError};

/// What is longer, question and headers, is put together anew each time: what is remembered here counts as nobody's memory.
const MOST: usize = 8 << 10;

/// The last reply to requests that are equal byte for byte, without its body.
#[derive(Default)]
pub(super) struct Said(Mutex<Option<Last>>);

struct Last {
    record: SharedRecord,
    age_s: u64,
    status: StatusCode,
    headers: HeaderMap,
    /// The client has the answer already.
    is_empty: bool,
}

impl Said {
    /// The fresh `entry` out of memory as the reply to the question `key`, which the request `head` asks.
    pub(super) fn reply(&self, entry: Entry, now: Timestamp, key: &str, head: &Head) -> Reply {
        let age_s = entry.record.age(now).as_secs();
        self.again(&entry, age_s).unwrap_or_else(|| {
            let record = entry.record.clone();
            let reply = respond::reply(Answer::at_hand(entry, now), key, head);
            self.keep(record, age_s, &reply);
            reply
        })
    }

    fn again(&self, entry: &Entry, age_s: u64) -> Option<Reply> {
        let Body::Bytes(bytes) = &entry.body else { return None };
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let last = last.as_ref().filter(|last| last.age_s == age_s && last.record.is(&entry.record))?;
        let mut reply = Reply::new(if last.is_empty { net::empty() } else { net::whole(bytes.clone()) });
        *reply.status_mut() = last.status;
        *reply.headers_mut() = last.headers.clone();
        Some(reply)
    }

    fn keep(&self, record: SharedRecord, age_s: u64, reply: &Reply) {
        if size(&record, reply.headers()) > MOST {
            return;
        }
        let (status, headers, is_empty) = (reply.status(), reply.headers().clone(), reply.body().is_end_stream());
        let last = Last { record, age_s, status, headers, is_empty };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(last);
    }
}

fn size(record: &SharedRecord, headers: &HeaderMap) -> usize {
    record.question.len() + headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::Service;
    use http::{HeaderValue, Method, header};
    use http_body_util::BodyExt as _;
    use larder_core::{Head as Stored, Record};
    use larder_testkit::entry::{record, with_body};

    fn head(validator: Option<&'static str>) -> Head {
        Head {
            service: Service::plain("a", "http://h"),
            method: Method::GET,
            path: "/".to_owned(),
            query: None,
            headers: validator.map(|tag| (header::IF_NONE_MATCH, HeaderValue::from_static(tag))).into_iter().collect(),
            chunked: false,
        }
    }

    fn entry(status: u16, tag: &str, body: &str) -> Entry {
        let headers = vec![("etag".to_owned(), tag.as_bytes().to_vec().into())];
        let record = record("q", body.as_bytes(), Timestamp(0));
        with_body(Record { head: Stored::Http { status, headers }, ..record }, body.as_bytes())
    }

    async fn shown(reply: Reply) -> String {
        let (parts, body) = reply.into_parts();
        format!("{} {:?} {:?}", parts.status, parts.headers, body.collect().await.unwrap().to_bytes())
    }

    #[tokio::test]
    async fn what_is_said_again_is_what_would_be_said_anew() {
        let entries = [entry(200, "\"one\"", "one"), entry(200, "\"two\"", "two"), entry(404, "\"one\"", "")];
        for validator in [None, Some("\"one\"")] {
            let (head, said) = (head(validator), Said::default());
            let moments = [0, 1, 999, 1000, 1001, 999, 3_599_999];
            for (entry, ms) in entries.iter().flat_map(|entry| moments.map(|ms| (entry, ms))) {
                let again = shown(said.reply(entry.clone(), Timestamp(ms), "K", &head)).await;
                let anew = shown(respond::reply(Answer::at_hand(entry.clone(), Timestamp(ms)), "K", &head)).await;
                assert_eq!(again, anew, "{validator:?} {ms}");
            }
        }
    }

    #[test]
    fn it_is_the_last_only_that_is_said_again() {
        let (entry, said) = (entry(200, "\"one\"", "one"), Said::default());
        said.reply(entry.clone(), Timestamp(1000), "K", &head(None));
        assert!(said.again(&entry, 1).is_some());
        assert!(said.again(&entry, 0).is_none() && said.again(&entry, 2).is_none());
        let equal = Entry { record: Record::clone(&entry.record).into(), ..entry };
        assert!(said.again(&equal, 1).is_none());
    }
}
