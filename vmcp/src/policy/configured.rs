//! The policy that a configuration describes.

use super::{Issuer, Keys, Oidc, Policy, ProtectedResource};
use crate::egress::{HttpClient, Trust, TrustError};
use std::path::PathBuf;
use url::Url;
use vmcp_config::proxy::{ProxyIncoming, ProxyIncomingKind};
use vmcp_config::{IncomingAuth, IncomingAuthKind};

/// Why the incoming authentication of a configuration cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// There is none at all.
    #[error("incomingAuth is missing: say who may connect, with type anonymous or oidc")]
    Missing,
    /// The block of the type is missing.
    #[error("incomingAuth.oidc is missing: type oidc needs an issuer and an audience")]
    MissingOidc,
    /// A type that is not served.
    #[error("incomingAuth.type local is not supported by this release: use anonymous or oidc")]
    Local,
    /// A key is not a URL.
    #[error("oidc.{key} is not an http(s) URL: {value:?}")]
    Url {
        /// The key.
        key: &'static str,
        /// Its value.
        value: String,
    },
    /// The issuer has no TLS, and that was not allowed.
    #[error("oidc.{0} is an http URL: use https, or set insecureAllowHttp")]
    Insecure(&'static str),
    /// The CA bundle cannot be read.
    #[error("cannot read oidc.caBundlePath {}", path.display())]
    Bundle {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The CA bundle is no CA bundle.
    #[error("oidc.caBundlePath cannot be used")]
    Trust(#[from] TrustError),
}

impl Policy {
    /// The policy of `configuration`; `client` fetches the keys of issuers.
    pub fn configured(configuration: Option<&IncomingAuth>, client: HttpClient) -> Result<Self, PolicyError> {
        let configuration = configuration.ok_or(PolicyError::Missing)?;
        let oidc = match configuration.kind {
            IncomingAuthKind::Anonymous => return Ok(Self::Anonymous),
            IncomingAuthKind::Local => return Err(PolicyError::Local),
            IncomingAuthKind::Oidc => configuration.oidc.as_ref().ok_or(PolicyError::MissingOidc)?,
        };
        Self::oidc(oidc, client)
    }

    /// The policy of a proxy of this `configuration`.
    pub fn of_proxy(configuration: &ProxyIncoming, client: HttpClient) -> Result<Self, PolicyError> {
        match configuration.kind {
            ProxyIncomingKind::Anonymous => Ok(Self::Anonymous),
            ProxyIncomingKind::Oidc => Self::oidc(configuration.oidc.as_ref().ok_or(PolicyError::MissingOidc)?, client),
        }
    }

    /// The policy that takes the tokens of one issuer.
    fn oidc(oidc: &vmcp_config::Oidc, client: HttpClient) -> Result<Self, PolicyError> {
        let url = |key: &'static str, value: &str| {
            Url::parse(value)
                .ok()
                .filter(|url| matches!(url.scheme(), "http" | "https"))
                .ok_or_else(|| PolicyError::Url { key, value: value.to_owned() })
        };
        let secure = |key: &'static str, value: &str| {
            let url = url(key, value)?;
            if url.scheme() == "https" || oidc.insecure_allow_http { Ok(url) } else { Err(PolicyError::Insecure(key)) }
        };
        secure("issuer", &oidc.issuer)?;
        let issuer = Issuer {
            url: oidc.issuer.clone(),
            jwks_url: oidc.jwks_url.as_deref().map(|value| secure("jwksUrl", value)).transpose()?,
            trust: oidc.ca_bundle_path.as_deref().map_or_else(|| Ok(Trust::system()), bundle)?,
            allow_private: oidc.jwks_allow_private_ip || oidc.protected_resource_allow_private_ip,
            allow_http: oidc.insecure_allow_http,
        };
        let resource = ProtectedResource::new(
            oidc.resource.as_deref().map(|value| url("resource", value)).transpose()?,
            oidc.issuer.clone(),
            oidc.scopes.clone().unwrap_or_default(),
        );
        let keys = Keys::new(client, issuer);
        Ok(Self::Oidc(Box::new(Oidc::new(oidc.issuer.clone(), oidc.audience.clone(), keys, resource))))
    }
}

/// The authorities of the system and those that a file has.
fn bundle(path: &str) -> Result<Trust, PolicyError> {
    let pem = std::fs::read(path).map_err(|source| PolicyError::Bundle { path: path.into(), source })?;
    Ok(Trust::with_bundle(&pem)?)
}
