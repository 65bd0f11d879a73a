//! What must hold for any input that comes from outside: JSON-RPC messages, event streams, and URLs that lead somewhere. Each function
//! panics where something does not. The fuzz targets call them, and so do the tests of `vmcp`, which need no nightly compiler.

use serde_json::Value;
use serde_json::value::RawValue;
use std::net::{IpAddr, Ipv4Addr};
use url::{Host, Url};
use vmcp::egress::guard::{EgressClass, Guard};
use vmcp::egress::sse::{SseDecoder, SseEvent};
use vmcp::jsonrpc::{self, Message, Object, Outcome, raw};

/// Keys of params that the gateway acts on.
const OWNED: [&str; 5] = ["name", "arguments", "uri", "cursor", "_meta"];
/// The largest event that the decoder takes here.
const LARGEST_EVENT: usize = 64;

/// A message is refused, or read as another decoder reads it, and says the same when it is written again.
pub fn json_rpc(data: &[u8]) {
    for message in jsonrpc::messages_of_batch(data).unwrap_or_default() {
        read_message(message.get().as_bytes());
    }
    read_message(data);
}

fn read_message(data: &[u8]) {
    let Ok(message) = Message::parse(data) else { return };
    let text = std::str::from_utf8(data).expect("a message is text");
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // What the gateway does not read may be more than this decoder takes: numbers beyond f64, halves of surrogate pairs.
    let Ok(other) = serde_json::from_str::<Value>(text) else { return };
    match message {
        Message::Request(asked) => {
            assert_eq!(other["method"], *asked.method);
            assert_eq!(other["id"], decoded(asked.id.raw()).expect("an id is JSON"));
            read_params(asked.params, &other["params"]);
            let again = jsonrpc::request(&asked.id, &asked.method, asked.params);
            let Ok(Message::Request(read)) = Message::parse(&again) else { panic!("no request: {again:?}") };
            assert_eq!(
                (&read.id, &read.method, text_of(read.params)),
                (&asked.id, &asked.method, text_of(asked.params))
            );
        }
        Message::Notification(told) => {
            assert_eq!(other["method"], *told.method);
            read_params(told.params, &other["params"]);
            let again = jsonrpc::notification(&told.method, told.params);
            let Ok(Message::Notification(read)) = Message::parse(&again) else { panic!("no notification: {again:?}") };
            assert_eq!((&read.method, text_of(read.params)), (&told.method, text_of(told.params)));
        }
        Message::Response(answered) => {
            let (key, value) = match answered.outcome {
                Outcome::Result(result) => ("result", result),
                Outcome::Error(error) => ("error", error),
            };
            assert_eq!(other.get(key), decoded(value).as_ref());
            assert!(other.get(if key == "result" { "error" } else { "result" }).is_none(), "both are there: {text}");
        }
    }
}

/// What the gateway reads of params is what everybody reads, and replacing a key leaves the others.
fn read_params(params: Option<&RawValue>, other: &Value) {
    let Some(params) = params else { return };
    let Ok(object) = Object::parse(params, "params", &OWNED) else { return };
    let fields = other.as_object().expect("params are an object");
    for key in OWNED {
        assert_eq!(object.field(key).and_then(decoded).as_ref(), fields.get(key), "{key} of {params}");
        let alike = fields.keys().filter(|other| other.eq_ignore_ascii_case(key)).count();
        assert!(alike <= 1, "{key} is there in two spellings: {params}");
    }
    let mut expected = fields.clone();
    expected.insert("name".to_owned(), "other".into());
    let replaced = object.with("name", raw("other")).to_raw();
    assert_eq!(decoded(&replaced), Some(Value::Object(expected)));
}

fn decoded(value: &RawValue) -> Option<Value> {
    serde_json::from_str(value.get()).ok()
}

fn text_of(params: Option<&RawValue>) -> Option<&str> {
    params.map(RawValue::get)
}

/// Events do not depend on the pieces in which a stream comes, and none is larger than allowed. The first byte says how large the
/// pieces are.
pub fn sse(data: &[u8]) {
    let Some((size, stream)) = data.split_first() else { return };
    let whole = decode([stream]);
    let pieces = decode(stream.chunks(usize::from(*size).max(1)));
    match (whole, pieces) {
        (Some(whole), Some(pieces)) => {
            // A byte that is not UTF-8 becomes one character.
            assert!(whole.0.iter().all(|event| event.data.chars().count() <= LARGEST_EVENT));
            assert_eq!(whole, pieces);
        }
        (None, None) => {}
        (whole, pieces) => panic!("whole {whole:?}, in pieces {pieces:?}"),
    }
}

/// The events, the last id and the time to reconnect, or nothing where an event is too large.
type Decoded = (Vec<SseEvent>, Option<String>, Option<u64>);

fn decode<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Option<Decoded> {
    let mut decoder = SseDecoder::new(LARGEST_EVENT);
    let mut events = Vec::new();
    for piece in pieces {
        events.extend(decoder.push(piece).ok()?);
    }
    Some((events, decoder.last_id().map(str::to_owned), decoder.retry()))
}

/// A connection goes to the host that was judged; names are judged alike however they are spelled; what a remote server's URL may
/// reach is public, and every other class may reach it too.
pub fn guard(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(url) = Url::parse(text) else { return };
    let (true, Some(host)) = (matches!(url.scheme(), "http" | "https"), url.host()) else { return };
    if let Ok(uri) = url.as_str().parse::<http::Uri>() {
        let dialled = uri.host().map(Host::parse);
        assert_eq!(dialled, Some(Ok(host.to_owned())), "{url} leads elsewhere than it seems");
    }
    let guard = Guard::default();
    match host {
        Host::Domain(name) => {
            let judged = |name: &str| guard.judge_name(name, EgressClass::Remote.into());
            for spelling in [name.to_uppercase(), format!("{}.", name.trim_end_matches('.'))] {
                assert_eq!(judged(name), judged(&spelling), "{name} and {spelling}");
            }
        }
        Host::Ipv4(address) => judge(&guard, address.into()),
        Host::Ipv6(address) => judge(&guard, address.into()),
    }
}

fn judge(guard: &Guard, address: IpAddr) {
    if guard.judge_address(address, EgressClass::Remote.into()).is_err() {
        return;
    }
    assert!(is_global(address), "{address} is allowed");
    for class in EgressClass::ALL {
        assert_eq!(guard.judge_address(address, class.into()), Ok(()), "{address} for {class}");
    }
}

/// What the standard library knows of addresses, by itself and by what they embed.
fn is_global(address: IpAddr) -> bool {
    let is_global_v4 = |address: Ipv4Addr| {
        let special = address.is_loopback() || address.is_unspecified() || address.is_broadcast();
        !(special || address.is_private() || address.is_link_local() || address.is_multicast())
    };
    match address {
        IpAddr::V4(address) => is_global_v4(address),
        IpAddr::V6(address) => {
            let special = address.is_loopback() || address.is_unspecified() || address.is_multicast();
            let local = address.is_unique_local() || address.is_unicast_link_local();
            !special && !local && address.to_ipv4().is_none_or(is_global_v4)
        }
    }
}
