//! Values as people write them: sizes, durations, shares.

use crate::address::shown;
use larder_core::ShareChoice;
use std::time::Duration;

/// Units of a size, the largest first.
const UNITS: &[(&str, u64)] = &[
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("KB", 1_000),
    ("B", 1),
];

/// Bytes: `10GiB`, `500 MB`, `1048576`.
pub(crate) fn parse_size(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is not a size: expected bytes such as `1048576`, `500MB` or `10GiB`");
    let unit = UNITS.iter().find(|(unit, _)| text.ends_with(unit));
    let (digits, factor) = unit.map_or((text, 1), |(unit, factor)| (&text[..text.len() - unit.len()], *factor));
    let number: u64 = digits.trim().parse().map_err(|_| wrong())?;
    number.checked_mul(factor).ok_or_else(wrong)
}

/// A size for people, in binary units, at most one digit after the point.
pub(crate) fn show_size(bytes: u64) -> String {
    let unit = UNITS[..4].iter().find(|(_, factor)| bytes >= *factor);
    let Some((unit, factor)) = unit else { return format!("{bytes} B") };
    let tenths = u128::from(bytes) * 10 / u128::from(*factor);
    if tenths % 10 == 0 || tenths >= 1000 {
        format!("{} {unit}", tenths / 10)
    } else {
        format!("{}.{} {unit}", tenths / 10, tenths % 10)
    }
}

/// A length of time as adapters write it: `30s`, `5m`, `1h`, `7d`.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    larder_core::adapter::duration::parse(text).ok_or_else(|| {
        format!("`{text}` is not a length of time: expected one such as `30s`, `5m`, `1h` or `7d`, at most `3650d`")
    })
}

/// `credential` or `team`.
pub(crate) fn parse_share(text: &str) -> Result<ShareChoice, String> {
    match text {
        "credential" => Ok(ShareChoice::Credential),
        "team" => Ok(ShareChoice::Team),
        _ => Err(format!("`{text}` is not a share: expected `credential` or `team`")),
    }
}

/// A user's name for an origin. It stands in keys where URLs stand, and must not pose as one.
pub(crate) fn parse_origin_name(text: &str) -> Result<String, String> {
    match text.is_empty() || text.contains(['/', ':']) || text.trim() != text {
        true => {
            Err(format!("`{}` cannot name an origin: expected a word such as `prod`, without `/` and `:`", shown(text)))
        }
        false => Ok(text.to_owned()),
    }
}

/// What [`parse_share`] reads.
pub(crate) fn show_share(share: ShareChoice) -> &'static str {
    match share {
        ShareChoice::Credential => "credential",
        ShareChoice::Team => "team",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read() {
        let table = [("0", 0), ("1048576", 1 << 20), ("10GiB", 10 << 30), ("500 MB", 500_000_000), ("7B", 7)];
        for (text, bytes) in table {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for text in ["", "GiB", "1.5GiB", "-1", "10 gib", "99999999999TiB"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_are_shown() {
        let table = [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (10 << 30, "10 GiB"), (200 << 20, "200 MiB")];
        for (bytes, text) in table {
            assert_eq!(show_size(bytes), text);
        }
    }
}
