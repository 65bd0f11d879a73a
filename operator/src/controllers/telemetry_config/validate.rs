//! The rules of telemetry settings that their schema does not express.

use operator_api::{MCPTelemetryConfigSpec, OpenTelemetry};
use url::Url;
use vmcp_config::is_header_value;

use crate::controllers::{headers, secrets};

/// How long the name of the ConfigMap with the collector's CA may be: the names of volumes are made from it.
const MAX_CA_NAME: usize = 48;

/// Everything that is wrong with `spec`.
pub(super) fn problems(spec: &MCPTelemetryConfigSpec) -> Vec<String> {
    spec.open_telemetry.as_ref().map(open_telemetry).unwrap_or_default()
}

fn open_telemetry(settings: &OpenTelemetry) -> Vec<String> {
    const PATH: &str = "openTelemetry";
    let mut problems = Vec::new();
    if let Some(text) = settings.endpoint.as_deref().filter(|text| !text.is_empty()) {
        problems.extend(endpoint(text).map(|why| format!("{PATH}.endpoint {why}")));
        let traces = settings.tracing.as_ref().is_some_and(|tracing| tracing.enabled);
        if !traces && settings.metrics.as_ref().is_none_or(|metrics| !metrics.enabled) {
            problems.push(format!(
                "{PATH}.endpoint is given and nothing is sent there: enable tracing or metrics, or remove it"
            ));
        }
    }
    for (name, value) in settings.headers.iter().flatten() {
        if !headers::is_name(name) {
            problems.push(format!("{PATH}.headers {name:?} is not a header name"));
        } else if !is_header_value(value) {
            problems.push(format!("{PATH}.headers {name:?} has a value that cannot be sent in a header"));
        }
    }
    for (index, header) in settings.sensitive_headers.iter().flatten().enumerate() {
        let path = format!("{PATH}.sensitiveHeaders[{index}]");
        if !headers::is_name(&header.name) {
            problems.push(format!("{path}.name {:?} is not a header name", header.name));
        }
        problems.extend(secrets::problems(&header.secret_key_ref, &format!("{path}.secretKeyRef")));
    }
    if let Some(bundle) = &settings.ca_bundle_ref {
        let path = format!("{PATH}.caBundleRef");
        if settings.insecure {
            problems.push(format!("{path} is without effect when insecure is true: remove one of them"));
        }
        match bundle.config_map_ref.as_ref().map_or("", |reference| reference.name.as_str()) {
            "" => problems.push(format!("{path}.configMapRef.name is required: the ConfigMap with the authorities")),
            name if name.len() > MAX_CA_NAME => problems.push(format!(
                "{path}.configMapRef.name {name:?} is longer than {MAX_CA_NAME} characters: rename the ConfigMap"
            )),
            _ => {}
        }
    }
    problems
}

/// Why `text` is no collector, if so.
fn endpoint(text: &str) -> Option<String> {
    let url = if text.contains("://") { Url::parse(text) } else { Url::parse(&format!("https://{text}")) };
    match url {
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            Some("holds credentials: remove them, and use sensitiveHeaders".to_owned())
        }
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => None,
        _ => Some(format!("{text:?} is no collector: write host:port, or a URL such as https://otel.example.com:4318")),
    }
}
