//! docs/reference/commands.md, made from the grammar. The test compares; `UPDATE=1 cargo test -p larder-cli reference` writes.

use super::grammar::Cli;
use crate::env;
use clap::{Command, CommandFactory as _};
use std::{fmt::Write as _, path::Path};

const HEAD: &str = "\
# Commands

Made from the grammar of the command line; `UPDATE=1 cargo test -p larder-cli reference` writes it anew.

Data goes to stdout, talk to stderr. `--json` prints one document with a `schema` member on stdout, and errors as documents
(`larder.error/1`) on stderr; `serve` prints it (`larder.serve/1`) once it listens, and `run` has no `--json`, for its output is
the tool's. `NO_COLOR` is obeyed. A stdout that is closed early (`| head`) ends a command quietly.
";

const CONFIGURATION: &str = "\
## The configuration file

`config.toml` in `$XDG_CONFIG_HOME/larder` (`~/.config/larder`), or what `--config` or `LARDER_CONFIG` names. Unknown words are
refused. Flags come before variables, these before the file: `larder config show --origin` says which it was.

```toml
store            = \"/var/cache/larder\"    # relative to this file
listen           = [\"127.0.0.1:7117\", \"unix:/run/user/1000/larder.sock\"]
share            = \"credential\"           # or \"team\": where an adapter allows it
max-size         = \"10GiB\"                # of the store on disk; 0: no limit
max-entries      = 0                      # 0: no limit
memory           = \"256MiB\"               # what the gateway keeps in memory
max-question     = \"256MiB\"               # requests with a larger body stream through uncached
upstream-timeout = \"10m\"                  # how long an upstream may be silent
durable          = false                  # true: survive power loss, not only a killed process
adapters         = \"adapters\"             # the folder of your own adapters

[service.NAME]                            # as often as there are services
upstream = \"https://api.example.com\"      # another origin, or a plain caching proxy for a name without an adapter
name     = \"prod\"                         # what keys call this origin, instead of its URL
share    = \"team\"
```
";

fn reference() -> String {
    let mut text = HEAD.to_owned();
    let mut grammar = Cli::command().term_width(100);
    grammar.build();
    section(&mut text, "larder", &mut grammar, "##");
    let _ = write!(text, "\n{CONFIGURATION}\n## Variables\n\n| variable | says |\n|---|---|\n");
    for variable in env::ALL {
        let _ = writeln!(text, "| `{}` | {} |", variable.name, variable.meaning);
    }
    text
}

fn section(text: &mut String, name: &str, command: &mut Command, mark: &str) {
    let help = match name {
        "larder run" => crate::run::HELP.to_owned(),
        _ => command.render_help().to_string(),
    };
    let help: Vec<&str> = help.trim().lines().map(str::trim_end).collect();
    let _ = write!(text, "\n{mark} {name}\n\n```text\n{}\n```\n", help.join("\n"));
    for inner in command.get_subcommands_mut().filter(|inner| !inner.is_hide_set() && inner.get_name() != "help") {
        let name = format!("{name} {}", inner.get_name());
        section(text, &name, inner, "###");
    }
}

#[test]
fn the_reference_is_what_the_grammar_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/commands.md");
    let expected = reference();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &expected).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == expected, "docs/reference/commands.md is not what the grammar says: UPDATE=1 writes it anew");
}
