//! The suite's client of revision 2026-07-28, against a server of the world.

use conformance::language::Library;
use conformance::play::{PlayOptions, Verdict, play};

use crate::without_nodes::WithoutNodes;

const WORLD: &str = r#"id: test/one
title: A test
profile: entry
world:
  servers:
    - url: http://mcp.example.com/mcp
      protocolVersions: [2026-07-28]
      tools:
        - {name: echo}
        - name: book
          steps: [{ask: {guest: {elicit: {message: Who comes?, requestedSchema: {type: object, properties: {name: {type: string}}}}}}}]
          answer: {text: "Booked for ${guest.content.name}"}
        - name: deploy
          inputSchema: {type: object, properties: {region: {type: string, x-mcp-header: Region}}}
          answer: {text: "Deployed to ${header:Mcp-Param-Region}"}
steps:
  - connect: http://mcp.example.com/mcp
    protocol: 2026-07-28
    capabilities: {elicitation: {form: {}}}
    expect: "result.supportedVersions == ['2026-07-28']"
"#;

/// The verdict, and the first line of a failure, of these steps of a client that has connected.
async fn verdict(steps: &str) -> (Verdict, String) {
    let text = format!("{WORLD}{steps}");
    let library = Library::of_texts([("test/one.yaml", text.as_str())]).unwrap_or_else(|errors| panic!("{errors}"));
    let target = WithoutNodes::start().await;
    let played = play(&target, &library, &library.scenarios()[0], &PlayOptions::default()).await;
    (played.verdict, played.message.unwrap_or_default())
}

async fn passes(steps: &str) {
    assert_eq!(verdict(steps).await, (Verdict::Passed, String::new()));
}

#[tokio::test]
async fn lists_and_calls_need_no_session() {
    passes(
        "
  - list: tools
    expect: \"names == ['echo', 'book', 'deploy']\"
  - call: echo
    arguments: {text: hello}
    expect: result.content[0].text == 'hello' && result.resultType == 'complete'
  - call: deploy
    arguments: {region: größer}
    expect: result.content[0].text == 'Deployed to =?base64?Z3LDtsOfZXI=?='
  - journal: http://mcp.example.com/mcp
    where: \"'mcp-session-id' in headers || http.method != 'POST'\"
    count: 0
  - disconnect: current
",
    )
    .await;
}

#[tokio::test]
async fn a_call_that_asks_for_inputs_is_made_again_with_them() {
    passes(
        "
  - call: book
    expect: result.resultType == 'input_required' && result.inputRequests.guest.method == 'elicitation/create'
    as: asked
  - call: book
    inputs: {guest: {action: accept, content: {name: Ada}}}
    requestState: ${asked.requestState}
    expect: result.content[0].text == 'Booked for Ada'
",
    )
    .await;
    let (verdict, message) = verdict("  - call: book\n").await;
    assert_eq!(verdict, Verdict::Failed);
    assert!(
        message.contains("expected the call of book to succeed, got {") && message.contains("input_required"),
        "{message}"
    );
}

#[tokio::test]
async fn headers_of_one_message_are_its_own() {
    passes(
        "
  - message: {method: tools/call, params: {name: echo, arguments: {text: hello}}}
    headers: {Mcp-Name: other}
    expect: response.status == 400 && error.code == -32020
  - message: {method: tools/call, params: {name: echo, arguments: {text: hello}}}
    headers: {Mcp-Method: null}
    expect: response.status == 400 && error.code == -32020
  - message: {method: tools/call, params: {name: echo, arguments: {text: hello}}}
    expect: result.content[0].text == 'hello'
",
    )
    .await;
}

#[tokio::test]
async fn a_subscription_hears_what_changes_until_it_is_left() {
    passes(
        "
  - listen: {toolsListChanged: true, promptsListChanged: true}
    as: changes
    expect: \"acknowledged == {'toolsListChanged': true}\"
  - change: {announce: {server: http://mcp.example.com/mcp, about: tools}}
  - heard: changes
    where: method == 'notifications/tools/list_changed'
    count: 1
    expect: size(messages) == 1
  - listen: {toolsListChanged: true}
    as: short
  - disconnect: short
  - change: {endSessions: http://mcp.example.com/mcp}
  - heard: changes
    where: result != null
    expect: result.resultType == 'complete'
",
    )
    .await;
}

#[tokio::test]
async fn a_subscription_that_is_refused_or_not_acknowledged_is_no_subscription() {
    passes("  - listen: {toolsListChanged: maybe}\n    refused: error.code == -32602\n").await;
    let faults =
        "  - change: {setFaults: {server: http://mcp.example.com/mcp, faults: [{does: {acknowledgement: never}}]}}\n";
    let listen = "  - listen: {toolsListChanged: true}\n    as: changes\n";
    let (verdict, message) = verdict(&format!("{faults}{listen}")).await;
    assert_eq!(verdict, Verdict::Failed);
    assert!(message.contains("no acknowledgement on the stream within 300ms"), "{message}");
}

#[tokio::test]
async fn too_few_messages_fail_and_are_shown() {
    let listen = "  - listen: {toolsListChanged: true}\n    as: changes\n";
    let announce = "  - change: {announce: {server: http://mcp.example.com/mcp, about: tools}}\n";
    let (verdict, message) = verdict(&format!("{listen}{announce}  - heard: changes\n    count: 2\n")).await;
    assert_eq!(verdict, Verdict::Failed);
    assert!(message.contains("expected exactly 2 messages on `changes`, got 1; it heard: [{"), "{message}");
}
