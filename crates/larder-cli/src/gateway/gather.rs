//! A question's body: in memory up to 1 MiB, beyond that on disk, beyond `--max-question` not at all.

use super::{
    Gateway, forward,
    recognise::{Call, Head},
    rescue::Failure,
    spool::{Spool, Spooled},
    stack::Onward,
};
use crate::net::{self, Body, BoxError};
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use http::{StatusCode, header};
use http_body::Frame;
use http_body_util::{BodyDataStream, BodyExt as _, StreamBody};
use larder_core::judge::{BodyView, MAX_JSON};
use std::{
    io,
    ops::ControlFlow,
    sync::{Arc, Once},
};

/// Bytes that are held in memory before a body goes to disk, and between two writes.
const IN_MEMORY: usize = 1 << 20;

/// A request with its whole body in hand. Cheap to clone.
#[derive(Clone)]
pub(super) struct Asked {
    /// All but the body.
    pub(super) head: Arc<Head>,
    /// The body.
    pub(super) body: Gathered,
}

/// A whole body. Cheap to clone.
#[derive(Clone)]
pub(super) enum Gathered {
    /// None was sent.
    None,
    /// In memory: at most [`MAX_JSON`] bytes.
    Memory(Bytes),
    /// On disk.
    Disk(Spooled),
}

impl Gathered {
    /// As the judge sees it.
    pub(super) fn view(&self) -> BodyView<'_> {
        match self {
            Self::None => BodyView::None,
            Self::Memory(bytes) => BodyView::Bytes(bytes),
            Self::Disk(spooled) => BodyView::Digest { sha256: &spooled.sha256, len: spooled.len },
        }
    }

    /// As it is sent; each call begins at the start.
    pub(super) fn stream(&self) -> Option<Body> {
        match self {
            Self::None => None,
            Self::Memory(bytes) => Some(net::whole(bytes.clone())),
            Self::Disk(spooled) => Some(spooled.stream()),
        }
    }

    /// Bytes.
    fn len(&self) -> u64 {
        match self {
            Self::None => 0,
            Self::Memory(bytes) => bytes.len() as u64,
            Self::Disk(spooled) => spooled.len,
        }
    }
}

/// The layer.
pub(super) async fn gather(gateway: &Gateway, call: Call) -> Onward<Asked> {
    let Call { mut head, body } = call;
    let Some(body) = body else {
        return Ok(ControlFlow::Continue(Asked { head: Arc::new(head), body: Gathered::None }));
    };
    match read(gateway, body.into_data_stream()).await.map_err(|error| unread(&head, error))? {
        Read::Whole(body) => {
            // Its length is known now, and whoever wanted a `100 Continue` has had one.
            head.chunked = false;
            head.headers.insert(header::CONTENT_LENGTH, body.len().into());
            head.headers.remove(header::EXPECT);
            Ok(ControlFlow::Continue(Asked { head: Arc::new(head), body }))
        }
        Read::Not(why, body) => {
            let through = head.unread(gateway, why);
            forward::pass(gateway, &head, Some(body), through).await.map(ControlFlow::Break)
        }
    }
}

enum Read {
    Whole(Gathered),
    /// It can be no question: why, and the body from its beginning.
    Not(&'static str, Body),
}

type Incoming = BodyDataStream<Body>;

/// An error is the client's: its body did not end as it should. A disk that is full costs the answer's place in the
/// store, not the call.
async fn read(gateway: &Gateway, mut rest: Incoming) -> Result<Read, BoxError> {
    let (mut held, mut held_len, mut len) = (Vec::new(), 0, 0_u64);
    let mut spool: Option<Spool> = None;
    while let Some(piece) = rest.try_next().await? {
        held_len += piece.len();
        len += piece.len() as u64;
        held.push(piece);
        if len > gateway.max_question {
            return Ok(Read::Not(forward::TOO_LARGE, chain(spool, held, rest)));
        }
        if held_len > IN_MEMORY {
            if let Err(error) = spill(&mut spool, gateway, &held).await {
                return Ok(unspooled(&error, spool, held, rest));
            }
            held.clear();
            held_len = 0;
        }
    }
    let Some(mut begun) = spool else { return Ok(Read::Whole(joined(held))) };
    match begun.write(&held).await {
        Ok(()) => Ok(Read::Whole(back(begun.finish()).await?)),
        Err(error) => Ok(unspooled(&error, Some(begun), held, rest)),
    }
}

async fn spill(spool: &mut Option<Spool>, gateway: &Gateway, held: &[Bytes]) -> io::Result<()> {
    let begun = match spool {
        Some(begun) => begun,
        None => spool.insert(Spool::new(&gateway.spool).await?),
    };
    begun.write(held).await
}

fn unspooled(error: &io::Error, spool: Option<Spool>, held: Vec<Bytes>, rest: Incoming) -> Read {
    // Once: a disk that is full stays full for every request that comes.
    static SAID: Once = Once::new();
    SAID.call_once(|| {
        tracing::warn!(%error, "a large body could not be spooled: such calls go on uncached");
    });
    Read::Not("the body could not be spooled", chain(spool, held, rest))
}

fn joined(mut pieces: Vec<Bytes>) -> Gathered {
    match pieces.len() {
        0 => Gathered::None,
        1 => Gathered::Memory(pieces.swap_remove(0)),
        _ => Gathered::Memory(pieces.concat().into()),
    }
}

/// What can still be canonicalised is read back.
async fn back(spooled: Spooled) -> Result<Gathered, BoxError> {
    Ok(match spooled.len <= MAX_JSON as u64 {
        true => Gathered::Memory(spooled.read().await?),
        false => Gathered::Disk(spooled),
    })
}

/// What was spooled, what is held, and the rest as it comes.
fn chain(spool: Option<Spool>, held: Vec<Bytes>, rest: Incoming) -> Body {
    let spooled = spool.map(|spool| spool.finish().stream().into_data_stream());
    let held = stream::iter(held.into_iter().map(Ok));
    let pieces = stream::iter(spooled).flatten().chain(held).chain(rest).map_ok(Frame::data);
    StreamBody::new(pieces).boxed_unsync()
}

fn unread(head: &Head, error: BoxError) -> Failure {
    tracing::debug!(service = head.service.name, %error, "a request's body could not be read");
    let what = format!("the request's body could not be read: {error}");
    Failure::new(StatusCode::BAD_REQUEST, "larder_body", what, "the body has to end as its framing says")
}
