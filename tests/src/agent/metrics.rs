//! The text format of Prometheus, as far as a test needs it.

use std::collections::BTreeMap;

/// Samples by name and labels.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metrics {
    samples: BTreeMap<String, f64>,
    text: String,
}

impl Metrics {
    pub(super) fn parse(text: &str) -> Self {
        let samples = text
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| {
                let (series, value) = line.rsplit_once(' ')?;
                Some((series.to_owned(), value.parse().ok()?))
            })
            .collect();
        Self { samples, text: text.to_owned() }
    }

    /// The text that they were read from.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// All samples: `name{label="value"}` and the value.
    #[must_use]
    pub fn samples(&self) -> &BTreeMap<String, f64> {
        &self.samples
    }

    /// The value of the one series of this name that bears all these labels; the sum if there are several. `None` if
    /// there is none.
    #[must_use]
    pub fn get(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let mut values = self
            .samples
            .iter()
            .filter(|(series, _)| {
                let (series_name, series_labels) = series.split_once('{').unwrap_or((series.as_str(), ""));
                series_name == name
                    && labels.iter().all(|(label, value)| has(series_labels, &format!("{label}=\"{value}\"")))
            })
            .map(|(_, value)| *value)
            .peekable();
        values.peek().is_some().then(|| values.sum())
    }
}

/// Whether the labels hold this one: not as the end of a longer name.
fn has(labels: &str, wanted: &str) -> bool {
    labels.match_indices(wanted).any(|(at, _)| at == 0 || labels.as_bytes().get(at - 1) == Some(&b','))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_found_by_name_and_labels() {
        let metrics = Metrics::parse(
            "# HELP muster_writes_total Writes.\n# TYPE muster_writes_total counter\n\
             muster_writes_total{result=\"ok\",verb=\"patch\"} 3\n\
             muster_writes_total{result=\"error\",verb=\"patch\"} 1\n\
             muster_directory_reachable 1\n",
        );
        assert_eq!(metrics.get("muster_directory_reachable", &[]), Some(1.0));
        assert_eq!(metrics.get("muster_writes_total", &[("result", "ok")]), Some(3.0));
        assert_eq!(metrics.get("muster_writes_total", &[("verb", "patch")]), Some(4.0));
        assert_eq!(metrics.get("muster_writes_total", &[("erb", "patch")]), None);
        assert_eq!(metrics.get("muster_writes", &[]), None);
    }
}
