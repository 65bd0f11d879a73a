#![allow(clippy::unwrap_used, clippy::panic)]

use proptest::prelude::*;
use serde_json::json;

use super::*;

/// A field of bytes.
fn bytes(number: u8, value: impl AsRef<[u8]>) -> Vec<u8> {
    let value = value.as_ref();
    let mut field = vec![number << 3 | 2];
    let mut length = value.len();
    while length >= 0x80 {
        field.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
        length >>= 7;
    }
    field.push(u8::try_from(length).unwrap());
    field.extend(value);
    field
}

/// A field of a small number.
fn number(number: u8, value: u8) -> Vec<u8> {
    vec![number << 3, value]
}

fn message(fields: &[Vec<u8>]) -> Vec<u8> {
    fields.concat()
}

/// A body with its envelope.
fn body(api_version: &str, kind: &str, raw: impl AsRef<[u8]>) -> Vec<u8> {
    let meta = message(&[bytes(1, api_version), bytes(2, kind)]);
    message(&[MAGIC.to_vec(), bytes(1, meta), bytes(2, raw), bytes(3, ""), bytes(4, "")])
}

fn decoded(api_version: &str, kind: &str, raw: impl AsRef<[u8]>) -> Value {
    decode(&body(api_version, kind, raw), "", "").unwrap()
}

fn refused(body: &[u8]) -> Undecodable {
    decode(body, "v1", "Pod").unwrap_err()
}

#[test]
fn maps_and_bytes_become_json() {
    let metadata = message(&[bytes(1, "settings"), bytes(3, ""), bytes(8, "")]);
    let entry = |key: &str, value: &[u8]| message(&[bytes(1, key), bytes(2, value)]);
    let map = message(&[
        bytes(1, metadata),
        bytes(2, entry("a", b"1")),
        bytes(2, bytes(1, "empty")),
        bytes(3, entry("raw", &[0, 255])),
    ]);
    let expected = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"},
        "data": {"a": "1", "empty": ""}, "binaryData": {"raw": "AP8="}});
    assert_eq!(decoded("v1", "ConfigMap", map), expected);
}

#[test]
fn a_pointer_to_zero_is_kept_and_an_empty_value_is_not() {
    let container = message(&[bytes(1, "main"), bytes(2, ""), bytes(8, "")]);
    let pod_spec = message(&[bytes(2, container), number(5, 0), number(11, 0)]);
    let template = message(&[bytes(1, ""), bytes(2, pod_spec)]);
    let spec = message(&[number(1, 0), bytes(3, template), number(5, 0), number(7, 1)]);
    let expected = json!({
        "replicas": 0,
        "paused": true,
        "template": {"metadata": {}, "spec": {
            "containers": [{"name": "main", "resources": {}}],
            "activeDeadlineSeconds": 0,
        }},
    });
    assert_eq!(decoded("apps/v1", "Deployment", bytes(2, spec))["spec"], expected);
}

#[test]
fn wrappers_have_json_forms_of_their_own() {
    let port = |value: Vec<u8>| message(&[number(3, 80), bytes(4, value)]);
    let spec = message(&[
        bytes(1, port(message(&[number(1, 0), number(2, 81), bytes(3, "")]))),
        bytes(1, port(message(&[number(1, 1), number(2, 0), bytes(3, "web")]))),
    ]);
    let service = decoded("v1", "Service", bytes(2, spec));
    assert_eq!(service["spec"]["ports"], json!([{"port": 80, "targetPort": 81}, {"port": 80, "targetPort": "web"}]));

    let claim = message(&[
        bytes(1, "ReadWriteOnce"),
        bytes(2, bytes(2, message(&[bytes(1, "storage"), bytes(2, bytes(1, "1Gi"))]))),
    ]);
    let claim = decoded("v1", "PersistentVolumeClaim", bytes(2, claim));
    assert_eq!(claim["spec"], json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}));

    let volume = message(&[bytes(1, "v"), bytes(2, bytes(6, bytes(1, "keys")))]);
    let pod = decoded("v1", "Pod", bytes(2, bytes(1, volume)));
    assert_eq!(pod["spec"]["volumes"], json!([{"name": "v", "secret": {"secretName": "keys"}}]));

    let extra = message(&[bytes(1, "scopes"), bytes(2, message(&[bytes(1, "a"), bytes(1, "b")]))]);
    let review = decoded("authorization.k8s.io/v1", "SubjectAccessReview", bytes(2, bytes(5, extra)));
    assert_eq!(review["spec"]["extra"], json!({"scopes": ["a", "b"]}));
}

#[test]
fn moments_are_written_to_the_second_or_to_the_microsecond() {
    let moment = message(&[number(1, 61), number(2, 64)]);
    let lease = message(&[bytes(3, &moment), bytes(4, "")]);
    let lease = decoded("coordination.k8s.io/v1", "Lease", bytes(2, lease));
    assert_eq!(lease["spec"], json!({"acquireTime": "1970-01-01T00:01:01.000000Z"}));
    let metadata = message(&[bytes(8, ""), bytes(9, moment)]);
    let pod = decoded("v1", "Pod", bytes(1, metadata));
    assert_eq!(pod["metadata"], json!({"deletionTimestamp": "1970-01-01T00:01:01Z"}));
}

#[test]
fn schemas_are_one_or_another() {
    let schema = |kind: &str| message(&[bytes(5, kind)]);
    // Field numbers from 16 on take two bytes.
    let wide = |number: u8, value: Vec<u8>| {
        let mut field = bytes(0, value);
        field.splice(0..1, [(number << 3 | 2) | 0x80, number >> 4]);
        field
    };
    let own = message(&[
        bytes(5, "object"),
        wide(24, bytes(1, schema("string"))),
        wide(30, message(&[number(1, 0), bytes(2, schema("integer"))])),
        wide(33, number(1, 1)),
        bytes(8, bytes(1, r#"{"a": [1]}"#)),
    ]);
    let version = message(&[bytes(1, "v1"), bytes(4, bytes(1, own))]);
    let definition = decoded("apiextensions.k8s.io/v1", "CustomResourceDefinition", bytes(2, bytes(7, version)));
    let expected = json!({"type": "object", "items": {"type": "string"}, "additionalProperties": {"type": "integer"},
        "additionalItems": true, "default": {"a": [1]}});
    assert_eq!(definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"], expected);
}

#[test]
fn what_comes_twice_is_merged_and_what_is_unknown_is_skipped() {
    let once = bytes(1, bytes(1, "a"));
    let again = bytes(1, message(&[bytes(3, "ns"), bytes(15, "unheard of")]));
    let account = decoded("v1", "ServiceAccount", message(&[once, again]));
    assert_eq!(account["metadata"], json!({"name": "a", "namespace": "ns"}));
}

#[test]
fn a_body_without_a_kind_is_the_expected_one_and_options_are_of_every_group() {
    let body = message(&[MAGIC.to_vec(), bytes(2, bytes(1, bytes(1, "a")))]);
    let pod = decode(&body, "v1", "Pod").unwrap();
    assert_eq!(pod, json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}}));
    let options = decoded("apps/v1", "DeleteOptions", message(&[number(1, 0), bytes(4, "Orphan")]));
    assert_eq!(options["gracePeriodSeconds"], 0);
    assert_eq!(options["propagationPolicy"], "Orphan");
}

#[test]
fn what_is_no_object_is_told_in_the_real_words() {
    let malformed = |api_version: &str, kind: &str, error: &str| Undecodable::Malformed {
        kind: kind.into(),
        version: api_version.rsplit('/').next().unwrap().into(),
        error: error.into(),
    };
    let unrecognized = |what: &str| Undecodable::Unrecognized(what.into());
    let prefix = "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]";
    for (body, expected) in [
        (Vec::new(), unrecognized("empty data")),
        (b"{}".to_vec(), unrecognized(prefix)),
        (MAGIC.to_vec(), unrecognized("empty body")),
        ([MAGIC, &[0x0a, 9]].concat(), unrecognized("unexpected EOF")),
        ([MAGIC, &[0x08, 9]].concat(), unrecognized("proto: wrong wireType = 0 for field TypeMeta")),
        (body("v1", "Pod", [0x0a, 9]), malformed("v1", "Pod", "unexpected EOF")),
        (body("v1", "Pod", number(1, 0)), malformed("v1", "Pod", "proto: wrong wireType = 0 for field ObjectMeta")),
        (
            body("apps/v2", "Gadget", ""),
            malformed("apps/v2", "Gadget", "no kind \"Gadget\" is registered for version \"apps/v2\""),
        ),
    ] {
        assert_eq!(refused(&body), expected, "{body:?}");
    }
}

#[test]
fn endless_nesting_is_refused() {
    let mut schema = Vec::new();
    for _ in 0..5_000 {
        // `not`: a schema within a schema.
        let mut field = vec![0xe2, 0x01];
        field.extend(&bytes(1, &schema)[1..]);
        schema = field;
    }
    let version = bytes(4, bytes(1, schema));
    let refused = refused(&body("apiextensions.k8s.io/v1", "CustomResourceDefinition", bytes(2, bytes(7, version))));
    assert_eq!(refused.to_string(), "proto: messages are nested deeper than 200 levels");
}

proptest! {
    #[test]
    fn no_bytes_make_the_decoder_panic(
        kind in prop::sample::select(&[("v1", "Pod"), ("apps/v1", "Deployment"), ("v1", "Event"),
            ("apiextensions.k8s.io/v1", "CustomResourceDefinition"), ("authentication.k8s.io/v1", "TokenReview")][..]),
        raw in prop::collection::vec(prop_oneof![0_u8..=32, any::<u8>()], 0..200),
    ) {
        // Objects and refusals are both fine.
        let _ = decode(&body(kind.0, kind.1, &raw), "", "");
        let _ = decode(&raw, "v1", "Pod");
        let _ = decode(&[MAGIC, &raw].concat(), "v1", "Pod");
    }
}
