//! Standard input: is there anything, and what is its digest?

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{FileType, fstat, tell},
    stdio,
};
use sha2::{Digest as _, Sha256};
use std::{
    fmt::Write as _,
    fs::File,
    io::{self, Read, Seek as _, Write as _},
    os::fd::OwnedFd,
};
use tempfile::{SpooledData, SpooledTempFile, spooled_tempfile};

/// What is kept in memory; more goes to a temporary file.
const IN_MEMORY: usize = 1 << 20;

/// What a tool is given as its standard input.
pub(crate) enum Input {
    /// Ours, unread: a terminal, a device, or nothing that the rule reads.
    Inherited,
    /// Ours, read to its end.
    Read {
        /// Hex sha2-256.
        digest: String,
        /// The bytes.
        spool: SpooledTempFile,
    },
    /// Ours, read beyond the bound: what was read so far. The rest follows on stdin.
    TooLarge(SpooledTempFile),
}

/// What stdin is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A file, a pipe or a socket: it is read to its end.
    Data,
    /// `/dev/null`, or closed: as good as empty data.
    Nothing,
    /// People: nobody waits for what they will type.
    Terminal,
    /// Another device, or a folder: what a tool would read there cannot be told beforehand.
    Other,
}

impl Kind {
    /// This process's.
    pub(crate) fn of_stdin() -> Self {
        let Ok(stat) = fstat(stdio::stdin()) else { return Self::Nothing };
        let null = || rustix::fs::stat("/dev/null").is_ok_and(|null| null.st_rdev == stat.st_rdev);
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile | FileType::Fifo | FileType::Socket => Self::Data,
            FileType::CharacterDevice if null() => Self::Nothing,
            FileType::CharacterDevice if is_terminal() => Self::Terminal,
            _ => Self::Other,
        }
    }
}

/// Whether people may type on stdin.
pub(crate) fn is_terminal() -> bool {
    rustix::termios::isatty(stdio::stdin())
}

/// Whether there is data on stdin now. An open pipe in which nothing is yet counts as empty: agents and supervisors
/// leave such pipes open, and the rule says that the tool does not read them.
pub(crate) fn has_data() -> bool {
    let Ok(stat) = fstat(stdio::stdin()) else { return false };
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => u64::try_from(stat.st_size).unwrap_or(0) > tell(stdio::stdin()).unwrap_or(0),
        FileType::Fifo | FileType::Socket => {
            seen_within(&Timespec { tv_sec: 0, tv_nsec: 0 }).is_some_and(|seen| seen.contains(PollFlags::IN))
        }
        _ => false,
    }
}

/// What there is to see on stdin within that time: data, or an end.
fn seen_within(wait: &Timespec) -> Option<PollFlags> {
    let mut ready = [PollFd::from_borrowed_fd(stdio::stdin(), PollFlags::IN)];
    poll(&mut ready, Some(wait)).ok()?;
    ready.first().map(PollFd::revents).filter(|seen| !seen.is_empty())
}

/// How long people who ask what would become of a command wait for more on stdin.
const PATIENCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 500_000_000 };

/// Reads stdin to its end, at most `limit` bytes. An open pipe is waited for; not `patient`: half a second at a time.
pub(crate) fn read(limit: u64, patient: bool) -> io::Result<Input> {
    let (mut spool, mut hash, mut length) = (spooled_tempfile(IN_MEMORY), Sha256::new(), 0u64);
    let (mut stdin, mut buffer) = (io::stdin().lock(), vec![0; 64 << 10]);
    loop {
        if !patient && seen_within(&PATIENCE).is_none() {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "it is open and has no end (`</dev/null` gives none)"));
        }
        let bytes = match stdin.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => buffer.get(..read).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                wait();
                continue;
            }
            Err(error) => return Err(error),
        };
        spool.write_all(bytes)?;
        hash.update(bytes);
        length += bytes.len() as u64;
        if length > limit {
            return Ok(Input::TooLarge(spool));
        }
    }
    match length {
        0 => Ok(Input::Inherited),
        _ => Ok(Input::Read { digest: hex(&hash.finalize()), spool }),
    }
}

fn wait() {
    let _ = poll(&mut [PollFd::from_borrowed_fd(stdio::stdin(), PollFlags::IN)], None);
}

/// Bytes as lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

impl Input {
    /// The digest, where it was read.
    pub(crate) fn digest(&self) -> Option<String> {
        match self {
            Self::Read { digest, .. } => Some(digest.clone()),
            _ => None,
        }
    }

    /// What the tool is given; `None`: what we were given. Beyond the bound: the beginning is written into a pipe, and
    /// the rest after it.
    pub(crate) fn into_descriptor(self) -> io::Result<Option<OwnedFd>> {
        match self {
            Self::Inherited => Ok(None),
            Self::Read { spool, .. } => file(spool).map(|file| Some(file.into())),
            Self::TooLarge(spool) => {
                let (reader, writer) = io::pipe()?;
                let mut whole = file(spool)?.chain(io::stdin());
                // Ends with the input, or when the tool reads no more.
                std::thread::spawn(move || {
                    let mut writer = writer;
                    let _ = io::copy(&mut whole, &mut writer);
                });
                Ok(Some(reader.into()))
            }
        }
    }
}

/// The spool as a file from its beginning, without a name.
fn file(spool: SpooledTempFile) -> io::Result<File> {
    let mut file = match spool.into_inner() {
        SpooledData::OnDisk(file) => file,
        SpooledData::InMemory(bytes) => {
            let mut file = tempfile::tempfile()?;
            file.write_all(bytes.get_ref())?;
            file
        }
    };
    file.rewind()?;
    Ok(file)
}
