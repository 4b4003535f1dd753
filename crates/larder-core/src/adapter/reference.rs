//! The reference of the format, made from the tables of words by which files are read.

use super::{document::Section, sections};
use std::fmt::Write as _;

/// The whole of docs/reference/adapter-format.md.
#[must_use]
pub fn render() -> String {
    let mut page = include_str!("reference.md").to_owned();
    page.push_str("\n## The words of an adapter file\n");
    sections::ADAPTER.iter().for_each(|section| table(&mut page, section));
    page.push_str("\n## The words of a test file\n");
    sections::TESTS.iter().for_each(|section| table(&mut page, section));
    page.push_str("\n<!-- Made from the sources: `UPDATE=1 cargo test -p larder-core reference` writes it anew. -->\n");
    page
}

fn table(page: &mut String, section: &Section) {
    // Writing to a String cannot fail.
    let _ =
        write!(page, "\n### `{}`\n\n{}\n\n| word | value | meaning |\n|---|---|---|\n", section.title, section.says);
    for word in section.words() {
        let _ = writeln!(page, "| `{}` | {} | {} |", word.name, cell(word.form), cell(word.says));
    }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    #[test]
    fn the_reference_is_up_to_date() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/adapter-format.md");
        let page = super::render();
        if std::env::var_os("UPDATE").is_some() {
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(&file, &page).unwrap();
        }
        let known = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(known == page, "{} is old: run `UPDATE=1 cargo test -p larder-core reference`", file.display());
    }

    #[test]
    fn its_example_is_an_adapter() {
        let example =
            include_str!("reference.md").split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
        let problems = crate::adapter::Adapter::parse(example, "weather.toml").err();
        assert_eq!(problems, None);
    }
}
