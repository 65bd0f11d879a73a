//! World files: what is refused, and how it is said.

use simulator::World;
use simulator::world::schema;

fn refusal(text: &str) -> String {
    World::from_yaml("world.yaml", text).unwrap_err().to_string()
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
    let kept: serde_json::Value = serde_json::from_str(include_str!("../../world.schema.json")).unwrap();
    assert_eq!(kept, schema(), "renew it: cargo run -p simulator -- schema > simulator/world.schema.json");
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
