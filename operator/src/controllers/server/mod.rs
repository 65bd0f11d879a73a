//! MCPServer: an MCP server that runs in the cluster, and a proxy in front of it.

mod build;
#[cfg(test)]
mod tests;
mod validate;

use operator_api::{Condition, MCPServer, MCPServerStatus, ProxyReason, ServerPhase, ServerTransport};
use serde_json::Value;
use vmcp_config::{Transport, proxy::ProxyClass};

use super::{
    Settings,
    proxy::{
        self, Proxied,
        front::{Front, Template},
        resolve::References,
        status::{Pods, State},
        validate::{Proxy, Verdict},
    },
    workload::pods,
};
use crate::runtime::{
    ObjectKey,
    observed::{OwnedKind, Reconciled},
};

/// Port of servers that name none.
const PORT: i32 = 8080;

/// The port on which the container of `server` speaks MCP.
fn port(server: &MCPServer) -> i32 {
    server.spec.mcp_port.unwrap_or(PORT)
}

/// The name of the server's Service, with session affinity.
fn service_name(name: &str) -> String {
    format!("mcp-{name}")
}

/// The name of the Service that governs the server's pods.
fn headless_name(name: &str) -> String {
    format!("mcp-{name}-headless")
}

impl Proxied for MCPServer {
    const NOT_SERVING: ProxyReason = ProxyReason::NotReady;

    fn front(&self) -> Front<'_> {
        let (key, spec) = (ObjectKey::of(self), &self.spec);
        let (transport, path) = match spec.transport {
            ServerTransport::StreamableHttp => (Transport::StreamableHttp, "mcp"),
            ServerTransport::Sse => (Transport::Sse, "sse"),
            // Not served yet, so nobody connects.
            ServerTransport::Stdio => (spec.proxy_mode, ""),
        };
        let host = format!("{}.{}.svc.cluster.local:{}", service_name(&key.name), key.namespace, port(self));
        Front {
            kind: Self::KIND,
            uid: self.metadata.uid.as_deref().unwrap_or_default(),
            app: pods::SERVER_PROXY,
            service: format!("mcp-{}-proxy", key.name),
            account: format!("{}-proxy-runner", key.name),
            existing_account: None,
            port: spec.proxy_port,
            server_url: format!("http://{host}/{path}"),
            transport,
            class: ProxyClass::Workload,
            headers: None,
            secrets: spec.secrets.iter().flatten().map(|secret| secret.name.as_str()).collect(),
            group: spec.group_ref.as_ref(),
            oidc: None,
            oidc_config: spec.oidc_config_ref.as_ref(),
            auth_config: spec.external_auth_config_ref.as_ref(),
            auth_server: spec.auth_server_ref.as_ref(),
            authz: spec.authz_config.as_ref(),
            authz_config: spec.authz_config_ref.as_ref(),
            tool_config: spec.tool_config_ref.as_ref(),
            telemetry_config: spec.telemetry_config_ref.as_ref(),
            trust_proxy_headers: spec.trust_proxy_headers,
            endpoint_prefix: spec.endpoint_prefix.as_deref(),
            session_storage: spec.session_storage.as_ref(),
            replicas: spec.replicas,
            session_affinity: spec.session_affinity,
            resources: None,
            overrides: spec.resource_overrides.as_ref(),
            template: spec
                .pod_template_spec
                .as_ref()
                .map(|template| Template { template, container: build::CONTAINER }),
            key,
        }
    }

    fn problems(&self, references: &References) -> Vec<(ProxyReason, String)> {
        validate::problems(self, references)
    }

    fn objects(&self, proxy: &Proxy<'_>, settings: &Settings) -> Vec<(OwnedKind, Value)> {
        // The server first: a proxy has nothing to do before it.
        build::objects(self, &proxy.front).into_iter().chain(proxy::build::objects(proxy, settings)).collect()
    }

    fn optional(&self) -> Vec<(OwnedKind, String)> {
        let front = self.front();
        build::optional(&front.key.name).into_iter().chain(proxy::build::optional(&front)).collect()
    }

    fn running(&self, made: &Pods) -> State {
        let sides = [
            ("server", "backendReplicas", self.spec.backend_replicas, &made.server),
            ("proxy", "replicas", self.spec.replicas, &made.proxy),
        ];
        let not_ready = |phase, message| State { phase, reason: Self::NOT_SERVING, message };
        for (side, field, wanted, _) in sides {
            if wanted == Some(0) {
                return not_ready(ServerPhase::Stopped, format!("No pod of the {side} is wanted: {field} is 0"));
            }
        }
        if let Some((side, _, _, replicas)) = sides.into_iter().find(|(.., replicas)| replicas.ready == 0) {
            return match &replicas.failure {
                Some(failure) => not_ready(ServerPhase::Failed, format!("No pod of the {side} serves: {failure}")),
                None => not_ready(ServerPhase::Pending, format!("No pod of the {side} is ready yet")),
            };
        }
        let message = "MCP server is running".to_owned();
        State { phase: ServerPhase::Ready, reason: ProxyReason::Ready, message }
    }

    fn report(&self, state: State, verdict: &Verdict<'_>, conditions: Vec<Condition>, made: &Pods) -> MCPServerStatus {
        let hashes = verdict.hashes.clone();
        let url = verdict.proxy.as_ref().map(|proxy| proxy.front.url());
        MCPServerStatus {
            observed_generation: self.metadata.generation,
            phase: Some(state.phase),
            message: Some(state.message),
            url: url.or_else(|| self.status.as_ref()?.url.clone()),
            ready_replicas: Some(made.proxy.ready),
            oidc_config_hash: hashes.oidc,
            authz_config_hash: hashes.authz,
            tool_config_hash: hashes.tools,
            telemetry_config_hash: hashes.telemetry,
            external_auth_config_hash: hashes.auth,
            auth_server_config_hash: hashes.auth_server,
            conditions,
            ..MCPServerStatus::default()
        }
    }

    fn conditions(status: &MCPServerStatus) -> &[Condition] {
        &status.conditions
    }
}
