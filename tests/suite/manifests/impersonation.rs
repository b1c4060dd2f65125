//! The agent acts as the account of the policies and as nobody else, and what it may do so is what that account may do.

use muster_api::names;
use muster_tests::plane::{Output, TokenOptions};
use serde_json::{Value, json};

use super::plane;

const POLICIES: &str = "--as=system:serviceaccount:muster-appliers:policies";

/// kubectl with a token of the agent's account.
struct Agent(String);

impl Agent {
    fn new() -> Self {
        let options = TokenOptions::default();
        Self(plane().service_account_kubeconfig(names::SYSTEM_NAMESPACE, names::AGENT, &options).unwrap())
    }

    fn run(&self, args: &[&str], flags: &[&str]) -> Output {
        let output = plane().kubectl_as(&self.0, &[args, flags].concat()).unwrap();
        println!("{args:?} {flags:?}: {:?} {}", output.code, output.stderr.trim());
        output
    }
}

#[test]
fn the_agent_acts_as_the_account_of_the_policies_and_as_nobody_else() {
    let agent = Agent::new();
    // No group comes with the request, so the server adds those of the account.
    let allowed = agent.run(&["auth", "whoami", "-o", "json"], &[POLICIES]);
    assert_eq!(allowed.code, Some(0), "{}", allowed.stderr);
    let review: Value = serde_json::from_str(&allowed.stdout).unwrap();
    let user = &review["status"]["userInfo"];
    assert_eq!(user["username"], "system:serviceaccount:muster-appliers:policies");
    assert_eq!(
        user["groups"],
        json!(["system:serviceaccounts", "system:serviceaccounts:muster-appliers", "system:authenticated"])
    );
    let accounts = [
        "muster-appliers:works",
        "muster-appliers:default",
        "muster-system:policies",
        "default:policies",
        "kube-system:clusterrole-aggregation-controller",
    ]
    .map(|account| format!("--as=system:serviceaccount:{account}"));
    let others: [&[&str]; 6] = [
        &["--as=admin"],
        &["--as=policies"],
        &["--as=system:node:one"],
        &[POLICIES, "--as-group=system:masters"],
        &[POLICIES, "--as-group=system:serviceaccounts:kube-system"],
        &[POLICIES, "--as-uid=1"],
    ];
    let accounts = accounts.iter().map(|account| vec![account.as_str()]);
    for flags in accounts.chain(others.map(<[&str]>::to_vec)) {
        // A path that everybody may read: it is the change of identity that is refused.
        let refused = agent.run(&["get", "--raw", "/version"], &flags);
        assert_ne!(refused.code, Some(0), "{flags:?}");
        assert!(refused.stderr.contains("cannot impersonate resource"), "{flags:?}: {}", refused.stderr);
    }
}

#[test]
fn as_that_account_it_grants_view_edit_and_admin_and_by_itself_nothing() {
    let agent = Agent::new();
    let grant = |role: &str, flags: &[&str]| {
        let (name, role) = (format!("as-{role}"), format!("--clusterrole={role}"));
        agent.run(&["create", "rolebinding", &name, &role, "--user=ann"], flags)
    };
    for role in ["view", "edit", "admin"] {
        let own = grant(role, &[]);
        assert!(own.stderr.contains("cannot create resource \"rolebindings\""), "{own:?}");
        assert_eq!(grant(role, &[POLICIES]).code, Some(0), "{role}");
    }
    let refused = grant("cluster-admin", &[POLICIES]);
    assert!(refused.stderr.contains("permissions not currently held"), "{refused:?}");
}
