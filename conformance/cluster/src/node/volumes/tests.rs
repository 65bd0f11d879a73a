#![allow(clippy::unwrap_used)]
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use super::*;

struct Fixture {
    folder: tempfile::TempDir,
    sources: Sources,
    tokens: Tokens,
}

impl Fixture {
    fn new() -> Self {
        let mut sources = Sources::default();
        let data = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec())).collect()
        };
        sources.config_maps.insert("settings".into(), data(&[("a.yaml", "a: 1"), ("b.yaml", "b: 2")]));
        sources.secrets.insert("keys".into(), data(&[("token", "s3cr3t")]));
        let request = TokenRequest { audience: String::new(), expiration: 3607 };
        Self { folder: tempfile::tempdir().unwrap(), sources, tokens: Tokens::from([(request, "jwt".into())]) }
    }

    fn write(&self, volume: Value) -> Result<PathBuf, VolumeError> {
        let volume: Volume = serde_json::from_value(volume).unwrap();
        let pod = json!({"metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web"}},
                         "spec": {"containers": [], "volumes": [&volume]}});
        let pod: Pod = serde_json::from_value(pod).unwrap();
        let placement = Placement {
            node: "node".into(),
            pod_address: Ipv4Addr::new(127, 80, 0, 20),
            host_address: Ipv4Addr::LOCALHOST,
        };
        write(self.folder.path(), &volume, &pod, &placement, &self.sources, &self.tokens)?;
        Ok(folder(self.folder.path(), &volume))
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.retain(|name| !name.starts_with(".."));
    names.sort();
    names
}

#[test]
fn a_config_map_becomes_files_that_follow_it() {
    let mut fixture = Fixture::new();
    let volume = json!({"name": "v", "configMap": {"name": "settings"}});
    let folder = fixture.write(volume.clone()).unwrap();
    assert_eq!(names(&folder), ["a.yaml", "b.yaml"]);
    let first = std::fs::read_link(folder.join("..data")).unwrap();
    fixture.write(volume.clone()).unwrap();
    assert_eq!(std::fs::read_link(folder.join("..data")).unwrap(), first, "nothing changed, nothing is written");

    let settings = fixture.sources.config_maps.get_mut("settings").unwrap();
    settings.remove("a.yaml");
    settings.insert("b.yaml".into(), b"b: 3".to_vec());
    fixture.write(volume).unwrap();
    assert_eq!(names(&folder), ["b.yaml"]);
    assert_eq!(std::fs::read_to_string(folder.join("b.yaml")).unwrap(), "b: 3");
    assert!(!folder.join(first).exists(), "the old version is removed");
}

#[test]
fn items_choose_keys_paths_and_modes() {
    let fixture = Fixture::new();
    let items = json!([{"key": "token", "path": "nested/key", "mode": 0o400}]);
    let folder = fixture.write(json!({"name": "v", "secret": {"secretName": "keys", "items": items}})).unwrap();
    let file = folder.join("nested/key");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "s3cr3t");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o400);
}

#[test]
fn the_service_account_volume_has_token_and_namespace() {
    let fixture = Fixture::new();
    let folder = fixture
        .write(json!({"name": "kube-api-access-x", "projected": {"sources": [
            {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
            {"configMap": {"name": "settings", "items": [{"key": "a.yaml", "path": "ca.crt"}]}},
            {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}]}}]}}))
        .unwrap();
    assert_eq!(names(&folder), ["ca.crt", "namespace", "token"]);
    assert_eq!(std::fs::read_to_string(folder.join("token")).unwrap(), "jwt");
    assert_eq!(std::fs::read_to_string(folder.join("namespace")).unwrap(), "shop");
}

#[test]
fn an_optional_source_may_be_missing() {
    let fixture = Fixture::new();
    let folder = fixture.write(json!({"name": "v", "configMap": {"name": "none", "optional": true}})).unwrap();
    assert!(names(&folder).is_empty());
}

#[test]
fn what_cannot_be_mounted_is_named() {
    let fixture = Fixture::new();
    for (volume, message) in [
        (json!({"configMap": {"name": "none"}}), "configmap \"none\" not found"),
        (json!({"secret": {"secretName": "none"}}), "secret \"none\" not found"),
        (
            json!({"configMap": {"name": "settings", "items": [{"key": "c", "path": "c"}]}}),
            "configmap references non-existent config key: c",
        ),
        (
            json!({"configMap": {"name": "settings", "items": [{"key": "a.yaml", "path": "../c"}]}}),
            "the path \"../c\" leaves the volume: use a relative path without \"..\"",
        ),
        (
            json!({"persistentVolumeClaim": {"claimName": "data"}}),
            "this node has no volumes of kind persistentVolumeClaim: use configMap, secret, projected, downwardAPI, \
             emptyDir or hostPath",
        ),
    ] {
        let mut volume = volume;
        volume["name"] = "v".into();
        assert_eq!(fixture.write(volume).unwrap_err().to_string(), message);
    }
}

#[test]
fn a_sub_path_is_below_the_folder_of_its_volume() {
    let pod: Pod = serde_json::from_value(json!({"spec": {"containers": [], "volumes": [
        {"name": "data", "emptyDir": {}}, {"name": "host", "hostPath": {"path": "/srv"}}]}}))
    .unwrap();
    let container: Container = serde_json::from_value(json!({"name": "c", "volumeMounts": [
        {"name": "data", "mountPath": "/data", "subPath": "a/b"}, {"name": "host", "mountPath": "/host"}]}))
    .unwrap();
    let expected = [("/data".to_owned(), "/pods/1/volumes/data/a/b".into()), ("/host".to_owned(), "/srv".into())];
    assert_eq!(mounts(&pod, &container, Path::new("/pods/1")), expected);
}
