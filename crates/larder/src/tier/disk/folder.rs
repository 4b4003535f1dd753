//! Which file lies at the index's path: asked at every use of a connection, since who works with an index that is no longer
//! there keeps, finds and removes nothing that others see.
//!
//! Walking the path is a seventh of what a hit costs. But a folder's times change whenever anything in it is made, renamed or
//! removed (POSIX.1-2024, "File Times Update"), and, on the filesystems that there are, when it is renamed itself: while the store's
//! folder, asked through a handle, has the times that it had, the path is walked once in a few milliseconds, for what was
//! done to the folders above it.

use super::open::Paths;
use crate::tier::tick::tick;
use rustix::fs::{Mode, OFlags, Stat, fstat, stat};
use std::{
    os::fd::OwnedFd,
    path::Path,
    sync::{PoisonError, RwLock},
    time::{SystemTime, UNIX_EPOCH},
};

/// Device and inode, whose types differ between systems. `None`: there is no file.
pub(super) type FileId = Option<(i128, i128)>;

/// When a folder was last changed: seconds and nanoseconds, of its entries and of itself.
type Times = [i128; 4];

/// Two changes that lie further apart than this have different times, milliseconds: the coarsest filesystem counts by two seconds,
/// and one that says parts of a second counts in steps of the system's clock, which are ten milliseconds at most.
const COARSE: i128 = 3000;
/// See [`COARSE`].
const FINE: i128 = 100;

/// How much may have been done to the folders above, milliseconds ago, without being seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Walk {
    /// Something: good for a read.
    Seldom,
    /// Nothing: what is written or removed must be so in the store that others find.
    Always,
}

/// The store's folder.
#[derive(Debug)]
pub(super) struct Folder {
    /// What its times say may be seconds old.
    is_remote: bool,
    handle: RwLock<Option<Handle>>,
}

#[derive(Debug)]
struct Handle {
    folder: OwnedFd,
    /// What lay at the index's path while the folder had these times, which it will not have after a later change.
    known: Option<(Times, FileId)>,
    /// When the path was last walked, in ticks.
    walked: u64,
}

impl Folder {
    pub(super) fn new(is_remote: bool) -> Self {
        Self { is_remote, handle: RwLock::default() }
    }

    /// The file at the index's path.
    pub(super) fn index(&self, paths: &Paths, walk: Walk) -> FileId {
        if self.is_remote || walk == Walk::Always {
            return file_of(&paths.index);
        }
        let now = tick();
        if let Some(handle) = &*self.handle.read().unwrap_or_else(PoisonError::into_inner)
            && handle.walked == now
            && let Some((times, index)) = handle.known
            && handle.times() == Some(times)
        {
            return index;
        }
        self.learn(paths, now)
    }

    fn learn(&self, paths: &Paths, now: u64) -> FileId {
        let mut handle = self.handle.write().unwrap_or_else(PoisonError::into_inner);
        *handle = handle.take().or_else(|| Handle::open(&paths.root));
        let times = handle.as_ref().and_then(Handle::times).filter(is_settled);
        // Now, and not before: what is done to the folder from here on changes its times.
        let index = file_of(&paths.index);
        if let (Some(held), Some(times)) = (&mut *handle, times) {
            (held.known, held.walked) = (Some((times, index)), now);
            if !held.is_at(&paths.root) {
                *handle = None;
            }
        }
        index
    }
}

impl Handle {
    fn open(root: &Path) -> Option<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let folder = rustix::fs::open(root, flags, Mode::empty()).ok()?;
        Some(Self { folder, known: None, walked: 0 })
    }

    fn times(&self) -> Option<Times> {
        let found = fstat(&self.folder).ok()?;
        Some([found.st_mtime.into(), found.st_mtime_nsec.into(), found.st_ctime.into(), found.st_ctime_nsec.into()])
    }

    fn is_at(&self, root: &Path) -> bool {
        fstat(&self.folder).is_ok_and(|found| id(&found) == file_of(root))
    }
}

/// Whether a change from now on leads to other times.
fn is_settled(&[modified, modified_ns, changed, changed_ns]: &Times) -> bool {
    let step = if modified_ns != 0 && changed_ns != 0 { FINE } else { COARSE };
    let last = (modified * 1000 + modified_ns / 1_000_000).max(changed * 1000 + changed_ns / 1_000_000);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_millis());
    i128::try_from(now).is_ok_and(|now| last + step < now)
}

fn id(found: &Stat) -> FileId {
    Some((found.st_dev.into(), found.st_ino.into()))
}

fn file_of(path: &Path) -> FileId {
    stat(path).ok().as_ref().and_then(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, time::Duration};

    /// A store's folder with an index in it.
    fn made(folder: &Path) -> Paths {
        let paths = Paths::of(folder);
        fs::create_dir_all(&paths.root).unwrap();
        fs::write(&paths.index, b"1").unwrap();
        paths
    }

    #[test]
    fn times_settle_when_no_change_can_have_them_any_more() {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let settled = |ago: u64, is_fine: bool| {
            let at = now - Duration::from_millis(ago);
            let ns = if is_fine { i128::from(at.subsec_nanos().max(1)) } else { 0 };
            is_settled(&[0, ns, at.as_secs().into(), ns])
        };
        assert!(settled(5000, false) && !settled(1500, false));
        assert!(settled(500, true) && !settled(20, true));
        assert!(!is_settled(&[0, 1, i128::from(now.as_secs()) + 100, 1]), "from the future");
    }

    fn is_known(folder: &Folder) -> bool {
        folder.handle.read().unwrap().as_ref().is_some_and(|handle| handle.known.is_some())
    }

    #[test]
    fn what_was_just_changed_is_not_known_by_its_times() {
        let temporary = tempfile::TempDir::new().unwrap();
        let (paths, folder) = (made(temporary.path()), Folder::new(false));
        assert_eq!(folder.index(&paths, Walk::Seldom), file_of(&paths.index));
        assert!(folder.index(&paths, Walk::Seldom).is_some() && !is_known(&folder));
    }

    #[test]
    fn every_change_is_seen_at_once() {
        let temporary = tempfile::TempDir::new().unwrap();
        let other = temporary.path().join("other");
        fs::write(&other, b"2").unwrap();
        let changes: [&dyn Fn(&Paths); 4] = [
            &|paths| fs::rename(&other, &paths.index).unwrap(),
            &|paths| fs::rename(&paths.index, temporary.path().join("away")).unwrap(),
            &|paths| fs::remove_file(&paths.index).unwrap(),
            &|paths| {
                fs::rename(&paths.root, temporary.path().join("away.d")).unwrap();
                fs::create_dir(&paths.root).unwrap();
            },
        ];
        let places: Vec<Paths> = (0..changes.len()).map(|n| made(&temporary.path().join(n.to_string()))).collect();
        std::thread::sleep(Duration::from_secs(5));
        for (change, paths) in changes.iter().zip(places) {
            let folder = Folder::new(false);
            assert!(folder.index(&paths, Walk::Seldom).is_some() && is_known(&folder));
            // In the same tick, as likely as not.
            folder.index(&paths, Walk::Seldom);
            change(&paths);
            assert_eq!(folder.index(&paths, Walk::Seldom), file_of(&paths.index));
        }
    }

    #[test]
    fn other_folders_above_are_seen_by_who_writes_at_once_and_soon_by_all() {
        let temporary = tempfile::TempDir::new().unwrap();
        let [here, there, gone] = ["here", "there", "gone"].map(|name| temporary.path().join(name));
        let (paths, _) = (made(&here), made(&there));
        std::thread::sleep(Duration::from_secs(5));
        let folder = Folder::new(false);
        folder.index(&paths, Walk::Seldom);
        assert!(is_known(&folder));
        fs::rename(&here, gone).unwrap();
        fs::rename(there, here).unwrap();
        assert_eq!(folder.index(&paths, Walk::Always), file_of(&paths.index));
        std::thread::sleep(Duration::from_millis(20));
        // Twice, since what is learned meanwhile must not be of the folder that is gone.
        for _ in 0..2 {
            assert_eq!(folder.index(&paths, Walk::Seldom), file_of(&paths.index));
        }
    }

    #[test]
    fn a_remote_folder_is_not_believed() {
        let temporary = tempfile::TempDir::new().unwrap();
        let (paths, folder) = (made(temporary.path()), Folder::new(true));
        std::thread::sleep(Duration::from_secs(5));
        assert!(folder.index(&paths, Walk::Seldom).is_some() && !is_known(&folder));
    }
}
