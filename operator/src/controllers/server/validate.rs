//! What is wrong with the part of an MCPServer's spec that is about its container.

use std::collections::BTreeSet;

use operator_api::{MCPServer, MCPServerSpec, ProxyReason, ServerTransport};

use super::headless_name;
use crate::controllers::{proxy::resolve::References, secrets, unsupported, workload::name_problem};

/// Everything that is wrong, the most telling first.
pub(super) fn problems(server: &MCPServer, references: &References) -> Vec<(ProxyReason, String)> {
    let spec = &server.spec;
    let mut problems = Vec::new();
    if spec.transport == ServerTransport::Stdio {
        let message = "spec.transport stdio is not supported by this release: run the server with transport \
                       streamable-http or sse, and mcpPort where it listens on another port than 8080";
        problems.push((ProxyReason::TransportNotSupported, message.to_owned()));
    }
    for secret in spec.secrets.iter().flatten() {
        if let Some(problem) = secrets::problem(&secret.name, &secret.key, &references.secrets) {
            problems.push((ProxyReason::SecretNotFound, format!("spec.secrets: {problem}")));
        }
    }
    let name = server.metadata.name.as_deref().unwrap_or_default();
    let mut invalid: Vec<_> = name_problem(name, headless_name("").len()).into_iter().collect();
    if spec.image.trim().is_empty() {
        invalid.push("spec.image is empty: name the image of the server".to_owned());
    }
    invalid.extend(repeated_variables(spec));
    let unserved = unsupported::problems(spec, unsupported::SERVER);
    invalid.extend(unserved.iter().map(|sentence| format!("spec.{sentence}")));
    problems.extend(invalid.into_iter().map(|problem| (ProxyReason::ConfigurationInvalid, problem)));
    problems
}

/// Variables that the spec sets twice: which value the server would get nobody could tell.
fn repeated_variables(spec: &MCPServerSpec) -> Vec<String> {
    let plain = spec.env.iter().flatten().map(|variable| variable.name.as_str());
    let secret = spec.secrets.iter().flatten().map(|secret| secret.target_env_name.as_ref().unwrap_or(&secret.key));
    let mut seen = BTreeSet::new();
    let repeated = plain.chain(secret.map(String::as_str)).filter(|name| !seen.insert(*name));
    repeated
        .map(|name| format!("the variable {name:?} is set twice: remove it from spec.env or spec.secrets"))
        .collect()
}
