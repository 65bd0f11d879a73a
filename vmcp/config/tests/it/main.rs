//! The configuration as a file: what is read, what is refused, and with which words.
#![allow(clippy::unwrap_used, clippy::panic)]

mod proxy;
mod refused;

use vmcp_config::{Config, ConfigError, Duration, OutgoingAuthSource, Transport, load, parse, unknown_keys};

const COMPLETE: &str = r#"
name: engineering
groupRef: engineering-tools
incomingAuth:
  type: oidc
  oidc:
    issuer: https://idp.example.com
    audience: engineering-vmcp
    resource: https://vmcp.example.com
    scopes: [openid]
outgoingAuth:
  source: inline
  backends:
    github:
      type: header_injection
      headerInjection: {headerName: X-Api-Key, headerValue: s3cr3t}
backends:
- name: github
  url: https://mcp.example.com/mcp
  transport: streamable-http
  type: entry
aggregation:
  conflictResolution: prefix
  conflictResolutionConfig: {prefixFormat: "{workload}_"}
operational:
  timeouts:
    default: 45s
    perWorkload: {slow: 1m30s}
"#;

/// The problems of `text`, one per line.
fn problems(text: &str) -> String {
    match parse(text, "vmcp.yaml") {
        Err(error @ ConfigError::Invalid { .. }) => error.to_string(),
        Err(error) => panic!("{error}"),
        Ok(config) => panic!("accepted: {config:?}"),
    }
}

#[test]
fn a_complete_file_is_read() {
    let config = parse(COMPLETE, "vmcp.yaml").unwrap();
    assert_eq!(config.outgoing_auth.as_ref().unwrap().source, OutgoingAuthSource::Inline);
    assert_eq!(config.backends.as_ref().unwrap()[0].transport, Transport::StreamableHttp);
    let timeouts = config.operational.clone().unwrap().timeouts.unwrap();
    assert_eq!((timeouts.of("slow"), timeouts.of("other")), (Duration::from_secs(90), Duration::from_secs(45)));
    assert!(!format!("{config:?}").contains("s3cr3t"), "secrets stay out of Debug");
}

#[test]
fn the_configurations_of_the_readme_can_be_served() {
    let readme = include_str!("../../../README.md");
    let blocks: Vec<_> = readme.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(!blocks.is_empty());
    for block in blocks {
        assert_eq!(parse(block, "README.md").unwrap().unsupported(), Vec::<String>::new());
    }
}

#[test]
fn what_is_written_is_read_again() {
    let config = parse(COMPLETE, "vmcp.yaml").unwrap();
    let text = serde_saphyr::to_string(&config).unwrap();
    assert_eq!(parse(&text, "again.yaml").unwrap(), config);
}

#[test]
fn an_unknown_key_is_refused_where_it_stands_with_the_nearest_one() {
    let text = COMPLETE.replace("audience:", "audienc:").replace("aggregation:", "agregation:");
    insta::assert_snapshot!("unknown_keys", problems(&text));
}

#[test]
fn every_broken_rule_is_told_at_once() {
    let text = "
name: engineering
incomingAuth: {type: oidc, oidc: {issuer: 'http://idp.example.com', audience: ''}}
outgoingAuth: {source: discovered, default: {type: bearer}}
aggregation: {conflictResolution: priority}
operational:
  failureHandling: {healthCheckInterval: 5s, healthCheckTimeout: 10s}
sessionStorage: {provider: redis, keyPrefix: sessions}
passthroughHeaders: [X-Tenant, Cookie, X-Forwarded-Proto]
backends:
- {name: a, url: 'ftp://a', transport: sse}
- {name: a, url: 'https://a', transport: sse, caBundlePath: ../ca.crt}
";
    insta::assert_snapshot!("broken_rules", problems(text));
}

#[test]
fn a_wrong_value_is_refused_where_it_stands() {
    let text = COMPLETE.replace("45s", "45");
    insta::assert_snapshot!("wrong_duration", problems(&text));
    let text = COMPLETE.replace("transport: streamable-http", "transport: websocket");
    insta::assert_snapshot!("wrong_transport", problems(&text));
    insta::assert_snapshot!("wrong_syntax", problems("name: [unclosed"));
    insta::assert_snapshot!("duplicate_key", problems("name: a\nname: b\n"));
}

#[test]
fn every_wrong_type_is_told_at_once() {
    let text = "
name: [a]
incomingAuth: {type: anonymus}
outgoingAuth: {source: inlin, default: {type: header_injection, headerInjection: {headerName: X, headerValue: {s3cr3t: 1}}}}
backends:
- {name: , url: 'https://a', transport: streamable-htp, typ: entry}
- {url: 'https://a', transport: sse, type: remote}
- https://a
aggregation: {conflictResolution: prefx}
operational:
  timeouts: {default: 30, perWorkload: {slow: -1s}}
  failureHandling: {unhealthyThreshold: 1.5, partialFailureMode: besteffort, circuitBreaker: {enabled: 2, failureThreshold: '3'}}
passthroughHeaders: X-Tenant
sessionStorage: {provider: redi, db: true}
metadata: [a]
";
    let said = problems(text);
    assert!(!said.contains("s3cr3t"), "{said}");
    insta::assert_snapshot!("wrong_types", said);
}

#[test]
fn a_value_that_can_be_read_as_what_is_wanted_is_taken() {
    let lenient = "  failureHandling: {unhealthyThreshold: '3', circuitBreaker: {enabled: yes}}\nmetadata:\n";
    let text = format!("{}{lenient}", COMPLETE.replace("name: engineering", "name: 5"));
    let config = parse(&text, "vmcp.yaml").unwrap();
    assert_eq!((config.name.as_str(), config.metadata), ("5", None));
    let failures = config.operational.unwrap().failure_handling.unwrap();
    assert_eq!((failures.unhealthy_threshold, failures.circuit_breaker.unwrap().enabled), (3, true));
    let said = problems(&text.replace("45s", "45"));
    assert_eq!(said.lines().count(), 1, "nothing else is wrong: {said}");
}

#[test]
fn what_is_no_single_document_is_said_without_words_of_programmers() {
    insta::assert_snapshot!("two_documents", problems(&format!("{COMPLETE}---\nname: b\n")));
    insta::assert_snapshot!("no_mapping", problems("- a\n"));
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let error = load("/does/not/exist.yaml").unwrap_err();
    assert_eq!(error.to_string(), "cannot read the configuration file /does/not/exist.yaml");
}

#[test]
fn a_feature_that_is_not_served_is_named_by_its_key() {
    let text = format!("{COMPLETE}audit: {{enabled: true}}\ncodeMode: {{enabled: true}}\n");
    let config = parse(&text, "vmcp.yaml").unwrap();
    assert_eq!(
        config.unsupported(),
        ["audit is not supported by this release: remove it", "codeMode is not supported by this release: remove it"]
    );
    assert!(parse(COMPLETE, "vmcp.yaml").unwrap().unsupported().is_empty());
}

#[test]
fn every_documented_key_is_known() {
    let config = serde_json::json!({
        "telemetry": {"endpoint": "otel:4317", "samplingRate": "0.1", "headers": {"a": "b"}},
        "compositeTools": [{
            "name": "deploy", "steps": [{"id": "a", "tool": "t", "arguments": {"anything": {"goes": 1}}}],
            "parameters": {"type": "object", "properties": {}}, "timeout": "30m"
        }],
        "rateLimiting": {"tools": [{"name": "t", "perUser": {"maxTokens": 1, "refillPeriod": "1m"}}]},
        "metadata": {"any": "label"},
        "optimizer": {"embeddingHeaders": {"X-Key": "v"}, "maxToolsToReturn": 8}
    });
    assert_eq!(unknown_keys(&config), []);
    serde_json::from_value::<Config>(config).unwrap();
}

#[test]
fn a_backend_has_headers_of_its_own_and_a_strategy_one_source_of_its_secret() {
    let with = |backend: &str, header: &str| {
        COMPLETE
            .replace("  type: entry\n", &format!("  type: entry\n{backend}"))
            .replace("{headerName: X-Api-Key, headerValue: s3cr3t}", header)
    };
    let header = "{headerName: Authorization, headerValueSecret: {name: a, key: b}, headerFormat: 'Bearer {token}'}";
    let config =
        parse(&with("  headers: {X-A: b}\n  headersFromEnv: {Authorization: KEY}\n", header), "vmcp.yaml").unwrap();
    let strategy = &config.outgoing_auth.as_ref().unwrap().backends.as_ref().unwrap()["github"];
    assert_eq!(strategy.header_injection.as_ref().unwrap().format("t\n"), "Bearer t");
    for (backend, header, expected) in [
        ("  headers: {Host: b}\n", "{headerName: X, headerValue: v}", "header \"Host\" cannot be set"),
        ("  headersFromEnv: {Mcp-Session-Id: K}\n", "{headerName: X, headerValue: v}", "it belongs to the protocol"),
        ("", "{headerName: X}", "set exactly one of headerValue, headerValueEnv and headerValueSecret"),
        ("", "{headerName: X, headerValue: v, headerValueEnv: V}", "set exactly one"),
        ("", "{headerName: X, headerValue: v, headerFormat: plain}", "must contain {token}"),
    ] {
        let found = problems(&with(backend, header));
        assert!(found.contains(expected), "{found}");
    }
}

#[test]
fn relative_paths_are_of_the_files_folder() {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("relative_paths");
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("config.yaml");
    let backend = |name: &str, path: &str| {
        format!(
            "{{name: {name}, url: \"https://{name}.example.com\", transport: sse, type: entry, caBundlePath: {path}}}"
        )
    };
    let text = format!(
        "name: a\ngroupRef: b\nincomingAuth: {{type: anonymous}}\noutgoingAuth: {{source: inline}}\nbackends: [{}, {}]\n",
        backend("one", "backend-ca/one/ca.crt"),
        backend("two", "/etc/two/ca.crt")
    );
    std::fs::write(&file, text).unwrap();
    let backends = load(&file).unwrap().backends.unwrap();
    let paths: Vec<_> = backends.into_iter().map(|backend| backend.ca_bundle_path.unwrap()).collect();
    assert_eq!(paths, [folder.join("backend-ca/one/ca.crt").to_str().unwrap(), "/etc/two/ca.crt"]);
}
