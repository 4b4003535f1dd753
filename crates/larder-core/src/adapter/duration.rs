//! Lengths of time as people write them: `30s`, `5m`, `1h`, `7d`.

use std::time::Duration;

/// What is expected, for error messages.
pub(crate) const HINT: &str = "write a whole number and one of `s`, `m`, `h`, `d`, such as `30s`, `5m`, `1h`, `7d`";

/// Longest length of time: ten years. Longer is a slip of the pen, and would overflow sums.
const LONGEST: u64 = 3650 * 86_400;

/// Reads a length of time. `None`: not one (no unit, a sign, a fraction, blanks, longer than ten years).
#[must_use]
pub fn parse(text: &str) -> Option<Duration> {
    let unit = text.chars().next_back()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return None,
    };
    let digits = text.strip_suffix(unit).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    let total = digits.parse::<u64>().ok()?.checked_mul(seconds)?;
    (total <= LONGEST).then(|| Duration::from_secs(total))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn lengths() {
        let seconds = |text| parse(text).map(|length| length.as_secs());
        for (text, expected) in
            [("30s", 30), ("5m", 300), ("1h", 3600), ("7d", 604_800), ("0s", 0), ("3650d", 315_360_000)]
        {
            assert_eq!(seconds(text), Some(expected), "{text}");
        }
        for text in
            ["", "s", "30", "-1s", "+1s", "1.5h", " 1s", "1 s", "1S", "1w", "3651d", "99999999999999999999s", "1é"]
        {
            assert_eq!(seconds(text), None, "{text}");
        }
    }
}
