//! The standard variables of OpenTelemetry programs, as far as they concern traces over OTLP.
//!
//! An empty variable counts as one that is not set. Where a variable exists for traces alone and for every signal, the
//! first wins. The rest of the standard variables (`OTEL_RESOURCE_ATTRIBUTES`, `OTEL_BSP_*`, `OTEL_SPAN_*`) are read by the SDK.
//!
//! Source: OpenTelemetry specification, "Environment Variable Specification" and "OpenTelemetry Protocol Exporter".

use std::{collections::HashMap, fmt, path::PathBuf, str::FromStr, time::Duration};

use axum::http::{HeaderName, HeaderValue};
use opentelemetry_sdk::trace::Sampler;
use percent_encoding::percent_decode_str;
use url::Url;

/// How long a request to the collector may take when nothing is said.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Numbers that the SDK reads, where it takes its default in silence for what is no number.
const NUMBERS: [&str; 6] = [
    "OTEL_BSP_SCHEDULE_DELAY",
    "OTEL_BSP_MAX_QUEUE_SIZE",
    "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
    "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_SPAN_EVENT_COUNT_LIMIT",
    "OTEL_SPAN_LINK_COUNT_LIMIT",
];

/// A variable that cannot be followed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("follow {variable}: {found}expected {expected}")]
pub(crate) struct SettingsError {
    variable: String,
    /// What stands there, unless it may be a secret.
    found: String,
    expected: &'static str,
}

/// Where traces go.
pub(super) struct Settings {
    /// The URL that spans are posted to.
    pub(super) endpoint: String,
    /// Headers of every request; they may hold secrets.
    pub(super) headers: HashMap<String, String>,
    /// How long one request may take.
    pub(super) timeout: Duration,
    /// Which traces are kept; the SDK's default when absent: all.
    pub(super) sampler: Option<Sampler>,
    /// Whether the environment says what this service is called.
    pub(super) names_service: bool,
    /// Files for TLS.
    pub(super) certificates: Certificates,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// Files for TLS, in PEM.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Certificates {
    /// Who signs the collector's certificate; those whom the host trusts when absent.
    pub(super) authorities: Option<PathBuf>,
    /// The certificate chain and the key that the operator shows.
    pub(super) client: Option<(PathBuf, PathBuf)>,
}

/// Where variables come from.
type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

impl Settings {
    /// What the variables say; `None` when they name no collector, or switch traces off.
    pub(super) fn read(lookup: Lookup<'_>) -> Result<Option<Self>, SettingsError> {
        let given = |name: &str| lookup(name).filter(|value| !value.trim().is_empty());
        let disabled = given("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let exporter = given("OTEL_TRACES_EXPORTER");
        if disabled || exporter.as_deref() == Some("none") {
            return Ok(None);
        }
        if let Some(other) = exporter.filter(|exporter| exporter != "otlp") {
            return Err(wrong("OTEL_TRACES_EXPORTER", &other, "otlp or none"));
        }
        let Some(endpoint) = endpoint(&given)? else { return Ok(None) };
        only(&given, "PROTOCOL", "http/protobuf", "http/protobuf, with the collector's port for HTTP (mostly 4318)")?;
        only(&given, "COMPRESSION", "none", "none: spans are sent as they are")?;
        for name in NUMBERS {
            if let Some(value) = given(name) {
                number::<u32>(name, &value, "a whole number")?;
            }
        }
        let timeout = match of_traces(&given, "TIMEOUT") {
            Some((name, value)) => Duration::from_millis(number(&name, &value, "milliseconds, such as 10000")?),
            None => TIMEOUT,
        };
        let in_attributes = |attributes: String| {
            attributes.split(',').any(|pair| pair.split_once('=').is_some_and(|(key, _)| key.trim() == "service.name"))
        };
        Ok(Some(Self {
            endpoint: endpoint.into(),
            headers: headers(&given)?,
            timeout,
            sampler: sampler(&given)?,
            names_service: given("OTEL_SERVICE_NAME").is_some()
                || given("OTEL_RESOURCE_ATTRIBUTES").is_some_and(in_attributes),
            certificates: certificates(&given)?,
        }))
    }
}

fn wrong(variable: &str, found: &str, expected: &'static str) -> SettingsError {
    SettingsError { variable: variable.to_owned(), found: format!("{found:?} was found, "), expected }
}

fn secret(variable: &str, expected: &'static str) -> SettingsError {
    SettingsError { variable: variable.to_owned(), found: String::new(), expected }
}

/// The variable of the exporter that ends in `what`, of traces or of every signal, with its value.
fn of_traces(given: Lookup<'_>, what: &str) -> Option<(String, String)> {
    let names = [format!("OTEL_EXPORTER_OTLP_TRACES_{what}"), format!("OTEL_EXPORTER_OTLP_{what}")];
    names.into_iter().find_map(|name| given(&name).map(|value| (name, value)))
}

/// Refuses every value but one.
fn only(given: Lookup<'_>, what: &str, value: &str, expected: &'static str) -> Result<(), SettingsError> {
    match of_traces(given, what) {
        Some((name, other)) if other != value => Err(wrong(&name, &other, expected)),
        _ => Ok(()),
    }
}

fn number<N: FromStr>(name: &str, value: &str, expected: &'static str) -> Result<N, SettingsError> {
    value.trim().parse().map_err(|_| wrong(name, value, expected))
}

/// Where spans are posted to: the URL of traces as it stands, or the one of every signal with `/v1/traces`.
fn endpoint(given: Lookup<'_>) -> Result<Option<Url>, SettingsError> {
    const EXPECTED: &str = "an http or https URL without a user name, such as http://collector:4318";
    let Some((name, value)) = of_traces(given, "ENDPOINT") else { return Ok(None) };
    let url = Url::parse(value.trim()).map_err(|_| secret(&name, EXPECTED))?;
    if !matches!(url.scheme(), "http" | "https") || !url.username().is_empty() || url.password().is_some() {
        return Err(secret(&name, EXPECTED));
    }
    let mut url = url;
    if name == "OTEL_EXPORTER_OTLP_ENDPOINT" {
        url.set_path(&format!("{}/v1/traces", url.path().trim_end_matches('/')));
    }
    Ok(Some(url))
}

/// `key=value,key=value`, with percent-encoding. No value is ever told.
fn headers(given: Lookup<'_>) -> Result<HashMap<String, String>, SettingsError> {
    let Some((name, list)) = of_traces(given, "HEADERS") else { return Ok(HashMap::new()) };
    let pair = |pair: &str| {
        let (key, value) = pair.split_once('=')?;
        let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
        HeaderValue::from_str(&value).ok()?;
        Some((HeaderName::from_str(key.trim()).ok()?.to_string(), value.into_owned()))
    };
    let pairs = list.split(',').filter(|text| !text.trim().is_empty());
    pairs.map(pair).collect::<Option<_>>().ok_or_else(|| secret(&name, "headers as NAME=VALUE,NAME=VALUE"))
}

/// Which traces are kept. Every trace begins here, so that the samplers that ask a parent are the same as those that do not.
fn sampler(given: Lookup<'_>) -> Result<Option<Sampler>, SettingsError> {
    let Some(name) = given("OTEL_TRACES_SAMPLER") else { return Ok(None) };
    let (parent_based, own) = match name.strip_prefix("parentbased_") {
        Some(own) => (true, own),
        None => (false, name.as_str()),
    };
    let sampler = match own {
        "always_on" => Sampler::AlwaysOn,
        "always_off" => Sampler::AlwaysOff,
        "traceidratio" => Sampler::TraceIdRatioBased(ratio(given)?),
        _ => {
            let expected = "always_on, always_off or traceidratio, also with parentbased_ before it";
            return Err(wrong("OTEL_TRACES_SAMPLER", &name, expected));
        }
    };
    Ok(Some(if parent_based { Sampler::ParentBased(Box::new(sampler)) } else { sampler }))
}

fn ratio(given: Lookup<'_>) -> Result<f64, SettingsError> {
    const NAME: &str = "OTEL_TRACES_SAMPLER_ARG";
    const EXPECTED: &str = "a share of traces between 0 and 1, such as 0.1";
    let Some(value) = given(NAME) else { return Ok(1.0) };
    let ratio = number(NAME, &value, EXPECTED)?;
    if (0.0..=1.0).contains(&ratio) { Ok(ratio) } else { Err(wrong(NAME, &value, EXPECTED)) }
}

fn certificates(given: Lookup<'_>) -> Result<Certificates, SettingsError> {
    let file = |what: &str| of_traces(given, what).map(|(_, path)| PathBuf::from(path));
    let client = match (file("CLIENT_CERTIFICATE"), file("CLIENT_KEY")) {
        (Some(chain), Some(key)) => Some((chain, key)),
        (None, None) => None,
        (Some(_), None) => {
            return Err(secret("OTEL_EXPORTER_OTLP_CLIENT_KEY", "a file, since there is a client certificate"));
        }
        (None, Some(_)) => {
            return Err(secret("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "a file, since there is a client key"));
        }
    };
    Ok(Certificates { authorities: file("CERTIFICATE"), client })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    const COLLECTOR: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318");

    fn read(variables: &[(&str, &str)]) -> Result<Option<Settings>, SettingsError> {
        let variables: HashMap<_, _> = variables.iter().copied().collect();
        Settings::read(&|name| variables.get(name).map(|value| (*value).to_owned()))
    }

    fn settings(more: &[(&str, &str)]) -> Settings {
        read(&[&[COLLECTOR], more].concat()).unwrap().unwrap()
    }

    #[test]
    fn no_collector_no_traces() {
        for variables in [
            &[][..],
            &[("OTEL_EXPORTER_OTLP_ENDPOINT", "")],
            &[("OTEL_SERVICE_NAME", "mine")],
            &[COLLECTOR, ("OTEL_SDK_DISABLED", "TRUE")],
            &[COLLECTOR, ("OTEL_TRACES_EXPORTER", "none")],
            // Nothing else is looked at then.
            &[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")],
        ] {
            assert!(read(variables).unwrap().is_none(), "{variables:?}");
        }
    }

    #[test]
    fn the_endpoint_of_every_signal_gets_a_path_and_that_of_traces_does_not() {
        for (endpoint, posted) in [
            ("http://collector:4318", "http://collector:4318/v1/traces"),
            ("https://collector/", "https://collector/v1/traces"),
            ("https://collector/otlp/", "https://collector/otlp/v1/traces"),
        ] {
            assert_eq!(settings(&[("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)]).endpoint, posted);
        }
        assert_eq!(settings(&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://other/x")]).endpoint, "http://other/x");
    }

    #[test]
    fn the_variable_of_traces_wins_over_that_of_every_signal() {
        let both = settings(&[
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "1"),
            ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "1500"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "a=b"),
            ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "X-Tenant = tools, authorization=Bearer%20s3cr3t"),
        ]);
        assert_eq!(both.timeout, Duration::from_millis(1500));
        assert_eq!(both.headers.len(), 2);
        assert_eq!(both.headers["x-tenant"], "tools");
        assert_eq!(both.headers["authorization"], "Bearer s3cr3t");
        assert!(!format!("{both:?}").contains("s3cr3t"));
    }

    #[test]
    fn the_service_is_named_by_the_environment_or_not() {
        assert!(!settings(&[("OTEL_RESOURCE_ATTRIBUTES", "team=tools")]).names_service);
        assert!(settings(&[("OTEL_RESOURCE_ATTRIBUTES", "team=tools,service.name=mine")]).names_service);
        assert!(settings(&[("OTEL_SERVICE_NAME", "mine")]).names_service);
    }

    #[test]
    fn samplers_are_those_of_the_specification() {
        let sampler = |name, argument| {
            format!("{:?}", settings(&[("OTEL_TRACES_SAMPLER", name), ("OTEL_TRACES_SAMPLER_ARG", argument)]).sampler)
        };
        assert_eq!(sampler("", ""), "None");
        assert_eq!(sampler("always_off", ""), "Some(AlwaysOff)");
        assert_eq!(sampler("traceidratio", "0.25"), "Some(TraceIdRatioBased(0.25))");
        assert_eq!(sampler("parentbased_traceidratio", ""), "Some(ParentBased(TraceIdRatioBased(1.0)))");
    }

    #[test]
    fn what_cannot_be_followed_is_refused_and_no_secret_told() {
        for (name, value, expected) in [
            ("OTEL_TRACES_EXPORTER", "zipkin", "\"zipkin\" was found, expected otlp or none"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318", "expected an http or https URL"),
            (
                "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
                "http://me:s3cr3t@collector",
                "expected an http or https URL without",
            ),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "\"grpc\" was found, expected http/protobuf"),
            ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "gzip", "\"gzip\" was found, expected none"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s", "\"10s\" was found, expected milliseconds"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "authorization: s3cr3t", "expected headers as NAME=VALUE"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "a=s3cr3t%0A", "expected headers as NAME=VALUE"),
            ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "/a", "since there is a client certificate"),
            ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "/a", "since there is a client key"),
            ("OTEL_TRACES_SAMPLER", "jaeger_remote", "expected always_on"),
            ("OTEL_BSP_SCHEDULE_DELAY", "5s", "\"5s\" was found, expected a whole number"),
        ] {
            let text = read(&[COLLECTOR, (name, value)]).unwrap_err().to_string();
            assert!(text.contains(expected), "{name}={value}: {text}");
            assert!(text.contains("OTEL_") && !text.contains("s3cr3t"), "{text}");
        }
        let ratio = [COLLECTOR, ("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "10")];
        let text = read(&ratio).unwrap_err().to_string();
        assert!(text.contains("OTEL_TRACES_SAMPLER_ARG: \"10\" was found, expected a share"), "{text}");
    }
}
