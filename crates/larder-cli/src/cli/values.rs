//! How times and tables are shown to people.

use larder_core::Timestamp;
use std::time::Duration;

/// A length of time in its largest unit that loses nothing, or little: `850 ms`, `42 s`, `7 min`, `1 h`, `12 d`. To the
/// nearest: what was to be fresh for an hour a moment ago is so for `1 h`.
pub(crate) fn length(duration: Duration) -> String {
    let milliseconds = duration.as_millis();
    if (1..1_000).contains(&milliseconds) {
        return format!("{milliseconds} ms");
    }
    let seconds = nearest(milliseconds, 1_000);
    let minutes = nearest(seconds, 60);
    let (hours, days) = (nearest(seconds, 3_600), nearest(seconds, 86_400));
    match () {
        () if seconds < 120 && seconds != 60 => format!("{seconds} s"),
        () if minutes < 120 && minutes != 60 => format!("{minutes} min"),
        () if hours < 48 && hours != 24 => format!("{hours} h"),
        () => format!("{days} d"),
    }
}

fn nearest(length: u128, unit: u128) -> u128 {
    (length + unit / 2) / unit
}

/// RFC 3339 in UTC, to the second: `2026-11-23T17:05:00Z`.
pub(crate) fn rfc3339(time: Timestamp) -> String {
    let seconds = time.0.div_euclid(1000);
    let (year, month, day) = civil(seconds.div_euclid(86_400));
    let second = seconds.rem_euclid(86_400);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Days since 1970-01-01 to a date of the proleptic Gregorian calendar. Counted from a 1 March, so that the day that
/// leap years add is the last of its year; an era is 400 years.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let in_era = days.rem_euclid(146_097);
    let year = (in_era - in_era / 1_460 + in_era / 36_524 - in_era / 146_096) / 365;
    let in_year = in_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * in_year + 2) / 153;
    let day = in_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

/// Rows as columns, two spaces between them, nothing after the last; `right` are columns that are set to the right.
pub(crate) fn table(rows: &[Vec<String>], right: &[usize]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| {
            if right.contains(&column) { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// `1 entry`, `2 entries`.
pub(crate) fn entries(number: u64) -> String {
    if number == 1 { "1 entry".to_owned() } else { format!("{number} entries") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_the_calendar_has_them() {
        let table = [
            (0, "1970-01-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
            (951_782_400_000, "2000-02-29T00:00:00Z"),
            (1_709_251_199_999, "2024-02-29T23:59:59Z"),
            (1_795_453_500_000, "2026-11-23T17:05:00Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00Z"),
        ];
        for (milliseconds, text) in table {
            assert_eq!(rfc3339(Timestamp(milliseconds)), text);
        }
    }

    #[test]
    fn lengths_use_their_largest_unit() {
        let table = [
            (0, "0 s"),
            (3_600_000, "1 h"),
            (3_599_000, "1 h"),
            (3_599_999, "1 h"),
            (3_569_000, "59 min"),
            (5_400_000, "90 min"),
            (59_700, "1 min"),
            (61_000, "61 s"),
            (86_399_000, "1 d"),
            (90_000_000, "25 h"),
            (172_799_999, "2 d"),
            (850, "850 ms"),
            (42_000, "42 s"),
            (420_000, "7 min"),
            (10_800_000, "3 h"),
        ];
        for (milliseconds, text) in table {
            assert_eq!(length(Duration::from_millis(milliseconds)), text);
        }
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let row = |cells: &[&str]| cells.iter().map(ToString::to_string).collect::<Vec<_>>();
        let rows = [row(&["a", "1", "x"]), row(&["bbb", "22", ""])];
        assert_eq!(table(&rows, &[1]), "a     1  x\nbbb  22");
    }
}
