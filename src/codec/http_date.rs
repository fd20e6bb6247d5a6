//! The date of an HTTP answer, in the one form that servers write: IMF-fixdate (RFC 9110, section 5.6.7).

use crate::time::{TimeError, Timestamp};

/// The days' names, from the day of 1970-01-01 on.
const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];

/// The months' names.
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Reads a date such as `Sun, 06 Nov 1994 08:49:37 GMT`. The two obsolete forms are refused: no server in use writes
/// them, and one of them has two digits for the year.
///
/// # Errors
/// [`TimeError`] if the text is not of that form, there is no such day, its name is another day's, or it lies outside
/// 1970 to 9999.
pub fn parse_http_date(text: &str) -> Result<Timestamp, TimeError> {
    let rest = text.strip_suffix(" GMT").ok_or(TimeError::Form)?;
    let (name, rest) = rest.split_once(", ").ok_or(TimeError::Form)?;
    let parts: Vec<&str> = rest.split(' ').collect();
    let [day, month, year, clock] = parts.as_slice() else { return Err(TimeError::Form) };
    let number = MONTHS.iter().zip(1u32..).find(|(known, _)| *known == month).ok_or(TimeError::Form)?.1;
    let named = DAYS.iter().zip(0u64..).find(|(known, _)| **known == name).ok_or(TimeError::Form)?.1;
    // Lengths make sure that a field is no longer than its place: the rest is that of RFC 3339.
    if (day.len(), year.len(), clock.len()) != (2, 4, 8) {
        return Err(TimeError::Form);
    }
    let time = Timestamp::parse_rfc3339(&format!("{year}-{number:02}-{day}T{clock}Z"))?;
    // Rule: the name is that of the day; a date that contradicts itself is none.
    if time.unix_seconds() / 86_400 % 7 == named { Ok(time) } else { Err(TimeError::NoSuchDate) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Result<u64, TimeError> {
        parse_http_date(text).map(Timestamp::unix_seconds)
    }

    // The first is RFC 9110's own example; values by `date -u -d TEXT +%s` of GNU coreutils.
    #[test]
    fn reads_dates_as_servers_write_them() {
        assert_eq!(at("Sun, 06 Nov 1994 08:49:37 GMT"), Ok(784_111_777));
        assert_eq!(at("Thu, 01 Jan 1970 00:00:00 GMT"), Ok(0));
        assert_eq!(at("Thu, 29 Feb 2024 23:59:59 GMT"), Ok(1_709_251_199));
        assert_eq!(at("Mon, 23 Nov 2026 06:18:02 GMT"), Ok(1_795_414_682));
        assert_eq!(at("Fri, 31 Dec 9999 23:59:59 GMT"), Ok(253_402_300_799));
    }

    #[test]
    fn every_month_and_every_day_has_its_name() {
        // 2026 by `cal`: the first of each month.
        let firsts = ["Thu", "Sun", "Sun", "Wed", "Fri", "Mon", "Wed", "Sat", "Tue", "Thu", "Sun", "Tue"];
        for (month, day) in MONTHS.iter().zip(firsts) {
            for name in DAYS {
                let read = at(&format!("{name}, 01 {month} 2026 00:00:00 GMT"));
                assert_eq!(read.is_ok(), name == day, "{name} {month}");
            }
        }
    }

    #[test]
    fn refuses_the_obsolete_forms_and_what_is_no_date() {
        for text in [
            "",
            // RFC 9110's examples of the two obsolete forms.
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "Sun, 6 Nov 1994 08:49:37 GMT",
            "Sun, 06 nov 1994 08:49:37 GMT",
            "sun, 06 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 UTC",
            "Sun, 06 Nov 1994 08:49:37 +0000",
            "Sun, 06 Nov 1994 08:49:37 GMT ",
            " Sun, 06 Nov 1994 08:49:37 GMT",
            "Sun,  06 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 94 08:49:37 GMT",
            "Sun, 06 Nov 1994 8:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37.5 GMT",
            "Sun, 06 Nov 1994 08-49-37 GMT",
            "Sun, +6 Nov 1994 08:49:37 GMT",
            "1994-11-06T08:49:37Z",
            "784111777",
        ] {
            assert_eq!(at(text), Err(TimeError::Form), "{text}");
        }
        for text in [
            "Mon, 06 Nov 1994 08:49:37 GMT",
            "Sun, 31 Nov 1994 08:49:37 GMT",
            "Sun, 00 Nov 1994 08:49:37 GMT",
            "Sun, 29 Feb 1998 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:00:00 GMT",
            // A leap second has no second of ours.
            "Sun, 06 Nov 1994 08:49:60 GMT",
        ] {
            assert_eq!(at(text), Err(TimeError::NoSuchDate), "{text}");
        }
        assert_eq!(at("Wed, 31 Dec 1969 23:59:59 GMT"), Err(TimeError::OutOfRange));
    }
}
