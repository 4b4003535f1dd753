//! Which program a command's name means, and its identity.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs, io,
    os::unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
    path::{Path, PathBuf},
};

/// Where programs are looked for when there is no `PATH` (POSIX's `confstr(_CS_PATH)`, as most systems answer it).
const STANDARD_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// A program that can be run.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    /// The name that it was called by: its `argv[0]`.
    pub(crate) name: OsString,
    /// Its absolute path.
    pub(crate) path: PathBuf,
}

/// Why a command cannot be run: the shell's exit codes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NotRunnable {
    /// 127: not found; 126: found, cannot be executed.
    pub(crate) code: u8,
    /// What happened, for people.
    pub(crate) what: String,
}

impl NotRunnable {
    fn not_found(name: &OsStr) -> Self {
        Self { code: 127, what: format!("`{}`: command not found", name.display()) }
    }

    fn not_executable(name: &OsStr, why: &str) -> Self {
        Self { code: 126, what: format!("`{}`: {why}", name.display()) }
    }

    /// What the system said when the program was started.
    pub(crate) fn from_start(name: &OsStr, error: &io::Error) -> Self {
        match error.kind() {
            // A script whose interpreter is missing is there and yet not found: shells say 127 too.
            io::ErrorKind::NotFound => Self::not_found(name),
            _ => Self::not_executable(name, &error.to_string()),
        }
    }
}

impl Program {
    /// Looks `name` up as a shell does.
    pub(crate) fn find(name: &OsStr) -> Result<Self, NotRunnable> {
        let found = match name.as_bytes().contains(&b'/') {
            true => here(Path::new(name)),
            false => on_path(name),
        };
        found.map(|path| Self { name: name.to_owned(), path: absolute(path) })
    }

    /// The command's name without its folder; `None` where it is not text.
    pub(crate) fn base_name(&self) -> Option<&str> {
        Path::new(&self.name).file_name()?.to_str()
    }

    /// Path, device, inode, size and times of the last changes: another program, or another version of it, is another question.
    /// `None`: the path is not text, or the file has just gone.
    pub(crate) fn identity(&self) -> Option<String> {
        let meta = fs::metadata(&self.path).ok()?;
        let path = self.path.to_str()?;
        // The change time cannot be set: a program replaced in place with its old time and size is seen.
        Some(format!(
            "{path} device {} inode {} size {} mtime {}.{:09} ctime {}.{:09}",
            meta.dev(),
            meta.ino(),
            meta.size(),
            meta.mtime(),
            meta.mtime_nsec(),
            meta.ctime(),
            meta.ctime_nsec()
        ))
    }
}

fn absolute(path: PathBuf) -> PathBuf {
    std::path::absolute(&path).unwrap_or(path)
}

fn here(path: &Path) -> Result<PathBuf, NotRunnable> {
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Err(NotRunnable::not_executable(path.as_os_str(), "permission denied"))
        }
        Err(_) => Err(NotRunnable::not_found(path.as_os_str())),
        Ok(meta) if meta.is_dir() => Err(NotRunnable::not_executable(path.as_os_str(), "is a folder")),
        Ok(_) if is_executable(path) => Ok(path.to_owned()),
        Ok(_) => Err(NotRunnable::not_executable(path.as_os_str(), "permission denied")),
    }
}

fn on_path(name: &OsStr) -> Result<PathBuf, NotRunnable> {
    let folders = env::var_os("PATH").unwrap_or_else(|| STANDARD_PATH.into());
    let mut refused = None;
    for folder in env::split_paths(&folders) {
        let candidate = if folder.as_os_str().is_empty() { Path::new(".").join(name) } else { folder.join(name) };
        match here(&candidate) {
            Ok(path) => return Ok(path),
            Err(why) if why.code == 126 && !candidate.is_dir() => refused = Some(why),
            Err(_) => {}
        }
    }
    Err(refused.unwrap_or_else(|| NotRunnable::not_found(name)))
}

fn is_executable(path: &Path) -> bool {
    rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn the_shells_exit_codes() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tool");
        fs::write(&file, "#!/bin/sh\n").unwrap();
        let code = |path: &Path| Program::find(path.as_os_str()).map(|_| 0).unwrap_or_else(|why| why.code);
        assert_eq!(code(&folder.path().join("missing")), 127);
        assert_eq!(code(folder.path()), 126);
        assert_eq!(Program::find(OsStr::new("no-such-command-anywhere")).unwrap_err().code, 127);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(code(&file), 0);
    }

    #[test]
    fn a_changed_program_is_another() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tool");
        fs::write(&file, "one").unwrap();
        let program = Program { name: "tool".into(), path: file.clone() };
        let before = program.identity().unwrap();
        assert_eq!(program.identity().unwrap(), before);
        fs::write(&file, "three").unwrap();
        assert_ne!(program.identity().unwrap(), before);
    }
}
