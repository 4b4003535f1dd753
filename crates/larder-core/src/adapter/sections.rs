//! Every table of the format, in the order of the reference.

use super::{answer_words, condition, document::Section, file, harness, http, operation, tool_words, ttl};

/// The tables of an adapter file.
pub(crate) static ADAPTER: [&Section; 10] = [
    &file::FILE,
    &http::HTTP,
    &tool_words::TOOL,
    &operation::OPERATION,
    &ttl::TTL,
    &condition::CONDITION,
    &answer_words::FINISHED,
    &answer_words::STREAM,
    &answer_words::LAST,
    &answer_words::USAGE,
];

/// The tables of a test file.
pub(crate) static TESTS: [&Section; 3] = [&harness::FILE, &harness::CASE, &harness::CHANGE];

/// The tables that stand in the same kind of file as `section`.
pub(crate) fn family(section: &Section) -> &'static [&'static Section] {
    if TESTS.iter().any(|known| known.title == section.title) { &TESTS } else { &ADAPTER }
}
