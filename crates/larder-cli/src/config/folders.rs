//! The platform's folders for this user.

use std::{ffi::OsString, path::PathBuf};

/// Where larder's own files are; `None` where neither a home nor the platform's variable is set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Folders {
    /// Configuration, the installation's secret, the user's adapters.
    pub(crate) config: Option<PathBuf>,
    /// The store.
    pub(crate) cache: Option<PathBuf>,
}

impl Folders {
    /// Of the user who runs this process.
    pub(crate) fn of_this_user() -> Self {
        Self::from(&|name| std::env::var_os(name))
    }

    /// On Unix an empty or relative variable counts as unset (XDG Base Directory Specification), and no user database
    /// is asked for a home: a static binary would have to load the system's resolver for it.
    #[cfg(unix)]
    fn from(variable: &dyn Fn(&str) -> Option<OsString>) -> Self {
        let absolute = |name| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let home = absolute("HOME");
        let folder = |name, below_home: &str| {
            absolute(name).or_else(|| home.as_ref().map(|home| home.join(below_home))).map(|base| base.join("larder"))
        };
        Self { config: folder("XDG_CONFIG_HOME", ".config"), cache: folder("XDG_CACHE_HOME", ".cache") }
    }

    #[cfg(not(unix))]
    fn from(_: &dyn Fn(&str) -> Option<OsString>) -> Self {
        use etcetera::BaseStrategy as _;
        etcetera::choose_base_strategy().map_or_else(
            |_| Self::default(),
            |base| Self {
                config: Some(base.config_dir().join("larder")),
                cache: Some(base.cache_dir().join("larder")),
            },
        )
    }
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use super::*;

    fn folders(set: &[(&str, &str)]) -> (Option<String>, Option<String>) {
        let variable = |name: &str| set.iter().find(|(set, _)| *set == name).map(|(_, value)| OsString::from(value));
        let found = Folders::from(&variable);
        let text = |path: Option<PathBuf>| path.map(|path| path.display().to_string());
        (text(found.config), text(found.cache))
    }

    #[test]
    fn variables_come_before_the_home_and_relative_ones_do_not_count() {
        let some = |text: &str| Some(text.to_owned());
        let table: &[(&[(&str, &str)], _)] = &[
            (&[("HOME", "/h")], (some("/h/.config/larder"), some("/h/.cache/larder"))),
            (&[("HOME", "/h"), ("XDG_CACHE_HOME", "/c")], (some("/h/.config/larder"), some("/c/larder"))),
            (&[("HOME", "/h"), ("XDG_CONFIG_HOME", "rel")], (some("/h/.config/larder"), some("/h/.cache/larder"))),
            (&[("XDG_CONFIG_HOME", "/x")], (some("/x/larder"), None)),
            (&[("HOME", "")], (None, None)),
            (&[], (None, None)),
        ];
        for (set, expected) in table {
            assert_eq!(folders(set), *expected, "{set:?}");
        }
    }
}
