//! Rules that the types do not express.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    Aggregation, Config, ConflictResolution, FailureHandling, HeaderInjection, IncomingAuthKind, Oidc, OutgoingAuth,
    OutgoingStrategy, SessionProvider, SessionStorage, StaticBackendKind, ToolVisibility, selection_problems,
};

/// A rule that a configuration breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Violation {
    path: String,
    message: String,
}

impl Violation {
    pub(crate) fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into() }
    }

    /// Path of the key that breaks the rule, such as `incomingAuth.oidc.issuer`.
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl Config {
    /// Every rule that this configuration, as a complete file, breaks.
    pub fn problems(&self) -> Vec<Violation> {
        let mut found = Vec::new();
        if self.name.is_empty() {
            found.push(Violation::new("name", "required: the name of the gateway"));
        }
        if self.group_ref.is_empty() {
            found.push(Violation::new("groupRef", "required: the name of the group of backends"));
        }
        self.incoming(&mut found);
        match &self.outgoing_auth {
            None => found.push(Violation::new("outgoingAuth", "required: set source to discovered or inline")),
            Some(outgoing) => outgoing_auth(outgoing, &mut found),
        }
        found.extend(self.field_problems());
        found
    }

    /// The rules that hold also for the configuration as a field of a VirtualMCPServer, where name, group and
    /// authentication are written elsewhere.
    pub fn field_problems(&self) -> Vec<Violation> {
        let mut found = Vec::new();
        self.static_backends(&mut found);
        if let Some(aggregation) = &self.aggregation {
            aggregation_rules(aggregation, &mut found);
        }
        if let Some(failures) = self.operational.as_ref().and_then(|o| o.failure_handling.as_ref()) {
            failure_handling(failures, &mut found);
        }
        if let Some(timeouts) = self.operational.as_ref().and_then(|o| o.timeouts.as_ref()) {
            if timeouts.default.is_zero() {
                found.push(Violation::new("operational.timeouts.default", "must be longer than 0s"));
            }
            for (workload, timeout) in timeouts.per_workload.iter().flatten() {
                if timeout.is_zero() {
                    let path = format!("operational.timeouts.perWorkload.{workload}");
                    found.push(Violation::new(path, "must be longer than 0s"));
                }
            }
        }
        self.workflows(&mut found);
        if let Some(storage) = &self.session_storage {
            session_storage(storage, &mut found);
        }
        for (index, name) in self.passthrough_headers.iter().flatten().enumerate() {
            if let Some(reason) = passthrough_problem(name) {
                let path = format!("passthroughHeaders[{index}]");
                found.push(Violation::new(path, format!("header {name:?} cannot be passed through: {reason}")));
            }
        }
        found
    }

    fn incoming(&self, found: &mut Vec<Violation>) {
        let Some(incoming) = &self.incoming_auth else {
            found.push(Violation::new("incomingAuth", "required: set type to anonymous, oidc or local"));
            return;
        };
        match (incoming.kind, &incoming.oidc) {
            (IncomingAuthKind::Oidc, None) => {
                found.push(Violation::new("incomingAuth.oidc", "required when type is oidc: issuer and audience"));
            }
            (IncomingAuthKind::Oidc, Some(oidc)) => oidc_rules(oidc, "incomingAuth.oidc", found),
            _ => {}
        }
        if let Some(authz) = &incoming.authz {
            match authz.kind.as_str() {
                "none" => {}
                "cedar" if authz.policies.as_ref().is_some_and(|policies| !policies.is_empty()) => {}
                "cedar" => found.push(Violation::new("incomingAuth.authz.policies", "required when type is cedar")),
                other => found.push(Violation::new(
                    "incomingAuth.authz.type",
                    format!("unknown type {other:?}: expected cedar or none"),
                )),
            }
        }
    }

    /// Workflows can be run, and each has a name of its own.
    fn workflows(&self, found: &mut Vec<Violation>) {
        let mut names = BTreeSet::new();
        for (index, workflow) in self.composite_tools.iter().flatten().enumerate() {
            let path = format!("compositeTools[{index}]");
            if !names.insert(&workflow.name) {
                let message = format!("a second workflow is named {:?}", workflow.name);
                found.push(Violation::new(format!("{path}.name"), message));
            }
            let problems = workflow.problems().into_iter();
            found.extend(problems.map(|problem| Violation::new(format!("{path}.{}", problem.path), problem.message)));
        }
    }

    fn static_backends(&self, found: &mut Vec<Violation>) {
        let mut names = BTreeSet::new();
        for (index, backend) in self.backends.iter().flatten().enumerate() {
            let path = format!("backends[{index}]");
            if !names.insert(&backend.name) {
                found.push(Violation::new(
                    format!("{path}.name"),
                    format!("a second backend is named {:?}", backend.name),
                ));
            }
            if !url::Url::parse(&backend.url).is_ok_and(|url| matches!(url.scheme(), "http" | "https")) {
                found.push(Violation::new(
                    format!("{path}.url"),
                    format!("{:?} is not an http:// or https:// URL", backend.url),
                ));
            }
            if backend.allow_private_endpoint == Some(true) && backend.kind != Some(StaticBackendKind::Entry) {
                found.push(Violation::new(
                    format!("{path}.allowPrivateEndpoint"),
                    "only a backend of type entry is kept out of private networks",
                ));
            }
            let from_env = backend.headers_from_env.iter().flat_map(BTreeMap::keys);
            for name in backend.headers.iter().flat_map(BTreeMap::keys).chain(from_env) {
                if let Some(reason) = request_header_problem(name) {
                    found.push(Violation::new(
                        format!("{path}.headers"),
                        format!("header {name:?} cannot be set: {reason}"),
                    ));
                }
            }
            if let Some(file) = &backend.ca_bundle_path {
                let path = format!("{path}.caBundlePath");
                if backend.kind != Some(StaticBackendKind::Entry) {
                    found.push(Violation::new(&path, "only a backend of type entry has a CA bundle"));
                }
                if file.is_empty() || file.split('/').any(|part| part == "..") || file.contains('\0') {
                    found.push(Violation::new(&path, "must be a path without \"..\""));
                }
            }
        }
    }
}

/// The issuer is served with TLS, unless that is waived, and tokens are for somebody.
pub(crate) fn oidc_rules(oidc: &Oidc, path: &str, found: &mut Vec<Violation>) {
    match url::Url::parse(&oidc.issuer) {
        Ok(issuer) if issuer.scheme() == "https" => {}
        Ok(issuer) if issuer.scheme() == "http" && oidc.insecure_allow_http => {}
        Ok(issuer) if issuer.scheme() == "http" => found.push(Violation::new(
            format!("{path}.issuer"),
            "the issuer is served without TLS: use an https:// URL, or set insecureAllowHttp for tests",
        )),
        _ => {
            let message = format!("{:?} is not an https:// URL", oidc.issuer);
            found.push(Violation::new(format!("{path}.issuer"), message));
        }
    }
    if oidc.audience.is_empty() {
        found.push(Violation::new(format!("{path}.audience"), "required: the aud of accepted tokens"));
    }
}

/// Redis is somewhere, and its keys are kept apart from others'.
pub(crate) fn session_storage(storage: &SessionStorage, found: &mut Vec<Violation>) {
    if storage.provider == SessionProvider::Redis {
        if let Err(problem) = storage.redis_address() {
            found.push(Violation::new("sessionStorage.address", problem));
        }
        if storage.db < 0 {
            found.push(Violation::new("sessionStorage.db", "must be the number of a database: 0 or more"));
        }
    }
    if storage.key_prefix.as_ref().is_some_and(|prefix| !prefix.ends_with(':')) {
        found.push(Violation::new("sessionStorage.keyPrefix", "must end with a colon"));
    }
}

fn outgoing_auth(outgoing: &OutgoingAuth, found: &mut Vec<Violation>) {
    if let Some(strategy) = &outgoing.default {
        outgoing_strategy(strategy, "outgoingAuth.default", found);
    }
    for (name, strategy) in outgoing.backends.iter().flatten() {
        outgoing_strategy(strategy, &format!("outgoingAuth.backends.{name}"), found);
    }
}

/// The block named after the type is there, and it says enough.
fn outgoing_strategy(strategy: &OutgoingStrategy, path: &str, found: &mut Vec<Violation>) {
    let (block, present) = match strategy.kind.as_str() {
        "unauthenticated" | "discovered" => return,
        "external_auth_config" => ("externalAuthConfig", strategy.external_auth_config.is_some()),
        "header_injection" => ("headerInjection", strategy.header_injection.is_some()),
        "token_exchange" => ("tokenExchange", strategy.token_exchange.is_some()),
        "upstream_inject" => ("upstreamInject", strategy.upstream_inject.is_some()),
        "aws_sts" => ("awsSts", strategy.aws_sts.is_some()),
        "xaa" => ("xaa", strategy.xaa.is_some()),
        "obo" => ("obo", strategy.obo.is_some()),
        other => {
            found.push(Violation::new(
                format!("{path}.type"),
                format!(
                    "unknown type {other:?}: expected unauthenticated, discovered, external_auth_config, \
                     header_injection, token_exchange, upstream_inject, aws_sts, xaa or obo"
                ),
            ));
            return;
        }
    };
    if !present {
        found.push(Violation::new(format!("{path}.{block}"), format!("required when type is {}", strategy.kind)));
    }
    if let Some(header) = &strategy.header_injection {
        header_injection(header, path, found);
    }
}

/// The value comes from one place, and the format has a place for it.
fn header_injection(header: &HeaderInjection, path: &str, found: &mut Vec<Violation>) {
    let sources =
        [header.header_value.is_some(), header.header_value_env.is_some(), header.header_value_secret.is_some()];
    if sources.into_iter().filter(|set| *set).count() != 1 {
        found.push(Violation::new(
            format!("{path}.headerInjection"),
            "set exactly one of headerValue, headerValueEnv and headerValueSecret",
        ));
    }
    if header.header_format.as_ref().is_some_and(|format| !format.contains("{token}")) {
        found.push(Violation::new(
            format!("{path}.headerInjection.headerFormat"),
            "must contain {token}, which stands for the value: for example \"Bearer {token}\"",
        ));
    }
}

fn aggregation_rules(aggregation: &Aggregation, found: &mut Vec<Violation>) {
    let order = aggregation.conflict_resolution_config.as_ref().and_then(|config| config.priority_order.as_ref());
    let tools = aggregation.tools.as_deref().unwrap_or_default();
    match aggregation.conflict_resolution {
        ConflictResolution::Prefix if aggregation.prefix_format().is_empty() => found.push(Violation::new(
            "aggregation.conflictResolutionConfig.prefixFormat",
            "must not be empty: the default is \"{workload}_\"",
        )),
        ConflictResolution::Priority if order.is_none_or(Vec::is_empty) => found.push(Violation::new(
            "aggregation.conflictResolutionConfig.priorityOrder",
            "required when conflictResolution is priority: the backends, the one that wins first",
        )),
        ConflictResolution::Manual if tools.is_empty() => found.push(Violation::new(
            "aggregation.tools",
            "required when conflictResolution is manual: the overrides that resolve each conflict",
        )),
        _ => {}
    }
    let mut workloads = BTreeSet::new();
    for (index, workload) in tools.iter().enumerate() {
        let path = format!("aggregation.tools[{index}]");
        if workload.workload.is_empty() {
            found.push(Violation::new(format!("{path}.workload"), "required: the name of a backend"));
        } else if !workloads.insert(workload.workload.as_str()) {
            found.push(Violation::new(
                format!("{path}.workload"),
                format!("a second element is for the backend {:?}", workload.workload),
            ));
        }
        let filter = (format!("{path}.filter"), workload.filter.as_deref().unwrap_or_default());
        let overrides = (format!("{path}.overrides"), workload.overrides.clone().unwrap_or_default());
        found.extend(selection_problems((&filter.0, filter.1), (&overrides.0, &overrides.1)));
    }
    if aggregation.default_tool_visibility == Some(ToolVisibility::Deny)
        && aggregation.conflict_resolution == ConflictResolution::Priority
    {
        for workload in order.into_iter().flatten().filter(|name| !workloads.contains(name.as_str())) {
            found.push(Violation::new(
                "aggregation.tools",
                format!("the backend {workload:?} of priorityOrder has no element here, so all its tools are hidden"),
            ));
        }
    }
}

fn failure_handling(failures: &FailureHandling, found: &mut Vec<Violation>) {
    const PATH: &str = "operational.failureHandling";
    for (key, duration) in [
        ("healthCheckInterval", failures.health_check_interval),
        ("healthCheckTimeout", failures.health_check_timeout),
        ("statusReportingInterval", failures.status_reporting_interval),
    ] {
        if duration.is_zero() {
            found.push(Violation::new(format!("{PATH}.{key}"), "must be longer than 0s"));
        }
    }
    if failures.health_check_timeout >= failures.health_check_interval {
        found.push(Violation::new(
            format!("{PATH}.healthCheckTimeout"),
            format!(
                "{} is not less than the healthCheckInterval {}: shorten the time-out or lengthen the interval",
                failures.health_check_timeout, failures.health_check_interval
            ),
        ));
    }
    if failures.unhealthy_threshold < 1 {
        found.push(Violation::new(format!("{PATH}.unhealthyThreshold"), "must be at least 1"));
    }
    if let Some(breaker) = &failures.circuit_breaker {
        if breaker.failure_threshold < 1 {
            found.push(Violation::new(format!("{PATH}.circuitBreaker.failureThreshold"), "must be at least 1"));
        }
        if breaker.timeout < crate::Duration::from_secs(1) {
            found.push(Violation::new(format!("{PATH}.circuitBreaker.timeout"), "must be at least 1s"));
        }
    }
}

/// Why a backend's requests may not be given the header `name`, if so. Credentials may be configured, and only passing
/// on the client's is refused.
fn request_header_problem(name: &str) -> Option<&'static str> {
    let lower = name.to_ascii_lowercase();
    match lower.as_str() {
        "authorization" | "cookie" | "set-cookie" | "content-encoding" => None,
        _ => passthrough_problem(name),
    }
}

/// Why the header `name` of a client may not be passed on to backends, if so.
pub fn passthrough_problem(name: &str) -> Option<&'static str> {
    const HOP_BY_HOP: [&str; 10] = [
        "connection",
        "http2-settings",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ];
    let lower = name.to_ascii_lowercase();
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if lower.is_empty() || !lower.chars().all(token) {
        return Some("it is not a header name");
    }
    if lower.starts_with("x-forwarded-") || matches!(lower.as_str(), "forwarded" | "x-real-ip") {
        return Some("it says where a request comes from");
    }
    if lower.starts_with("mcp-") {
        return Some("it belongs to the protocol");
    }
    match lower.as_str() {
        "authorization" | "cookie" | "set-cookie" => Some("it holds the client's credentials"),
        "host" | "accept" | "content-length" | "content-type" | "content-encoding" | "last-event-id" => {
            Some("it belongs to the request itself")
        }
        other if HOP_BY_HOP.contains(&other) => Some("it belongs to one connection"),
        _ => None,
    }
}
