//! What the program says when it cannot start: one sentence, with exit code 2.

use std::process::Command;

/// The sentence with which `operator run` ends.
fn refusal(arguments: &[&str], environment: (&str, &str)) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_operator"))
        .arg("run")
        .args(arguments)
        .env_clear()
        .env("KUBECONFIG", "/nowhere/kubeconfig")
        .env(environment.0, environment.1)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    text
}

#[test]
fn a_wrong_collector_is_refused() {
    let text = refusal(&[], ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"));
    assert!(text.contains("OTEL_EXPORTER_OTLP_ENDPOINT: expected an http or https URL"), "{text}");
}

#[test]
fn a_wrong_log_filter_is_refused() {
    let text = refusal(&[], ("RUST_LOG", "operator=loud"));
    assert!(text.contains("RUST_LOG") && text.contains("info,operator=debug"), "{text}");
}

#[test]
fn a_cluster_that_cannot_be_found_is_told() {
    let text = refusal(&[], ("RUST_LOG", "off"));
    assert!(text.contains("set KUBECONFIG"), "{text}");
}
