//! Documents as people have them, those of the old registry above all: read, judged, and put right where it is clear what
//! is meant. No field is dropped that is not understood.

mod coerce;
mod judge;
mod spelling;

use std::fs;
use std::io::Read as _;
use std::path::Path;

use serde_json::Value;

use crate::failure::Failure;
use spelling::Spelling;

/// Most bytes of a file.
const LARGEST: u64 = 16 * 1024 * 1024;

/// What was read of a file.
pub(crate) struct Documents {
    /// The documents as they are to be applied, each with what it is called in messages.
    pub(crate) good: Vec<(String, Value)>,
    /// What was put right, or is odd.
    pub(crate) warnings: Vec<String>,
    /// What cannot be applied, and how to correct it.
    pub(crate) errors: Vec<String>,
}

/// Reads a file, or stdin where it is called `-`.
///
/// # Errors
/// Where it cannot be read, or is no YAML.
pub(crate) fn read(path: &Path) -> Result<Documents, Failure> {
    let shown = path.display().to_string();
    let what = || format!("unable to read the documents of {shown}");
    let text = text(path)
        .map_err(|why| Failure::new(what(), why, "name a file with YAML or JSON, or - for stdin: -f FILE"))?;
    let parsed: Vec<Value> = serde_saphyr::from_multiple(&text).map_err(|error| {
        let place = error
            .location()
            .map_or(String::new(), |at| format!("line {}, column {}: ", at.line(), at.column()));
        let next = format!("correct the file, then: kubectl muster lint -f {shown}");
        Failure::new(what(), format!("{place}{}", error.without_snippet()), next)
    })?;
    // The same once more for how scalars are spelled, which their values do not tell: 1.10 is not 1.1.
    let spellings: Vec<Spelling> = serde_saphyr::from_multiple(&text).unwrap_or_default();
    let mut documents = Documents { good: Vec::new(), warnings: Vec::new(), errors: Vec::new() };
    for (place, document) in parsed.into_iter().enumerate() {
        let spelling = spellings.get(place).cloned().unwrap_or_default();
        documents.take(&format!("document {}", place + 1), document, &spelling);
    }
    if documents.good.is_empty() && documents.errors.is_empty() && documents.warnings.is_empty() {
        return Err(Failure::new(
            what(),
            "there is no document in it",
            "name a file with YAML or JSON: -f FILE",
        ));
    }
    Ok(documents)
}

fn text(path: &Path) -> Result<String, String> {
    let mut text = String::new();
    let read = if path == Path::new("-") {
        std::io::stdin().lock().take(LARGEST + 1).read_to_string(&mut text)
    } else {
        fs::File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_string(&mut text))
    };
    match read {
        Err(error) => Err(error.to_string()),
        Ok(length) if length as u64 > LARGEST => Err(format!("it has more than {LARGEST} bytes")),
        Ok(_) => Ok(text),
    }
}

impl Documents {
    fn take(&mut self, place: &str, mut document: Value, spelling: &Spelling) {
        if document.get("kind").and_then(Value::as_str) == Some("List") {
            let items = document.get_mut("items").map(Value::take);
            for (number, item) in
                items.and_then(|items| items.as_array().cloned()).into_iter().flatten().enumerate()
            {
                let spelling = spelling.items.get(number).cloned().unwrap_or_default();
                self.take(&format!("{place}, item {}", number + 1), item, &spelling);
            }
            return;
        }
        let name = match judge::name(&document) {
            Ok(name) => format!("{place}, {name}"),
            Err(why) => return self.errors.push(format!("{place}: {why}")),
        };
        let mut warnings = Vec::new();
        let kept = coerce::coerce(&mut document, spelling, &mut warnings);
        self.warnings.extend(warnings.into_iter().map(|warning| format!("{name}: {warning}")));
        match kept.and_then(|kept| judge::judge(&document).map(|odd| (kept, odd))) {
            Err(why) => self.errors.push(format!("{name}: {why}")),
            Ok((kept, odd)) => {
                self.warnings.extend(odd.into_iter().map(|warning| format!("{name}: {warning}")));
                if kept {
                    self.good.push((name, document));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Documents {
        let path = std::env::temp_dir().join(format!("muster-documents-{:?}", std::thread::current().id()));
        fs::write(&path, text).unwrap();
        let documents = super::read(&path);
        fs::remove_file(&path).unwrap();
        documents.unwrap()
    }

    #[test]
    fn the_registrys_documented_cluster_is_accepted_with_one_warning() {
        let documents = read(
            "apiVersion: multicluster.coreos.com/v1\nkind: Cluster\nmetadata:\n  name: west\n  labels: {stage: production}\n  \
             annotations:\n    multicluster.coreos.com/directory: true\nspec:\n  KubernetesAPIEndpoints:\n    \
             ServerEndpoints:\n    - ServerAddress: https://west.example.com:443\n      Unknown: {a: [1, yes, 0.5]}\n",
        );
        assert_eq!(documents.errors, Vec::<String>::new());
        assert_eq!(documents.warnings.len(), 1, "{:?}", documents.warnings);
        assert!(documents.warnings[0].contains("boolean") && documents.warnings[0].contains("west"));
        let cluster = &documents.good[0].1;
        assert_eq!(cluster["metadata"]["annotations"]["multicluster.coreos.com/directory"], "true");
        let address = &cluster["spec"]["KubernetesAPIEndpoints"]["ServerEndpoints"][0];
        assert_eq!(
            address["Unknown"],
            json!({"a": [1, true, 0.5]}),
            "unknown fields are as kubectl reads them"
        );
    }

    #[test]
    fn scalars_are_taken_as_they_are_spelled() {
        let documents = read(
            "apiVersion: multicluster.coreos.com/v1\nkind: Cluster\nmetadata:\n  name: a\n  labels: {version: 1.10, n: 007, ok: 'x'}\n  \
             annotations: {on: yes, empty: }\n",
        );
        let metadata = &documents.good[0].1["metadata"];
        assert_eq!(metadata["labels"], json!({"version": "1.10", "n": "007", "ok": "x"}));
        assert_eq!(metadata["annotations"]["empty"], "");
        assert!(metadata["annotations"].as_object().unwrap().values().all(Value::is_string), "{metadata}");
        assert_eq!(documents.warnings.len(), 4, "{:?}", documents.warnings);
    }

    #[test]
    fn old_versions_are_lifted_and_what_cannot_be_is_said() {
        let documents = read(
            "apiVersion: rbac.authorization.k8s.io/v1beta1\nkind: ClusterRole\nmetadata: {name: a}\nrules: []\n---\n\
             apiVersion: apps/v1beta1\nkind: Deployment\nmetadata: {name: d}\nspec:\n  template:\n    metadata:\n      labels: {app: d}\n---\n\
             apiVersion: apiextensions.k8s.io/v1beta1\nkind: CustomResourceDefinition\nmetadata: {name: clusters.multicluster.coreos.com}\n---\n\
             apiVersion: apiextensions.k8s.io/v1beta1\nkind: CustomResourceDefinition\nmetadata: {name: others.example.com}\n---\n\
             apiVersion: multicluster.coreos.com/v1alpha1\nkind: Cluster\nmetadata: {name: c}\n",
        );
        let versions: Vec<_> =
            documents.good.iter().map(|(_, document)| document["apiVersion"].as_str().unwrap()).collect();
        assert_eq!(versions, ["rbac.authorization.k8s.io/v1", "apps/v1", "multicluster.coreos.com/v1"]);
        assert_eq!(documents.good[1].1["spec"]["selector"], json!({"matchLabels": {"app": "d"}}));
        assert!(
            documents.warnings.iter().any(|warning| warning.contains("multicluster.yaml")),
            "{:?}",
            documents.warnings
        );
        assert_eq!(documents.errors.len(), 1, "{:?}", documents.errors);
        assert!(documents.errors[0].contains("others.example.com"));
    }

    #[test]
    fn what_cannot_be_meant_is_an_error_with_its_place() {
        let documents = read(
            "- a\n---\nkind: Cluster\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: no}\n---\n\
             apiVersion: multicluster.coreos.com/v1\nkind: Cluster\nmetadata: {name: East}\n---\n\
             apiVersion: multicluster.coreos.com/v1\nkind: ClusterPolicy\nmetadata: {name: p}\nspec: {selector: {a: b}, namespace: []}\n---\n\
             apiVersion: multicluster.coreos.com/v1\nkind: ClusterPolicy\nmetadata: {name: p}\nspec: {namespaces: []}\n---\n\
             apiVersion: multicluster.coreos.com/v1\nkind: Cluster\nmetadata: {name: a}\n\
             spec: {KubernetesAPIEndpoints: {}, kubernetesApiEndpoints: {}}\n",
        );
        assert!(documents.good.is_empty());
        let told = [
            "no object",
            "apiVersion",
            "metadata.name is a boolean: write it in quotes",
            "East",
            "namespace",
            "selector",
            "both",
        ];
        assert_eq!(documents.errors.len(), told.len(), "{:#?}", documents.errors);
        for (number, (error, told)) in documents.errors.iter().zip(told).enumerate() {
            assert!(error.contains(told) && error.contains(&format!("document {}", number + 1)), "{error}");
        }
    }

    #[test]
    fn lists_are_taken_apart_and_selectors_are_text() {
        let documents = read(
            "apiVersion: v1\nkind: List\nitems:\n- apiVersion: multicluster.coreos.com/v1\n  kind: ClusterPolicy\n  metadata: {name: p}\n  \
             spec:\n    selector: {prod: true, tier: 1.0}\n    namespaces:\n    - {name: a, labels: {b: 1}}\n",
        );
        assert_eq!(documents.errors, Vec::<String>::new());
        let spec = &documents.good[0].1["spec"];
        assert_eq!(spec["selector"], json!({"prod": "true", "tier": "1.0"}));
        assert_eq!(spec["namespaces"][0]["labels"], json!({"b": "1"}));
    }
}
