//! Single flight across processes, without a daemon: a lock file per question (DESIGN §6.4).
//!
//! Whoever holds the lock runs the tool; the others wait for the lock. When the leader is done it writes one byte into
//! the file, takes the file's name away, and lets go: everybody who waited finds the byte and does not wait for one
//! another. A leader that dies leaves no byte, and the next one leads.

use rustix::fs::OFlags;
use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

/// The run was kept: it is in the store.
const KEPT: u8 = b'K';
/// The run was not kept: everybody runs for himself.
const NOT_KEPT: u8 = b'N';

/// What this process does.
pub(crate) enum Role {
    /// It runs the tool.
    Lead(Leader),
    /// Another process ran it, and kept the output.
    Served,
    /// Another process ran it, and its output was not kept: run it, alone.
    Released,
    /// Locks do not work here: run it, alone.
    Alone,
}

/// The process that runs the tool. Dropped without a word (or killed): the next one leads.
pub(crate) struct Leader {
    file: File,
    path: PathBuf,
}

/// Joins the flight `name` of the store `store`; waits while another process leads.
pub(crate) fn join(store: &Path, name: &str) -> Role {
    entered(store, name, wait_for)
}

/// Leads the flight `name`, unless another process does: then there is nothing to do.
pub(crate) fn lead(store: &Path, name: &str) -> Option<Leader> {
    match entered(store, name, |file| file.try_lock().map_err(io::Error::from)) {
        Role::Lead(leader) => Some(leader),
        Role::Served | Role::Released | Role::Alone => None,
    }
}

fn entered(store: &Path, name: &str, lock: fn(&File) -> io::Result<()>) -> Role {
    match enter(&store.join("v1").join("flights"), name, lock) {
        Ok(role) => role,
        Err(error) => {
            tracing::debug!(%error, "no flight");
            Role::Alone
        }
    }
}

fn enter(folder: &Path, name: &str, lock: fn(&File) -> io::Result<()>) -> io::Result<Role> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let path = folder.join(name);
    loop {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut file = options.custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(&path)?;
        if !file.metadata()?.is_file() {
            // A FIFO: reading it would wait for ever.
            return Err(io::ErrorKind::InvalidInput.into());
        }
        lock(&file)?;
        match outcome(&mut file)? {
            Some(KEPT) => return Ok(Role::Served),
            Some(_) => return Ok(Role::Released),
            None if is_named(&file)? => return Ok(Role::Lead(Leader { file, path })),
            // Somebody took the file's name away meanwhile: others meet at another file now.
            None => {}
        }
    }
}

fn wait_for(file: &File) -> io::Result<()> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => file.lock(),
        Err(TryLockError::Error(error)) => Err(error),
    }
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
    /// Tells everybody who waits how it went, and lets go.
    pub(crate) fn land(mut self, kept: bool) {
        let byte = if kept { KEPT } else { NOT_KEPT };
        let told = self.file.write_all(&[byte]);
        // The name goes away while the lock is held: nobody else can have opened a newer file under it.
        let removed = fs::remove_file(&self.path);
        if let Err(error) = told.and(removed) {
            tracing::debug!(%error, "the flight's file could not be cleared away");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{sync::mpsc, thread, time::Duration};

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
        fs::read_dir(store.join("v1/flights")).unwrap().count()
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
    fn no_folder_no_flight() {
        let store = store();
        fs::write(store.path().join("v1"), "a file").unwrap();
        assert_eq!(name(&join(store.path(), "k")), "alone");
    }
}
