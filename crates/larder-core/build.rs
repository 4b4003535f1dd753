//! Embeds every adapter in `adapters/`: no adapter is named in the sources.

use std::{env, fmt::Write as _, fs, io, path::Path};

fn main() -> io::Result<()> {
    let folder = Path::new(&env::var("CARGO_MANIFEST_DIR").unwrap_or_default()).join("adapters");
    println!("cargo::rerun-if-changed=adapters");
    println!("cargo::rerun-if-changed=build.rs");
    let mut names = Vec::new();
    for file in fs::read_dir(&folder)? {
        let file = file?.file_name();
        let stem = file.to_str().and_then(|name| name.strip_suffix(".toml"));
        names.extend(stem.filter(|stem| !stem.contains('.')).map(str::to_owned));
    }
    names.sort();
    let out = Path::new(&env::var("OUT_DIR").unwrap_or_default()).join("builtin.rs");
    fs::write(out, source(&folder, &names))
}

fn source(folder: &Path, names: &[String]) -> String {
    let mut source = String::from("static BUILTIN: &[Builtin] = &[\n");
    for name in names {
        let adapter = embedded(name, "toml");
        let has_tests = folder.join(format!("{name}.test.toml")).exists();
        let tests = if has_tests { embedded(name, "test.toml") } else { "\"\"".to_owned() };
        // Writing to a String cannot fail.
        let _ = writeln!(source, "    Builtin {{ name: {name:?}, adapter: {adapter}, tests: {tests} }},");
    }
    source.push_str("];\n");
    source
}

/// By the folder of whoever compiles: clones may share a target folder, and with it what this wrote.
fn embedded(name: &str, ending: &str) -> String {
    format!("include_str!(concat!(env!(\"CARGO_MANIFEST_DIR\"), \"/adapters/{name}.{ending}\"))")
}
