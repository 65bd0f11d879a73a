//! The YAML in `deploy/` is what the operator prints.

use std::{env, fs, path::Path};

use operator::{cli::InstallOptions, manifests};

/// Compares `text` with the committed file, or writes it when `UPDATE_DEPLOY` is set.
fn is_committed(file: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy").join(file);
    if env::var_os("UPDATE_DEPLOY").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == text,
        "deploy/{file} is stale: run `UPDATE_DEPLOY=1 cargo test -p operator --test it manifests` and commit it"
    );
}

#[test]
fn the_committed_crds_are_current() {
    for crd in operator_api::crds() {
        let file = format!("crds/{}_{}.yaml", crd.spec.group, crd.spec.names.plural);
        is_committed(&file, &manifests::documents(&[crd]).unwrap());
    }
}

#[test]
fn the_committed_operator_is_current() {
    is_committed("operator.yaml", &manifests::operator(&InstallOptions::default()).unwrap());
}

#[test]
fn the_rules_of_the_chart_are_current() {
    is_committed("chart/files/rules.yaml", &manifests::rules().unwrap());
}

#[test]
fn options_reach_the_objects() {
    let arguments = [
        "operator",
        "manifests",
        "--namespace=elsewhere",
        "--image=registry/operator:1",
        "--vmcp-image=registry/vmcp:2",
        "--vmcp-egress-allow=remote=10.0.0.0/8",
        "--vmcp-egress-allow=127.0.0.0/8",
    ];
    let parsed = <operator::cli::Arguments as clap::Parser>::parse_from(arguments);
    let operator::cli::Command::Manifests(options) = parsed.command else { panic!("another command") };
    let text = manifests::operator(&options).unwrap();
    for expected in [
        "namespace: elsewhere",
        "image: registry/operator:1",
        "--vmcp-image=registry/vmcp:2",
        "--vmcp-egress-allow=remote=10.0.0.0/8",
        "--vmcp-egress-allow=127.0.0.0/8",
    ] {
        assert!(text.contains(expected), "{expected} is not in\n{text}");
    }
    assert!(!text.contains("toolhive-system"), "{text}");
}

#[test]
fn a_wrong_egress_range_is_refused_with_what_is_expected() {
    let parse = |range: &str| {
        <operator::cli::Arguments as clap::Parser>::try_parse_from(["operator", "run", "--vmcp-egress-allow", range])
    };
    for (range, expected) in [("10.0.0.0", "10.0.0.0/8"), ("remotes=10.0.0.0/8", "remote"), ("remote=ten", "ten")] {
        let error = parse(range).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn an_operator_of_some_namespaces_has_a_role_in_each_and_no_cluster_role() {
    let options = InstallOptions {
        watch_namespace: vec!["team-b".to_owned(), "team-a".to_owned(), "team-b".to_owned()],
        ..InstallOptions::default()
    };
    let text = manifests::operator(&options).unwrap();
    let objects = serde_saphyr::from_multiple::<serde_json::Value>(&text).unwrap();
    let of = |kind: &str| -> Vec<_> {
        let found = objects.iter().filter(|object| object["kind"] == kind);
        found
            .map(|object| {
                format!(
                    "{}/{}",
                    object["metadata"]["namespace"].as_str().unwrap(),
                    object["metadata"]["name"].as_str().unwrap()
                )
            })
            .collect()
    };
    let expected = ["team-a/toolhive-operator", "team-b/toolhive-operator", "toolhive-system/toolhive-operator-leader"];
    assert_eq!(of("Role"), expected);
    assert_eq!(of("RoleBinding"), expected);
    assert!(!text.contains("ClusterRole"), "{text}");
    assert!(text.contains("--watch-namespace=team-a,team-b"), "{text}");
}

#[test]
fn what_is_no_namespace_is_refused() {
    for name in ["Team", "a_b", "-a", "a/b"] {
        let argument = format!("--watch-namespace={name}");
        let arguments = ["operator", "run", &argument];
        let error = <operator::cli::Arguments as clap::Parser>::try_parse_from(arguments).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("team-a"), "{error}");
    }
}
