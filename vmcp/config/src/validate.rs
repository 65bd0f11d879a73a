//! Rules that the types do not express.

mod outgoing;

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    Aggregation, Config, ConflictResolution, FailureHandling, IncomingAuthKind, Oidc, SessionProvider, SessionStorage,
    StaticBackendKind, ToolVisibility,
    headers::{name_rule, passthrough_problem, value_rule},
    selection_problems,
    urls::url_rule,
};
use outgoing::outgoing_auth;

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
            if backend.name.is_empty() {
                found.push(Violation::new(format!("{path}.name"), "required: the name of the backend"));
            } else if !names.insert(&backend.name) {
                found.push(Violation::new(
                    format!("{path}.name"),
                    format!("a second backend is named {:?}", backend.name),
                ));
            }
            url_rule(&format!("{path}.url"), &backend.url, found);
            if backend.allow_private_endpoint == Some(true) && backend.kind != Some(StaticBackendKind::Entry) {
                found.push(Violation::new(
                    format!("{path}.allowPrivateEndpoint"),
                    "only a backend of type entry is kept out of private networks",
                ));
            }
            for (name, value) in backend.headers.iter().flatten() {
                let path = format!("{path}.headers.{name}");
                name_rule(&path, name, found);
                value_rule(&path, value, found);
            }
            for name in backend.headers_from_env.iter().flat_map(BTreeMap::keys) {
                name_rule(&format!("{path}.headersFromEnv.{name}"), name, found);
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

/// The issuer and its keys are served with TLS, unless that is waived, and tokens are for somebody.
pub(crate) fn oidc_rules(oidc: &Oidc, path: &str, found: &mut Vec<Violation>) {
    let keys = oidc.jwks_url.as_deref().map(|url| ("jwksUrl", "the keys are", url));
    for (key, what, text) in [("issuer", "the issuer is", oidc.issuer.as_str())].into_iter().chain(keys) {
        let message = match url::Url::parse(text) {
            Ok(url) if url.scheme() == "https" => continue,
            Ok(url) if url.scheme() == "http" && oidc.insecure_allow_http => continue,
            Ok(url) if url.scheme() == "http" => {
                format!("{what} served without TLS: use an https:// URL, or set insecureAllowHttp for tests")
            }
            _ => format!("{text:?} is not an https:// URL"),
        };
        found.push(Violation::new(format!("{path}.{key}"), message));
    }
    if oidc.audience.is_empty() {
        found.push(Violation::new(format!("{path}.audience"), "required: the aud of accepted tokens"));
    }
    if let Some(resource) = &oidc.resource {
        url_rule(&format!("{path}.resource"), resource, found);
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

fn aggregation_rules(aggregation: &Aggregation, found: &mut Vec<Violation>) {
    let order = aggregation.conflict_resolution_config.as_ref().and_then(|config| config.priority_order.as_ref());
    let tools = aggregation.tools.as_deref().unwrap_or_default();
    if let Some(unknown) = unknown_placeholder(&aggregation.prefix_format()) {
        found.push(Violation::new(
            "aggregation.conflictResolutionConfig.prefixFormat",
            format!("{unknown} stands for nothing: write {{workload}} for the name of the backend"),
        ));
    }
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

/// What looks like a placeholder in a prefix format and is none.
fn unknown_placeholder(format: &str) -> Option<String> {
    let rest = format.replace("{workload}", "");
    let (_, inside) = rest.split_once('{')?;
    let (name, _) = inside.split_once('}')?;
    Some(format!("{{{name}}}"))
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
