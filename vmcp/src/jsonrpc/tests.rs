#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use proptest::prelude::*;
use serde_json::{Value, json, value::RawValue};

fn refused(text: &str) -> String {
    Message::parse(text.as_bytes()).unwrap_err().to_string()
}

fn raw_text(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).unwrap()
}

#[test]
fn a_request_keeps_its_id_and_params_as_spelled() {
    let text = br#"{"jsonrpc":"2.0", "id": "\u0061", "method":"tools/call","params":{"b":1.0, "a":1e3}}"#;
    let Message::Request(request) = Message::parse(text).unwrap() else { panic!("not a request") };
    assert_eq!(request.id.raw().get(), r#""\u0061""#);
    assert_eq!(request.id, Id::parse(&raw_text(r#""a""#)).unwrap());
    assert_eq!(request.method, "tools/call");
    assert_eq!(request.params.unwrap().get(), r#"{"b":1.0, "a":1e3}"#);
}

#[test]
fn kinds_are_told_apart() {
    let kind = |text: &str| match Message::parse(text.as_bytes()).unwrap() {
        Message::Request(_) => "request",
        Message::Notification(_) => "notification",
        Message::Response(Response { outcome: Outcome::Result(_), .. }) => "result",
        Message::Response(Response { outcome: Outcome::Error(_), .. }) => "error",
    };
    assert_eq!(kind(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#), "request");
    assert_eq!(kind(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#), "notification");
    assert_eq!(kind(r#"{"jsonrpc":"2.0","id":1,"result":null}"#), "result");
    assert_eq!(kind(r#"{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":""}}"#), "error");
    assert_eq!(kind(r#"{"jsonrpc":"2.0","error":{"code":1,"message":""}}"#), "error");
}

#[test]
fn what_is_not_a_message_is_refused_with_the_protocols_code() {
    let table = [
        ("", code::PARSE_ERROR),
        ("{", code::PARSE_ERROR),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping"} x"#, code::PARSE_ERROR),
        ("[]", code::INVALID_REQUEST),
        (r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, code::INVALID_REQUEST),
        ("7", code::INVALID_REQUEST),
        ("{}", code::INVALID_REQUEST),
        (r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, code::INVALID_REQUEST),
        (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, code::INVALID_REQUEST),
        (r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#, code::INVALID_REQUEST),
        (r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#, code::INVALID_REQUEST),
        (r#"{"jsonrpc":"2.0","id":1,"method":7}"#, code::INVALID_REQUEST),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}"#, code::INVALID_REQUEST),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":[1]}"#, code::INVALID_PARAMS),
        (r#"{"jsonrpc":"2.0","result":{}}"#, code::INVALID_REQUEST),
    ];
    for (text, expected) in table {
        assert_eq!(Message::parse(text.as_bytes()).unwrap_err().code(), expected, "{text}");
    }
    assert_eq!(Message::parse(b"\xff\xfe").unwrap_err(), ParseError::NotJson);
}

#[test]
fn each_owned_key_of_the_envelope_is_refused_twice_and_in_another_case() {
    for key in ["jsonrpc", "id", "method", "params", "result", "error"] {
        let twice = format!(r#"{{"{key}":1,"{key}":1}}"#);
        assert_eq!(refused(&twice), format!("the message holds the key {key:?} twice"));
        let upper = key.to_uppercase();
        let variant = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"ping","{upper}":1}}"#);
        assert!(refused(&variant).contains("only in case"), "{variant}");
    }
}

#[test]
fn escapes_and_folding_beyond_ascii_do_not_hide_a_key() {
    assert!(refused(r#"{"jsonrpc":"2.0","id":1,"method":"a","m\u0065thod":"b"}"#).contains("twice"));
    assert!(refused("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"a\",\"param\u{17f}\":{}}").contains("only in case"));
    let params = raw_text("{\"to\u{212a}en\":1}");
    assert!(Object::parse(&params, "params", &["token"]).is_err());
}

#[test]
fn a_duplicate_that_the_gateway_does_not_own_is_refused_where_it_reads() {
    for others in [0, 13, 14, 100] {
        let other = (0..others).map(|number| format!(r#""k{number}":0,"#)).collect::<Vec<_>>().concat();
        let params = |keys: &str| raw_text(&format!(r#"{{{other}"name":"a",{keys}}}"#));
        assert!(Object::parse(&params(r#""x":1,"y":2"#), "params", &["name"]).is_ok(), "{others}");
        assert!(matches!(
            Object::parse(&params(r#""x":1,"x":2"#), "params", &["name"]),
            Err(ParseError::DuplicateKey { place: "params", key }) if key == "x"
        ));
    }
}

#[test]
fn replacing_an_owned_key_leaves_the_rest_raw_and_in_order() {
    let params = raw_text(r#"{ "z" : 1.10, "name":"prefixed_echo", "a":{"k":1,"k":2}, "_meta":{"x": 1} }"#);
    let object = Object::parse(&params, "params", &["name", "arguments", "_meta"]).unwrap();
    assert_eq!(object.string("name").unwrap().unwrap(), "prefixed_echo");
    let sent = object.with("name", raw("echo")).to_raw();
    assert_eq!(sent.get(), r#"{"z":1.10,"name":"echo","a":{"k":1,"k":2},"_meta":{"x": 1}}"#);
}

#[test]
fn nesting_is_bounded_and_brackets_in_strings_do_not_count() {
    let deep = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"a","params":{{"a":{}}}}}"#, "[".repeat(100_000));
    assert_eq!(Message::parse(deep.as_bytes()).unwrap_err(), ParseError::TooDeep);
    let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"a","params":{{"a":"\"{}"}}}}"#, "[".repeat(1000));
    assert!(Message::parse(text.as_bytes()).is_ok());
}

#[test]
fn composed_messages_are_what_a_peer_reads() {
    let id = Id::from(7);
    let text = error_response(Some(&id), &raw(&ErrorObject::new(code::METHOD_NOT_FOUND, "no such method")));
    let value: Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(value, json!({"jsonrpc": "2.0", "id": 7, "error": {"code": -32601, "message": "no such method"}}));
    let value: Value = serde_json::from_slice(&notification("notifications/cancelled", None)).unwrap();
    assert_eq!(value, json!({"jsonrpc": "2.0", "method": "notifications/cancelled"}));
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::hash_map(any::<String>(), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_bytes_are_a_message_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
        let _ = Message::parse(&bytes);
    }

    #[test]
    fn results_survive_byte_for_byte(result in any_json(), id in any::<u64>()) {
        let result = raw(&result);
        let text = result_response(&Id::from(id), &result);
        let Ok(Message::Response(Response { id: Some(read), outcome: Outcome::Result(read_result) })) =
            Message::parse(&text) else { return Err(TestCaseError::fail("not a result")) };
        prop_assert_eq!(read.as_u64(), Some(id));
        prop_assert_eq!(read_result.get(), result.get());
    }

    #[test]
    fn params_pass_through_a_replacement(value in any_json(), name in any::<String>()) {
        let params = raw(&json!({"name": name, "arguments": value}));
        let object = Object::parse(&params, "params", &["name", "arguments", "_meta"]).unwrap();
        let sent = object.with("name", raw("other")).to_raw();
        let read: Value = serde_json::from_str(sent.get()).unwrap();
        let original: Value = serde_json::from_str(params.get()).unwrap();
        prop_assert_eq!(&read["name"], "other");
        prop_assert_eq!(&read["arguments"], &original["arguments"]);
    }
}
