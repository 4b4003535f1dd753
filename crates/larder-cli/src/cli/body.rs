//! Answers' bytes on their way out of the store and into it.

use crate::{error::CliError, output::written};
use larder::{Body, Entry};
use larder_core::{BodyCid, Head};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use std::{
    fs::File,
    io::{self, Read, Write},
    path::Path,
    sync::Arc,
};

/// What is read into memory before a file is begun.
const IN_MEMORY: usize = 1 << 20;

/// A body as members of a document: text where it is UTF-8, else base64.
#[derive(Serialize)]
pub(crate) struct Text {
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value_base64: Option<String>,
}

/// `body` for a document.
pub(crate) fn text(body: &Body) -> Result<Text, CliError> {
    let mut bytes = Vec::new();
    reader(body)?.read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(match String::from_utf8(bytes) {
        Ok(text) => Text { value: Some(text), value_base64: None },
        Err(error) => Text { value: None, value_base64: Some(data_encoding::BASE64.encode(error.as_bytes())) },
    })
}

/// Writes the answer to stdout; what a tool wrote to stderr goes to stderr.
pub(crate) fn print(entry: &Entry) -> Result<(), CliError> {
    let mut from = reader(&entry.body)?;
    let mut stdout = io::stdout().lock();
    match &entry.record.head {
        Head::Tool { frames, .. } => {
            for frame in frames {
                let part = from.as_mut().take(frame.len);
                if frame.fd == 2 { copy(part, &mut io::stderr().lock())? } else { copy(part, &mut stdout)? }
            }
        }
        Head::Http { .. } | Head::Value { .. } => copy(from, &mut stdout)?,
    }
    written(stdout.flush())
}

/// Reading and writing fail for different reasons: only a closed stdout ends quietly.
fn copy(mut from: impl Read, to: &mut impl Write) -> Result<(), CliError> {
    let mut piece = vec![0; 64 << 10];
    loop {
        match from.read(&mut piece).map_err(unreadable)? {
            0 => return Ok(()),
            length => written(to.write_all(&piece[..length]))?,
        }
    }
}

fn reader(body: &Body) -> Result<Box<dyn Read>, CliError> {
    Ok(match body {
        Body::Bytes(bytes) => Box::new(io::Cursor::new(bytes.clone())),
        Body::File { file, .. } => {
            let mut file = file.try_clone().map_err(unreadable)?;
            io::Seek::rewind(&mut file).map_err(unreadable)?;
            Box::new(file)
        }
    })
}

fn unreadable(error: io::Error) -> CliError {
    CliError::failed(format!("the stored answer cannot be read: {error}"))
}

/// A body that was read to its end, and the temporary file that holds it where it is large.
pub(crate) struct Incoming {
    /// The body.
    pub(crate) body: Body,
    /// Its CID.
    pub(crate) cid: BodyCid,
    /// Bytes.
    pub(crate) len: u64,
    /// Removed when this is dropped, unless the store has taken it over.
    _file: Option<tempfile::TempPath>,
}

/// Reads everything; what does not fit into memory goes to a file in `folder`, which is on the store's disk so that the
/// store can take it over.
pub(crate) fn read(mut from: impl Read, folder: &Path) -> Result<Incoming, CliError> {
    let failed = |error: io::Error| CliError::failed(format!("standard input cannot be read: {error}"));
    let mut first = Vec::new();
    from.by_ref().take(IN_MEMORY as u64 + 1).read_to_end(&mut first).map_err(failed)?;
    if first.len() <= IN_MEMORY {
        let (cid, len) = (BodyCid::of(&first), first.len() as u64);
        return Ok(Incoming { body: Body::Bytes(first.into()), cid, len, _file: None });
    }
    spool(&first, from, folder)
        .map_err(|error| CliError::failed(format!("`{}` cannot be written: {error}", folder.display())))
}

fn spool(first: &[u8], mut from: impl Read, folder: &Path) -> io::Result<Incoming> {
    let file = tempfile::Builder::new().prefix(".put-").tempfile_in(folder)?;
    let mut to = Hashing { file: file.as_file(), hash: Sha256::new(), len: 0 };
    to.write_all(first)?;
    io::copy(&mut from, &mut to)?;
    let (hash, len) = (to.hash, to.len);
    let (handle, path) = file.into_parts();
    let cid = BodyCid::from_digest(hash.finalize().into());
    let body = Body::File { file: Arc::new(handle), path: path.to_path_buf(), len, cid };
    Ok(Incoming { body, cid, len, _file: Some(path) })
}

/// A file that is hashed while it is written.
struct Hashing<'a> {
    file: &'a File,
    hash: Sha256,
    len: u64,
}

impl Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.len += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
