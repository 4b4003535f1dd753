//! Sockets to listen on: loopback TCP, and unix sockets that replace a stale file and nothing else.

use crate::cli::serve::{ListenAddress, ServeError};
use rustix::{
    fs::{FlockOperation, Mode, flock},
    io::Errno,
    process::umask,
};
use std::{
    fs::{self, File, Metadata},
    io,
    net::TcpListener,
    os::unix::{
        fs::{FileTypeExt as _, MetadataExt as _},
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

/// A bound socket.
#[derive(Debug)]
pub(super) enum Bound {
    /// TCP.
    Tcp(TcpListener),
    /// A unix socket and its file.
    Unix(UnixListener, SocketFile),
}

/// A socket's file: removed when dropped, if it is still ours.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl SocketFile {
    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if fs::symlink_metadata(&self.path).is_ok_and(|found| identity(&found) == self.identity) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Binds `address`. Called before any other thread runs: the umask is the whole process's.
pub(super) fn bind(address: &ListenAddress) -> Result<Bound, ServeError> {
    match address {
        ListenAddress::Tcp(address) => TcpListener::bind(address).map(Bound::Tcp).map_err(|error| {
            let hint = "is another `larder serve` running? `--listen 127.0.0.1:0` takes any free port";
            ServeError::machine(format!("`{address}` cannot be listened on: {error}"), Some(hint.into()))
        }),
        ListenAddress::Unix(path) => unix(path).map_err(|error| {
            let hint = "the folder must be there and yours, the path at most 107 bytes, and nobody else listening";
            ServeError::machine(format!("`{}` cannot be listened on: {error}", path.display()), Some(hint.into()))
        }),
    }
}

fn unix(path: &Path) -> io::Result<Bound> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Two gateways that start at once must not take each other's fresh socket for a stale one.
    let folder = File::open(folder)?;
    lock(&folder)?;
    remove_stale(path)?;
    let before = umask(Mode::from_raw_mode(0o177));
    let listener = UnixListener::bind(path);
    umask(before);
    let identity = identity(&fs::symlink_metadata(path)?);
    Ok(Bound::Unix(listener?, SocketFile { path: path.to_owned(), identity }))
}

/// How long another gateway may take to bind its own socket in this folder.
const PATIENCE: Duration = Duration::from_secs(2);

/// Locks the folder, for which anybody who can read it may hold a lock as long as he likes.
fn lock(folder: &File) -> io::Result<()> {
    let begun = Instant::now();
    loop {
        match flock(folder, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::AGAIN) if begun.elapsed() < PATIENCE => thread::sleep(Duration::from_millis(20)),
            Err(Errno::AGAIN) => {
                let what = "another process has locked its folder (`lslocks` names it; a folder of your own helps)";
                return Err(io::Error::new(io::ErrorKind::TimedOut, what));
            }
            done => return Ok(done?),
        }
    }
}

/// Removes a socket that nobody listens on. Anything else in the way stays.
fn remove_stale(path: &Path) -> io::Result<()> {
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    if !found.file_type().is_socket() {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is something else than a socket"));
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        Err(error) => Err(error),
        Ok(_) => Err(io::Error::new(io::ErrorKind::AddrInUse, "somebody listens there")),
    }
}

fn identity(found: &Metadata) -> (u64, u64) {
    (found.dev(), found.ino())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn at(path: &Path) -> Result<Bound, ServeError> {
        bind(&ListenAddress::Unix(path.to_owned()))
    }

    #[test]
    fn a_socket_is_private_and_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let bound = at(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        drop(bound);
        assert!(!path.exists());
    }

    #[test]
    fn a_stale_socket_is_replaced_a_live_one_and_a_file_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "std leaves the file");
        let live = at(&path).unwrap();
        assert!(at(&path).unwrap_err().what.contains("somebody listens there"));
        drop(live);
        fs::write(&path, "precious").unwrap();
        assert!(at(&path).unwrap_err().what.contains("something else"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    }

    #[test]
    fn a_folder_that_somebody_has_locked_is_not_waited_for_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let held = File::open(folder.path()).unwrap();
        flock(&held, FlockOperation::LockExclusive).unwrap();
        assert!(at(&folder.path().join("s")).unwrap_err().what.contains("has locked its folder"));
        drop(held);
        at(&folder.path().join("s")).unwrap();
    }

    #[test]
    fn another_socket_at_our_path_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let bound = at(&path).unwrap();
        fs::rename(&path, folder.path().join("moved")).unwrap();
        let _other = UnixListener::bind(&path).unwrap();
        drop(bound);
        assert!(path.exists());
    }
}
