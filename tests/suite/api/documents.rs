//! The documents of the multi-cluster registry, and what kubectl prints of them.

/// A directory, in the registry's casing. `extra` and `More` are unknown to every schema.
pub(super) const WEST: &str = r#"
apiVersion: multicluster.coreos.com/v1
kind: Cluster
metadata:
  name: west-coast-production
  labels:
    stage: production
    cloud: aws
    region: us-west-1
    role: replica
  annotations:
    multicluster.coreos.com/console-url: https://west-coast-production.west.example.com
    multicluster.coreos.com/directory: "true"
spec:
  KubernetesAPIEndpoints:
    ServerEndpoints:
      - ServerAddress: https://west-coast-production-api.west.example.com:443
        extra: {a: [1, two]}
  More: {deep: [true]}
"#;

/// A replica, in the casing of clusterregistry.k8s.io.
pub(super) const EAST: &str = r"
apiVersion: multicluster.coreos.com/v1
kind: Cluster
metadata:
  name: east
  labels: {stage: production}
spec:
  kubernetesApiEndpoints:
    caBundle: Q0E=
    serverEndpoints:
      - clientCIDR: 0.0.0.0/0
        serverAddress: 100.0.0.0
      - serverAddress: east.example.com:6443
  authInfo:
    user: {kind: Secret, name: reader, namespace: default}
";

/// Every field of a policy at least once.
pub(super) const EVERYTHING: &str = r#"
kind: ClusterPolicy
apiVersion: multicluster.coreos.com/v1
metadata: {name: everything}
spec:
  selector:
    matchLabels: {cloud: aws}
    matchExpressions:
    - {key: stage, operator: In, values: [production]}
    - {key: retired, operator: DoesNotExist}
  authorization:
    clusterRoles:
    - name: "team:lead"
      rules:
      - {verbs: [get], apiGroups: [""], resources: [pods], resourceNames: [one]}
      - {verbs: [get], nonResourceURLs: [/healthz]}
    clusterBindings:
    - {clusterRole: "team:lead", serviceAccounts: [ci/deployer]}
  namespaces:
  - name: team
    labels: {pod-security.kubernetes.io/enforce: restricted}
    annotations: {owner: team@example.com}
    authorization:
      roles:
      - {name: deploy, rules: [{verbs: ["*"], apiGroups: [apps], resources: [deployments], resourceNames: [web]}]}
      bindings:
      - {role: deploy, users: [ann], groups: [team], serviceAccounts: [ci/deployer]}
    resourceQuota:
      hard: {requests.cpu: 4, limits.memory: 2Gi, count/secrets: "10"}
      scopes: [NotTerminating]
      scopeSelector: {matchExpressions: [{scopeName: PriorityClass, operator: In, values: [high]}]}
    limitRange:
      limits:
      - type: Container
        max: {cpu: 2}
        min: {cpu: 10m}
        default: {cpu: 500m}
        defaultRequest: {cpu: "0.1"}
        maxLimitRequestRatio: {cpu: 4}
"#;

pub(super) const WORK: &str = r"
apiVersion: multicluster.x-k8s.io/v1alpha1
kind: Work
metadata: {name: web, namespace: default}
spec:
  workload:
    manifests:
    - apiVersion: v1
      kind: ConfigMap
      metadata: {name: web, namespace: default, annotations: {multicluster.coreos.com/deletion: orphan}}
      data: {a: b}
    - apiVersion: example.com/v1
      kind: Anything
      metadata: {name: other}
      at: {all: [1, 2]}
";

pub(super) const LEDGER: &str = r"
apiVersion: multicluster.x-k8s.io/v1alpha1
kind: AppliedWork
metadata: {name: web}
spec:
  workName: web
  workNamespace: muster-cluster-east
  ledger:
    source: {kind: Work, uid: 5c2f, generation: 3, resourceVersion: '812'}
    directoryID: 6f0e
    replicaID: 0c5c
    nonce: b7d1
    phase: Applying
    options: {deletion: orphan}
    manifests:
    - apiVersion: v1
      kind: ConfigMap
      metadata: {name: web, odd: kept}
    resources:
    - {version: v1, kind: ConfigMap, resource: configmaps, namespace: default, name: web, uid: 77aa, ordinal: 0, options: {apply: create}}
    - {version: v1, kind: ConfigMap, resource: configmaps, namespace: default, name: dropped}
";

/// Kind, spec, and a part of what kubectl says.
pub(super) const WRONG: [(&str, &str, &str); 23] = [
    (
        "Cluster",
        "{KubernetesAPIEndpoints: {}, kubernetesApiEndpoints: {}}",
        "give the addresses either as KubernetesAPIEndpoints or as kubernetesApiEndpoints, not as both",
    ),
    (
        "Cluster",
        "{KubernetesAPIEndpoints: {ServerEndpoints: [{ServerAddress: 'https://ann:pw@east.example.com'}]}}",
        "an address must not hold a user or password",
    ),
    (
        "Cluster",
        "{kubernetesApiEndpoints: {serverEndpoints: [{serverAddress: 'ann:pw@east.example.com:443'}]}}",
        "an address must not hold a user or password",
    ),
    ("Cluster", "{deregistration: Purge}", r#"supported values: "Keep", "Delete""#),
    (
        "Cluster",
        "{KubernetesAPIEndpoints: {ServerEndpoints: [{ServerAddress: 5}]}}",
        "ServerAddress in body must be of type string",
    ),
    ("ClusterPolicy", "{}", "spec.selector: Required value"),
    ("ClusterPolicy", "{selector: null}", "spec.selector: Required value"),
    ("ClusterPolicy", "{selector: {}, namespace: []}", r#"unknown field "spec.namespace""#),
    (
        "ClusterPolicy",
        "{selector: {}, authorization: {clusterBindings: [{clusterRole: view, users: [a], user: b}]}}",
        r#"unknown field "spec.authorization.clusterBindings[0].user""#,
    ),
    (
        "ClusterPolicy",
        "{selector: {matchLabels: {a: true}}}",
        "spec.selector.matchLabels.a in body must be of type string",
    ),
    (
        "ClusterPolicy",
        "{selector: {matchExpressions: [{key: a, operator: In}]}}",
        "In and NotIn need values, Exists and DoesNotExist take none",
    ),
    (
        "ClusterPolicy",
        "{selector: {matchExpressions: [{key: a, operator: Exists, values: [b]}]}}",
        "In and NotIn need values, Exists and DoesNotExist take none",
    ),
    (
        "ClusterPolicy",
        "{selector: {}, namespaces: [{name: a}, {name: a}]}",
        // older servers write the value in another way
        "spec.namespaces[1]: Duplicate value: ",
    ),
    (
        "ClusterPolicy",
        "{selector: {}, namespaces: [{name: A_b}]}",
        "spec.namespaces[0].name in body should match",
    ),
    (
        "ClusterPolicy",
        "{selector: {}, namespaces: [{name: a, authorization: {bindings: [{role: r, clusterRole: c, users: [u]}]}}]}",
        "a binding names exactly one of role and clusterRole",
    ),
    (
        "ClusterPolicy",
        "{selector: {}, namespaces: [{name: a, authorization: {bindings: [{users: [u]}]}}]}",
        "a binding names exactly one of role and clusterRole",
    ),
    (
        "ClusterPolicy",
        "{selector: {}, namespaces: [{name: a, authorization: {bindings: [{role: r, groups: []}]}}]}",
        "a binding needs a subject: users, groups or serviceAccounts",
    ),
    (
        "ClusterPolicy",
        "{selector: {}, authorization: {clusterBindings: [{clusterRole: view}]}}",
        "a binding needs a subject: users, groups or serviceAccounts",
    ),
    (
        "ClusterPolicy",
        "{selector: {}, authorization: {clusterBindings: [{users: [u]}]}}",
        "clusterBindings[0].clusterRole: Required value",
    ),
    (
        "ClusterPolicy",
        "{selector: {}, authorization: {clusterBindings: [{clusterRole: view, serviceAccounts: [deployer]}]}}",
        "serviceAccounts[0] in body should match",
    ),
    (
        "ClusterPolicy",
        "{selector: {}, authorization: {clusterRoles: [{name: r, rules: [{verbs: [get], resources: [pods]}]}]}}",
        "apiGroups goes with resources, and resourceNames needs them",
    ),
    (
        "ClusterPolicy",
        "{selector: {}, authorization: {clusterRoles: [{name: r, rules: [{verbs: [get], apiGroups: [''], resources: [pods], nonResourceURLs: [/]}]}]}}",
        "a rule names either resources or nonResourceURLs",
    ),
    (
        "ClusterPolicy",
        "{selector: {}, namespaces: [{name: a, resourceQuota: {hard: {cpu: lots}}}]}",
        "spec.namespaces[0].resourceQuota.hard.cpu in body should match",
    ),
];

// === what kubectl prints, without the age ===

pub(super) const CLUSTERS: &str = "\
NAME                    DIRECTORY   VERSION   MODE   READY
west-coast-production   true        v1.36.3   Pull   True
east
";
pub(super) const CLUSTERS_WIDE: &str = "\
NAME                    DIRECTORY   VERSION   MODE   READY   ADDRESS                                                  AGENT
west-coast-production   true        v1.36.3   Pull   True    https://west-coast-production-api.west.example.com:443   0.1.0
east                                                         100.0.0.0
";
pub(super) const POLICIES: &str = r#"NAME               SELECTOR
ldap-group-admin   {"cloud":"aws"}
web-api            {"cloud":"aws"}
"#;
pub(super) const REPORTS: &str = "\
NAMESPACE             NAME   CLUSTER   DIRECTORY   MIRROR   COPIES   POLICIES   CREDENTIAL UNTIL       VERSION
muster-cluster-east   east   east      Reachable   InSync   20       Applied    2026-12-21T09:00:00Z   v1.36.3
muster-cluster-west   west
";
pub(super) const REPORTS_WIDE: &str = "\
NAMESPACE             NAME   CLUSTER   DIRECTORY   MIRROR   COPIES   POLICIES   CREDENTIAL UNTIL       VERSION   AGENT   MODE   NODES   NODES READY   CPU      MEMORY   USER
muster-cluster-east   east   east      Reachable   InSync   20       Applied    2026-12-21T09:00:00Z   v1.36.3   0.1.0   Pull   12      11            46800m   180Gi    system:serviceaccount:muster-agents:east
muster-cluster-west   west
";
