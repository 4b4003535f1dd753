//! Reading the words of an adapter that speak of a command-line tool.

use super::{
    document::{Document, Section, Table, Text, Word, word},
    operation::Operation,
    tool::{Does, Flags, Tool, ToolRule},
};
use crate::judge::Cwd;

/// The words of `[tool]`.
pub(crate) static TOOL: Section = Section {
    title: "[tool]",
    says: "Which command it describes, and what holds for all its command lines.",
    words: &[&[
        word("command", "text", "The command's name, without a folder."),
        word("flags", "list of flags", "Flags without a value that may stand anywhere, even before the sub-command."),
        word("value-flags", "list of flags", "Flags with a value that may stand anywhere."),
        word("pass-flags", "list of flags", "Flags that mean, wherever they stand: run it untouched."),
        word("env", "list of names", "Variables that change what is printed: they enter every key."),
        word("pass-env", "list of names", "Variables that mean, when they are set: run it untouched."),
        word(
            "pass-words",
            "list of words",
            "Words that mean, wherever they stand in an argument: run it untouched. For filters that can look at any variable.",
        ),
        word(
            "credential-env",
            "list of names",
            "Variables that hold credentials: their values choose the share, as digests.",
        ),
        word(
            "files",
            "list of paths",
            "Files that change what is printed: their digests enter every key. A path begins with `/`, `~/` or `$NAME/`.",
        ),
        word("credential-files", "list of paths", "Files that hold credentials: their digests choose the share."),
        word(
            "fail-when",
            "list of texts",
            "The tool failed when its output holds one of these, whatever its exit code says.",
        ),
    ]],
};

/// The tool words of `[[operation]]`. An operation with one of them is a tool's.
pub(crate) static WORDS: &[Word] = &[
    word("words", "text or list of texts", "The sub-command, one text per spelling: `[\"repo list\", \"repo ls\"]`."),
    word(
        "untouched",
        "`true` or `false`",
        "It neither changes anything nor is kept: it runs untouched, and nothing becomes stale.",
    ),
    word(
        "flags",
        "list of flags",
        "Flags without a value, besides those under `[tool]`. What is not listed is unknown.",
    ),
    word("value-flags", "list of flags", "Flags with a value."),
    word(
        "pass-flags",
        "list of flags",
        "Flags that make it interactive or following, or open something: run it untouched.",
    ),
    word("positionals", "number", "The most arguments after the sub-command that are not flags; 0 unless it is said."),
    word(
        "cwd",
        "`path`, `none`, `git-remotes` or `git-head`",
        "What of the working directory it depends on: its path (the default), nothing, the remotes of the git repository around it, or also the branch and its commit.",
    ),
    word(
        "stdin",
        "`true` or `false`",
        "It reads standard input, whose digest then enters the key. Else data on stdin means: run it untouched.",
    ),
    word("keep-exit", "list of numbers", "The exit codes that are kept, `[0]` unless it is said."),
];

/// Words of an operation that is read; they make no sense where it writes or runs untouched.
const OF_READS: [&str; 7] = ["flags", "value-flags", "pass-flags", "positionals", "cwd", "stdin", "keep-exit"];

/// Reads `[tool]`; what is wrong is reported.
pub(crate) fn read_tool(table: &Table<'_>) -> Option<Tool> {
    let command = table.required_text("command");
    if let Some((name, _)) = command.as_ref().filter(|(name, _)| name.is_empty() || name.contains('/')) {
        table.report("command", format!("`command` is `{name}`, expected a command's name"), "leave out the folder");
    }
    Some(Tool {
        command: command?.0,
        flags: read_flags(table),
        env: names(table, "env"),
        pass_env: names(table, "pass-env"),
        pass_words: checked(table, "pass-words", "word of letters, digits and `_`", |text| {
            !text.is_empty() && text.chars().all(|letter| letter.is_alphanumeric() || letter == '_')
        }),
        credential_env: names(table, "credential-env"),
        files: paths(table, "files"),
        credential_files: paths(table, "credential-files"),
        fail_when: filled(table, "fail-when"),
    })
}

/// Reads an operation's tool words; what is wrong is reported.
pub(crate) fn read_rule(table: &Table<'_>) -> Option<ToolRule> {
    let does = read_does(table);
    refuse_http(table);
    if !table.has("words") {
        table.missing("words");
    }
    let mut spellings = Vec::new();
    for (text, span) in table.texts("words") {
        let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        if words.is_empty() || words.iter().any(|word| word.starts_with('-')) {
            let hint = "write the words of the sub-command, such as `repo list`".to_owned();
            table.doc.report(&span, format!("`words` is `{text}`, expected a sub-command"), Some(hint));
        }
        spellings.push(words);
    }
    Some(ToolRule {
        words: spellings,
        does,
        flags: read_flags(table),
        positionals: table.numbers("positionals", 0, u16::MAX).pop().unwrap_or(0),
        cwd: read_cwd(table),
        stdin: table.flag("stdin"),
        keep_exit: table.numbers("keep-exit", 0, 255).into_iter().filter_map(|code| u8::try_from(code).ok()).collect(),
    })
}

fn read_does(table: &Table<'_>) -> Does {
    let does = match (table.flag("write"), table.flag("untouched")) {
        (false, false) => return Does::Read,
        (true, true) => {
            table.report("untouched", "`write` and `untouched` exclude each other", "leave one of them out");
            Does::Write
        }
        (true, false) => Does::Write,
        (false, true) => Does::Pass,
    };
    let ttl = (does == Does::Pass).then_some("ttl");
    for word in OF_READS.into_iter().chain(ttl).filter(|word| table.has(word)) {
        table.report(word, format!("`{word}` speaks of output that is kept, and this operation's is not"), None);
    }
    does
}

/// A tool's output is passed on as it comes, so that nothing stale can take a failure's place; it has no freshness of its
/// own, and is never shared.
fn refuse_http(table: &Table<'_>) {
    for word in ["stale-if-error", "freshness", "share", "finish"].into_iter().filter(|word| table.has(word)) {
        table.report(word, format!("`{word}` speaks of HTTP, and this operation is a tool's"), None);
    }
    if table.value("ttl").is_some_and(|value| value.get_ref().as_array().is_some()) {
        table.report("ttl", "`ttl` of a tool's operation is one length of time", None);
    }
}

fn read_cwd(table: &Table<'_>) -> Cwd {
    let Some((text, _)) = table.text("cwd") else { return Cwd::default() };
    match text.as_str() {
        "path" => Cwd::Path,
        "none" => Cwd::None,
        "git-remotes" => Cwd::GitRemotes,
        "git-head" => Cwd::GitHead,
        _ => {
            let what = format!("`cwd` is `{text}`, expected `path`, `none`, `git-remotes` or `git-head`");
            table.report("cwd", what, None);
            Cwd::default()
        }
    }
}

fn read_flags(table: &Table<'_>) -> Flags {
    let (mut seen, mut kinds) = (Vec::new(), [Vec::new(), Vec::new(), Vec::new()]);
    for (kind, word) in kinds.iter_mut().zip(["flags", "value-flags", "pass-flags"]) {
        for (flag, span) in table.texts(word) {
            if !is_flag(&flag) {
                let hint = "write `--name` or `-n`".to_owned();
                table.doc.report(&span, format!("`{word}` names `{flag}`, expected a flag"), Some(hint));
            } else if seen.contains(&flag) {
                table.doc.report(&span, format!("the flag `{flag}` is named twice"), None);
            }
            seen.push(flag.clone());
            kind.push(flag);
        }
    }
    let [plain, valued, pass] = kinds;
    Flags { plain, valued, pass }
}

/// `--name`, or `-n` with one letter.
fn is_flag(text: &str) -> bool {
    let name = |name: &str| !name.is_empty() && !name.starts_with('-') && !name.contains(['=', ' ']);
    match text.strip_prefix("--") {
        Some(long) => name(long),
        None => text.strip_prefix('-').is_some_and(|short| name(short) && short.chars().count() == 1),
    }
}

fn filled(table: &Table<'_>, word: &str) -> Vec<String> {
    checked(table, word, "text", |text| !text.is_empty())
}

fn names(table: &Table<'_>, word: &str) -> Vec<String> {
    checked(table, word, "variable's name", |text| !text.is_empty() && !text.contains(['=', '$', ' ', '\0']))
}

fn paths(table: &Table<'_>, word: &str) -> Vec<String> {
    let below_variable = |text: &str| text.strip_prefix('$').and_then(|rest| rest.find('/')).is_some_and(|at| at > 0);
    checked(table, word, "path that begins with `/`, `~/` or `$NAME/`", |text| {
        text.starts_with('/') || text.starts_with("~/") || below_variable(text)
    })
}

fn checked(table: &Table<'_>, word: &str, expected: &str, right: impl Fn(&str) -> bool) -> Vec<String> {
    let texts: Vec<Text> = table.texts(word);
    for (text, span) in texts.iter().filter(|(text, _)| !right(text)) {
        table.doc.report(span, format!("`{word}` names `{text}`, expected a {expected}"), None);
    }
    texts.into_iter().map(|(text, _)| text).collect()
}

/// Reports two operations with the same sub-command, and flags that are read differently under `[tool]`: the words before
/// the sub-command would be cut differently from the words of the whole line.
pub(crate) fn check(doc: &Document<'_>, tool: &Tool, tables: &[Table<'_>], operations: &[Option<Operation>]) {
    let mut seen: Vec<(&Vec<String>, &str)> = Vec::new();
    for (table, operation) in tables.iter().zip(operations) {
        let Some((operation, rule)) = operation.as_ref().and_then(|it| Some((it, it.tool.as_ref()?))) else { continue };
        for spelling in &rule.words {
            if let Some((_, other)) = seen.iter().find(|(words, _)| *words == spelling) {
                let what = format!("`{}` is a sub-command of `{other}` too", spelling.join(" "));
                doc.report(&table.span_of("words"), what, None);
            }
            seen.push((spelling, &operation.name));
        }
        check_flags(table, tool, &rule.flags);
    }
}

fn check_flags(table: &Table<'_>, tool: &Tool, flags: &Flags) {
    for (word, named) in [("flags", &flags.plain), ("value-flags", &flags.valued), ("pass-flags", &flags.pass)] {
        for flag in named.iter().filter(|flag| tool.flags.kind(flag).is_some()) {
            table.report(word, format!("the flag `{flag}` is named under `[tool]` too"), None);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::adapter::Adapter;

    const TOP: &str = "format = 1\nname = \"t\"\nsummary = \"T\"\n";

    fn problems(tool: &str, operation: &str) -> Vec<String> {
        let text = format!("{TOP}[tool]\n{tool}\n[[operation]]\nname = \"o\"\n{operation}\n");
        let problems = Adapter::parse(&text, "t.toml").map(|_| Vec::new()).unwrap_or_else(|problems| problems);
        problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_word_of_a_tool_refuses_what_it_does_not_mean() {
        let fine = "ttl = \"1s\"\nwords = \"a\"";
        assert_eq!(problems("command = \"t\"", fine), Vec::<String>::new());
        for (tool, expected) in [
            ("", "t.toml:4: `command` is missing in [tool]\nhint: write `command = …` (text)"),
            (
                "command = \"/bin/t\"",
                "t.toml:5: `command` is `/bin/t`, expected a command's name\nhint: leave out the folder",
            ),
            (
                "command = \"t\"\nflags = [\"all\"]",
                "t.toml:6: `flags` names `all`, expected a flag\nhint: write `--name` or `-n`",
            ),
            (
                "command = \"t\"\nvalue-flags = [\"-all\"]",
                "t.toml:6: `value-flags` names `-all`, expected a flag\nhint: write `--name` or `-n`",
            ),
            ("command = \"t\"\nflags = [\"-a\"]\npass-flags = [\"-a\"]", "t.toml:7: the flag `-a` is named twice"),
            ("command = \"t\"\nenv = [\"$A\"]", "t.toml:6: `env` names `$A`, expected a variable's name"),
            ("command = \"t\"\npass-env = [\"\"]", "t.toml:6: `pass-env` names ``, expected a variable's name"),
            (
                "command = \"t\"\npass-words = [\"$A\"]",
                "t.toml:6: `pass-words` names `$A`, expected a word of letters, digits and `_`",
            ),
            (
                "command = \"t\"\ncredential-env = [\"A=b\"]",
                "t.toml:6: `credential-env` names `A=b`, expected a variable's name",
            ),
            (
                "command = \"t\"\nfiles = [\"x\"]",
                "t.toml:6: `files` names `x`, expected a path that begins with `/`, `~/` or `$NAME/`",
            ),
            (
                "command = \"t\"\ncredential-files = [\"$/x\"]",
                "t.toml:6: `credential-files` names `$/x`, expected a path that begins with `/`, `~/` or `$NAME/`",
            ),
            ("command = \"t\"\nfail-when = [\"\"]", "t.toml:6: `fail-when` names ``, expected a text"),
        ] {
            assert_eq!(problems(tool, fine), [expected], "{tool}");
        }
    }

    #[test]
    fn every_word_of_an_operation_refuses_what_it_does_not_mean() {
        let kept = "speaks of output that is kept, and this operation's is not";
        for (operation, expected) in [
            ("ttl = \"1s\"\nstdin = true".to_owned(), vec!["t.toml:7: `words` is missing in [[operation]]\nhint: write `words = …` (text or list of texts)".to_owned()]),
            ("ttl = \"1s\"\nwords = \"\"".to_owned(), vec!["t.toml:10: `words` is ``, expected a sub-command\nhint: write the words of the sub-command, such as `repo list`".to_owned()]),
            ("ttl = \"1s\"\nwords = \"a -b\"".to_owned(), vec!["t.toml:10: `words` is `a -b`, expected a sub-command\nhint: write the words of the sub-command, such as `repo list`".to_owned()]),
            ("ttl = \"1s\"\nwords = \"a\"\npositionals = -1".to_owned(), vec!["t.toml:11: `positionals` is a number, expected whole numbers from 0 to 65535".to_owned()]),
            ("ttl = \"1s\"\nwords = \"a\"\ncwd = \"git\"".to_owned(), vec!["t.toml:11: `cwd` is `git`, expected `path`, `none`, `git-remotes` or `git-head`".to_owned()]),
            ("ttl = \"1s\"\nwords = \"a\"\nstdin = 1".to_owned(), vec!["t.toml:11: `stdin` is a number, expected `true` or `false`".to_owned()]),
            ("ttl = \"1s\"\nwords = \"a\"\nkeep-exit = [256]".to_owned(), vec!["t.toml:11: `keep-exit` is a number, expected whole numbers from 0 to 255".to_owned()]),
            ("words = \"a\"\nwrite = true\ncwd = \"none\"".to_owned(), vec![format!("t.toml:11: `cwd` {kept}")]),
            ("words = \"a\"\nuntouched = true\nttl = \"1s\"".to_owned(), vec![format!("t.toml:11: `ttl` {kept}")]),
            ("words = \"a\"\nuntouched = true\nwrite = true".to_owned(), vec!["t.toml:10: `write` and `untouched` exclude each other\nhint: leave one of them out".to_owned()]),
            ("ttl = \"1s\"\nwords = \"a\"\nflags = [\"-x\"]".to_owned(), vec!["t.toml:11: the flag `-x` is named under `[tool]` too".to_owned()]),
            ("ttl = \"1s\"\nwords = [\"a b\", \"a  b\"]".to_owned(), vec!["t.toml:10: `a b` is a sub-command of `o` too".to_owned()]),
        ] {
            assert_eq!(problems("command = \"t\"\nflags = [\"-x\"]", &operation), expected, "{operation}");
        }
    }
}
