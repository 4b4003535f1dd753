//! The top of an adapter file.

use super::{
    Adapter, check,
    document::{Document, Section, Table, Text, word},
    http::{HTTP, Http},
    operation::{OPERATION, Operation, Owner},
    tool_words::{self, TOOL},
};
use std::sync::Arc;
use toml::{Spanned, de::DeTable};

/// The words at the top.
pub(crate) static FILE: Section = Section {
    title: "the file's top",
    says: "One file describes one service or one tool.",
    words: &[&[
        word("format", "`1`", "Version of this format."),
        word("name", "text", "The adapter's name: lower-case letters, digits, `_`, `-`."),
        word("summary", "text", "One line for people."),
        word("http", "table", "How a service is reached over HTTP."),
        word("tool", "table", "Which command it describes."),
        word("operation", "list of tables", "The operations."),
    ]],
};

/// Reads a whole file; what is wrong is reported to `doc`.
pub(crate) fn read(doc: &Document<'_>, toml: &Spanned<DeTable<'_>>) -> Option<Adapter> {
    let file = Table::open(doc, &FILE, toml.get_ref(), 0..0);
    read_format(&file);
    let name = file.required_text("name");
    name.iter().for_each(|name| check_name(doc, "name", name));
    let summary = file.required_text("summary");
    let http = file.table("http", &HTTP).map(|table| Http::read(&table));
    let tool = file.table("tool", &TOOL).map(|table| tool_words::read_tool(&table));
    if !file.has("http") && !file.has("tool") {
        file.report(
            "name",
            "neither `[http]` nor `[tool]` is there",
            "say how the service is reached or which command it is",
        );
    }
    let owner =
        Owner { http: http.as_ref().and_then(Option::as_ref), tool: file.has("tool"), has_http: file.has("http") };
    let tables = file.tables("operation", &OPERATION);
    let operations: Vec<_> = tables.iter().map(|table| Operation::read(table, &owner)).collect();
    check::operations(doc, &tables, &operations);
    if let Some(tool) = tool.as_ref().and_then(Option::as_ref) {
        tool_words::check(doc, tool, &tables, &operations);
    }
    let operations = operations.into_iter().collect::<Option<Vec<_>>>()?;
    Some(Adapter {
        name: name?.0,
        summary: summary?.0,
        http: http.flatten(),
        tool: tool.flatten(),
        operations: operations.into_iter().map(Arc::new).collect(),
    })
}

/// Reads `format`, in adapter and test files.
pub(crate) fn read_format(file: &Table<'_>) {
    if !file.has("format") {
        file.missing("format");
    } else if !matches!(file.numbers("format", 1, u16::MAX).as_slice(), [] | [1]) {
        file.report("format", "this version of the format is not known", "write `format = 1`, or take a newer larder");
    }
}

/// Reports a name that is not plain.
pub(crate) fn check_name(doc: &Document<'_>, word: &str, (name, span): &Text) {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_' || byte == b'-';
    if name.is_empty() || !name.bytes().all(plain) || name.starts_with('-') {
        let hint = "write lower-case letters, digits, `_` and `-`".to_owned();
        doc.report(span, format!("`{word}` is `{name}`, expected a plain name"), Some(hint));
    }
}
