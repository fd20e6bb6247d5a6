//! Points in time, the RFC 3339 text for them, and the seam for clocks. Asks no clock itself.

use std::fmt;
use std::time::Duration;

/// A wall-clock time in whole seconds since 1970-01-01T00:00:00Z, at most the end of year 9999.
///
/// Fractions are cut off on the way in, so that an expiry is never later than what was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// 9999-12-31T23:59:59Z: RFC 3339 has four digits for the year.
    pub const MAX: Self = Self(253_402_300_799);

    /// The time so many seconds after 1970; `None` beyond [`Timestamp::MAX`].
    #[must_use]
    pub fn from_unix_seconds(seconds: u64) -> Option<Self> {
        (seconds <= Self::MAX.0).then_some(Self(seconds))
    }

    /// Seconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn unix_seconds(self) -> u64 {
        self.0
    }

    /// This time plus the whole seconds of `length`, at most [`Timestamp::MAX`].
    #[must_use]
    pub fn plus(self, length: Duration) -> Self {
        Self(self.0.saturating_add(length.as_secs()).min(Self::MAX.0))
    }

    /// This time minus the whole seconds of `length`, at least 1970.
    #[must_use]
    pub fn minus(self, length: Duration) -> Self {
        Self(self.0.saturating_sub(length.as_secs()))
    }

    /// How long it is from this time to `later`; zero if that is not later.
    #[must_use]
    pub fn until(self, later: Self) -> Duration {
        Duration::from_secs(later.0.saturating_sub(self.0))
    }

    /// Reads an RFC 3339 date and time (section 5.6), such as `2026-11-22T01:02:03.123Z` or `...+01:00`.
    ///
    /// # Errors
    /// [`TimeError`] if the text is not of that form, the date does not exist, or it lies outside 1970 to 9999.
    /// A leap second (`:60`) is refused: no service that we read sends one, and there is no second to give it.
    pub fn parse_rfc3339(text: &str) -> Result<Self, TimeError> {
        let bytes = text.as_bytes();
        let (fixed, rest) = bytes.split_at_checked(19).ok_or(TimeError::Form)?;
        for (place, separator) in [(4, b'-'), (7, b'-'), (13, b':'), (16, b':')] {
            if fixed.get(place) != Some(&separator) {
                return Err(TimeError::Form);
            }
        }
        if !matches!(fixed.get(10), Some(b'T' | b't')) {
            return Err(TimeError::Form);
        }
        let field = |from: usize, to: usize| digits(fixed.get(from..to));
        let (year, month, day) = (field(0, 4)?, field(5, 7)?, field(8, 10)?);
        let (hour, minute, second) = (field(11, 13)?, field(14, 16)?, field(17, 19)?);
        let last_day = days_in_month(year, month).ok_or(TimeError::NoSuchDate)?;
        if day == 0 || day > last_day || hour > 23 || minute > 59 || second > 59 {
            return Err(TimeError::NoSuchDate);
        }
        let offset = offset_seconds(after_fraction(rest)?)?;
        let local = days_since_1970(year, month, day)
            .ok_or(TimeError::OutOfRange)?
            .checked_mul(86_400)
            .and_then(|days| days.checked_add(i64::from(hour.checked_mul(3600)?)))
            .and_then(|hours| hours.checked_add(i64::from(minute.checked_mul(60)?)))
            .and_then(|minutes| minutes.checked_add(i64::from(second)))
            .and_then(|seconds| seconds.checked_sub(offset))
            .ok_or(TimeError::OutOfRange)?;
        u64::try_from(local).ok().and_then(Self::from_unix_seconds).ok_or(TimeError::OutOfRange)
    }
}

impl Timestamp {
    /// `YYYYMMDDThhmmssZ`, as Signature Version 4 has it in each request.
    pub(crate) fn compact(self) -> String {
        let (days, seconds) = (self.0 / 86_400, self.0 % 86_400);
        let (year, month, day) = civil_from_days(days);
        let year = u64::from(year);
        let date = [year / 100, year % 100, u64::from(month), day];
        let time = [seconds / 3600, seconds % 3600 / 60, seconds % 60];
        let mut text = String::with_capacity(16);
        text.extend(date.into_iter().flat_map(two_digits));
        text.push('T');
        text.extend(time.into_iter().flat_map(two_digits));
        text.push('Z');
        text
    }
}

/// The digits of a number under 100.
fn two_digits(number: u64) -> [char; 2] {
    [number / 10, number % 10].map(|digit| char::from(u8::try_from(digit).unwrap_or(0).saturating_add(b'0')))
}

/// `YYYY-MM-DDThh:mm:ssZ`: the one form that every AWS SDK reads.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, seconds) = (self.0 / 86_400, self.0 % 86_400);
        let (year, month, day) = civil_from_days(days);
        let (hour, minute, second) = (seconds / 3600, seconds % 3600 / 60, seconds % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

/// Why a text is not a time that we can use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TimeError {
    /// Not of the form of a date and time.
    Form,
    /// Of that form, but there is no such day or hour.
    NoSuchDate,
    /// Before 1970 or after 9999.
    OutOfRange,
}

impl fmt::Display for TimeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Form => "not of the form of a date and time",
            Self::NoSuchDate => "no such date or time of day",
            Self::OutOfRange => "outside the years 1970 to 9999",
        })
    }
}

impl std::error::Error for TimeError {}

/// One look at both clocks: what the wall says, and how much time has really passed.
///
/// Expiry is judged by the wall clock and delays by the monotonic one; where a wrong wall clock could stretch a
/// credential's life, both have to agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Wall-clock time.
    pub wall: Timestamp,
    /// Time since an arbitrary start, never set back.
    pub monotonic: Duration,
}

/// Where the time comes from. The only implementation outside tests is [`SystemClock`](crate::sys::clock::SystemClock).
pub trait Clock: Send + Sync {
    /// Both clocks, now.
    fn moment(&self) -> Moment;
}

/// A share between nothing and the whole, in 65,535ths: randomness as an argument, so that tests choose it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fraction(pub u16);

impl Fraction {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// Just under one half.
    pub const MIDDLE: Self = Self(32_767);
    /// The whole.
    pub const ONE: Self = Self(u16::MAX);

    /// This share of `whole`.
    #[must_use]
    pub fn of(self, whole: Duration) -> Duration {
        let parts = u128::from(u16::MAX);
        let share = whole.as_nanos().saturating_mul(u128::from(self.0)).checked_div(parts).unwrap_or(0);
        Duration::from_nanos(u64::try_from(share).unwrap_or(u64::MAX))
    }
}

fn digits(bytes: Option<&[u8]>) -> Result<u32, TimeError> {
    let bytes = bytes.ok_or(TimeError::Form)?;
    bytes.iter().try_fold(0u32, |value, byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit <= 9).ok_or(TimeError::Form)?;
        value.checked_mul(10).and_then(|tens| tens.checked_add(u32::from(digit))).ok_or(TimeError::Form)
    })
}

/// Skips `.digits`, if there are any; at least one digit must follow the dot (RFC 3339 section 5.6, time-secfrac).
fn after_fraction(rest: &[u8]) -> Result<&[u8], TimeError> {
    let Some(fraction) = rest.strip_prefix(b".") else { return Ok(rest) };
    let length = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if length == 0 {
        return Err(TimeError::Form);
    }
    fraction.get(length..).ok_or(TimeError::Form)
}

/// How many seconds the written time is ahead of UTC.
fn offset_seconds(rest: &[u8]) -> Result<i64, TimeError> {
    let (sign, clock) = match rest.split_first() {
        Some((b'Z' | b'z', [])) => return Ok(0),
        Some((b'+', clock)) => (1, clock),
        Some((b'-', clock)) => (-1, clock),
        _ => return Err(TimeError::Form),
    };
    let (hours, minutes) = (digits(clock.get(0..2))?, digits(clock.get(3..))?);
    if clock.len() != 5 || clock.get(2) != Some(&b':') {
        return Err(TimeError::Form);
    }
    if hours > 23 || minutes > 59 {
        return Err(TimeError::NoSuchDate);
    }
    let seconds = i64::from(hours).saturating_mul(3600).saturating_add(i64::from(minutes).saturating_mul(60));
    Ok(seconds.saturating_mul(sign))
}

fn is_leap(year: u32) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_in_month(year: u32, month: u32) -> Option<u32> {
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => Some(31),
        4 | 6 | 9 | 11 => Some(30),
        2 if is_leap(year) => Some(29),
        2 => Some(28),
        _ => None,
    }
}

/// Days from 1970-01-01; `None` before that year.
fn days_since_1970(year: u32, month: u32, day: u32) -> Option<i64> {
    let since = year.checked_sub(1970)?;
    let leap_days = leap_years_before(year).checked_sub(leap_years_before(1970))?;
    let mut days = since.checked_mul(365)?.checked_add(leap_days)?;
    for earlier in 1..month {
        days = days.checked_add(days_in_month(year, earlier)?)?;
    }
    days.checked_add(day)?.checked_sub(1).map(i64::from)
}

/// How many of the years 1 to `year` - 1 have a 29 February.
fn leap_years_before(year: u32) -> u32 {
    let past = year.saturating_sub(1);
    (past / 4).saturating_sub(past / 100).saturating_add(past / 400)
}

/// Year, month and day of the day so many days after 1970-01-01.
fn civil_from_days(mut days: u64) -> (u32, u32, u64) {
    // A year has at most 366 days: the search begins where that leads, a year or two too early.
    let near = u32::try_from(days / 366).ok().and_then(|years| years.checked_add(1970));
    let start = near.and_then(|year| Some((year, u64::try_from(days_since_1970(year, 1, 1)?).ok()?)));
    let (mut year, before) = start.unwrap_or((1970, 0));
    days = days.saturating_sub(before);
    loop {
        let length = if is_leap(year) { 366 } else { 365 };
        if days < length {
            break;
        }
        days = days.saturating_sub(length);
        year = year.saturating_add(1);
    }
    let mut month = 1u32;
    while let Some(length) = days_in_month(year, month).map(u64::from) {
        if days < length {
            break;
        }
        days = days.saturating_sub(length);
        month = month.saturating_add(1);
    }
    (year, month, days.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Result<u64, TimeError> {
        Timestamp::parse_rfc3339(text).map(Timestamp::unix_seconds)
    }

    // Golden values: `date -u -d TEXT +%s` of GNU coreutils.
    #[test]
    fn reads_the_forms_that_services_send() {
        assert_eq!(at("1970-01-01T00:00:00Z"), Ok(0));
        assert_eq!(at("2026-11-22T20:10:59Z"), Ok(1_795_378_259));
        assert_eq!(at("2026-11-22T20:07:35.048091Z"), Ok(1_795_378_055));
        assert_eq!(at("2026-11-22T01:02:03.123456789Z"), Ok(1_795_309_323));
        assert_eq!(at("2024-02-29T12:00:00+01:00"), Ok(1_709_204_400));
        assert_eq!(at("2000-02-29t23:59:59-05:30"), Ok(951_888_599));
        assert_eq!(at("9999-12-31T23:59:59Z"), Ok(253_402_300_799));
    }

    // Golden values: `date -u -d @SECONDS +%Y%m%dT%H%M%SZ` of GNU coreutils.
    #[test]
    fn writes_the_compact_form() {
        for (seconds, text) in [
            (0, "19700101T000000Z"),
            (951_782_399, "20000228T235959Z"),
            (951_782_400, "20000229T000000Z"),
            (978_307_199, "20001231T235959Z"),
            (1_795_378_259, "20261122T201059Z"),
            (4_107_542_399, "21000228T235959Z"),
            (4_107_542_400, "21000301T000000Z"),
            (253_402_300_799, "99991231T235959Z"),
        ] {
            assert_eq!(Timestamp::from_unix_seconds(seconds).unwrap().compact(), text);
        }
    }

    #[test]
    fn every_first_and_last_day_of_a_year_is_read_back_as_written() {
        for year in 1970..=9999 {
            for day in ["01-01T00:00:00Z", "12-31T23:59:59Z"] {
                let text = format!("{year}-{day}");
                let time = Timestamp::parse_rfc3339(&text).unwrap();
                assert_eq!((time.to_string(), time.compact()), (text.clone(), text.replace(['-', ':'], "")));
            }
        }
    }

    #[test]
    fn refuses_what_is_not_a_time() {
        for text in [
            "",
            "2026-11-22",
            "2026-11-22T20:10:59",
            "2026-11-22 20:10:59Z",
            "2026-11-22T20:10:59.Z",
            "2026-11-22T20:10:59Zx",
            "2026-11-22T20:10:59+0100",
            "+026-11-22T20:10:59Z",
            "2026-11-22T20:10:59+01:0",
            "2026-11-22T20:10:59+01:000",
            "２026-11-22T20:10:59Z",
        ] {
            assert_eq!(at(text), Err(TimeError::Form), "{text}");
        }
        for text in [
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-01-00T00:00:00Z",
            "2026-01-32T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:60:00Z",
            "2026-01-01T00:00:60Z",
            "1900-02-29T00:00:00Z",
            "2026-01-01T00:00:00+24:00",
        ] {
            assert_eq!(at(text), Err(TimeError::NoSuchDate), "{text}");
        }
        for text in ["1969-12-31T23:59:59Z", "1970-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01"] {
            assert_eq!(at(text), Err(TimeError::OutOfRange), "{text}");
        }
    }

    #[test]
    fn every_day_prints_and_reads_back() {
        for day in (0..2_932_896u64).step_by(997) {
            let time = Timestamp(day * 86_400 + day % 86_400);
            assert_eq!(Timestamp::parse_rfc3339(&time.to_string()), Ok(time));
        }
        assert_eq!(Timestamp::MAX.to_string(), "9999-12-31T23:59:59Z");
    }

    #[test]
    fn arithmetic_stops_at_the_ends() {
        assert_eq!(Timestamp::MAX.plus(Duration::from_secs(1)), Timestamp::MAX);
        assert_eq!(Timestamp(5).minus(Duration::from_secs(6)), Timestamp(0));
        assert_eq!(Timestamp(9).until(Timestamp(5)), Duration::ZERO);
        assert_eq!(Timestamp::from_unix_seconds(253_402_300_800), None);
    }

    #[test]
    fn a_fraction_spans_nothing_to_the_whole() {
        let whole = Duration::from_secs(100);
        assert_eq!(Fraction::ZERO.of(whole), Duration::ZERO);
        assert_eq!(Fraction::ONE.of(whole), whole);
        assert_eq!(Fraction::MIDDLE.of(whole).as_secs(), 49);
        assert_eq!(Fraction::ONE.of(Duration::MAX), Duration::from_nanos(u64::MAX));
    }
}
