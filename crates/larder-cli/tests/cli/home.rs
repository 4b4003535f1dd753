//! A user's home for one test, and the program in it.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

/// A home that is removed at the end.
pub(crate) struct Home {
    folder: tempfile::TempDir,
}

/// What a command did.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: i32,
    pub(crate) out: Vec<u8>,
    pub(crate) err: String,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The program in this home, without anything of the caller's.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_larder"));
        command.env_clear().env("HOME", self.path()).env("PATH", "/usr/bin:/bin").current_dir(self.path());
        command.args(words).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub(crate) fn larder(&self, words: &[&str]) -> Done {
        Done::from(self.command(words).output().unwrap())
    }

    /// With something on standard input.
    pub(crate) fn larder_with(&self, words: &[&str], input: &[u8]) -> Done {
        let mut child = self.command(words).stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // Who refuses the words does not read to the end.
        let _ = stdin.write_all(input);
        drop(stdin);
        Done::from(child.wait_with_output().unwrap())
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// Stores `value` as the status of pod `name`; its key.
    pub(crate) fn put(&self, name: &str, value: &[u8]) -> String {
        let pod = format!("pod_name={name}");
        let words = ["put", "kubernetes", "pod_status", "namespace=default", &pod, "--ttl", "1h"];
        self.larder_with(&words, value).text().trim().to_owned()
    }

    /// `text` as the same in every home, at every time.
    pub(crate) fn steady(&self, text: &str) -> String {
        let text = text.replace(&self.path().display().to_string(), "[HOME]");
        let text = text.replace(&fs::canonicalize(self.path()).unwrap().display().to_string(), "[HOME]");
        text.split('\n').map(steady_line).collect::<Vec<_>>().join("\n")
    }
}

/// Moments of the calendar are left out.
fn steady_line(line: &str) -> String {
    let is_moment =
        |word: &&str| word.len() >= 20 && word.contains("T") && word.ends_with('Z') && word.starts_with("20");
    match line.split([' ', '"', ',']).find(is_moment) {
        Some(moment) => line.replace(moment, "[TIME]"),
        None => line.to_owned(),
    }
}

impl From<Output> for Done {
    fn from(output: Output) -> Self {
        let code = output.status.code().unwrap_or(-1);
        Self { code, out: output.stdout, err: String::from_utf8(output.stderr).unwrap() }
    }
}

impl Done {
    /// stdout of a command that went well.
    pub(crate) fn text(&self) -> String {
        assert_eq!(self.code, 0, "{self:?} {}", self.err);
        String::from_utf8(self.out.clone()).unwrap()
    }

    /// stdout as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.text()).unwrap()
    }

    /// stderr of a command that ended with `code` and said nothing on stdout.
    pub(crate) fn refused(&self, code: i32) -> &str {
        assert_eq!((self.code, self.out.as_slice()), (code, &b""[..]), "{}", self.err);
        &self.err
    }
}
