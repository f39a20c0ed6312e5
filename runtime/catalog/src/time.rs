//! Points in time as a parameter: the pure crates take a [`Timestamp`], only the engine reads a clock.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Why a text or number is not a point in time.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{text}` is not a time of RFC 3339 such as `2026-11-23T08:00:00Z`")]
pub struct TimestampError {
    text: String,
}

/// Milliseconds since 1970-01-01T00:00:00Z. In JSON a text of RFC 3339 in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, format = DateTime)]
pub struct Timestamp(i64);

impl Timestamp {
    /// A point in time from milliseconds since the Unix epoch, cut to the years 0000 to 9999 that RFC 3339 can write.
    #[must_use]
    pub fn from_unix_ms(unix_ms: i64) -> Self {
        const YEAR_0000: i64 = -62_167_219_200_000;
        const YEAR_9999: i64 = 253_402_300_799_999;
        Self(unix_ms.clamp(YEAR_0000, YEAR_9999))
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub fn unix_ms(self) -> i64 {
        self.0
    }

    /// Reads a time of RFC 3339.
    ///
    /// # Errors
    /// [`TimestampError`] when the text is not one.
    pub fn parse(text: &str) -> Result<Self, TimestampError> {
        DateTime::parse_from_rfc3339(text)
            .map(|time| Self::from_unix_ms(time.timestamp_millis()))
            .map_err(|_| TimestampError { text: text.chars().take(40).collect() })
    }

    /// This time plus `days`, saturating.
    #[must_use]
    pub fn plus_days(self, days: u32) -> Self {
        Self::from_unix_ms(self.0.saturating_add(i64::from(days) * 86_400_000))
    }
}

impl std::fmt::Display for Timestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let time = DateTime::<Utc>::from_timestamp_millis(self.0).unwrap_or(DateTime::UNIX_EPOCH);
        f.write_str(&time.to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

impl TryFrom<String> for Timestamp {
    type Error = TimestampError;
    fn try_from(text: String) -> Result<Self, TimestampError> {
        Self::parse(&text)
    }
}

impl From<Timestamp> for String {
    fn from(time: Timestamp) -> Self {
        time.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_number_agree() {
        let time = Timestamp::parse("2026-11-23T08:00:00+08:00").unwrap();
        assert_eq!(time.unix_ms(), 1_795_392_000_000);
        assert_eq!(time.to_string(), "2026-11-23T00:00:00.000Z");
        assert_eq!(Timestamp::parse(&time.to_string()), Ok(time));
    }

    #[test]
    fn extremes_stay_writable() {
        for unix_ms in [i64::MIN, i64::MAX] {
            let time = Timestamp::from_unix_ms(unix_ms);
            assert_eq!(Timestamp::parse(&time.to_string()), Ok(time));
        }
        assert!(Timestamp::parse("yesterday").is_err());
    }
}
