//! The installation's secret: 32 random bytes, readable by this user alone, the same for every process.

use crate::error::CliError;
use larder_core::secret::Secret;
use std::{
    fs,
    io::{self, ErrorKind, Read as _, Write as _},
    path::Path,
};

/// Its file in the configuration folder.
const FILE: &str = "secret";
/// Its length in bytes.
const LEN: usize = 32;

/// The secret, and whether it outlives this process (`false`: there is no configuration folder to keep it in, or none
/// that can be written, and nothing that is stored under a credential is found again).
/// Errors: the file is there and unusable (wrong mode, wrong length), or others may put another in its place.
pub(crate) fn installation_secret(folder: Option<&Path>) -> Result<(Secret, bool), CliError> {
    let passing = || Ok((Secret::new(random()?), false));
    let Some(folder) = folder else { return passing() };
    check_folder(folder)?;
    let path = folder.join(FILE);
    if let Some(secret) = read(&path)? {
        return Ok((secret, true));
    }
    match create(folder, &path) {
        Ok(()) => Ok((read(&path)?.ok_or_else(|| unusable(&path, "it vanished while it was made"))?, true)),
        Err(_) => passing(),
    }
}

fn unusable(path: &Path, why: &str) -> CliError {
    CliError::failed(format!("the installation's secret `{}` cannot be used: {why}", path.display()))
}

fn random() -> Result<Vec<u8>, CliError> {
    let mut bytes = vec![0; LEN];
    getrandom::fill(&mut bytes).map_err(|error| CliError::failed(format!("no randomness: {error}")))?;
    Ok(bytes)
}

fn read(path: &Path) -> Result<Option<Secret>, CliError> {
    let file = match open(path) {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
        Err(error) => return Err(unusable(path, &error.to_string())),
    };
    if !file.metadata().is_ok_and(|meta| meta.is_file()) {
        return Err(unusable(path, "it is no regular file").hint("move it aside: a new one is made"));
    }
    check_mode(&file, path)?;
    let mut bytes = Vec::with_capacity(LEN + 1);
    file.take(LEN as u64 + 1).read_to_end(&mut bytes).map_err(|error| unusable(path, &error.to_string()))?;
    // What a power failure leaves of a file that was being made is as long, and everybody's.
    let why = match bytes.len() == LEN {
        true if bytes.iter().all(|byte| *byte == 0) => "it is empty: nothing but zeros".to_owned(),
        true => return Ok(Some(Secret::new(bytes))),
        false => format!("it must be {LEN} bytes long"),
    };
    let hint = "move it aside: a new one is made, and answers that are stored under credentials are not found again";
    Err(unusable(path, &why).hint(hint))
}

/// Whatever lies there, nobody waits for it: a FIFO would be opened when somebody writes.
fn open(path: &Path) -> io::Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NONBLOCK);
    options.open(path)
}

#[cfg(unix)]
fn check_mode(file: &fs::File, path: &Path) -> Result<(), CliError> {
    use std::os::unix::fs::MetadataExt as _;
    let meta = file.metadata().map_err(|error| unusable(path, &error.to_string()))?;
    let mode = meta.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(unusable(path, &format!("others may read it (mode {mode:04o})"))
            .hint(format!("chmod 600 '{}'", path.display())));
    }
    if meta.uid() != rustix::process::geteuid().as_raw() {
        return Err(unusable(path, "it belongs to another user"));
    }
    Ok(())
}

/// Whoever may write the folder may put a secret there that he knows. One that is not there yet is made for this user alone.
#[cfg(unix)]
fn check_folder(folder: &Path) -> Result<(), CliError> {
    use std::os::unix::fs::MetadataExt as _;
    let Ok(meta) = fs::metadata(folder) else { return Ok(()) };
    let refuse = |why: String| {
        CliError::failed(format!(
            "the folder of the installation's secret `{}` cannot be used: {why}",
            folder.display()
        ))
    };
    if meta.uid() != 0 && meta.uid() != rustix::process::geteuid().as_raw() {
        return Err(refuse("it belongs to another user".to_owned()));
    }
    match meta.mode() & 0o777 {
        mode if mode & 0o022 != 0 => {
            Err(refuse(format!("others may write it (mode {mode:04o})"))
                .hint(format!("chmod go-w '{}'", folder.display())))
        }
        _ => Ok(()),
    }
}

#[cfg(not(unix))]
fn check_folder(_: &Path) -> Result<(), CliError> {
    Ok(())
}

#[cfg(not(unix))]
fn check_mode(_: &fs::File, _: &Path) -> Result<(), CliError> {
    Ok(())
}

/// Writes a whole file and then gives it its name without replacing one: of two processes at once the first wins, and
/// both read what it wrote.
fn create(folder: &Path, path: &Path) -> io::Result<()> {
    make_folder(folder)?;
    let bytes = random().map_err(|error| io::Error::other(error.what))?;
    let mut file = tempfile::Builder::new().prefix(".secret-").tempfile_in(folder)?;
    file.write_all(&bytes)?;
    file.as_file().sync_all()?;
    match file.persist_noclobber(path) {
        Ok(_) => Ok(()),
        Err(error) if error.error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error.error),
    }
}

fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn home() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    #[test]
    fn a_fifo_is_refused_and_not_waited_for() {
        let home = home();
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, home.path().join(FILE), rustix::fs::FileType::Fifo, mode, 0).unwrap();
        let error = installation_secret(Some(home.path())).unwrap_err();
        assert!(error.what.contains("no regular file"), "{}", error.what);
    }

    #[test]
    fn a_folder_that_others_may_write_is_refused() {
        let home = home();
        installation_secret(Some(home.path())).unwrap();
        for mode in [0o777, 0o770, 0o702, 0o1777] {
            fs::set_permissions(home.path(), fs::Permissions::from_mode(mode)).unwrap();
            let error = installation_secret(Some(home.path())).map(|_| ()).unwrap_err();
            assert!(
                error.what.ends_with(&format!("others may write it (mode {:04o})", mode & 0o777)),
                "{}",
                error.what
            );
            assert!(error.hints[0].starts_with("chmod go-w "));
        }
        for mode in [0o755, 0o700] {
            fs::set_permissions(home.path(), fs::Permissions::from_mode(mode)).unwrap();
            assert!(installation_secret(Some(home.path())).unwrap().1);
        }
    }

    #[test]
    fn it_is_made_once_with_the_right_modes() {
        let home = home();
        let folder = home.path().join("larder");
        let (first, lasting) = installation_secret(Some(&folder)).unwrap();
        let (second, _) = installation_secret(Some(&folder)).unwrap();
        assert!(lasting);
        assert_eq!(first.expose(), second.expose());
        assert_eq!(first.expose().len(), LEN);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&folder), mode(&folder.join(FILE))), (0o700, 0o600));
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "no temporary file stays behind");
    }

    #[test]
    fn many_at_once_agree() {
        let home = home();
        let folder = home.path().join("larder");
        let secrets: Vec<Vec<u8>> = std::thread::scope(|scope| {
            let read = || installation_secret(Some(&folder)).unwrap().0.expose().to_vec();
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(read)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(secrets.iter().all(|secret| *secret == secrets[0]));
    }

    #[test]
    fn others_may_not_read_it_and_its_length_is_checked() {
        let home = home();
        let path = home.path().join(FILE);
        let refusal = |bytes: &[u8], mode| {
            fs::write(&path, bytes).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            installation_secret(Some(home.path())).map(|_| ()).unwrap_err().what
        };
        assert!(refusal(&[1; LEN], 0o644).ends_with("others may read it (mode 0644)"));
        assert!(refusal(&[1; LEN - 1], 0o600).ends_with("it must be 32 bytes long"));
        assert!(refusal(&[1; LEN + 1], 0o600).ends_with("it must be 32 bytes long"));
        assert!(refusal(&[0; LEN], 0o600).ends_with("nothing but zeros"));
    }

    #[test]
    fn in_a_folder_that_cannot_be_made_it_lives_as_long_as_the_process() {
        let home = home();
        let file = home.path().join("file");
        fs::write(&file, "in the way").unwrap();
        for folder in [file.join("larder"), "/proc/larder".into()] {
            assert!(!installation_secret(Some(&folder)).unwrap().1);
        }
    }

    #[test]
    fn without_a_folder_it_lives_as_long_as_the_process() {
        let (one, lasting) = installation_secret(None).unwrap();
        let (two, _) = installation_secret(None).unwrap();
        assert!(!lasting);
        assert_ne!(one.expose(), two.expose());
    }
}
