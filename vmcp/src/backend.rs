//! Backends as the rest of the gateway sees them: resolved, judged, ready to be called.
//!
//! [`discovery`](crate::discovery) makes them, [`egress`](crate::egress) calls them. A value of these types holds
//! nothing that still has to be looked up, and nothing secret shows in its `Debug` form.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use url::Url;

use crate::outgoing::{ForwardedHeaders, OutgoingAuth, PassedHeaders};

pub use crate::egress::Trust;
pub use crate::egress::guard::EgressClass;
pub use vmcp_config::Transport;

/// All backends of the gateway at one moment, by name.
pub type Backends = Arc<BTreeMap<String, Arc<Backend>>>;

/// One MCP server behind the gateway.
#[derive(Debug, Clone)]
pub struct Backend {
    /// Name, unique in the gateway; the `{workload}` of tool prefixes.
    pub name: String,
    /// Where it speaks MCP.
    pub url: Url,
    /// How it speaks MCP.
    pub transport: Transport,
    /// Who wrote the URL, hence which addresses it may lead to.
    pub class: EgressClass,
    /// Whether it is an MCPRemoteProxy, before a server that is not the cluster's own: it is health-checked on request alone.
    pub is_remote_proxy: bool,
    /// Whether addresses of private networks are allowed (`allowPrivateEndpoint`).
    pub allow_private: bool,
    /// Which authorities may sign its certificate.
    pub trust: Trust,
    /// How the gateway authenticates to it.
    pub auth: OutgoingAuth,
    /// Name of the `MCPExternalAuthConfig` that `auth` was read from.
    pub auth_config_ref: Option<String>,
    /// Headers that every request to it carries.
    pub headers: ForwardedHeaders,
    /// Changes with everything above: two backends with the same identity are interchangeable.
    pub identity: u64,
}

impl PartialEq for Backend {
    fn eq(&self, other: &Self) -> bool {
        self.identity == other.identity
    }
}

impl Eq for Backend {}

impl Backend {
    /// A workload of the cluster without settings of its own, and still without [identity](Self::with_identity).
    pub fn workload(name: impl Into<String>, url: Url, transport: Transport) -> Self {
        Self {
            name: name.into(),
            url,
            transport,
            class: EgressClass::Workload,
            is_remote_proxy: false,
            allow_private: false,
            trust: Trust::system(),
            auth: OutgoingAuth::Unauthenticated,
            auth_config_ref: None,
            headers: ForwardedHeaders::default(),
            identity: 0,
        }
    }

    /// Changes with where it speaks MCP and how, and with nothing else.
    pub fn place(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.url.as_str(), self.transport).hash(&mut hasher);
        hasher.finish()
    }

    /// Computes the identity from the other fields and puts it in place.
    #[must_use]
    pub fn with_identity(mut self) -> Self {
        let mut hasher = DefaultHasher::new();
        self.name.hash(&mut hasher);
        self.url.as_str().hash(&mut hasher);
        self.transport.hash(&mut hasher);
        self.class.hash(&mut hasher);
        self.is_remote_proxy.hash(&mut hasher);
        self.allow_private.hash(&mut hasher);
        self.trust.identity().hash(&mut hasher);
        self.auth.identity().hash(&mut hasher);
        self.auth_config_ref.hash(&mut hasher);
        self.headers.hash(&mut hasher);
        self.identity = hasher.finish();
        self
    }
}

/// On whose behalf a backend is called.
#[derive(Debug, Clone, Default)]
pub struct Caller {
    /// Who the caller is; none for anonymous clients and probes.
    pub principal: Option<Principal>,
    /// The token that the caller authenticated with. It is exchanged, never forwarded.
    pub subject_token: Option<SubjectToken>,
    /// Headers of the caller's request that the backend is sent too.
    pub passed: PassedHeaders,
    /// Why the backend is called.
    pub purpose: Purpose,
}

impl Caller {
    /// A client that did not authenticate.
    pub fn anonymous() -> Self {
        Self::default()
    }

    /// A client that authenticated with `subject_token`.
    pub fn authenticated(principal: Principal, subject_token: SubjectToken) -> Self {
        Self { principal: Some(principal), subject_token: Some(subject_token), ..Self::default() }
    }

    /// The gateway itself, which asks whether the backend is there.
    pub fn probe() -> Self {
        Self { purpose: Purpose::Probe, ..Self::default() }
    }
}

/// Why a backend is called.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// For a client: credentials that cannot be obtained fail the call.
    #[default]
    Call,
    /// For the health check: a backend whose credentials belong to users is probed without any.
    Probe,
}

/// An authenticated user.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Principal {
    /// The issuer of the user's token.
    pub issuer: String,
    /// The user's name at that issuer.
    pub subject: String,
}

/// The verified bearer token of a client.
#[derive(Clone)]
pub struct SubjectToken {
    text: Arc<str>,
    digest: [u8; 32],
    expires_at: SystemTime,
}

impl SubjectToken {
    /// A token that was verified and ends at `expires_at`.
    pub fn new(text: impl Into<Arc<str>>, expires_at: SystemTime) -> Self {
        let text = text.into();
        let digest = Sha256::digest(text.as_bytes()).into();
        Self { text, digest, expires_at }
    }

    /// Its SHA-256, which tells it from every other token.
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// The token itself. For the token endpoint, and for whoever verifies it again.
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// When it ends.
    pub fn expires_at(&self) -> SystemTime {
        self.expires_at
    }
}

impl fmt::Debug for SubjectToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SubjectToken").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

#[cfg(test)]
impl Caller {
    /// A user of one issuer, with a token of no account.
    pub(crate) fn named(subject: &str) -> Self {
        let principal = Principal { issuer: "https://idp.example.com".to_owned(), subject: subject.to_owned() };
        Self::authenticated(principal, SubjectToken::new(format!("token of {subject}"), SystemTime::now()))
    }
}

#[cfg(test)]
impl Backend {
    /// A neighbour of the name `b`.
    #[allow(clippy::unwrap_used)]
    pub(crate) fn at(url: &str) -> Self {
        Self::workload("b", url.parse().unwrap(), Transport::StreamableHttp).with_identity()
    }
}
