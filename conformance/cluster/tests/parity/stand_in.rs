//! What happens when the executables of `KUBEBUILDER_ASSETS` are not what they should be: shown with scripts in their place.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use libtest_mimic::{Failed, Trial};
use tempfile::TempDir;

use crate::server::assets::Assets;

pub(crate) fn trials() -> Vec<Trial> {
    let trial = |name: &str, run: fn() -> Result<(), Failed>| Trial::test(format!("assets/{name}"), run);
    vec![
        trial("a_missing_executable_is_named", a_missing_executable_is_named),
        trial(
            "an_api_server_that_ends_is_quoted_and_etcd_is_ended",
            an_api_server_that_ends_is_quoted_and_etcd_is_ended,
        ),
    ]
}

/// A script that notes its process and its arguments before it does something else.
fn script(folder: &Path, name: &str, then: &str) {
    let path = folder.join(name);
    let noted = folder.join(name).with_extension("noted");
    let text = format!("#!/bin/sh\nprintf '%s\\n' \"$$\" \"$@\" > '{}'\n{then}\n", noted.display());
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn noted(folder: &Path, name: &str) -> Vec<String> {
    let text = fs::read_to_string(folder.join(name).with_extension("noted")).unwrap();
    text.lines().map(str::to_owned).collect()
}

fn refused(folder: &Path) -> String {
    let Err(error) = Assets::in_folder(folder).start() else { panic!("no server can start from {}", folder.display()) };
    error.to_string()
}

fn a_missing_executable_is_named() -> Result<(), Failed> {
    let folder = TempDir::new()?;
    script(folder.path(), "etcd", "exec sleep 60");
    let error = refused(folder.path());
    assert!(error.starts_with("failed to find kube-apiserver in the folder"), "{error}");
    assert!(error.contains("KUBEBUILDER_ASSETS"), "{error}");
    assert!(!folder.path().join("etcd.noted").exists(), "nothing is started when one is missing");
    Ok(())
}

fn an_api_server_that_ends_is_quoted_and_etcd_is_ended() -> Result<(), Failed> {
    let folder = TempDir::new()?;
    // Whether etcd has come as far as its note is waited for, so that its process is known.
    let etcd = folder.path().join("etcd.noted");
    let wait = format!("while ! [ -s '{}' ]; do :; done", etcd.display());
    script(folder.path(), "etcd", "exec sleep 60");
    script(folder.path(), "kube-apiserver", &format!("{wait}\necho 'unknown flag: --token-auth-file' >&2\nexit 3"));
    let error = refused(folder.path());
    let expected = "kube-apiserver ended with exit status: 3 before the API server was ready; its last words: unknown flag: \
                    --token-auth-file";
    assert_eq!(error, expected);
    let (etcd, api_server) = (noted(folder.path(), "etcd"), noted(folder.path(), "kube-apiserver"));
    let value = |arguments: &[String], flag: &str| {
        arguments.iter().find_map(|argument| argument.strip_prefix(flag).map(str::to_owned)).unwrap()
    };
    assert_eq!(value(&etcd, "--listen-client-urls="), value(&api_server, "--etcd-servers="));
    let data = value(&etcd, "--data-dir=");
    assert!(!Path::new(&data).parent().unwrap().exists(), "{data} goes with the server");
    assert!(!Path::new("/proc").join(&etcd[0]).exists(), "etcd still runs");
    Ok(())
}
