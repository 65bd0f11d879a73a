//! MCPRemoteProxy: a proxy in front of a remote MCP server.

#[cfg(test)]
mod tests;

use operator_api::{Condition, MCPRemoteProxy, MCPRemoteProxyStatus, ProxyPhase, ProxyReason, ServerPhase};
use serde_json::Value;
use vmcp_config::proxy::ProxyClass;

use super::{
    Settings, headers,
    proxy::{
        Proxied, build,
        front::{Front, Template},
        resolve::References,
        status::{Pods, State},
        validate::{Proxy, Verdict},
    },
    unsupported,
    workload::{name_problem, pods},
};
use crate::{
    remote_url::RemoteUrl,
    runtime::{
        ObjectKey,
        observed::{OwnedKind, Reconciled},
    },
};

impl Proxied for MCPRemoteProxy {
    const NOT_SERVING: ProxyReason = ProxyReason::DeploymentNotReady;

    fn front(&self) -> Front<'_> {
        let (key, spec) = (ObjectKey::of(self), &self.spec);
        Front {
            kind: Self::KIND,
            uid: self.metadata.uid.as_deref().unwrap_or_default(),
            app: pods::REMOTE_PROXY,
            service: service_name(&key.name),
            account: format!("{}-remote-proxy-runner", key.name),
            existing_account: spec.service_account.as_deref(),
            port: spec.proxy_port,
            server_url: spec.remote_url.clone(),
            transport: spec.transport,
            class: ProxyClass::Proxied,
            headers: spec.header_forward.as_ref(),
            secrets: spec.header_forward.iter().flat_map(headers::secrets).collect(),
            group: spec.group_ref.as_ref(),
            oidc: spec.oidc_config.as_ref(),
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
            resources: spec.resources.as_ref(),
            overrides: spec.resource_overrides.as_ref(),
            template: spec
                .pod_template_spec
                .as_ref()
                .map(|template| Template { template, container: build::CONTAINER }),
            key,
        }
    }

    fn problems(&self, _: &References) -> Vec<(ProxyReason, String)> {
        // A proxy may stand before a server in a private network (mcpserverentry-guide, SSRF protection).
        let url = RemoteUrl::judge(&self.spec.remote_url, true).err();
        let url = url.map(|error| (ProxyReason::RemoteURLInvalid, error.to_string()));
        let name = self.metadata.name.as_deref().unwrap_or_default();
        let name = name_problem(name, service_name("").len()).into_iter();
        let unserved = unsupported::problems(&self.spec, unsupported::REMOTE_PROXY).into_iter();
        let invalid = name.chain(unserved.map(|sentence| format!("spec.{sentence}")));
        url.into_iter().chain(invalid.map(|problem| (ProxyReason::ConfigurationInvalid, problem))).collect()
    }

    fn objects(&self, proxy: &Proxy<'_>, settings: &Settings) -> Vec<(OwnedKind, Value)> {
        build::objects(proxy, settings)
    }

    fn optional(&self) -> Vec<(OwnedKind, String)> {
        build::optional(&self.front()).to_vec()
    }

    fn running(&self, made: &Pods) -> State {
        if made.proxy.ready > 0 {
            let message = "The proxy serves clients".to_owned();
            return State { phase: ServerPhase::Ready, reason: ProxyReason::DeploymentReady, message };
        }
        let (phase, message) = match (&made.proxy.failure, self.spec.replicas) {
            (Some(failure), _) => (ServerPhase::Failed, format!("No pod of the proxy serves: {failure}")),
            (None, Some(0)) => (ServerPhase::Pending, "No pod of the proxy is wanted: replicas is 0".to_owned()),
            (None, _) => (ServerPhase::Pending, "No pod of the proxy is ready yet".to_owned()),
        };
        State { phase, reason: Self::NOT_SERVING, message }
    }

    fn report(
        &self,
        state: State,
        verdict: &Verdict<'_>,
        conditions: Vec<Condition>,
        _: &Pods,
    ) -> MCPRemoteProxyStatus {
        let phase = match state.phase {
            ServerPhase::Ready => ProxyPhase::Ready,
            ServerPhase::Failed => ProxyPhase::Failed,
            ServerPhase::Terminating => ProxyPhase::Terminating,
            ServerPhase::Pending | ServerPhase::Stopped => ProxyPhase::Pending,
        };
        let hashes = verdict.hashes.clone();
        let url = verdict.proxy.as_ref().map(|proxy| proxy.front.url());
        MCPRemoteProxyStatus {
            observed_generation: self.metadata.generation,
            phase: Some(phase),
            message: Some(state.message),
            url: url.or_else(|| self.status.as_ref()?.url.clone()),
            oidc_config_hash: hashes.oidc,
            authz_config_hash: hashes.authz,
            tool_config_hash: hashes.tools,
            telemetry_config_hash: hashes.telemetry,
            external_auth_config_hash: hashes.auth,
            auth_server_config_hash: hashes.auth_server,
            conditions,
            ..MCPRemoteProxyStatus::default()
        }
    }

    fn conditions(status: &MCPRemoteProxyStatus) -> &[Condition] {
        &status.conditions
    }
}

/// The name of the Service of the proxy `name`.
fn service_name(name: &str) -> String {
    format!("mcp-{name}-remote-proxy")
}
