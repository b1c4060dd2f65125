//! The alerts ask for what the programs serve. That they serve the lists of metrics, and nothing else, tests of the suite
//! see.

use std::collections::BTreeMap;

use muster_api::metrics::{Described, LABELS, Metric, controller};
use serde_json::Value;

const ALERTS: &str = include_str!("../../manifests/alerts.yaml");
const CONDITIONS: &str = include_str!("../../docs/conditions.md");

fn documents() -> Vec<Value> {
    ALERTS.split("\n---\n").map(|document| serde_saphyr::from_str(document).unwrap()).collect()
}

fn alerts() -> Vec<Value> {
    let rule = documents().into_iter().find(|document| document["kind"] == "PrometheusRule").unwrap();
    let groups = rule["spec"]["groups"].as_array().unwrap().clone();
    groups.iter().flat_map(|group| group["rules"].as_array().unwrap().clone()).collect()
}

/// The names of all metrics, with their labels.
fn served() -> BTreeMap<&'static str, &'static [&'static str]> {
    let agent = Metric::ALL.iter().map(|metric| (metric.name(), metric.labels()));
    agent.chain(controller::Metric::ALL.iter().map(|metric| (metric.name(), metric.labels()))).collect()
}

/// The words of a text that are made of such characters.
fn words(text: &str, of: impl Fn(char) -> bool) -> Vec<&str> {
    text.split(|c: char| !of(c)).filter(|word| !word.is_empty()).collect()
}

#[test]
fn every_alert_asks_for_metrics_and_labels_that_are_served() {
    let served = served();
    let mut asked = 0;
    for alert in alerts() {
        let (name, expression) = (&alert["alert"], alert["expr"].as_str().unwrap());
        for after in expression.split("muster_").skip(1) {
            let rest: String = after.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
            let metric = format!("muster_{rest}");
            let labels =
                served.get(metric.as_str()).unwrap_or_else(|| panic!("{name}: there is no {metric}"));
            asked += 1;
            let Some(selector) = after[rest.len()..].strip_prefix('{') else { continue };
            for matcher in selector.split_once('}').unwrap().0.split(',') {
                let (label, value) = matcher.split_once(['=', '!']).unwrap();
                assert!(labels.contains(&label), "{name}: {metric} has no label {label}");
                let said = LABELS.iter().find(|(known, _)| *known == label).unwrap().1;
                for value in words(value, |c| c.is_ascii_alphanumeric() || c == '-') {
                    let condition = format!("\n### {value} of a Cluster\n");
                    let known = said.contains(&format!("`{value}`")) || CONDITIONS.contains(&condition);
                    assert!(known, "{name}: {label} is never {value}");
                }
            }
        }
    }
    assert!(asked > 12, "{asked}");
}

#[test]
fn every_alert_says_how_bad_it_is_and_what_to_do() {
    for alert in alerts() {
        let severity = alert["labels"]["severity"].as_str().unwrap();
        assert!(["warning", "critical"].contains(&severity), "{alert}");
        assert!(alert["for"].is_string(), "{alert}");
        for field in ["summary", "description"] {
            let text = alert["annotations"][field].as_str().unwrap();
            assert!(text.ends_with('.') && !text.contains('\n'), "{alert}");
            // a name of several words in one is that of a condition
            for word in words(text, |c| c.is_ascii_alphanumeric()) {
                if word.chars().filter(char::is_ascii_uppercase).count() > 1
                    && word.contains(char::is_lowercase)
                {
                    assert!(CONDITIONS.contains(word), "{}: there is no condition {word}", alert["alert"]);
                }
            }
        }
    }
}

#[test]
fn what_scrapes_finds_the_pods_and_the_port() {
    let monitor = documents().into_iter().find(|document| document["kind"] == "PodMonitor").unwrap();
    let apps = monitor["spec"]["selector"]["matchExpressions"][0]["values"].as_array().unwrap().clone();
    let port = monitor["spec"]["podMetricsEndpoints"][0]["port"].as_str().unwrap().to_owned();
    let manifests =
        [include_str!("../../manifests/multicluster.yaml"), include_str!("../../manifests/directory.yaml")];
    let deployments: Vec<Value> = manifests
        .iter()
        .flat_map(|manifest| manifest.split("\n---\n"))
        .filter(|document| document.contains("\nkind: Deployment\n"))
        .map(|document| serde_saphyr::from_str(document).unwrap())
        .collect();
    assert_eq!(deployments.len(), apps.len());
    for (deployment, app) in deployments.iter().zip(apps) {
        assert_eq!(deployment["spec"]["template"]["metadata"]["labels"]["app"], app);
        let ports = &deployment["spec"]["template"]["spec"]["containers"][0]["ports"];
        assert_eq!(ports[0]["name"], port.as_str());
    }
}
