//! Values that have the right type and that no gateway could use.

use vmcp_config::proxy::ProxyConfig;
use vmcp_config::{ConfigError, parse_file};

/// A file of a gateway with these two values.
fn gateway(backend: &str, more: &str) -> String {
    format!(
        "name: engineering\ngroupRef: tools\nincomingAuth: {{type: anonymous}}\nbackends:\n- {backend}\n{more}\n{}",
        if more.contains("outgoingAuth") { "" } else { "outgoingAuth: {source: inline}\n" }
    )
}

const BACKEND: &str = "{name: a, url: 'https://a.example', transport: sse}";

/// What is said of a file that must be refused, without its name.
fn refusal<T>(parsed: Result<T, ConfigError>) -> String {
    match parsed {
        Err(error @ ConfigError::Invalid { .. }) => error.to_string(),
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("accepted"),
    }
}

#[test]
fn what_no_gateway_can_use_is_said_with_its_place() {
    let default = |strategy: &str| format!("outgoingAuth: {{source: inline, default: {{{strategy}}}}}");
    let header = |block: &str| default(&format!("type: header_injection, headerInjection: {{{block}}}"));
    let exchange = |block: &str| default(&format!("type: token_exchange, tokenExchange: {{{block}}}"));
    let prefix = |format: &str| format!("aggregation: {{conflictResolutionConfig: {{prefixFormat: '{format}'}}}}");
    let oidc = |key: &str| {
        gateway(BACKEND, "").replace(
            "{type: anonymous}",
            &format!("{{type: oidc, oidc: {{issuer: 'https://idp.example.com', audience: a, {key}}}}}"),
        )
    };
    let host = "header \"Host\" cannot be set: it belongs to the request itself";
    for (text, expected) in [
        (
            gateway("{name: a, url: 'https://user:s3cr3t@a.example', transport: sse}", ""),
            "5:13: backends[0].url: the value holds a user name or password, which belongs into a Secret",
        ),
        (
            gateway("{name: a, url: 'https//user:s3cr3t@a.example', transport: sse}", ""),
            "5:13: backends[0].url: the value is not a URL",
        ),
        (
            gateway("{name: '', url: 'https://a.example', transport: sse}", ""),
            "5:4: backends[0].name: required: the name of the backend",
        ),
        (
            gateway(&BACKEND.replace('}', ", headers: {X-A: b, Host: c}}"), ""),
            &format!("5:73: backends[0].headers.Host: {host}"),
        ),
        (
            gateway(&BACKEND.replace('}', ", headers: {X-A: \"s3cr3t\\nX-B: c\"}}"), ""),
            "5:65: backends[0].headers.X-A: has characters that a header cannot carry",
        ),
        (
            gateway(BACKEND, &header("headerName: bad name, headerValue: s3cr3t")),
            "6:84: outgoingAuth.default.headerInjection.headerName: header \"bad name\" cannot be set: it is not a header name",
        ),
        (
            gateway(BACKEND, &header("headerName: Host, headerValue: s3cr3t")),
            &format!("6:84: outgoingAuth.default.headerInjection.headerName: {host}"),
        ),
        (
            gateway(BACKEND, &header("headerName: X-A, headerValue: \"s3cr3t\\nX-B: c\"")),
            "6:101: outgoingAuth.default.headerInjection.headerValue: has characters that a header cannot carry",
        ),
        (
            gateway(BACKEND, &header("headerName: X-A, headerValueEnv: A, headerFormat: \"{token}\\a\"")),
            "6:120: outgoingAuth.default.headerInjection.headerFormat: has characters that a header cannot carry",
        ),
        (
            gateway(BACKEND, &exchange("tokenUrl: 'https://user:s3cr3t@a.example'")),
            "6:80: outgoingAuth.default.tokenExchange.tokenUrl: the value holds a user name or password, which belongs into a Secret",
        ),
        (
            gateway(BACKEND, &exchange("tokenUrl: 'https://a.example', clientSecret: s3cr3t")),
            "6:64: outgoingAuth.default.tokenExchange.clientId: required with a client secret, which alone authenticates nobody",
        ),
        (
            gateway(BACKEND, &exchange("tokenUrl: 'https://a.example', subjectTokenType: saml")),
            "6:111: outgoingAuth.default.tokenExchange.subjectTokenType: \"saml\" is not a subject token type: expected access_token, id_token or jwt",
        ),
        (
            gateway(BACKEND, &exchange("tokenUrl: 'https://a.example', subjectProviderName: idp")),
            "6:111: outgoingAuth.default.tokenExchange.subjectProviderName is not supported by this release: remove it",
        ),
        (
            gateway(BACKEND, &default("type: aws_sts, awsSts: {region: eu-central-1}")),
            "6:42: outgoingAuth.default.type aws_sts is not supported by this release: remove it",
        ),
        (
            gateway(BACKEND, &prefix("{workloads}_")),
            "6:42: aggregation.conflictResolutionConfig.prefixFormat: {workloads} stands for nothing: write {workload} for the name of the backend",
        ),
        (oidc("jwksUrl: keys"), "3:83: incomingAuth.oidc.jwksUrl: \"keys\" is not an https:// URL"),
        (
            oidc("jwksUrl: 'http://idp.example.com/keys'"),
            "3:83: incomingAuth.oidc.jwksUrl: the keys are served without TLS: use an https:// URL, or set insecureAllowHttp for tests",
        ),
        (oidc("resource: gateway"), "3:83: incomingAuth.oidc.resource: \"gateway\" is not a URL"),
    ] {
        let said = refusal(parse_file(&text, "vmcp.yaml"));
        assert_eq!(said, format!("vmcp.yaml:{expected}"));
    }
    for accepted in [
        // Any text is a prefix.
        gateway(BACKEND, &prefix("x_")),
        gateway(BACKEND, &prefix("x-{workload}-{workload}/")),
        gateway(BACKEND, &header("headerName: Authorization, headerValueEnv: A, headerFormat: 'Bearer {token}'")),
        gateway(BACKEND, &header("headerName: Cookie, headerValue: \"of a file\\n\"")),
        gateway(
            BACKEND,
            &exchange("tokenUrl: 'http://a', clientId: c, subjectTokenType: 'urn:ietf:params:oauth:token-type:jwt'"),
        ),
        oidc("resource: 'http://vmcp-engineering.tools.svc:4483', jwksUrl: 'https://idp.example.com/keys'"),
    ] {
        parse_file(&accepted, "vmcp.yaml").unwrap();
    }
}

#[test]
fn what_no_proxy_can_use_is_said_with_its_place() {
    let proxy = |url: &str, more: &str| {
        format!("name: a\nurl: {url}\ntransport: sse\nclass: proxied\nincoming: {{type: anonymous}}\n{more}\n")
    };
    for (text, expected) in [
        (
            proxy("https://user:s3cr3t@a.example", ""),
            "2:1: url: the value holds a user name or password, which belongs into a Secret",
        ),
        (
            proxy("https://a.example", "headers: {plain: {Mcp-Session-Id: a}}"),
            "6:19: headers.plain.Mcp-Session-Id: header \"Mcp-Session-Id\" cannot be set: it belongs to the protocol",
        ),
        (
            proxy("https://a.example", "headers: {plain: {X-A: \"s3cr3t\\u0007\"}}"),
            "6:19: headers.plain.X-A: has characters that a header cannot carry",
        ),
        (
            proxy("https://a.example", "headers: {fromSecret: [{header: Te, secret: s, key: k}]}"),
            "6:25: headers.fromSecret[0].header: header \"Te\" cannot be set: it belongs to one connection",
        ),
        (
            proxy(
                "https://a.example",
                "outgoing: {type: headerInjection, headerInjection: {headerName: 'a b', value: {secret: s, key: k}}}",
            ),
            "6:53: outgoing.headerInjection.headerName: header \"a b\" cannot be set: it is not a header name",
        ),
    ] {
        let said = refusal(ProxyConfig::parse_file(&text, "proxy.yaml"));
        assert_eq!(said, format!("proxy.yaml:{expected}"));
    }
}
