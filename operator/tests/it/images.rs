//! `deploy/images.sh`: the commands that it would run, and what it refuses. The container tier runs what it builds.

use std::{
    path::PathBuf,
    process::{Command, Output},
};

fn images(arguments: &[&str]) -> Output {
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../deploy/images.sh");
    let mut command = Command::new(script);
    command.env_remove("CARGO_TARGET_DIR").args(arguments).output().unwrap()
}

fn dry_run(arguments: &[&str]) -> String {
    let output = images(&[&["--dry-run"], arguments].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().replace(env!("CARGO_PKG_VERSION"), "VERSION")
}

#[test]
fn every_program_has_an_image_of_the_workspaces_version() {
    insta::assert_snapshot!(dry_run(&[]), @"
    cargo build --profile=release --locked --package=operator --package=vmcp --package=simulator --package=conformance
    docker build --file deploy/Dockerfile --build-arg PROGRAM=operator --tag ghcr.io/waggle/operator:VERSION CONTEXT/operator
    docker build --file deploy/Dockerfile --build-arg PROGRAM=vmcp --tag ghcr.io/waggle/vmcp:VERSION CONTEXT/vmcp
    docker build --file deploy/Dockerfile --build-arg PROGRAM=simulator --tag ghcr.io/waggle/simulator:VERSION CONTEXT/simulator
    docker build --file deploy/Dockerfile --build-arg PROGRAM=conformance --tag ghcr.io/waggle/conformance:VERSION CONTEXT/conformance
    ");
}

#[test]
fn options_choose_programs_names_and_engine() {
    let options =
        ["--engine", "podman", "--registry", "registry.example/", "--tag", "edge", "--profile", "dev", "vmcp"];
    insta::assert_snapshot!(dry_run(&options), @"
    cargo build --profile=dev --locked --package=vmcp
    podman build --file deploy/Dockerfile --build-arg PROGRAM=vmcp --tag registry.example/vmcp:edge CONTEXT/vmcp
    ");
    insta::assert_snapshot!(
        dry_run(&["--programs", "/built", "--engine", "nerdctl", "--tag", "t", "vmcp"]),
        @"nerdctl build --file deploy/Dockerfile --build-arg PROGRAM=vmcp --tag ghcr.io/waggle/vmcp:t CONTEXT/vmcp"
    );
}

#[test]
fn wrong_usage_is_one_sentence_and_exit_code_2() {
    for (arguments, expected) in [
        (["--dry-run", "gateway"], "\"gateway\" is none of: operator vmcp simulator conformance"),
        (["--nonsense", "vmcp"], "\"--nonsense\" is none of"),
        (["vmcp", "--tag"], "--tag needs a value"),
        (["--engine", "rkt"], "--engine \"rkt\" is none of: docker podman nerdctl"),
        (["--programs", "/nowhere"], "there is no program /nowhere/operator"),
    ] {
        let output = images(&arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {error}");
        assert!(error.contains(expected) && error.lines().count() == 1, "{arguments:?}: {error}");
    }
}
