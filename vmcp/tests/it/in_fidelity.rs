//! What backends send arrives byte for byte, but for the names that the gateway owns; and so does what clients send.

use crate::in_backend::Backend;
use crate::in_support::{Client, gateway};
use serde_json::json;

/// Values that a decoder would spoil: numbers beyond its range or in another spelling, escapes, order, duplicates where
/// nobody reads, spaces, and fields that nobody knows.
const VALUES: [&str; 8] = [
    r#"{"n":12345678901234567890123,"f":1.50,"e":1E+2,"z":-0}"#,
    r#"{"text":"\u00fc\ud83d\ude00ü\/","nul":"\u0000"}"#,
    r#"{"z":1,"a":{"k":1,"k":2},"Z":3}"#,
    r#"{"_meta":{"a/b": {},"c": [ 1 ,2]},"isError":true,"structuredContent":[null,1.0]}"#,
    r#"{"structuredContent":"text","content":[{"type":"new","x":{}}]}"#,
    r#"{"contents":[{"uri":"x:y","blob":"AA==","extra":[]}],"nextCursor":7}"#,
    r#"{"messages":[{"role":"robot","content":{"type":"audio"}}],"description":null}"#,
    r#"{"completion":{"values":["a"],"total":1e3,"hasMore":"perhaps"}}"#,
];

async fn echo() -> Backend {
    let backend = Backend::start(&["t"]).await;
    backend.offer(json!({"prompts": {}, "resources": {"subscribe": true}, "completions": {}}));
    backend.set_items("prompts/list", vec![json!({"name": "p"}).to_string()]);
    backend.set_items("resources/list", vec![json!({"uri": "x:y"}).to_string()]);
    backend
}

/// The methods that name something, and their params in front of everything else.
const METHODS: [(&str, &str, &str); 5] = [
    ("tools/call", r#""name":"b_t""#, r#""name":"t""#),
    ("prompts/get", r#""name":"b_p""#, r#""name":"p""#),
    ("resources/read", r#""uri":"x:y""#, r#""uri":"x:y""#),
    ("resources/subscribe", r#""uri":"x:y""#, r#""uri":"x:y""#),
    (
        "completion/complete",
        r#""ref":{"type":"ref/prompt","name":"b_p","x":1.0}"#,
        r#""ref":{"type":"ref/prompt","name":"p","x":1.0}"#,
    ),
];

async fn post(client: &Client, method: &str, params: &str) -> String {
    client.post(format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{{params}}}}}"#)).await.text
}

#[tokio::test]
async fn results_and_errors_arrive_as_they_were_sent() {
    let backend = echo().await;
    let gateway = gateway(&[("b", &backend)], "").await;
    let client = gateway.connected().await;
    for (method, params, _) in METHODS {
        for value in VALUES {
            let error = format!(r#""error":{{"code":-1,"message":"m","data":{value}}}"#);
            for member in [format!(r#""result":{value}"#), error] {
                backend.reply(method, &member);
                let expected = format!(r#"{{"jsonrpc":"2.0","id":1,{member}}}"#);
                assert_eq!(post(&client, method, params).await, expected, "{method}");
            }
        }
    }
}

#[tokio::test]
async fn params_arrive_as_they_were_sent() {
    for (method, params, expected) in METHODS {
        let backend = echo().await;
        backend.reply(method, r#""result":{}"#);
        let gateway = gateway(&[("b", &backend)], "").await;
        let client = gateway.connected().await;
        let rest = VALUES.map(|value| format!(r#""k{}":{value}"#, value.len())).join(",");
        let rest = format!(r#"{rest},"_meta":{{"x": {{"y":1.0,"y":2}}}},"arguments":{}"#, VALUES[2]);
        post(&client, method, &format!("{params},{rest}")).await;
        let sent = backend.saw(method).await.body;
        assert!(sent.ends_with(&format!(r#""params":{{{expected},{rest}}}}}"#)), "{method}: {sent}");
    }
}

#[tokio::test]
async fn items_of_lists_arrive_as_they_were_sent_but_for_their_names() {
    let backend = echo().await;
    let lists = [
        ("tools/list", "tools", r#""name":"i""#, r#""name":"b_i""#),
        ("prompts/list", "prompts", r#""name":"i""#, r#""name":"b_i""#),
        ("resources/list", "resources", r#""uri":"x:\u00fc""#, r#""uri":"x:\u00fc""#),
        ("resources/templates/list", "resourceTemplates", r#""uriTemplate":"x:{ü}""#, r#""uriTemplate":"x:{ü}""#),
    ];
    let rest = VALUES.map(|value| format!(r#""k{}":{value}"#, value.len())).join(",");
    for (method, _, name, _) in lists {
        backend.set_items(method, vec![format!("{{{rest},{name},\"title\":1e2}}")]);
    }
    let gateway = gateway(&[("b", &backend)], "").await;
    let client = gateway.connected().await;
    for (method, member, _, name) in lists {
        let expected = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"{member}":[{{{rest},{name},"title":1e2}}]}}}}"#);
        assert_eq!(post(&client, method, "").await, expected, "{method}");
    }
}
