//! The description of a simulated world: which authorities, authorization servers and MCP servers there are.
//!
//! These types are what a world file says. They are plain data: [`crate::Simulator::add_world`] brings them to life, and
//! [`World::problems`] tells beforehand what does not fit together.

mod authorization_server;
mod built_in;
mod cache;
mod certificate;
mod change;
mod client;
mod client_keys;
mod collector;
mod content;
mod dns;
mod exchange;
mod fault;
mod file;
mod location;
mod profile;
mod redirect_uri;
mod schema;
mod secret;
mod server;
mod short_form;
mod validate;

pub use authorization_server::{AuthorizationServer, RefreshTokens, SigningAlgorithm, User};
pub use cache::{Cache, CacheScope};
pub use certificate::{Authority, Certificate, CertificateFault, ClientCertificate, KeyType, Tls, TlsVersion};
pub use change::WorldChange;
pub use client::{Client, ClientAuthentication, GrantType};
pub use client_keys::{ClientKeys, KeyError, PublicKey, VerifyingKey};
pub use collector::Collector;
pub use content::{
    Announcement, Disconnect, Inquiry, LogLevel, LogMessage, Progress, Prompt, PromptArgument, Question, Resource,
    ResourceTemplate, Scripted, Step, TaskSettings, UriTemplate,
};
pub use dns::{DnsAddress, DnsAlias, DnsAnswer, DnsFailure, DnsName};
pub use exchange::{Exchange, ExchangeAnswer, ExchangeRule};
pub use fault::{Acknowledgement, Delay, Drip, Fault, Lines, Misbehaviour, Page, Requests, Storm};
pub use file::{Mistake, ReadError, WorldFileError};
pub use location::{ServerUrl, UrlError};
pub use profile::Profile;
pub use redirect_uri::{RedirectUri, RedirectUriError};
pub use schema::schema;
pub use secret::Secret;
pub use server::{Accepts, Answer, ProtocolVersion, Replies, Requires, RpcError, Server, Tool, Transport};
pub use validate::Problem;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

/// Name of the authority that signs the certificates of whatever names no issuer.
pub const PUBLIC_AUTHORITY: &str = "public";

/// A world: everything outside that a gateway under test can reach.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct World {
    /// Private certificate authorities. The authority `public` exists without being named.
    #[serde(default)]
    pub authorities: Vec<Authority>,
    /// Names for which the name server has scripted answers. Every other name of the world leads to the world.
    #[serde(default)]
    pub dns: BTreeMap<String, DnsName>,
    /// Identity providers and token endpoints.
    #[serde(default)]
    pub authorization_servers: Vec<AuthorizationServer>,
    /// Collectors of telemetry.
    #[serde(default)]
    pub telemetry: Vec<Collector>,
    /// MCP servers.
    #[serde(default)]
    pub servers: Vec<Server>,
    /// Where chance begins, for whatever is left to it and names no seed of its own. Absent: 0. The same world and the same
    /// requests in the same order give the same delays; keys and identifiers are always new.
    #[serde(default)]
    pub seed: u64,
}

impl World {
    /// All authorities, `public` among them.
    #[must_use]
    pub fn all_authorities(&self) -> Vec<Authority> {
        let mut all = self.authorities.clone();
        if all.iter().all(|authority| authority.name != PUBLIC_AUTHORITY) {
            all.push(PUBLIC_AUTHORITY.into());
        }
        all
    }

    /// The authorization server that `name` refers to: by its host, or by its whole issuer identifier.
    #[must_use]
    pub fn authorization_server(&self, name: &str) -> Option<&AuthorizationServer> {
        self.authorization_servers.iter().find(|server| server.answers_to(name))
    }
}

pub(crate) use content::{Piece, most_messages, pieces};
pub(crate) use file::read_value;
pub(crate) use validate::{
    authority_problems, authorization_server_problems, certificate_problems, dns_problems, fault_problems,
    is_subject_name, server_problems, tls_problems, unknown, valid_for_mistake,
};
