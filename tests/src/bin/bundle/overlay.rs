//! The overlay for people who come from Tectonic's registry: the objects of `multicluster.yaml`, and the view roles of
//! `directory.yaml`, with the agent in the registry's namespace and set up by the registry's flags. It is made from the
//! text of these files, so that their comments come along and nothing in it can lag behind.

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

/// The line in `tectonic/multicluster.yaml` below which everything is written by this program.
pub(crate) const MARKER: &str =
    "# From here on written by `make crds` from ../multicluster.yaml, ../directory.yaml and ../crds.\n";

/// Where the agent is in the files that this is made from.
const FROM: &str = "muster-system";
/// Where it is in the overlay.
const TO: &str = "tectonic-system";
/// Metadata and references, by their indentation: that of a subject is another one.
const NAME: &str = "\n  name: directory-sync\n";
/// What is not in the agent's own namespace has a name of its own, so that the base may stand beside the overlay.
const OTHER_NAME: &str = "\n  name: tectonic-directory-sync\n";

const OF_THE_LEASE: &str = "# This namespace stays, whatever the agent's own is: the Lease in it decides which agent acts \
                            in this cluster,\n# and the Secrets in it are those of Works. Keep it for these alone.\n";
const VOLUMES: &str = "      volumes:
        - name: registry
          secret:
            secretName: directory-sync
            optional: true # the agent waits for it, and needs no restart when it comes
";
const SETUP: &str = "          args:
            - --registry-kubeconfig=/etc/directory-sync/registry/kubeconfig
            - --local-cluster-name=$(CLUSTER_NAME)
          env:
            - name: CLUSTER_NAME
              valueFrom:
                configMapKeyRef: # not optional: without a name the pod waits, and `kubectl describe pod` says for what
                  name: tectonic-config
                  key: clusterName
          volumeMounts:
            - name: registry
              mountPath: /etc/directory-sync/registry
              readOnly: true
";

/// Which object a document is.
#[derive(Deserialize)]
struct Identity {
    kind: String,
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
    namespace: Option<String>,
}

/// The documents of the overlay but for its definitions. `base` is the part of `multicluster.yaml` that is written by
/// hand, `directory` the whole of `directory.yaml`.
pub(crate) fn documents(base: &str, directory: &str) -> Result<Vec<String>> {
    let mut overlay = Vec::new();
    for (identity, text) in read(base)? {
        let name = format!("{} {}", identity.kind, identity.metadata.name);
        let placed = place(&identity, text).with_context(|| format!("unable to place {name}"))?;
        overlay.extend(placed);
    }
    let view = |identity: &Identity| {
        identity.kind == "ClusterRole" && identity.metadata.name.ends_with("view-clusters")
    };
    let roles = read(directory)?.into_iter().filter(|(identity, _)| view(identity));
    overlay.extend(roles.map(|(_, text)| text));
    Ok(overlay)
}

/// The documents of a file, without the comment at its head.
fn read(file: &str) -> Result<Vec<(Identity, String)>> {
    let documents = file.split("\n---\n").skip(1).map(|document| format!("{}\n", document.trim_end()));
    documents
        .map(|text| {
            let identity =
                serde_saphyr::from_str(&text).with_context(|| format!("unable to read:\n{text}"))?;
            Ok((identity, text))
        })
        .collect()
}

/// What a document of the base becomes.
fn place(identity: &Identity, text: String) -> Result<Vec<String>> {
    let Identity { kind, metadata } = identity;
    if kind == "Namespace" && metadata.name == FROM {
        return Ok(vec![format!("{OF_THE_LEASE}{text}")]);
    }
    Ok(match (kind.as_str(), metadata.namespace.as_deref(), metadata.name.as_str()) {
        ("Role", Some(FROM), _) => split(&text)?,
        ("RoleBinding", Some(FROM), _) => {
            let subject = ["\n    namespace: ", "\n"];
            let of_the_lease = replace(&text, &subject.join(FROM), &subject.join(TO))?;
            vec![text.replace(FROM, TO), replace_all(&of_the_lease, NAME, OTHER_NAME)?]
        }
        ("Deployment", Some(FROM), _) => {
            let text = replace(&text, "\n      containers:\n", &format!("\n{VOLUMES}      containers:\n"))?;
            let anchor = "\n          ports:\n";
            vec![replace(&text, anchor, &format!("\n{SETUP}{}", &anchor[1..]))?.replace(FROM, TO)]
        }
        (_, Some(FROM), _) => vec![text.replace(FROM, TO)],
        ("Role" | "RoleBinding" | "ClusterRole" | "ClusterRoleBinding", _, "directory-sync") => {
            vec![replace_all(&text, NAME, OTHER_NAME)?.replace(FROM, TO)]
        }
        _ => {
            ensure!(!text.contains(FROM), "it names {FROM}, and the overlay has no rule for it");
            vec![text]
        }
    })
}

/// Two Roles from the agent's one: what it does in its own namespace, and its Lease and the Secrets of Works, which stay
/// where they are: other software keeps Secrets in the namespace of the overlay. The Secret of the credential is mounted,
/// so it need not be read by the API.
fn split(role: &str) -> Result<Vec<String>> {
    let Some((head, rules)) = role.split_once("\nrules:\n") else { bail!("unable to find its rules") };
    let (mut staying, mut moving) = (Vec::new(), Vec::new());
    let (mut leases, mut credential, mut of_works) = (false, false, false);
    for rule in blocks(rules) {
        let of_leases = rule.contains("[leases]");
        if rule.contains("[secrets]") && rule.contains("resourceNames:") {
            credential = true;
        } else if of_leases || rule.contains("[secrets]") {
            leases |= of_leases;
            of_works |= !of_leases;
            staying.push(rule);
        } else {
            moving.push(rule);
        }
    }
    ensure!(leases && credential && of_works, "unable to find the rules for its Lease and its Secrets");
    let other_head = replace_all(&format!("{head}\n"), NAME, OTHER_NAME)?;
    Ok(vec![
        format!("{head}\nrules:\n{}", moving.concat()).replace(FROM, TO),
        format!("{other_head}rules:\n{}", staying.concat()),
    ])
}

/// The rules of a Role, each with the comment above it.
fn blocks(rules: &str) -> Vec<String> {
    let mut blocks: Vec<String> = Vec::new();
    let mut in_comment = false;
    for line in rules.lines() {
        let comment = line.starts_with("  #");
        match blocks.last_mut() {
            Some(block) if in_comment || !(comment || line.starts_with("  - ")) => {
                block.push_str(line);
                block.push('\n');
            }
            _ => blocks.push(format!("{line}\n")),
        }
        in_comment = comment;
    }
    blocks
}

/// Replaces what must be there exactly once.
fn replace(text: &str, from: &str, to: &str) -> Result<String> {
    ensure!(text.matches(from).count() == 1, "unable to find {from:?} exactly once");
    Ok(text.replace(from, to))
}

/// Replaces what must be there.
fn replace_all(text: &str, from: &str, to: &str) -> Result<String> {
    ensure!(text.contains(from), "unable to find {from:?}");
    Ok(text.replace(from, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "# A file.\n";

    fn role(kind: &str, namespace: &str, rest: &str) -> String {
        format!("---\nkind: {kind}\nmetadata:\n  name: directory-sync\n  namespace: {namespace}\n{rest}")
    }

    fn made(base: &str) -> Vec<String> {
        documents(&format!("{HEAD}{base}"), "").unwrap()
    }

    #[test]
    fn the_agents_role_is_split_by_what_stays() {
        let credential =
            "  # One.\n  - apiGroups: [\"\"]\n    resources: [secrets]\n    resourceNames: [one]\n";
        let of_works = "  # Of Works.\n  - apiGroups: [\"\"]\n    resources: [secrets]\n";
        let rest = "  # Two,\n  # at length.\n  - apiGroups: [x]\n    resources: [leases]\n  - apiGroups: [y]\n    \
                    resources: [leases]\n  # Three.\n  - apiGroups: [z]\n    resources: [events]\n";
        let head = |name: &str, namespace: &str| {
            format!("kind: Role\nmetadata:\n  name: {name}\n  namespace: {namespace}\nrules:\n")
        };
        let own = "  # Three.\n  - apiGroups: [z]\n    resources: [events]\n";
        let lease = "  # Two,\n  # at length.\n  - apiGroups: [x]\n    resources: [leases]\n  - apiGroups: [y]\n    \
                     resources: [leases]\n";
        let wanted = [
            format!("{}{own}", head("directory-sync", "tectonic-system")),
            format!("{}{of_works}{lease}", head("tectonic-directory-sync", "muster-system")),
        ];
        let of = |rules: [&str; 3]| role("Role", "muster-system", &format!("rules:\n{}", rules.concat()));
        assert_eq!(made(&of([credential, of_works, rest])), wanted);
        for without in [[credential, of_works, own], [credential, rest, own], [of_works, rest, own]] {
            assert!(documents(&format!("{HEAD}{}", of(without)), "").is_err(), "{without:?}");
        }
    }

    #[test]
    fn bindings_lead_to_the_account_in_its_new_place() {
        let binding = |own: &str, at: &str, account: &str| {
            let own_name = format!("metadata:\n  name: {own}\n  namespace: {at}\nroleRef:\n  name: {own}\n");
            let subject = format!("    name: directory-sync\n    namespace: {account}\n");
            format!("kind: RoleBinding\n{own_name}subjects:\n  - kind: ServiceAccount\n{subject}")
        };
        let from = |at: &str| made(&format!("---\n{}", binding("directory-sync", at, "muster-system")));
        let own = binding("directory-sync", "tectonic-system", "tectonic-system");
        let other = |at: &str| binding("tectonic-directory-sync", at, "tectonic-system");
        assert_eq!(from("muster-system"), [own, other("muster-system")]);
        assert_eq!(from("muster-appliers"), [other("muster-appliers")]);
    }

    #[test]
    fn what_is_not_the_agents_comes_as_it_is_or_is_an_error() {
        let other = "kind: ClusterRole\nmetadata:\n  name: muster-policies\n";
        assert_eq!(made(&format!("---\n{other}")), [other]);
        let stray = format!("{HEAD}---\n{other}  labels:\n    of: muster-system\n");
        let error = documents(&stray, "").unwrap_err();
        assert!(format!("{error:#}").contains("unable to place ClusterRole muster-policies"), "{error:#}");
        let roles = ["view-clusters", "tectonic-view-clusters", "muster-agent"];
        let roles = roles.map(|name| format!("---\nkind: ClusterRole\nmetadata:\n  name: {name}\n"));
        assert_eq!(documents("", &format!("{HEAD}{}", roles.concat())).unwrap().len(), 2);
    }
}
