//! What the runner makes of a scenario: it can fail, and it never blames the implementation for the suite.

use conformance::language::Library;
use conformance::play::{PlayOptions, Played, Verdict, play};
use conformance::report::{BehaviourVerdict, Report};

use crate::without_nodes::WithoutNodes;

const HEAD: &str = "id: test/one\ntitle: A test\nprofile: entry\n";
const CONFIG_MAP: &str =
    "  - apply: {apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {x: '1'}}\n    as: applied\n";

async fn played(body: &str) -> (Library, Played) {
    let text = format!("{HEAD}{body}");
    let library = Library::of_texts([("test/one.yaml", text.as_str())]).unwrap();
    let target = WithoutNodes::start().await;
    let outcome = play(&target, &library, &library.scenarios()[0], &PlayOptions::default()).await;
    (library, outcome)
}

/// The verdict, and the first line of a failure.
async fn verdict(steps: &str) -> (Verdict, String) {
    let (_, played) = played(&format!("steps:\n{CONFIG_MAP}{steps}")).await;
    (played.verdict, played.message.unwrap_or_default())
}

fn judged(library: &Library, played: &Played, id: &str) -> BehaviourVerdict {
    let all = std::slice::from_ref(played);
    let report = Report::new("test", library.catalogue(), all, played.took);
    let entry = report.catalogue.iter().find(|entry| entry.id == id);
    entry.unwrap().verdict
}

#[tokio::test]
async fn what_holds_passes() {
    let outcome = verdict(
        "  - expect: configmap/a\n    that: data.x == '1' && metadata.uid == applied.metadata.uid\n  - wait: cm/a\n    until: data.x == '1'\n",
    )
    .await;
    assert_eq!(outcome, (Verdict::Passed, String::new()));
}

#[tokio::test]
async fn a_failed_expectation_fails_the_scenario_and_its_behaviours() {
    let (library, played) = played(&format!(
        "steps:\n{CONFIG_MAP}    verifies: [ENTRY-001]\n  - expect: configmap/a\n    that: data.x == '2'\n    verifies: [ENTRY-002]\n  - expect: configmap/a\n    verifies: [ENTRY-003]\n"
    ))
    .await;
    assert_eq!(played.verdict, Verdict::Failed);
    assert_eq!(
        played.message.as_deref(),
        Some("expected `data.x == '2'`, got data.x is \"1\" (test/one.yaml:9:11) [ENTRY-002]")
    );
    assert_eq!(judged(&library, &played, "ENTRY-001"), BehaviourVerdict::Verified);
    assert_eq!(judged(&library, &played, "ENTRY-002"), BehaviourVerdict::Failed);
    assert_eq!(judged(&library, &played, "ENTRY-003"), BehaviourVerdict::Untested);
}

#[tokio::test]
async fn a_wait_that_ends_without_its_condition_fails_and_says_what_there_was() {
    let (verdict, message) = verdict("  - wait: configmap/a\n    until: data.y == '1'\n").await;
    assert_eq!(verdict, Verdict::Failed);
    assert!(message.contains(r#"got data.y is missing (data is {"x":"1"})"#), "{message}");
}

#[tokio::test]
async fn a_rejection_that_does_not_come_fails() {
    let (verdict, message) =
        verdict("  - apply: {apiVersion: v1, kind: ConfigMap, metadata: {name: b}}\n    rejected: code == 422\n").await;
    assert_eq!(verdict, Verdict::Failed);
    assert!(message.contains("the object was accepted"), "{message}");
}

#[tokio::test]
async fn a_rejection_is_looked_at() {
    let outcome = verdict(
        "  - apply: {apiVersion: v1, kind: ConfigMap, metadata: {name: B_}}\n    rejected: code == 422 && reason == 'Invalid' && message.contains('metadata.name')\n",
    )
    .await;
    assert_eq!(outcome, (Verdict::Passed, String::new()));
}

#[tokio::test]
async fn the_suites_own_trouble_is_an_error_and_no_failure_of_behaviours() {
    let (library, played) =
        played("steps:\n  - expect: nosuchkind/a\n    that: metadata.name == 'a'\n    verifies: [ENTRY-001]\n").await;
    assert_eq!(played.verdict, Verdict::Error);
    assert_eq!(judged(&library, &played, "ENTRY-001"), BehaviourVerdict::Untested);
    assert!(played.message.unwrap().contains("has no kind `nosuchkind`"));
}

#[tokio::test]
async fn every_row_is_played_also_after_one_that_failed() {
    let (library, played) = played(&format!(
        "steps:\n{CONFIG_MAP}  - each:\n      - {{name: one, value: '1', verifies: [ENTRY-001]}}\n      - {{name: two, value: '2', verifies: [ENTRY-002]}}\n      - {{name: again, value: '1', verifies: [ENTRY-003]}}\n    steps:\n      - expect: configmap/a\n        that: data.x == row.value\n"
    ))
    .await;
    assert_eq!(played.verdict, Verdict::Failed);
    assert!(played.message.as_deref().unwrap().contains("in row two"));
    assert_eq!(judged(&library, &played, "ENTRY-001"), BehaviourVerdict::Verified);
    assert_eq!(judged(&library, &played, "ENTRY-002"), BehaviourVerdict::Failed);
    assert_eq!(judged(&library, &played, "ENTRY-003"), BehaviourVerdict::Verified);
}

#[tokio::test]
async fn an_empty_journal_fails_unless_a_count_is_given() {
    let world = "world:\n  servers:\n    - url: https://a.example.com/mcp\nsteps:\n";
    let (_, without) = played(&format!("{world}  - journal: https://a.example.com/mcp\n")).await;
    assert_eq!(without.verdict, Verdict::Failed);
    assert!(without.message.unwrap().contains("nothing arrived there"));
    let (_, with) = played(&format!(
        "{world}  - journal: https://a.example.com/mcp\n    count: 0\n  - never: https://a.example.com/*\n    for: 50ms\n"
    ))
    .await;
    assert_eq!(with.message, None);
}

#[tokio::test]
async fn a_request_shows_in_the_journal_and_absence_ends_with_it() {
    let (_, played) = played(
        "world:\n  servers:\n    - url: https://a.example.com/mcp\n      tools: [{name: echo}]\nsteps:\n  - connect: https://a.example.com/mcp\n    token: none\n  - call: echo\n    arguments: {text: hello}\n    expect: result.content[0].text == 'hello'\n    as: called\n  - journal: https://a.example.com/mcp\n    since: called\n    count: 1\n    expect: method == 'tools/call'\n  - never: https://a.example.com/mcp\n    where: method == 'tools/list'\n    until: method == 'tools/call'\n  - disconnect: current\n",
    )
    .await;
    assert_eq!(played.message, None);
}

#[tokio::test]
async fn secrets_do_not_show_in_messages() {
    let (verdict, message) = verdict(
        "  - apply: {apiVersion: v1, kind: Secret, metadata: {name: s}, stringData: {key: hunter22}}\n  - expect: secret/s\n    that: unbase64(data.key) == 'x'\n",
    )
    .await;
    assert_eq!(verdict, Verdict::Failed);
    assert!(!message.contains("hunter22"), "{message}");
}

#[tokio::test]
async fn objects_move_to_the_scenarios_namespace_and_to_others_on_request() {
    let outcome = verdict(
        "  - apply: {apiVersion: v1, kind: ConfigMap, metadata: {name: b, namespace: toolhive-system}}\n    namespace: other\n    expect: metadata.namespace == namespace + '-other'\n  - expect: configmap/b\n    that: absent\n  - delete: configmap/a\n  - expect: configmap/a\n    that: absent\n",
    )
    .await;
    assert_eq!(outcome, (Verdict::Passed, String::new()));
}

#[tokio::test]
async fn apply_removes_what_left_the_manifest() {
    let outcome = verdict(
        "  - apply: {apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {y: '2'}}\n    expect: \"data == {'y': '2'} && metadata.uid == applied.metadata.uid\"\n",
    )
    .await;
    assert_eq!(outcome, (Verdict::Passed, String::new()));
}

#[tokio::test]
async fn a_session_over_http_sse_is_like_any_other() {
    let world = "world:\n  servers:\n    - {url: https://a.example.com/sse, transport: sse, tools: [{name: echo}]}\n";
    let steps = "
  - connect: https://a.example.com/sse
    transport: sse
    expect: result.protocolVersion == '2024-11-05' && response.status == 202
  - list: tools
    expect: names == ['echo']
  - call: echo
    arguments: {text: hello}
    expect: result.content[0].text == 'hello'
  - call: nothing
    expect: error.code == -32602
  - disconnect: current
  - call: echo
    arguments: {text: again}
    verifies: [ENTRY-001]
";
    let (library, played) = played(&format!("{world}steps:{steps}")).await;
    let message = played.message.clone().unwrap_or_default();
    assert!(message.contains("the call of echo") && message.contains("[ENTRY-001]"), "{message}");
    assert_eq!(judged(&library, &played, "ENTRY-001"), BehaviourVerdict::Failed, "its end is the end of its stream");
}

#[tokio::test]
async fn of_an_open_stream_so_many_events_are_read() {
    let world = "world:\n  servers:\n    - {url: https://a.example.com/sse, transport: sse, tools: [{name: echo}]}\n";
    let steps = "
  - request: GET /sse
    to: https://a.example.com
    headers: {Accept: text/event-stream}
    events: 1
    expect: size(response.events) == 1 && response.events[0].event == 'endpoint' && response.events[0].data.startsWith('/')
  - connect: https://a.example.com/nothing
    transport: sse
    refused: response.status == 404
";
    let (_, played) = played(&format!("{world}steps:{steps}")).await;
    assert_eq!((played.verdict, played.message), (Verdict::Passed, None));
}
