//! Points in time as the Kubernetes API writes them.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A point in time, to the second, as `metav1.Time` has it: RFC 3339, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(Timestamp);

impl Time {
    /// The point in time, at the start of its second.
    #[must_use]
    pub fn timestamp(self) -> Timestamp {
        self.0
    }
}

/// Drops what is smaller than a second: the API would, and two values must not differ before and after a write.
impl From<Timestamp> for Time {
    fn from(at: Timestamp) -> Self {
        // Fails only outside the years that `Timestamp` holds, where `at` cannot lie.
        Self(Timestamp::from_second(at.as_millisecond().div_euclid(1000)).unwrap_or(at))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        // The text is not repeated: what an API answers may be anything.
        let at: Timestamp = text.parse().map_err(|_| de::Error::custom("not a time of RFC 3339"))?;
        Ok(at.into())
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Time {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Time".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "format": "date-time" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_to_the_second_and_read_in_any_zone() {
        let at: Timestamp = "2026-11-21T09:39:07.987654Z".parse().unwrap();
        assert_eq!(serde_json::to_string(&Time::from(at)).unwrap(), r#""2026-11-21T09:39:07Z""#);
        let read: Time = serde_json::from_str(r#""2026-11-21T10:39:07.5+01:00""#).unwrap();
        assert_eq!(read, at.into());
        let before_1970: Timestamp = "1969-12-31T23:59:58.5Z".parse().unwrap();
        assert_eq!(Time::from(before_1970).to_string(), "1969-12-31T23:59:58Z");
    }

    #[test]
    fn an_error_never_repeats_the_text() {
        let error = serde_json::from_str::<Time>(r#""hunter2""#).unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}
