//! What a tool that looks at the git repository around it depends on, read from git's files: running git would cost
//! more than a hit. Sources: gitrepository-layout(5), git-config(1).

use larder_core::cid::{BASE32, sha256};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Sections of git's configuration that say which remotes there are.
const REMOTES: [&str; 5] = ["remote", "url", "include", "includeif", "extensions"];
/// Sections that say what the current branch belongs to.
const BRANCHES: [&str; 2] = ["branch", "push"];

/// So deep may included files include others; git itself gives up at this depth.
const NESTED: u8 = 10;

/// A repository's two folders: of this work tree, and the one that all work trees share.
struct Repository {
    own: PathBuf,
    common: PathBuf,
}

/// Remotes, and with `head` the branch and commit, of the repository around `folder`; `git_dir` is `GIT_DIR`.
/// `None`: there is no repository.
pub(crate) fn token(folder: &Path, git_dir: Option<&Path>, head: bool) -> Option<String> {
    let repository = find(folder, git_dir)?;
    let configuration = repository.configuration();
    let wanted = |section: &str| REMOTES.contains(&section) || head && BRANCHES.contains(&section);
    let (mut seen, sections) = chosen_sections(&configuration, &wanted);
    if sections.iter().any(|section| section.starts_with("include")) {
        // Which files are included may depend on where the repository lies.
        seen.push_str(&format!("at {}\n", folder.display()));
    }
    include(&configuration, &repository.common, NESTED, &mut seen);
    let named = named();
    for (text, folder) in of_the_user().iter().chain(&named) {
        include(text, folder, NESTED, &mut seen);
    }
    for (text, _) in &named {
        seen.push_str(&chosen_sections(text, &wanted).0);
    }
    if head {
        seen.push_str(&repository.head());
    }
    Some(format!("git:{}", BASE32.encode(&sha256(seen.as_bytes()))))
}

fn find(folder: &Path, git_dir: Option<&Path>) -> Option<Repository> {
    let own = match git_dir {
        Some(git_dir) => Some(folder.join(git_dir)).filter(|folder| is_repository(folder)),
        None => folder.ancestors().find_map(around),
    }?;
    let common = match std::env::var_os("GIT_COMMON_DIR") {
        Some(common) => folder.join(common),
        None => common(&own),
    };
    Some(Repository { own, common })
}

fn common(own: &Path) -> PathBuf {
    fs::read_to_string(own.join("commondir")).map_or_else(|_| own.to_owned(), |line| own.join(line.trim()))
}

/// The repository of a work tree, or a bare one, in `folder`. git goes on upwards past a `.git` that is none.
fn around(folder: &Path) -> Option<PathBuf> {
    let is_bare = || is_repository(folder) && folder.join("objects").is_dir() && folder.join("refs").is_dir();
    let below = git_folder(&folder.join(".git")).filter(|below| is_repository(below));
    below.or_else(|| is_bare().then(|| folder.to_owned()))
}

fn is_repository(folder: &Path) -> bool {
    folder.join("HEAD").is_file()
}

/// `.git` is a folder, or in a linked work tree or submodule a file that names one.
fn git_folder(path: &Path) -> Option<PathBuf> {
    if path.is_dir() {
        return Some(path.to_owned());
    }
    let text = fs::read_to_string(path).ok()?;
    Some(path.parent()?.join(text.strip_prefix("gitdir:")?.trim()))
}

impl Repository {
    fn configuration(&self) -> String {
        let read = |path: PathBuf| fs::read_to_string(path).unwrap_or_default();
        format!("{}\n{}", read(self.common.join("config")), read(self.own.join("config.worktree")))
    }

    /// `HEAD`, and the commit that it stands for.
    fn head(&self) -> String {
        let head = fs::read_to_string(self.own.join("HEAD")).unwrap_or_default();
        let commit = head.strip_prefix("ref:").map(|name| self.commit(name.trim()));
        format!("HEAD {}\n{}\n{}", head.trim(), commit.unwrap_or_default(), self.tables())
    }

    fn commit(&self, name: &str) -> String {
        let loose = fs::read_to_string(self.own.join(name)).or_else(|_| fs::read_to_string(self.common.join(name)));
        loose.unwrap_or_else(|_| {
            let packed = fs::read_to_string(self.common.join("packed-refs")).unwrap_or_default();
            let line = packed.lines().find(|line| line.split_once(' ').is_some_and(|(_, packed)| packed == name));
            line.unwrap_or_default().to_owned()
        })
    }

    /// Repositories with the reftable format have no readable refs; the list of their tables changes with every ref.
    fn tables(&self) -> String {
        let list = |folder: &Path| fs::read_to_string(folder.join("reftable/tables.list")).unwrap_or_default();
        format!("{}{}", list(&self.common), list(&self.own))
    }
}

/// The user's own configuration files, as text and folder.
fn of_the_user() -> Vec<(String, PathBuf)> {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let xdg = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from);
    let xdg = xdg.or_else(|| home.as_ref().map(|home| home.join(".config"))).map(|folder| folder.join("git"));
    let files = [(home, ".gitconfig"), (xdg, "config")];
    files.into_iter().filter_map(|(folder, name)| read(folder?.join(name))).collect()
}

/// The configuration files that variables name: what is in them counts, too.
fn named() -> Vec<(String, PathBuf)> {
    let variables = ["GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG"];
    variables.into_iter().filter_map(std::env::var_os).filter_map(|file| read(file.into())).collect()
}

/// What a file holds, and the folder in which it lies.
fn read(file: PathBuf) -> Option<(String, PathBuf)> {
    Some((fs::read_to_string(&file).ok()?, file.parent()?.to_owned()))
}

/// Adds to `seen` what the files hold that a configuration includes, and those that they include. Whether a condition
/// (`includeIf`) holds is not asked: a file too many costs a miss at most.
fn include(configuration: &str, folder: &Path, depth: u8, seen: &mut String) {
    let (lines, _) = chosen_sections(configuration, &|section| section.starts_with("include"));
    for path in lines.lines().filter_map(included) {
        let path = match path.strip_prefix("~/") {
            Some(rest) => PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(rest),
            None => folder.join(&path),
        };
        let text = fs::read(&path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
        seen.push_str(&format!("included {} {}\n{text}\n", path.display(), text.len()));
        if depth > 0 {
            include(&text, path.parent().unwrap_or(folder), depth - 1, seen);
        }
    }
}

/// The path that a line of an `include` section names; such a line may follow the section's header.
fn included(line: &str) -> Option<String> {
    let setting = if line.starts_with('[') { line.rsplit_once(']')?.1 } else { line };
    let (name, value) = setting.split_once('=')?;
    let value = value.trim();
    // Outside quotes a comment may follow.
    let path = match value.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next(),
        None => value.split(['#', ';']).next(),
    };
    name.trim().eq_ignore_ascii_case("path").then(|| path.unwrap_or_default().trim().to_owned())
}

/// The lines of the wanted sections, and those sections' names.
fn chosen_sections(configuration: &str, wanted: &dyn Fn(&str) -> bool) -> (String, Vec<String>) {
    let (mut lines, mut names, mut inside) = (String::new(), Vec::new(), false);
    for line in configuration.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', ';'])) {
        if let Some(header) = line.strip_prefix('[') {
            let end = header.find([' ', '\t', ']', '.', '"']).unwrap_or(header.len());
            let name = header.get(..end).unwrap_or_default().to_ascii_lowercase();
            inside = wanted(&name);
            names.extend(inside.then_some(name));
        }
        if inside {
            lines.push_str(line);
            lines.push('\n');
        }
    }
    (lines, names)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = "[core]\n\tbare = false\n[remote \"origin\"]\n\turl = https://host/a/b\n[user]\n\tname = me\n";

    #[test]
    fn what_is_included_counts() {
        let folder = repository();
        write(&folder, "config", "[include]\n\tpath = extra ; mine\n[includeIf \"gitdir:~/x/\"] path = more\n");
        let mut seen = vec![token(folder.path(), None, false)];
        for (name, text) in
            [("extra", "[remote \"o\"]\n"), ("more", "[include]\npath=\"deep\" # too\n"), ("deep", "[remote]\n")]
        {
            write(&folder, name, text);
            seen.push(token(folder.path(), None, false));
        }
        let different: std::collections::BTreeSet<_> = seen.iter().collect();
        assert_eq!(different.len(), 4, "{seen:?}");
    }

    fn repository() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let git = folder.path().join(".git");
        fs::create_dir_all(git.join("refs/heads")).unwrap();
        fs::create_dir(folder.path().join("below")).unwrap();
        write(&folder, "config", CONFIG);
        write(&folder, "HEAD", "ref: refs/heads/main\n");
        write(&folder, "refs/heads/main", "1111\n");
        folder
    }

    fn write(folder: &tempfile::TempDir, name: &str, text: &str) {
        fs::write(folder.path().join(".git").join(name), text).unwrap();
    }

    fn both(folder: &tempfile::TempDir) -> (String, String) {
        let token = |head| token(folder.path(), None, head).unwrap();
        (token(false), token(true))
    }

    #[test]
    fn remotes_and_head_are_told_apart() {
        let folder = repository();
        let before = both(&folder);
        write(&folder, "config", &CONFIG.replace("name = me", "name = you"));
        assert_eq!(both(&folder), before, "the user's name is nobody's business");
        write(&folder, "refs/heads/main", "2222\n");
        let moved = both(&folder);
        assert_eq!(moved.0, before.0);
        assert_ne!(moved.1, before.1, "a commit moves the head");
        write(&folder, "config", &CONFIG.replace("a/b", "a/c"));
        assert_ne!(both(&folder).0, before.0, "another remote");
    }

    #[test]
    fn the_branch_counts_even_on_the_same_commit() {
        let folder = repository();
        let before = both(&folder);
        write(&folder, "refs/heads/other", "1111\n");
        write(&folder, "HEAD", "ref: refs/heads/other\n");
        assert_eq!(both(&folder).0, before.0);
        assert_ne!(both(&folder).1, before.1);
    }

    #[test]
    fn packed_refs_are_read() {
        let folder = repository();
        fs::remove_file(folder.path().join(".git/refs/heads/main")).unwrap();
        write(&folder, "packed-refs", "# pack-refs\n3333 refs/heads/main\n");
        let before = both(&folder).1;
        write(&folder, "packed-refs", "# pack-refs\n4444 refs/heads/main\n");
        assert_ne!(both(&folder).1, before);
    }

    #[test]
    fn sub_folders_and_linked_work_trees_have_the_same_remotes() {
        let folder = repository();
        let own = folder.path().join(".git/worktrees/tree");
        let tree = tempfile::tempdir().unwrap();
        fs::create_dir_all(&own).unwrap();
        fs::write(own.join("commondir"), "../..\n").unwrap();
        fs::write(own.join("HEAD"), "ref: refs/heads/tree\n").unwrap();
        fs::write(tree.path().join(".git"), format!("gitdir: {}\n", own.display())).unwrap();
        let remotes = token(folder.path(), None, false);
        assert!(remotes.is_some());
        assert_eq!(token(&folder.path().join("below"), None, false), remotes);
        assert_eq!(token(tree.path(), None, false), remotes);
        assert_ne!(token(tree.path(), None, true), token(folder.path(), None, true));
        assert_eq!(token(Path::new("/"), Some(&folder.path().join(".git")), false), remotes, "GIT_DIR");
    }

    /// A wrong answer otherwise: the folder's path alone would be in the question.
    #[test]
    fn bare_repositories_and_those_beyond_an_empty_git_folder_are_found() {
        let folder = repository();
        let git = folder.path().join(".git");
        let below = folder.path().join("below");
        fs::create_dir(git.join("objects")).unwrap();
        fs::create_dir(below.join(".git")).unwrap();
        let remotes = token(folder.path(), None, false);
        assert_eq!(token(&below, None, false), remotes);
        let bare = tempfile::tempdir().unwrap();
        fs::rename(git, bare.path().join("bare")).unwrap();
        assert_eq!(token(&bare.path().join("bare"), None, false), remotes);
        assert_eq!(token(&bare.path().join("bare/refs"), None, false), remotes);
        fs::remove_dir(bare.path().join("bare/objects")).unwrap();
        assert_eq!(token(&bare.path().join("bare"), None, false), None);
    }

    #[test]
    fn no_repository() {
        assert_eq!(token(tempfile::tempdir().unwrap().path(), None, true), None);
    }
}
