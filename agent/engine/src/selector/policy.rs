//! The selector of a policy: label: value pairs, or matchLabels and matchExpressions as in a `LabelSelector` of
//! Kubernetes (apimachinery, `LabelSelectorAsSelector`).

use muster_api::policy::{self, SelectorOperator};
use serde_json::Value;

use super::{Requirement, Selector, SelectorError, Wanted, checked_key, checked_value};

impl Selector {
    /// From the selector of a policy. An empty one selects everything.
    ///
    /// # Errors
    /// It mixes both forms, a value is no text, a key or a value could not be a label's, or values do not go with
    /// their operator.
    pub fn of_policy(selector: &policy::Selector) -> Result<Self, SelectorError> {
        let policy::Selector { match_labels, match_expressions, labels } = selector;
        let long = match_labels.is_some() || match_expressions.is_some();
        if let (true, Some(key)) = (long, labels.keys().next()) {
            return Err(SelectorError::Mixed(key.clone()));
        }
        let mut requirements = Vec::new();
        for (key, value) in labels {
            let Value::String(value) = value else { return Err(SelectorError::NotText(key.clone())) };
            requirements.push(equal(key, value)?);
        }
        for (key, value) in match_labels.iter().flatten() {
            requirements.push(equal(key, value)?);
        }
        for demand in match_expressions.iter().flatten() {
            requirements.push(requirement(demand)?);
        }
        requirements.sort_by(|one, other| one.key.cmp(&other.key));
        Ok(Self { requirements })
    }
}

fn equal(key: &str, value: &str) -> Result<Requirement, SelectorError> {
    Ok(Requirement { key: checked_key(key)?, wanted: Wanted::Equal(checked_value(value)?) })
}

fn requirement(demand: &policy::SelectorRequirement) -> Result<Requirement, SelectorError> {
    let key = checked_key(&demand.key)?;
    let needs_values = matches!(demand.operator, SelectorOperator::In | SelectorOperator::NotIn);
    if needs_values == demand.values.is_empty() {
        return Err(SelectorError::Values(key));
    }
    let values = demand.values.iter().map(|value| checked_value(value)).collect::<Result<_, _>>()?;
    let wanted = match demand.operator {
        SelectorOperator::In => Wanted::In(values),
        SelectorOperator::NotIn => Wanted::NotIn(values),
        SelectorOperator::Exists => Wanted::Exists,
        SelectorOperator::DoesNotExist => Wanted::Absent,
    };
    Ok(Requirement { key, wanted })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The canonical text of a policy's selector, or the error.
    fn read(json: &str) -> Result<String, String> {
        let selector: policy::Selector = serde_json::from_str(json).unwrap();
        Selector::of_policy(&selector).map(|selector| selector.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn both_forms_mean_what_kubernetes_means_by_them() {
        for (json, text) in [
            ("{}", ""),
            (r#"{"matchLabels":{},"matchExpressions":[]}"#, ""),
            (r#"{"stage":"production","cloud":"aws"}"#, "cloud=aws,stage=production"),
            (r#"{"cloud":""}"#, "cloud="),
            (r#"{"matchLabels":{"matchLabels":"a"}}"#, "matchLabels=a"),
            (
                r#"{"matchLabels":{"cloud":"aws"},"matchExpressions":[
                    {"key":"d","operator":"DoesNotExist"},{"key":"e","operator":"Exists","values":[]},
                    {"key":"i","operator":"In","values":["b","a"]},{"key":"n","operator":"NotIn","values":["x"]}]}"#,
                "cloud=aws,!d,e,i in (a,b),n notin (x)",
            ),
        ] {
            assert_eq!(read(json).as_deref(), Ok(text), "of {json}");
        }
    }

    #[test]
    fn what_could_mean_something_else_is_refused() {
        for (json, message) in [
            (r#"{"cloud":"aws","matchLabels":{}}"#, "\"cloud\" stands beside matchLabels"),
            (r#"{"cloud":"aws","matchExpressions":[]}"#, "\"cloud\" stands beside matchLabels"),
            (r#"{"directory":true}"#, "the value of \"directory\" is not a text: put it in quotes"),
            (r#"{"cloud":null}"#, "is not a text"),
            (r#"{"cloud":{"a":"b"}}"#, "is not a text"),
            (r#"{"a b":"c"}"#, "\"a b\" is not a label key"),
            (r#"{"a":"b c"}"#, "\"b c\" is not a label value"),
            (r#"{"matchLabels":{"a":"b c"}}"#, "is not a label value"),
            (r#"{"matchExpressions":[{"key":"a","operator":"In"}]}"#, "In and NotIn need values"),
            (
                r#"{"matchExpressions":[{"key":"a","operator":"NotIn","values":[]}]}"#,
                "In and NotIn need values",
            ),
            (r#"{"matchExpressions":[{"key":"a","operator":"Exists","values":["b"]}]}"#, "take none"),
            (r#"{"matchExpressions":[{"key":"a","operator":"DoesNotExist","values":["b"]}]}"#, "take none"),
            (r#"{"matchExpressions":[{"key":"","operator":"Exists"}]}"#, "is not a label key"),
            (r#"{"matchExpressions":[{"key":"a","operator":"In","values":["-"]}]}"#, "is not a label value"),
        ] {
            let error = read(json).expect_err(json);
            assert!(error.contains(message), "of {json}: {error}");
        }
    }
}
