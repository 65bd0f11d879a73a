//! The configuration of a proxy as a file.

use vmcp_config::{
    ConfigError, Transport,
    proxy::{ProxyClass, ProxyConfig, ProxyOutgoingKind, SecretKey},
};

const COMPLETE: &str = r#"{
  "name": "partner",
  "url": "https://mcp.partner.example/mcp",
  "transport": "streamable-http",
  "class": "proxied",
  "headers": {
    "plain": {"X-Tenant": "acme"},
    "fromSecret": [{"header": "X-Api-Key", "secret": "partner-key", "key": "value"}]
  },
  "incoming": {"type": "oidc", "oidc": {"issuer": "https://idp.example.com", "audience": "partner", "scopes": ["openid"]}},
  "outgoing": {
    "type": "tokenExchange",
    "tokenExchange": {
      "tokenUrl": "https://idp.example.com/token",
      "audience": "partner-api",
      "clientId": "proxy",
      "clientSecret": {"secret": "proxy-client", "key": "secret"},
      "scopes": ["tools"],
      "subjectTokenType": "urn:ietf:params:oauth:token-type:access_token"
    }
  },
  "tools": {
    "filter": ["lookup"],
    "overrides": {"get_x": {"name": "lookup", "description": "Looks X up.", "annotations": {"readOnlyHint": true}}}
  },
  "trustProxyHeaders": true,
  "endpointPrefix": "/partner",
  "sessionStorage": {"provider": "memory"},
  "audit": {"enabled": false}
}"#;

fn problems(text: &str) -> String {
    match ProxyConfig::parse(text, "runconfig.json") {
        Err(error @ ConfigError::Invalid { .. }) => error.to_string(),
        Err(error) => panic!("{error}"),
        Ok(config) => panic!("accepted: {config:?}"),
    }
}

#[test]
fn a_complete_file_is_read_and_written_the_same() {
    let config = ProxyConfig::parse(COMPLETE, "runconfig.json").unwrap();
    assert_eq!((config.transport, config.class), (Transport::StreamableHttp, ProxyClass::Proxied));
    let outgoing = config.outgoing.as_ref().unwrap();
    assert_eq!(outgoing.kind, ProxyOutgoingKind::TokenExchange);
    let secret = SecretKey { secret: "proxy-client".to_owned(), key: "secret".to_owned() };
    assert_eq!(outgoing.token_exchange.as_ref().unwrap().client_secret, Some(secret));
    assert_eq!(config.unsupported(), [""; 0]);
    assert_eq!(config.secrets().into_iter().collect::<Vec<_>>(), ["partner-key", "proxy-client"]);
    let written = serde_json::to_string_pretty(&config).unwrap();
    assert_eq!(ProxyConfig::parse(&written, "again.json").unwrap(), config);
}

#[test]
fn a_small_file_in_yaml_is_read_too() {
    let text = "name: a\nurl: http://mcp-a:8080/mcp\ntransport: sse\nclass: workload\nincoming: {type: anonymous}\n";
    let config = ProxyConfig::parse(text, "proxy.yaml").unwrap();
    assert_eq!((config.transport, config.class), (Transport::Sse, ProxyClass::Workload));
    assert!(!config.trust_proxy_headers && config.tools.is_none());
}

#[test]
fn an_unknown_key_of_a_proxy_is_refused_where_it_stands_with_the_nearest_one() {
    let text =
        COMPLETE.replace("\"audience\": \"partner\"", "\"audienc\": \"partner\"").replace("\"filter\"", "\"filters\"");
    insta::assert_snapshot!("proxy_unknown_keys", problems(&text));
}

#[test]
fn every_broken_rule_of_a_proxy_is_told_at_once() {
    let text = "
name: ''
url: ftp://a
transport: sse
class: proxied
headers: {fromSecret: [{header: '', secret: s, key: ''}]}
incoming: {type: anonymous}
outgoing:
  type: tokenExchange
  tokenExchange: {tokenUrl: token, clientSecret: {secret: s, key: k}}
  bearerToken: {token: {secret: '', key: k}}
tools:
  overrides: {a: {}, b: {name: x}, c: {name: x}, d: {name: ''}}
endpointPrefix: partner
sessionStorage: {provider: redis}
";
    insta::assert_snapshot!("proxy_broken_rules", problems(text));
    let text = "
name: a
url: https://a/mcp
transport: sse
class: proxied
incoming: {type: oidc, oidc: {issuer: 'http://idp.example.com', audience: ''}}
outgoing: {type: headerInjection}
";
    insta::assert_snapshot!("proxy_broken_authentication", problems(text));
}

#[test]
fn what_a_proxy_does_not_serve_is_named_by_its_key() {
    let mut config = ProxyConfig::parse(COMPLETE, "runconfig.json").unwrap();
    config.authz = Some(
        serde_json::from_str(r#"{"type": "cedar", "policies": ["permit(principal, action, resource);"]}"#).unwrap(),
    );
    config.audit = Some(serde_json::from_str(r#"{"enabled": true}"#).unwrap());
    config.telemetry = Some(serde_json::from_str("{}").unwrap());
    config.session_storage = Some(serde_json::from_str(r#"{"provider": "redis", "address": "redis:6379"}"#).unwrap());
    config.incoming.oidc.as_mut().unwrap().introspection_url = Some("https://idp.example.com/introspect".to_owned());
    let named: Vec<_> =
        config.unsupported().iter().map(|sentence| sentence.split(" is not").next().unwrap().to_owned()).collect();
    assert_eq!(named, ["incoming.oidc.introspectionUrl", "authz", "audit", "telemetry"]);
    config.transport = Transport::Sse;
    assert!(config.unsupported().iter().any(|sentence| sentence.starts_with("sessionStorage.provider redis with")));
}
