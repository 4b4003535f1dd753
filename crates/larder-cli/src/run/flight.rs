//! Single flight across processes, without a daemon: a lock file per question.
//!
//! Whoever holds the lock runs the tool; the others wait for the lock. When the leader is done it writes one byte into
//! the file, takes the file's name away, and lets go: everybody who waited finds the byte and does not wait for one
//! another. A leader that dies leaves no byte, and the next one leads. One that is stopped (its terminal, its machine) does
//! not touch the file any more: those who wait notice, and run for themselves.

use larder::tier::disk::FOLDER;
use rustix::fs::OFlags;
use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::{Duration, SystemTime},
};

/// The run was kept: it is in the store.
const KEPT: u8 = b'K';
/// The run was not kept: everybody runs for himself.
const NOT_KEPT: u8 = b'N';

/// How often a leader shows that it goes on.
const BEAT: Duration = Duration::from_secs(1);
/// After so many of them without a sign it is not waited for.
const SILENT: u32 = 5;

/// What this process does.
pub(crate) enum Role {
    /// It runs the tool.
    Lead(Leader),
    /// Another process ran it, and kept the output.
    Served,
    /// Another process ran it, and its output was not kept: run it, alone.
    Released,
    /// Locks do not work here, or whoever leads stands still: run it, alone.
    Alone,
}

/// The process that runs the tool. Dropped without a word (or killed): the next one leads.
pub(crate) struct Leader {
    path: PathBuf,
    held: Arc<Held>,
}

/// The locked file; `None`: it has landed.
type Held = Mutex<Option<File>>;

/// Joins the flight `name` of the store `store`; waits while another process leads.
pub(crate) fn join(store: &Path, name: &str) -> Role {
    entered(store, name, wait_for)
}

/// Leads the flight `name`, unless another process does: then there is nothing to do.
pub(crate) fn lead(store: &Path, name: &str) -> Option<Leader> {
    match entered(store, name, |file| file.try_lock().map(|()| file).map_err(io::Error::from)) {
        Role::Lead(leader) => Some(leader),
        Role::Served | Role::Released | Role::Alone => None,
    }
}

/// Locks a file, or says why not.
type Lock = fn(File) -> io::Result<File>;

fn entered(store: &Path, name: &str, lock: Lock) -> Role {
    match enter(&store.join(FOLDER).join("flights"), name, lock) {
        Ok(role) => role,
        Err(error) => {
            tracing::debug!(%error, "no flight");
            Role::Alone
        }
    }
}

fn enter(folder: &Path, name: &str, lock: Lock) -> io::Result<Role> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let path = folder.join(name);
    loop {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(&path)?;
        if !file.metadata()?.is_file() {
            // A FIFO: reading it would wait for ever.
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let mut file = lock(file)?;
        match outcome(&mut file)? {
            Some(KEPT) => return Ok(Role::Served),
            Some(_) => return Ok(Role::Released),
            None if is_named(&file)? => return Ok(Role::Lead(Leader::new(file, path))),
            // Somebody took the file's name away meanwhile: others meet at another file now.
            None => {}
        }
    }
}

fn wait_for(file: File) -> io::Result<File> {
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => wait_for_beats(file, BEAT),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Waits for the lock as long as its holder shows itself. Beats are told by their change, not by any clock.
fn wait_for_beats(file: File, beat: Duration) -> io::Result<File> {
    let (watched, (tell, told)) = (file.try_clone()?, mpsc::channel());
    // Where nobody waits for it any more, the file is closed, and the lock let go of, as soon as it is there.
    thread::Builder::new().spawn(move || tell.send(file.lock().map(|()| file)))?;
    let (mut last, mut silent) = (None, 0);
    while silent < SILENT {
        match told.recv_timeout(beat) {
            Ok(locked) => return locked,
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {}
        }
        let seen = Some(watched.metadata()?.modified()?);
        silent = if seen == last { silent + 1 } else { 0 };
        last = seen;
    }
    Err(io::Error::new(io::ErrorKind::TimedOut, "whoever leads this flight stands still"))
}

fn outcome(file: &mut File) -> io::Result<Option<u8>> {
    let mut byte = [0];
    file.seek(SeekFrom::Start(0))?;
    Ok((file.read(&mut byte)? == 1).then_some(byte[0]))
}

fn is_named(file: &File) -> io::Result<bool> {
    Ok(file.metadata()?.nlink() > 0)
}

impl Leader {
    fn new(file: File, path: PathBuf) -> Self {
        let held = Arc::new(Mutex::new(Some(file)));
        let beating = Arc::downgrade(&held);
        // Without it the others wait less: no reason not to lead.
        if let Err(error) = thread::Builder::new().spawn(move || beat(&beating)) {
            tracing::debug!(%error, "nobody can show that this flight goes on");
        }
        Self { path, held }
    }

    /// Lets go without a word: the next one leads.
    pub(crate) fn leave(&self) {
        drop(lock(&self.held).take());
    }

    /// Tells everybody who waits how it went, and lets go. The first word counts.
    pub(crate) fn land(&self, kept: bool) {
        let Some(mut file) = lock(&self.held).take() else { return };
        let told = file.write_all(&[if kept { KEPT } else { NOT_KEPT }]);
        // The name goes away while the lock is held: nobody else can have opened a newer file under it.
        let removed = fs::remove_file(&self.path);
        if let Err(error) = told.and(removed) {
            tracing::debug!(%error, "the flight's file could not be cleared away");
        }
    }
}

fn lock(held: &Held) -> MutexGuard<'_, Option<File>> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Shows that the leader goes on, until it has landed.
fn beat(held: &Weak<Held>) {
    loop {
        thread::sleep(BEAT);
        let Some(held) = held.upgrade() else { return };
        match &*lock(&held) {
            Some(file) => drop(file.set_modified(SystemTime::now())),
            None => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    fn lead(store: &Path) -> Leader {
        match join(store, "k") {
            Role::Lead(leader) => leader,
            _ => panic!("nobody else is here"),
        }
    }

    fn name(role: &Role) -> &'static str {
        match role {
            Role::Lead(_) => "lead",
            Role::Served => "served",
            Role::Released => "released",
            Role::Alone => "alone",
        }
    }

    /// Four processes' worth of followers (each has its own open file), and what became of them.
    fn followers(store: &Path, then: impl FnOnce(Leader)) -> Vec<&'static str> {
        let leader = lead(store);
        let (tell, told) = mpsc::channel();
        thread::scope(|scope| {
            for _ in 0..4 {
                let tell = tell.clone();
                scope.spawn(move || {
                    let role = join(store, "k");
                    tell.send(name(&role)).unwrap();
                    if let Role::Lead(leader) = role {
                        leader.land(true);
                    }
                });
            }
            thread::sleep(Duration::from_millis(100));
            assert!(told.try_recv().is_err(), "they wait");
            then(leader);
        });
        drop(tell);
        let mut roles: Vec<_> = told.iter().collect();
        roles.sort_unstable();
        roles
    }

    fn files(store: &Path) -> usize {
        fs::read_dir(store.join("v2/flights")).unwrap().count()
    }

    #[test]
    fn followers_are_served_and_nothing_is_left() {
        let store = store();
        assert_eq!(followers(store.path(), |leader| leader.land(true)), ["served"; 4]);
        assert_eq!(files(store.path()), 0);
    }

    #[test]
    fn a_run_that_is_not_kept_releases_all() {
        let store = store();
        assert_eq!(followers(store.path(), |leader| leader.land(false)), ["released"; 4]);
        assert_eq!(files(store.path()), 0);
    }

    #[test]
    fn a_leader_that_dies_is_followed_by_one() {
        let store = store();
        assert_eq!(followers(store.path(), drop), ["lead", "served", "served", "served"]);
        assert_eq!(files(store.path()), 0);
    }

    #[test]
    fn a_leader_that_stands_still_is_not_waited_for_and_finds_nobody_in_its_way() {
        let store = store();
        let path = store.path().join("file");
        let open = || File::options().create(true).truncate(false).write(true).open(&path).unwrap();
        let held = open();
        held.lock().unwrap();
        let error = wait_for_beats(open(), Duration::from_millis(2)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(held);
        open().lock().unwrap();
    }

    #[test]
    fn one_that_shows_itself_is_waited_for() {
        let store = store();
        let path = store.path().join("file");
        let open = || File::options().create(true).truncate(false).write(true).open(&path).unwrap();
        let held = open();
        held.lock().unwrap();
        let follower = open();
        let follower = thread::spawn(move || wait_for_beats(follower, Duration::from_millis(100)).is_ok());
        for second in 0..10 {
            thread::sleep(Duration::from_millis(100));
            held.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(second)).unwrap();
        }
        assert!(!follower.is_finished());
        drop(held);
        assert!(follower.join().unwrap());
    }

    #[test]
    fn no_folder_no_flight() {
        let store = store();
        fs::write(store.path().join("v2"), "a file").unwrap();
        assert_eq!(name(&join(store.path(), "k")), "alone");
    }
}
