//! Inline mode: the members of the group, and how the gateway authenticates to them, are part of its configuration.
//!
//! The gateway's pods read nothing but this file, the environment and mounted CA bundles. Only entries that the operator
//! found Valid and workloads that have a Service are part of it, and everything that is mounted is optional, so that one broken member keeps no pod from
//! starting.

use std::collections::{BTreeMap, BTreeSet};

use operator_api::{
    BackendAuth, BackendAuthType, EntryCondition, EntryPhase, EntryReason, ExternalAuthType, MCPExternalAuthConfig,
    MCPServerEntry, SecretKeyReference, VirtualMCPServer, find_condition,
};
use vmcp_config::{
    Config, HeaderInjection, OutgoingAuth, OutgoingAuthSource, OutgoingStrategy, StaticBackend, StaticBackendKind,
    TokenExchange,
};

use super::{
    Configuration, Variable,
    outgoing::{named, of_type},
};
use crate::controllers::{configuration, virtual_server::resolve::References, workload::config_volume::Bundle};

/// `config` with the members of the group. The user's own backends come first, and keep their names.
pub(super) fn of(server: &VirtualMCPServer, references: &References, config: Config) -> Configuration {
    let mut rendering = Rendering { server, references, variables: BTreeSet::new(), bundles: Vec::new() };
    let mut backends = config.backends.clone().unwrap_or_default();
    let mut taken: BTreeSet<_> = backends.iter().map(|backend| backend.name.clone()).collect();
    let mut owns = BTreeMap::new();
    for workload in &references.workloads {
        if let Some(backend) = workload.backend().filter(|backend| taken.insert(backend.name.clone())) {
            let own = workload.auth_config.as_ref();
            owns.extend(own.map(|own| (backend.name.clone(), own.name.clone())));
            backends.push(backend);
        }
    }
    for entry in references.entries.iter().filter(|entry| is_valid(entry)) {
        let name = entry.metadata.name.clone().unwrap_or_default();
        if taken.insert(name.clone()) {
            let own = entry.spec.external_auth_config_ref.as_ref();
            owns.extend(own.map(|own| (name.clone(), own.name.clone())));
            backends.push(rendering.entry(name, entry));
        }
    }
    let outgoing = rendering.outgoing(&owns);
    Configuration {
        config: Config { backends: Some(backends), outgoing_auth: Some(outgoing), ..config },
        variables: rendering.variables.into_iter().collect(),
        bundles: rendering.bundles,
    }
}

fn is_valid(entry: &MCPServerEntry) -> bool {
    let status = entry.status.as_ref();
    status.is_some_and(|status| {
        status.phase == Some(EntryPhase::Valid) && status.observed_generation == entry.metadata.generation
    })
}

/// A configuration in the making.
struct Rendering<'a> {
    server: &'a VirtualMCPServer,
    references: &'a References,
    variables: BTreeSet<Variable>,
    bundles: Vec<Bundle>,
}

impl Rendering<'_> {
    fn entry(&mut self, name: String, entry: &MCPServerEntry) -> StaticBackend {
        let forward = entry.spec.header_forward.as_ref();
        let plain = forward.map(|forward| forward.add_plaintext_headers.clone()).unwrap_or_default();
        let secret = forward.map(|forward| forward.add_headers_from_secret.as_slice()).unwrap_or_default();
        let secret: BTreeMap<_, _> =
            secret.iter().map(|header| (header.header_name.clone(), self.variable(&header.value_secret_ref))).collect();
        StaticBackend {
            url: entry.spec.remote_url.clone(),
            transport: entry.spec.transport,
            kind: Some(StaticBackendKind::Entry),
            ca_bundle_path: self.bundle(&name, entry),
            allow_private_endpoint: entry.spec.allow_private_endpoint.then_some(true),
            headers: (!plain.is_empty()).then(|| plain.into_iter().collect()),
            headers_from_env: (!secret.is_empty()).then_some(secret),
            metadata: None,
            name,
        }
    }

    /// Puts the CA bundle of an entry beside the configuration and returns its path; `None` when the system's authorities are trusted alone.
    fn bundle(&mut self, name: &str, entry: &MCPServerEntry) -> Option<String> {
        let reference = entry.spec.ca_bundle_ref.as_ref()?.config_map_ref.as_ref()?;
        let conditions = &entry.status.as_ref()?.conditions;
        // A bundle that is optional may be missing.
        let found = find_condition(conditions, EntryCondition::CABundleRefValidated.as_str())?;
        if found.reason != EntryReason::CABundleRefValid.as_str() {
            return None;
        }
        let path = format!("backend-ca/{name}/ca.crt");
        self.bundles.push(Bundle {
            path: path.clone(),
            config_map: reference.name.clone(),
            key: reference.key.clone(),
        });
        Some(path)
    }

    /// The name of the variable that has the value of `reference`.
    fn variable(&mut self, reference: &SecretKeyReference) -> String {
        let variable = Variable::of(&reference.name, &reference.key);
        let name = variable.name.clone();
        self.variables.insert(variable);
        name
    }

    /// The strategies; `owns` has the auth configs that members refer to themselves, by name of the member.
    fn outgoing(&mut self, owns: &BTreeMap<String, String>) -> OutgoingAuth {
        let spec = self.server.spec.outgoing_auth.clone();
        let explicit = spec.as_ref().and_then(|spec| spec.backends.clone()).unwrap_or_default();
        let mut backends = BTreeMap::new();
        for (name, own) in owns {
            backends.insert(name.clone(), self.named(own));
        }
        for (name, auth) in &explicit {
            match self.strategy(auth) {
                Some(strategy) => {
                    backends.insert(name.clone(), strategy);
                }
                // Without something of its own, a discovered backend is not given the default either.
                None => {
                    backends.entry(name.clone()).or_insert_with(|| of_type("unauthenticated"));
                }
            }
        }
        let default = spec.and_then(|spec| spec.default).and_then(|auth| self.strategy(&auth));
        OutgoingAuth {
            source: OutgoingAuthSource::Inline,
            default,
            backends: (!backends.is_empty()).then_some(backends),
        }
    }

    /// The strategy that `auth` names; `None` for what the backend's own object says.
    fn strategy(&mut self, auth: &BackendAuth) -> Option<OutgoingStrategy> {
        match auth.kind {
            BackendAuthType::Discovered => None,
            BackendAuthType::ExternalAuthConfigRef => {
                let name = auth.external_auth_config_ref.as_ref().map_or("", |reference| reference.name.as_str());
                Some(self.named(name))
            }
            BackendAuthType::ServiceAccount => {
                let header = auth.service_account.as_ref().map(|account| HeaderInjection {
                    header_name: account.header_name.clone(),
                    header_value_env: Some(self.variable(&account.credentials_ref)),
                    header_format: Some(account.header_format.clone()),
                    ..HeaderInjection::default()
                });
                Some(OutgoingStrategy { header_injection: header, ..of_type("header_injection") })
            }
        }
    }

    /// The strategy that the MCPExternalAuthConfig `name` describes. One that is missing or not Valid stays a name, and
    /// the gateway leaves the backends out that need it.
    fn named(&mut self, name: &str) -> OutgoingStrategy {
        let references = self.references;
        let valid = |config: &MCPExternalAuthConfig| configuration::problem(config.status.as_ref()).is_none();
        let config = references.auth_configs.get(name).filter(|config| valid(config));
        config.and_then(|config| self.converted(config)).unwrap_or_else(|| named(name))
    }

    fn converted(&mut self, config: &MCPExternalAuthConfig) -> Option<OutgoingStrategy> {
        match config.spec.kind {
            ExternalAuthType::Unauthenticated => Some(of_type("unauthenticated")),
            ExternalAuthType::HeaderInjection => {
                let block = config.spec.header_injection.as_ref()?;
                let header = HeaderInjection {
                    header_name: block.header_name.clone(),
                    header_value_env: Some(self.variable(&block.value_secret_ref)),
                    ..HeaderInjection::default()
                };
                Some(OutgoingStrategy { header_injection: Some(header), ..of_type("header_injection") })
            }
            ExternalAuthType::TokenExchange => {
                let block = config.spec.token_exchange.as_ref()?;
                let exchange = TokenExchange {
                    token_url: block.token_url.clone(),
                    client_id: block.client_id.clone(),
                    client_secret_env: block.client_secret_ref.as_ref().map(|secret| self.variable(secret)),
                    audience: Some(block.audience.clone()),
                    scopes: block.scopes.clone(),
                    subject_token_type: block.subject_token_type.clone(),
                    ..TokenExchange::default()
                };
                Some(OutgoingStrategy { token_exchange: Some(exchange), ..of_type("token_exchange") })
            }
            ExternalAuthType::BearerToken => {
                let block = config.spec.bearer_token.as_ref()?;
                let header = HeaderInjection {
                    header_name: "Authorization".to_owned(),
                    header_value_env: Some(self.variable(&block.token_secret_ref)),
                    header_format: Some("Bearer {token}".to_owned()),
                    ..HeaderInjection::default()
                };
                Some(OutgoingStrategy { header_injection: Some(header), ..of_type("header_injection") })
            }
            _ => None,
        }
    }
}
