//! `outgoingAuth` of a gateway that discovers its backends: strategies by name, which its pods follow.

use operator_api::{BackendAuth, BackendAuthType, VirtualMCPServer};
use vmcp_config::{ExternalAuthConfig, HeaderInjection, OutgoingAuth, OutgoingAuthSource, OutgoingStrategy, SecretKey};

/// What `spec.outgoingAuth` says, for pods that read auth configs and Secrets themselves.
pub(super) fn discovered(server: &VirtualMCPServer) -> OutgoingAuth {
    let spec = server.spec.outgoing_auth.as_ref();
    let backends = spec.and_then(|spec| spec.backends.as_ref());
    OutgoingAuth {
        source: OutgoingAuthSource::Discovered,
        default: spec.and_then(|spec| spec.default.as_ref()).map(strategy),
        backends: backends.map(|all| all.iter().map(|(name, auth)| (name.clone(), strategy(auth))).collect()),
    }
}

fn strategy(auth: &BackendAuth) -> OutgoingStrategy {
    match auth.kind {
        BackendAuthType::Discovered => of_type("discovered"),
        BackendAuthType::ExternalAuthConfigRef => {
            named(auth.external_auth_config_ref.as_ref().map_or("", |reference| reference.name.as_str()))
        }
        BackendAuthType::ServiceAccount => {
            let account = auth.service_account.as_ref();
            let header = account.map(|account| HeaderInjection {
                header_name: account.header_name.clone(),
                header_value_secret: Some(SecretKey {
                    name: account.credentials_ref.name.clone(),
                    key: account.credentials_ref.key.clone(),
                }),
                header_format: Some(account.header_format.clone()),
                ..HeaderInjection::default()
            });
            OutgoingStrategy { header_injection: header, ..of_type("header_injection") }
        }
    }
}

/// The strategy `kind`, without the block that goes with it.
pub(super) fn of_type(kind: &str) -> OutgoingStrategy {
    OutgoingStrategy { kind: kind.to_owned(), ..OutgoingStrategy::default() }
}

/// The strategy that the MCPExternalAuthConfig `name` describes. Pods that do not read it leave the backend out.
pub(super) fn named(name: &str) -> OutgoingStrategy {
    let config = ExternalAuthConfig { name: name.to_owned() };
    OutgoingStrategy { external_auth_config: Some(config), ..of_type("external_auth_config") }
}
