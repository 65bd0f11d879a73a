//! World files: what is refused, and how it is said.

use simulator::World;
use simulator::world::{ReadError, schema};

fn refusal(text: &str) -> String {
    shortened(&World::from_yaml("world.yaml", text).unwrap_err().to_string())
}

/// A refusal without the lists of keys that there are: they grow.
fn shortened(refusal: &str) -> String {
    let lines =
        refusal.lines().map(|line| match line.split_once("Known here: ").or(line.split_once(" where one of ")) {
            Some((before, list)) => format!("{before}[{} names]", if list.contains(", ") { "several" } else { "no" }),
            None => line.to_owned(),
        });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn an_unknown_key_is_shown_with_its_place_and_the_nearest_one() {
    insta::assert_snapshot!(refusal("servers:\n  - url: https://mcp.example.com/mcp\n    tranport: sse\n"));
}

#[test]
fn a_value_of_the_wrong_form_is_shown_with_its_place() {
    insta::assert_snapshot!(refusal("servers:\n  - url: ftp://mcp.example.com/mcp\n"));
    insta::assert_snapshot!(refusal("servers:\n  - url: https://mcp.example.com/mcp\n    transport: streamable\n"));
    insta::assert_snapshot!(refusal("authorizationServers:\n  - host: a.example.com\n    tokenLifetime: soon\n"));
    insta::assert_snapshot!(refusal("servers:\n  - transport: sse\n"));
    insta::assert_snapshot!(refusal("servers: [\n"));
}

#[test]
fn all_mistakes_of_form_are_told_at_once_and_none_that_only_follows() {
    insta::assert_snapshot!(refusal(
        "
authorizationServers:
  - host: idp.example.com
    users: [alice, {nam: bob}, [carol]]
servers:
  - ulr: https://a.example.com/mcp
    replies: sometimes
  - url: https://b.example.com/mcp
    pageSize: 0
    tools: [{name: echo}, {nam: x}, {name: echo}]
    faults: [{does: {latency: soon}}, {does: {latency: 1s, hang: true}}]
    accepts: {issuer: nowhere.example.com}
  - url: https://b.example.com/mcp
    requires: {headers: {X-Number: 007}}
"
    ));
    // What refers to something else is judged as long as that is whole.
    insta::assert_snapshot!(refusal(
        "
servers:
  - url: https://a.example.com/mcp
    tranport: sse
  - url: https://b.example.com/mcp
    certificate: {issuer: nobody}
"
    ));
}

#[test]
fn numbers_are_texts_where_texts_are_wanted() {
    let world = World::from_yaml("w", "servers: [{url: http://a.example.com/mcp, name: 1.10, tools: [{name: 7}]}]");
    let server = world.unwrap().servers.remove(0);
    assert_eq!((server.name.as_deref(), server.tools[0].name.as_str()), (Some("1.10"), "7"));
}

#[test]
fn a_template_makes_many_servers_of_one() {
    let world = World::from_yaml(
        "w",
        "
servers:
  - repeat: {count: 500, as: n}
    item:
      url: https://mcp-${n}.example.com/mcp
      pageSize: ${n}
      tools: [{repeat: {over: [read, write], as: verb}, item: {name: '${verb}-${n}'}}]
",
    )
    .unwrap();
    assert_eq!(world.servers.len(), 500);
    let last = &world.servers[499];
    assert_eq!(last.url.as_str(), "https://mcp-500.example.com/mcp");
    assert_eq!(last.page_size.unwrap().get(), 500);
    assert_eq!(last.tools.iter().map(|tool| tool.name.as_str()).collect::<Vec<_>>(), ["read-500", "write-500"]);
}

#[test]
fn templates_that_make_no_sense_are_refused_with_their_place() {
    insta::assert_snapshot!(refusal(
        "
servers:
  - {repeat: {count: 2}, item: {url: 'https://a.example.com/mcp'}}
  - {repeat: {count: 2, over: [a], as: n}, item: {}}
  - {repeat: {count: 2, as: n}}
  - {repeat: {count: 2, as: n}, item: {url: 'https://${n}.example.com/mcp', tool: []}}
  - {repeat: {count: 2, as: n}, item: {url: 'https://same.example.com/mcp'}, items: 1}
  - {repeat: {count: 900000000000, as: n}, item: {url: 'https://${n}.example.com/mcp'}}
"
    ));
}

/// The folder of a world of several files, and the path of its first.
fn files(name: &str, files: &[(&str, &str)]) -> std::path::PathBuf {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    for (name, text) in files {
        let file = folder.join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }
    folder.join(files[0].0)
}

#[test]
fn a_file_includes_others() {
    let main = files(
        "included",
        &[
            (
                "world.yaml",
                "include: [parts/issuers.yaml, parts/servers.yaml]\nservers: [{url: 'https://own.example.com/mcp', accepts: {issuer: idp.example.com}}]",
            ),
            ("parts/issuers.yaml", "authorizationServers: [{host: idp.example.com}]"),
            ("parts/servers.yaml", "include: issuers.yaml\nservers: [{url: 'https://other.example.com/mcp'}]"),
        ],
    );
    let world = World::from_file(&main).unwrap();
    assert_eq!(world.authorization_servers.len(), 1);
    let urls: Vec<&str> = world.servers.iter().map(|server| server.url.as_str()).collect();
    assert_eq!(urls, ["https://other.example.com/mcp", "https://own.example.com/mcp"]);
}

#[test]
fn a_mistake_names_the_file_in_which_it_is() {
    let main = files(
        "mistaken",
        &[
            ("world.yaml", "include: [a.yaml, b.yaml, missing.yaml, [3]]\nserver: []"),
            ("a.yaml", "include: world.yaml\nservers: [{url: nowhere}]"),
            ("b.yaml", "servers: ["),
        ],
    );
    let Err(ReadError::Mistaken(error)) = World::from_file(&main) else { panic!("it was read") };
    let folder = main.parent().unwrap().display().to_string();
    insta::assert_snapshot!(shortened(&error.to_string()).replace(&folder, "FOLDER"));
    insta::assert_snapshot!(refusal("include: other.yaml"));
}

#[test]
fn all_that_does_not_fit_together_is_said_at_once() {
    insta::assert_snapshot!(refusal(
        "
authorities: [partner-ca, partner-ca, public]
authorizationServers:
  - host: auth.company.com
    trusts: [nowhere.example.com]
    clients: [{id: a, secret: x}, {id: a}]
servers:
  - url: https://mcp.example.com/mcp
    certificate: {issuer: parter-ca}
    accepts: {issuer: idp.example.com}
    tools: [{name: echo}, {name: echo}]
  - url: https://mcp.example.com/mcp
  - url: http://plain.example.com/mcp
    certificate: {issuer: partner-ca}
    messagesPath: /m
  - url: https://10.0.0.1/mcp
"
    ));
}

#[test]
fn scripted_names_that_make_no_sense_are_refused_with_their_place() {
    insta::assert_snapshot!(refusal(
        "
dns:
  one.example.com: {answers: [], ttl: 3000000000s}
  '*.example.com': {answers: [[10.0.0.1]]}
  two.example.com: {answers: [{cname: a b}]}
"
    ));
    insta::assert_snapshot!(refusal(
        "
dns:
  one.example.com: {answers: [[10.0.0.300, worlds], nxdomian, {cnam: a}, 3], tll: 1s}
  two.example.com: [10.0.0.1]
"
    ));
}

#[test]
fn certificates_that_make_no_sense_are_refused_with_their_place() {
    insta::assert_snapshot!(refusal(
        "
authorities:
  - {name: company, intermediates: [a, a, '']}
  - {name: public, intermediates: [b]}
  - company
servers:
  - url: https://one.example.com/mcp
    certificate: {fault: wrong-name, names: ['a b', '*.example.com', 'x.*.com'], validFor: 0s}
    tls: {versions: [], alpn: [''], clientCertificate: {issuer: compny}}
  - url: https://one.example.com/other
    tls: {alpn: [h2]}
  - url: https://two.example.com/mcp
    certificate: {issuer: partner, fault: missing-intermediate}
  - url: https://three.example.com/mcp
    certificate: {issuer: company, fault: expired, validFor: 1h}
  - url: http://four.example.com/mcp
    tls: {}
"
    ));
    insta::assert_snapshot!(refusal("authorities: [{nam: company}]\n"));
    insta::assert_snapshot!(refusal("authorities: [3]\n"));
    insta::assert_snapshot!(refusal("servers: [{url: 'https://a.example.com/', tls: {versions: [1.1]}}]\n"));
}

#[test]
fn the_readme_examples_are_worlds() {
    let readme = include_str!("../../README.md");
    let worlds: Vec<&str> =
        readme.split("```yaml world\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(!worlds.is_empty());
    for world in worlds {
        World::from_yaml("README.md", world).unwrap_or_else(|error| panic!("{error}"));
    }
    let changes: Vec<&str> =
        readme.split("```yaml changes\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(!changes.is_empty());
    for text in changes {
        serde_saphyr::from_str::<Vec<simulator::WorldChange>>(text).unwrap_or_else(|error| panic!("{error}"));
    }
}

#[test]
fn the_schema_for_editors_is_current() {
    // Read now: a renewed schema needs no other test program.
    let kept = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/world.schema.json")).unwrap();
    let kept: serde_json::Value = serde_json::from_str(&kept).unwrap();
    assert!(kept == schema(), "renew it: cargo run -p simulator -- schema > simulator/world.schema.json");
}

#[test]
fn faults_that_make_no_sense_are_refused_with_their_place() {
    insta::assert_snapshot!(refusal(
        "
authorizationServers:
  - host: auth.company.com
    faults: [{does: {merge: {}}}]
servers:
  - url: https://mcp.example.com/mcp
    faults:
      - {on: {http: post, path: mcp, method: ping, tool: echo}, does: hang}
      - {does: {latency: {from: 2s, to: 1s}}}
      - {does: {respond: {status: 100, headers: {'a b': c}}}}
      - {does: {headers: {X: \"a\\nb\"}}}
      - {does: {endpoint: https://elsewhere.example.com/}}
"
    ));
    insta::assert_snapshot!(refusal("servers: [{url: 'https://mcp.example.com/mcp', faults: [{does: hangs}]}]\n"));
}

#[test]
fn content_that_does_not_fit_together_is_refused_with_its_place() {
    for (content, expected) in [
        ("tools: [{name: a}, {name: a}]", "servers[0].tools[1].name: the tool `a` is described twice"),
        ("tools: [{name: ''}]", "servers[0].tools[0].name: a tool needs a name"),
        ("tools: [{name: a, steps: [{ask: {}}]}]", "servers[0].tools[0].steps[0]: expected at least one question"),
        ("tools: [{name: a, steps: [{ask: {x: {}}}]}]", "a question has exactly one of `elicit`, `sample` and `roots`"),
        ("tools: [{name: a, steps: [{ask: {a.b: {roots: {}}}}]}]", "`a.b` cannot name a question"),
        ("tools: [{name: a, steps: [{disconnect: {}}]}]", "the server is not `resumable`"),
        ("tools: [{name: a, answer: {text: 'for ${user}'}}]", "`${user}` names nothing: expected one of"),
        (
            // What is asked later cannot be spoken of before.
            "tools: [{name: a, steps: [{log: {data: ['${x}']}}, {ask: {x: {roots: {}}}}]}]",
            "servers[0].tools[0].steps[0]: `${x}` names nothing",
        ),
        ("prompts: [{name: a}]", "servers[0].prompts[0].messages: expected exactly one of `messages`, `answer`"),
        (
            "prompts: [{name: a, messages: [{}], arguments: [{name: b}, {name: b}]}]",
            "the argument `b` is described twice",
        ),
        ("resources: [{uri: ''}]", "servers[0].resources[0].uri: a resource needs a URI"),
        ("resources: [{uri: 'a:b', text: a, blob: YQ==}]", "expected exactly one of `text`, `blob`, `answer`"),
        ("resources: [{uri: 'a:b', blob: '*'}]", "servers[0].resources[0].blob: expected base64 with padding"),
        ("resourceTemplates: [{uriTemplate: 'a:{b'}]", "`a:{b` is not a template of URIs: a `{` is not closed"),
        (
            "resourceTemplates: [{uriTemplate: 'a:{b}', text: x, completes: {c: [d]}}]",
            "servers[0].resourceTemplates[0].completes: the template has no variable `c`",
        ),
        ("transport: sse, sessions: false", "servers[0].sessions: each stream of the transport `sse` is a session"),
        ("sessions: false, resumable: true", "servers[0].resumable: only sessions"),
        (
            "transport: sse, behavesLike: rmcp",
            "servers[0].behavesLike: the profiles are of servers that speak Streamable HTTP",
        ),
    ] {
        let error = refusal(&format!("servers: [{{url: 'http://mcp.example.com/mcp', {content}}}]"));
        assert!(error.contains(expected), "{content}\n{error}");
    }
}
