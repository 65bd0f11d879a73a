//! What authors are told about mistakes.

use conformance::language::Library;
use insta::assert_snapshot;

const HEAD: &str = "id: test/one\ntitle: A test\nprofile: entry\n";

/// The errors of one scenario file.
fn errors(body: &str) -> String {
    let text = format!("{HEAD}{body}");
    match Library::of_texts([("test/one.yaml", text.as_str())]) {
        Ok(_) => "no error".to_owned(),
        Err(errors) => errors.to_string(),
    }
}

#[test]
fn a_file_that_is_no_yaml() {
    assert_snapshot!(errors("steps: [\n"));
}

#[test]
fn an_unknown_step_names_the_nearest() {
    assert_snapshot!(errors("steps:\n  - wiat: pod/x\n    until: status.phase == 'x'\n"));
}

#[test]
fn the_first_key_says_what_a_step_does() {
    assert_snapshot!(errors("steps:\n  - until: status.phase == 'x'\n    wait: pod/x\n"));
}

#[test]
fn an_unknown_key_of_a_step_names_the_nearest() {
    assert_snapshot!(errors("steps:\n  - wait: pod/x\n    until: status.phase == 'x'\n    verifes: [ENTRY-001]\n"));
}

#[test]
fn an_unknown_key_of_the_scenario() {
    assert_snapshot!(errors("isolatoin: cluster\nsteps:\n  - wait: pod/x\n    until: gone\n"));
}

#[test]
fn a_syntax_error_in_an_expression_points_into_it() {
    assert_snapshot!(errors("steps:\n  - wait: pod/x\n    until: status.phase = 'x'\n"));
}

#[test]
fn an_unknown_variable_names_the_nearest() {
    assert_snapshot!(errors("steps:\n  - wait: pod/x\n    until: stauts.phase == 'x'\n"));
}

#[test]
fn an_unknown_behaviour_names_the_nearest() {
    assert_snapshot!(errors("steps:\n  - wait: pod/x\n    until: gone\n    verifies: [ENTRY-0299]\n"));
}

#[test]
fn a_manifest_that_is_not_there() {
    assert_snapshot!(errors("steps:\n  - apply: missing.yaml\n"));
}

#[test]
fn a_substitution_that_cannot_be_made() {
    assert_snapshot!(errors(
        "steps:\n  - apply:\n      apiVersion: v1\n      kind: ConfigMap\n      metadata: {name: \"x-${nmespace}\"}\n"
    ));
}

#[test]
fn absence_without_an_end() {
    assert_snapshot!(errors("steps:\n  - never: pod\n    where: metadata.name == 'x'\n"));
}

#[test]
fn a_deadline_that_is_none() {
    assert_snapshot!(errors("steps:\n  - wait: pod/x\n    until: gone\n    deadline: statsu\n"));
}

#[test]
fn a_mistake_in_the_world() {
    assert_snapshot!(errors(
        "world:\n  servers:\n    - url: https://a.example.com/mcp\n      transprt: sse\nsteps:\n  - wait: pod/x\n    until: gone\n"
    ));
}

#[test]
fn mistakes_in_what_images_stand_for() {
    assert_snapshot!(errors(
        "images:\n  localhost/server:\n    url: http://a:8080/mcp\n    toools: [{name: echo}]\nsteps:\n  - wait: pod/x\n    until: gone\n"
    ));
    assert_snapshot!(errors("images: [localhost/server]\nsteps:\n  - wait: pod/x\n    until: gone\n"));
    assert_snapshot!(errors("images:\n  localhost/server: bash\nsteps:\n  - wait: pod/x\n    until: gone\n"));
}

#[test]
fn since_needs_a_step_of_that_name() {
    assert_snapshot!(errors("steps:\n  - journal: https://a.example.com/mcp\n    since: rotated\n"));
}

#[test]
fn what_only_clients_without_sessions_can_do_needs_their_revision() {
    let connect = "steps:\n  - connect: https://a.example.com/mcp\n";
    assert_snapshot!(errors(&format!("{connect}  - listen: {{toolsListChanged: true}}\n    as: changes\n")));
    assert_snapshot!(errors(&format!("{connect}  - call: book\n    inputs: {{guest: {{action: accept}}}}\n")));
    assert_snapshot!(errors(&format!("{connect}    capabilities: {{elicitation: {{}}}}\n")));
    assert_snapshot!(errors(&format!("{connect}    transport: sse\n    protocol: 2026-07-28\n")));
}

#[test]
fn a_subscription_is_heard_by_its_name() {
    let listen = "steps:\n  - connect: https://a.example.com/mcp\n    protocol: 2026-07-28\n  - listen: {toolsListChanged: true}\n";
    assert_snapshot!(errors(listen));
    assert_snapshot!(errors(&format!("{listen}    as: changes\n  - heard: chnages\n")));
    assert_snapshot!(errors(&format!("{listen}    as: changes\n  - heard: changes\n    where: metod == 'x'\n")));
}

#[test]
fn only_a_scenario_that_runs_alone_may_stop_the_operator() {
    assert_snapshot!(errors("steps:\n  - operator: stopped\n"));
}

#[test]
fn a_row_fills_keys_and_behaviours_before_they_are_checked() {
    assert_snapshot!(errors(
        "steps:\n  - each: [{name: a, verifies: [ENTRY-001]}, {name: b, verifies: [NOPE-1]}]\n    steps:\n      - wait: pod/${row.name}\n        until: metadata.name == row.name\n        verifies: ${row.verifies}\n"
    ));
}

#[test]
fn two_scenarios_with_one_id() {
    let text = format!("{HEAD}steps:\n  - wait: pod/x\n    until: gone\n");
    let errors = Library::of_texts([("test/one.yaml", text.as_str()), ("test/two.yaml", text.as_str())]);
    assert_snapshot!(errors.unwrap_err().to_string());
}
