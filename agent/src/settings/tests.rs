use std::{collections::BTreeMap, ffi::OsString, io};

use muster_kit::log::Format;
use muster_kit::program::Invocation;

use super::*;

const IN_A_POD: [(&str, &str); 2] =
    [("KUBERNETES_SERVICE_HOST", "10.0.0.1"), ("KUBERNETES_SERVICE_PORT", "443")];
const FILE: &str = "/etc/muster.toml";

/// Reads settings from flags, variables, and the text of the file; in a pod of the namespace `ours`.
fn read(
    args: &[&str],
    variables: &[(&str, &str)],
    file: &str,
) -> Result<Invocation<Settings>, SettingsError> {
    let mut all = IN_A_POD.to_vec();
    all.extend(variables);
    read_outside(args, &all, file)
}

fn read_outside(
    args: &[&str],
    variables: &[(&str, &str)],
    file: &str,
) -> Result<Invocation<Settings>, SettingsError> {
    let args: Vec<OsString> = args.iter().map(Into::into).collect();
    let env: BTreeMap<OsString, OsString> =
        variables.iter().map(|(name, value)| (name.into(), value.into())).collect();
    let disk = |path: &Path| match path.to_str() {
        Some(FILE) => Ok(file.to_owned()),
        Some(NAMESPACE_FILE) => Ok("ours\n".to_owned()),
        _ => Err(io::Error::from(io::ErrorKind::NotFound)),
    };
    Invocation::read(&Start { args: &args, env: &env, read: &disk })
}

fn run(read: Result<Invocation<Settings>, SettingsError>) -> (Settings, Vec<String>) {
    match read.unwrap() {
        Invocation::Run { settings, warnings } => (*settings, warnings),
        other => panic!("{other:?}"),
    }
}

fn settings(args: &[&str]) -> Settings {
    run(read(args, &[], "")).0
}

fn error(read: Result<Invocation<Settings>, SettingsError>) -> String {
    read.unwrap_err().to_string()
}

#[test]
fn nothing_set_is_the_default() {
    let (settings, warnings) = run(read(&[], &[], ""));
    let expected = Settings {
        common: Common {
            cluster: ClusterSource::InCluster,
            listen: None,
            leader_lease: Duration::from_secs(15),
            log_format: Format::Text,
            log_level: tracing::Level::INFO,
        },
        directory: DirectorySource::Secret { namespace: "ours".into(), name: "directory-sync".into() },
        directory_proxy: None,
        cluster_name: None,
        namespace: "ours".into(),
        mirror: Scope::All,
        renewal: Renewal { life: Duration::from_secs(30 * 24 * 3600), after: None },
        facts_interval: Duration::from_secs(300),
    };
    assert_eq!(settings, expected);
    assert_eq!(warnings, Vec::<String>::new());
}

#[test]
fn every_setting_is_taken_from_every_place() {
    let values = [
        ("directory-secret", "a/b"),
        ("directory-proxy", "http://proxy:3128"),
        ("cluster-name", "east.1"),
        ("kubeconfig", "/replica"),
        ("namespace", "own"),
        ("listen", "127.0.0.1:0"),
        ("mirror", "env in (prod)"),
        ("leader-lease", "3"),
        ("token-life", "600"),
        ("renew-token-after", "10"),
        ("facts-interval", "7"),
        ("log-format", "json"),
        ("log-level", "trace"),
    ];
    let expected = Settings {
        common: Common {
            cluster: ClusterSource::File("/replica".into()),
            listen: Some("127.0.0.1:0".parse().unwrap()),
            leader_lease: Duration::from_secs(3),
            log_format: Format::Json,
            log_level: tracing::Level::TRACE,
        },
        directory: DirectorySource::Secret { namespace: "a".into(), name: "b".into() },
        directory_proxy: Some(Proxy::parse("http://proxy:3128").unwrap()),
        cluster_name: Some("east.1".into()),
        namespace: "own".into(),
        mirror: Scope::Selected(Selector::parse("env in (prod)").unwrap()),
        renewal: Renewal { life: Duration::from_secs(600), after: Some(Duration::from_secs(10)) },
        facts_interval: Duration::from_secs(7),
    };
    let joined: Vec<String> = values.iter().map(|(flag, value)| format!("--{flag}={value}")).collect();
    let joined: Vec<&str> = joined.iter().map(String::as_str).collect();
    assert_eq!(settings(&joined), expected, "--flag=value");
    let apart: Vec<String> =
        values.iter().flat_map(|(flag, value)| [format!("--{flag}"), (*value).into()]).collect();
    let apart: Vec<&str> = apart.iter().map(String::as_str).collect();
    assert_eq!(settings(&apart), expected, "--flag value");
    let variables: Vec<(String, &str)> = values
        .iter()
        .map(|(flag, value)| (format!("MUSTER_{}", flag.to_uppercase().replace('-', "_")), *value))
        .collect();
    let variables: Vec<(&str, &str)> =
        variables.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    assert_eq!(run(read(&[], &variables, "")).0, expected, "environment");
    let file: Vec<String> = values.iter().map(|(flag, value)| format!("{flag} = {value:?}")).collect();
    assert_eq!(run(read(&["--config", FILE], &[], &file.join("\n"))).0, expected, "file");
    let every_value = values.len() + ["directory-kubeconfig", "config", "help", "version"].len();
    assert_eq!(SETTINGS.len(), every_value, "a new setting needs a value here");
}

#[test]
fn flag_stands_over_environment_over_file_over_default() {
    let name =
        |args: &[&str], variables: &[(&str, &str)], file| run(read(args, variables, file)).0.cluster_name;
    let (flag, variable) = ("--cluster-name=flag", ("MUSTER_CLUSTER_NAME", "variable"));
    let (config, file) = (("MUSTER_CONFIG", FILE), "cluster-name = 'file'");
    assert_eq!(name(&[flag], &[variable, config], file).as_deref(), Some("flag"));
    assert_eq!(name(&[], &[variable, config], file).as_deref(), Some("variable"));
    assert_eq!(name(&[], &[config], file).as_deref(), Some("file"));
    assert_eq!(name(&["--config", FILE], &[], file).as_deref(), Some("file"));
    assert_eq!(name(&[], &[config], "").as_deref(), None);
    let (chosen, _) = run(read(&["--config", FILE], &[("MUSTER_CONFIG", "/none")], file));
    assert_eq!(chosen.cluster_name.as_deref(), Some("file"), "the flag says which file");
}

#[test]
fn the_flags_of_the_registry_are_aliases() {
    let set = settings(&["--registry-kubeconfig=/etc/registry/kubeconfig", "--local-cluster-name=east"]);
    assert_eq!(set.directory, DirectorySource::File("/etc/registry/kubeconfig".into()));
    assert_eq!(set.cluster_name.as_deref(), Some("east"));
    let twice = read(&["--cluster-name=a", "--local-cluster-name=b"], &[], "");
    assert_eq!(error(twice), "unable to use --local-cluster-name: it is given twice; give it once");
}

#[test]
fn an_empty_or_unexpanded_cluster_name_is_not_set() {
    for text in ["--cluster-name=", "--cluster-name=$(CLUSTER_NAME)"] {
        assert_eq!(settings(&[text]).cluster_name, None, "{text}");
        let (below, _) = run(read(&[text], &[("MUSTER_CLUSTER_NAME", "east")], ""));
        assert_eq!(below.cluster_name.as_deref(), Some("east"), "{text} hides what is below");
    }
    assert_eq!(run(read(&[], &[("MUSTER_CLUSTER_NAME", ""), ("MUSTER_LISTEN", "")], "")).1, [""; 0]);
    let (_, warnings) = run(read(&["--cluster-name=$(CLUSTER_NAME)"], &[], ""));
    let told = "--cluster-name is $(CLUSTER_NAME): that variable does not exist, so no name is set there";
    assert_eq!(warnings, [told]);
}

#[test]
fn the_directory_comes_from_one_place() {
    let secret = |namespace: &str, name: &str| DirectorySource::Secret {
        namespace: namespace.into(),
        name: name.into(),
    };
    assert_eq!(settings(&["--directory-secret=other"]).directory, secret("ours", "other"));
    assert_eq!(settings(&["--directory-secret=there/other"]).directory, secret("there", "other"));
    assert_eq!(settings(&["--namespace=own"]).directory, secret("own", "directory-sync"));
    let file = "--directory-kubeconfig=/file";
    for default in ["directory-sync", "ours/directory-sync"] {
        let both = settings(&[file, "--directory-secret", default]);
        assert_eq!(both.directory, DirectorySource::File("/file".into()), "{default}");
    }
    let both = read(&[file], &[("MUSTER_DIRECTORY_SECRET", "other")], "");
    let told = "unable to use both --directory-kubeconfig and MUSTER_DIRECTORY_SECRET: \
                the kubeconfig of the directory comes from one; drop the other";
    assert_eq!(error(both), told);
}

#[test]
fn the_replica_is_the_own_cluster_else_kubeconfig() {
    let outside = |args: &[&str], variables: &[(&str, &str)]| read_outside(args, variables, "");
    let (in_pod, _) = run(read(&[], &[("KUBECONFIG", "/file")], ""));
    assert_eq!(in_pod.common.cluster, ClusterSource::InCluster);
    let (elsewhere, _) = run(outside(&[], &[("KUBECONFIG", "/file")]));
    assert_eq!(elsewhere.common.cluster, ClusterSource::File("/file".into()));
    assert_eq!(elsewhere.namespace, "muster-system");
    let hosted = settings(&["--kubeconfig=/replica"]);
    assert_eq!(hosted.common.cluster, ClusterSource::File("/replica".into()));
    assert_eq!(hosted.namespace, "muster-system", "the pod's namespace is one of another cluster");
    let told = "unable to find the replica: run in a pod of it, or set --kubeconfig, MUSTER_KUBECONFIG or KUBECONFIG";
    assert_eq!(error(outside(&[], &[])), told);
    assert_eq!(error(outside(&[], &[("KUBECONFIG", ""), IN_A_POD[0]])), told);
    let told =
        "unable to use KUBECONFIG: \"/a:/b\" is not one file; set --kubeconfig to the one that is meant";
    assert_eq!(error(outside(&[], &[("KUBECONFIG", "/a:/b")])), told);
}

#[test]
fn an_unknown_variable_is_a_warning_without_its_value() {
    let (_, warnings) = run(read(&[], &[("MUSTER_MIROR", "canary"), ("OTHER", "x")], ""));
    assert_eq!(warnings, ["the environment variable MUSTER_MIROR is no setting of Muster"]);
}

/// One mistake: the whole text of the error, or its beginning where that ends with "…".
fn refused(args: &[&str], variables: &[(&str, &str)], file: &str, told: &str) {
    let error = error(read(args, variables, file));
    let beginning = told.strip_suffix('…');
    let as_told = beginning.map_or_else(|| error == told, |beginning| error.starts_with(beginning));
    assert!(as_told, "{args:?} {variables:?} {file:?}:\n got {error}\nwant {told}");
    assert!(!error.contains(char::is_control), "more than one line, or a colour: {error:?}");
    assert!(error.len() < 400, "{error}");
}

#[test]
fn a_wrong_flag_is_named() {
    let unknown = "there is no such flag; --help lists all";
    refused(&["--nope"], &[], "", &format!("unable to use --nope: {unknown}"));
    refused(&["-n"], &[], "", &format!("unable to use -n: {unknown}"));
    refused(&["--\u{1b}[31m"], &[], "", &format!("unable to use --\\u{{1b}}[31m: {unknown}"));
    let stray = "unable to use the argument \"run\": every setting is a flag; --help lists all";
    refused(&["run"], &[], "", stray);
    for empty in ["--listen", "--listen="] {
        refused(&[empty], &[], "", "unable to use --listen: it needs a value, ADDRESS:PORT");
    }
    refused(&["--help=x"], &[], "", "unable to use --help or --version with a value: they take none");
    let twice = "unable to use --mirror: it is given twice; give it once";
    refused(&["--mirror=all", "--mirror=all"], &[], "", twice);
}

#[test]
fn a_wrong_value_is_named_with_its_place_and_what_would_be_right() {
    let address = "an IP address and a port such as [::]:8080 or 127.0.0.1:8080";
    let secret = "[NAMESPACE/]NAME of a Secret such as muster-system/directory-sync";
    let namespace = "the name of a namespace: at most 63 of a-z, 0-9 and '-'";
    let cluster = "the name of a Cluster: at most 253 of a-z, 0-9, '-' and '.', such as east-1";
    let mirror = "all, none or a label selector";
    let lease = "a whole number of seconds from 3 to 3600";
    for (setting, text, right) in [
        ("listen", ":8080", address),
        ("listen", "localhost:1", address),
        ("directory-secret", "a/b/c", secret),
        ("directory-secret", "/b", secret),
        ("directory-secret", "a/", secret),
        ("namespace", "a.b", namespace),
        ("cluster-name", "East", cluster),
        ("cluster-name", "$(A", cluster),
        ("mirror", "env in prod", &format!("{mirror}: expected '(' but found \"prod\"")),
        ("leader-lease", "2", lease),
        ("leader-lease", "3601", lease),
        ("leader-lease", "15s", lease),
        ("leader-lease", "-3", lease),
        ("log-format", "xml", "one of text, json"),
        ("log-level", "INFO", "one of error, warn, info, debug, trace"),
    ] {
        let flag = format!("--{setting}");
        refused(&[&flag, text], &[], "", &format!("unable to use {flag}: \"{text}\" is not {right}"));
        let variable = format!("MUSTER_{}", setting.to_uppercase().replace('-', "_"));
        let told = format!("unable to use {variable}: \"{text}\" is not {right}");
        refused(&[], &[(&variable, text)], "", &told);
        let told = format!("unable to use the key {setting} in {FILE}: \"{text}\" is not {right}");
        refused(&["--config", FILE], &[], &format!("{setting} = {text:?}"), &told);
    }
    let escaped = format!("unable to use --mirror: \"a\\n\\u{{1b}}\" is not {mirror}…");
    refused(&["--mirror", "a\n\u{1b}"], &[], "", &escaped);
    refused(&["--listen", &"x".repeat(1000)], &[], "", "unable to use --listen: \"xxx…");
}

#[test]
fn a_wrong_file_is_named() {
    let refused = |file: &str, told: &str| refused(&["--config", FILE], &[], file, told);
    for key in ["miror", "config", "help", "registry-kubeconfig", "MUSTER_MIRROR"] {
        let told =
            format!("unable to use the key {key} in {FILE}: there is no such setting; --help lists all");
        refused(&format!("{key} = 'all'"), &told);
    }
    for file in ["[mirror]\nall = true", "mirror = 1", "mirror = true", "mirror = ['all']"] {
        refused(file, &format!("unable to use the key mirror in {FILE}: its value must be a text in quotes"));
    }
    refused(
        "mirror = ''",
        &format!("unable to use the key mirror in {FILE}: it needs a value, all|none|SELECTOR"),
    );
    for file in ["listen = '[::]:1'\nmirror = all", "mirror = 'all'\nmirror = 'all'"] {
        let told = format!("unable to read the file {FILE} as TOML: TOML parse error at line 2, column …");
        refused(file, &told);
    }
    let missing = "unable to read the file /none that --config names: entity not found";
    super::tests::refused(&["--config=/none"], &[], "", missing);
    let missing = "unable to read the file /none that MUSTER_CONFIG names: entity not found";
    super::tests::refused(&[], &[("MUSTER_CONFIG", "/none")], "", missing);
}

#[cfg(unix)]
#[test]
fn what_is_not_utf_8_is_refused() {
    use std::os::unix::ffi::OsStringExt as _;
    let bad = || OsString::from_vec(vec![b'x', 0xff]);
    let nothing = |_: &Path| Err(io::Error::from(io::ErrorKind::NotFound));
    let args = ["--mirror".into(), bad()];
    let read = Invocation::read(&Start { args: &args, env: &BTreeMap::new(), read: &nothing });
    assert_eq!(error(read), "unable to use --mirror: its value is not UTF-8 text");
    let env = BTreeMap::from([("MUSTER_MIRROR".into(), bad()), (bad(), bad())]);
    let read = Invocation::read(&Start { args: &[], env: &env, read: &nothing });
    assert_eq!(error(read), "unable to use MUSTER_MIRROR: its value is not UTF-8 text");
}

#[test]
fn help_and_version_need_nothing_else() {
    assert_eq!(read_outside(&["--help"], &[], "").unwrap(), Invocation::Help);
    assert_eq!(read_outside(&["--mirror", "none", "--version"], &[], "").unwrap(), Invocation::Version);
}

#[test]
fn the_help_is_the_agreed_one() {
    assert_eq!(
        Settings::help(),
        include_str!("help.txt"),
        "settings/help.txt is what people were told; update both or none"
    );
    for setting in &SETTINGS {
        let names = [
            Some(format!("--{}", setting.flag)),
            setting.variable(),
            setting.alias.map(|alias| format!("--{alias}")),
        ];
        for name in names.into_iter().flatten() {
            assert!(Settings::help().contains(&name), "{name}");
        }
    }
    assert!(Settings::help().lines().all(|line| line.len() <= 100));
}

#[test]
fn a_proxy_that_is_wrong_is_refused_and_what_is_in_its_address_is_not_repeated() {
    for text in ["https://canary:canary@h:3128", "canary", "http://canary@h:3128"] {
        let error = error(read(&["--directory-proxy", text], &[], ""));
        assert!(error.contains("--directory-proxy") && error.contains("http://[USER:PASSWORD@]"), "{error}");
        assert!(!error.contains("canary"), "{error}");
    }
    let settings = settings(&["--directory-proxy", "http://user:canary@h:3128"]);
    assert!(!format!("{settings:?}").contains("canary"));
}
