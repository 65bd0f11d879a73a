//! What a spec says of the proxy in front of a server, in one shape for every kind.

use std::collections::BTreeSet;

use operator_api::{
    AuthServerReference, Authorization, AuthzConfigReference, ExternalAuthConfigReference, GroupReference,
    HeaderForward, OidcConfigReference, ProxyOidc, ResourceOverrides, ResourceRequirements, SessionAffinity,
    SharedSessionStorage, TelemetryConfigReference,
};
use serde_json::Value;
use vmcp_config::{SessionProvider, ToolConfigReference, Transport, proxy::ProxyClass};

use crate::{
    controllers::workload::{Owner, pods},
    runtime::{Kind, ObjectKey},
};

/// The proxy in front of a server.
#[derive(Debug, Clone, PartialEq)]
pub struct Front<'a> {
    /// Kind of the object.
    pub kind: Kind,
    /// Namespace and name of the object.
    pub key: ObjectKey,
    /// Uid of the object: the owner of everything that is made for it.
    pub uid: &'a str,
    /// The value of the labels that say what the pods of the proxy are.
    pub app: &'static str,
    /// Name of the Service.
    pub service: String,
    /// Name of the ServiceAccount that is made for the pods, its Role and its RoleBinding.
    pub account: String,
    /// Name of the ServiceAccount that is used instead.
    pub existing_account: Option<&'a str>,
    /// Port of the container and the Service.
    pub port: i32,
    /// Where the server speaks MCP.
    pub server_url: String,
    /// How the server speaks, and the proxy towards its clients.
    pub transport: Transport,
    /// What the server is.
    pub class: ProxyClass,
    /// Headers that every request to the server carries.
    pub headers: Option<&'a HeaderForward>,
    /// Secrets that must exist, beside those of the auth config.
    pub secrets: BTreeSet<&'a str>,
    /// The group.
    pub group: Option<&'a GroupReference>,
    /// The OpenID provider, written in place.
    pub oidc: Option<&'a ProxyOidc>,
    /// The OpenID provider.
    pub oidc_config: Option<&'a OidcConfigReference>,
    /// How the proxy authenticates to the server.
    pub auth_config: Option<&'a ExternalAuthConfigReference>,
    /// The authorization server that the proxy runs.
    pub auth_server: Option<&'a AuthServerReference>,
    /// What an authenticated client may do, in place or in a ConfigMap.
    pub authz: Option<&'a Authorization>,
    /// What an authenticated client may do.
    pub authz_config: Option<&'a AuthzConfigReference>,
    /// The selection of tools.
    pub tool_config: Option<&'a ToolConfigReference>,
    /// Where traces and metrics go.
    pub telemetry_config: Option<&'a TelemetryConfigReference>,
    /// Whether forwarded headers decide how the proxy writes its own URLs.
    pub trust_proxy_headers: bool,
    /// Path that an ingress strips.
    pub endpoint_prefix: Option<&'a str>,
    /// Where sessions are kept.
    pub session_storage: Option<&'a SharedSessionStorage>,
    /// Number of pods; somebody else's to say when absent.
    pub replicas: Option<i32>,
    /// Whether requests of one client address go to one pod.
    pub session_affinity: SessionAffinity,
    /// CPU and memory of the proxy's container.
    pub resources: Option<&'a ResourceRequirements>,
    /// What is added to the objects.
    pub overrides: Option<&'a ResourceOverrides>,
    /// The user's pod template.
    pub template: Option<Template<'a>>,
}

/// A pod template of the user.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Template<'a> {
    /// The template.
    pub template: &'a Value,
    /// The container of the pods that it is for.
    pub container: &'static str,
}

impl Front<'_> {
    /// Whether its pods share their sessions.
    pub fn shares_sessions(&self) -> bool {
        self.session_storage.is_some_and(|storage| storage.provider == SessionProvider::Redis)
    }

    /// Where clients in the cluster connect.
    pub fn url(&self) -> String {
        format!("http://{}.{}.svc.cluster.local:{}", self.service, self.key.namespace, self.port)
    }

    /// The labels of what belongs to the pods of `app`.
    pub fn owner(&self, app: &str) -> Owner {
        let name = self.key.name.as_str();
        let labels = [
            ("app", app),
            (pods::NAME_LABEL, app),
            (pods::INSTANCE_LABEL, name),
            ("toolhive", "true"),
            ("toolhive-name", name),
        ];
        Owner {
            kind: self.kind.name(),
            key: self.key.clone(),
            uid: self.uid.to_owned(),
            selector: labels.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
        }
    }
}
