//! What can be changed in a world while it runs.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    Accepts, Announcement, Authority, Certificate, Client, DnsName, ExchangeRule, Fault, Prompt, Resource,
    ResourceTemplate, Secret, Server, ServerUrl, Tls, Tool, User,
};
use crate::duration;

/// One change of a running world. In YAML: a mapping with the one key that names the change.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum WorldChange {
    /// Gives the authority a new key and certificate. New connections are shown certificates signed by it.
    RotateAuthority(String),
    /// Gives the intermediates of the authority new keys and certificates, under the same root.
    RotateIntermediates(String),
    /// Adds an authority.
    AddAuthority(Authority),
    /// Gives the authorization server a new signing key. The one before it stays published until the next rotation.
    RotateSigningKey(String),
    /// Replaces the secret of a client. Tokens that were issued stay valid.
    SetClientSecret {
        /// The authorization server, by host or issuer identifier.
        authorization_server: String,
        /// The client's identifier.
        client: String,
        /// Its new secret.
        secret: Secret,
    },
    /// Replaces the users of an authorization server. Tokens that were issued stay valid.
    SetUsers {
        /// The authorization server, by host or issuer identifier.
        authorization_server: String,
        /// All its users from now on.
        users: Vec<User>,
    },
    /// Replaces the clients of an authorization server that its description names; those that registered themselves stay.
    SetClients {
        /// The authorization server, by host or issuer identifier.
        authorization_server: String,
        /// All its clients from now on.
        clients: Vec<Client>,
    },
    /// Replaces the rules of token exchange.
    SetExchange {
        /// The authorization server, by host or issuer identifier.
        authorization_server: String,
        /// All its rules from now on.
        exchange: Vec<ExchangeRule>,
    },
    /// Replaces who signs in at the authorization endpoint; null shows the page that asks.
    SetSignIn {
        /// The authorization server, by host or issuer identifier.
        authorization_server: String,
        /// The user from now on.
        user: Option<String>,
    },
    /// Ends tokens that were issued until now, before they expire: those of a subject, of a client, of both, or all. The
    /// authorization server and the MCP servers that accept its tokens refuse them.
    RevokeTokens {
        /// The authorization server, by host or issuer identifier.
        authorization_server: String,
        /// Only tokens with this `sub`.
        #[serde(default)]
        subject: Option<String>,
        /// Only tokens with this `client_id`.
        #[serde(default)]
        client: Option<String>,
    },
    /// Replaces the tools of a server and tells its open sessions (`notifications/tools/list_changed`).
    SetTools {
        /// The server.
        server: ServerUrl,
        /// All its tools from now on.
        tools: Vec<Tool>,
    },
    /// Replaces the prompts of a server and tells its open sessions.
    SetPrompts {
        /// The server.
        server: ServerUrl,
        /// All its prompts from now on.
        prompts: Vec<Prompt>,
    },
    /// Replaces the resources and templates of a server and tells its open sessions.
    SetResources {
        /// The server.
        server: ServerUrl,
        /// All its resources from now on.
        #[serde(default)]
        resources: Vec<Resource>,
        /// All its templates from now on.
        #[serde(default)]
        resource_templates: Vec<ResourceTemplate>,
    },
    /// Tells clients about a change of a server that nobody made: a list, or a resource to which they are subscribed.
    Announce {
        /// The server.
        server: ServerUrl,
        /// What they are told.
        about: Announcement,
    },
    /// Replaces the headers that a server requires.
    SetRequiredHeaders {
        /// The server.
        server: ServerUrl,
        /// All headers that it requires from now on.
        headers: BTreeMap<String, Option<Secret>>,
    },
    /// Replaces the rule for access tokens; null lifts it.
    SetAccepts {
        /// The server.
        server: ServerUrl,
        /// The rule from now on.
        accepts: Option<Accepts>,
    },
    /// Replaces the certificate of a host, for new connections.
    SetCertificate {
        /// The host name.
        host: String,
        /// Its certificate from now on.
        certificate: Certificate,
    },
    /// Gives a host a new key and a new certificate of the same kind, for new connections.
    RotateCertificate(String),
    /// Replaces how a host speaks TLS, for new connections.
    SetTls {
        /// The host name.
        host: String,
        /// How it speaks TLS from now on.
        tls: Tls,
    },
    /// Replaces the scripted answers of the name server for a name, which begin anew; null takes them away.
    SetDns {
        /// The name.
        name: String,
        /// Its answers from now on.
        dns: Option<DnsName>,
    },
    /// Replaces the faults of a server, or of an authorization server named by its issuer identifier. Their counts begin anew.
    SetFaults {
        /// The server.
        server: ServerUrl,
        /// All its faults from now on.
        faults: Vec<Fault>,
    },
    /// Makes a server, or an authorization server named by its issuer identifier, drop every connection without an answer. Its
    /// sessions are forgotten.
    TakeDown(ServerUrl),
    /// Makes it answer again.
    BringUp(ServerUrl),
    /// Forgets all sessions of a server: their next request is answered with 404.
    EndSessions(ServerUrl),
    /// Moves the world's clock ahead: tokens and codes expire so much sooner, and what waits for a delay goes on so much
    /// earlier. Certificates are for the clients' own clocks: they stay.
    AdvanceClock(
        #[serde(deserialize_with = "duration::deserialize")]
        #[schemars(with = "duration::Written")]
        Duration,
    ),
    /// Adds a server.
    AddServer(Box<Server>),
    /// Removes a server: its path is answered with 404.
    RemoveServer(ServerUrl),
}
