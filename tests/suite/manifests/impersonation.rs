//! The agent acts as the accounts of one namespace and as nobody else, and what it may do so is what that account may do.

use muster_api::names;
use muster_tests::plane::{Output, TokenOptions};
use serde_json::{Value, json};

use super::plane;

const POLICIES: &str = "--as=system:serviceaccount:muster-appliers:policies";
const WORKS: &str = "--as=system:serviceaccount:muster-appliers:works";

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
fn the_agent_acts_as_the_accounts_that_apply_and_as_nobody_else() {
    let agent = Agent::new();
    // The last is none yet: a Work names one, and the owner of the cluster makes it.
    for account in ["policies", "works", "team-a"] {
        let user = format!("system:serviceaccount:muster-appliers:{account}");
        // No group comes with the request, so the server adds those of the account.
        let allowed = agent.run(&["auth", "whoami", "-o", "json"], &[&format!("--as={user}")]);
        assert_eq!(allowed.code, Some(0), "{}", allowed.stderr);
        let review: Value = serde_json::from_str(&allowed.stdout).unwrap();
        let info = &review["status"]["userInfo"];
        assert_eq!(info["username"], user);
        assert_eq!(
            info["groups"],
            json!([
                "system:serviceaccounts",
                "system:serviceaccounts:muster-appliers",
                "system:authenticated"
            ])
        );
    }
    let accounts = [
        "muster-system:policies",
        "muster-system:works",
        "muster-agents:works",
        "default:policies",
        "default:works",
        "kube-system:default",
        "kube-system:clusterrole-aggregation-controller",
    ]
    .map(|account| format!("--as=system:serviceaccount:{account}"));
    let others: [&[&str]; 9] = [
        &["--as=admin"],
        &["--as=policies"],
        &["--as=works"],
        &[WORKS, "--as-group=system:masters"],
        &[WORKS, "--as-uid=1"],
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

#[test]
fn as_the_account_of_the_works_it_may_do_anything_and_by_itself_nothing() {
    let agent = Agent::new();
    let role = ["create", "clusterrole", "as-works", "--verb=*", "--resource=*.*", "--dry-run=server"];
    let secret = ["create", "secret", "generic", "as-works", "--namespace=kube-system", "--dry-run=server"];
    for (create, resource) in [(&role, "clusterroles"), (&secret, "secrets")] {
        for flags in [&[][..], &[POLICIES]] {
            let refused = agent.run(create, flags);
            let why = format!("cannot create resource \"{resource}\"");
            assert!(refused.stderr.contains(&why), "{flags:?}: {refused:?}");
        }
        assert_eq!(agent.run(create, &[WORKS]).code, Some(0), "{resource}");
    }
}
