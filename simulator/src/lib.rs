//! Simulated remote MCP servers, authorization servers and certificate authorities, with a journal of every request.
//!
//! A [`World`] describes what there is; [`Simulator::add_world`] brings it to life on loopback addresses and returns a
//! [`WorldHandle`]: names and addresses, root certificates, tokens for users, the [`Journal`], and changes at run time.
//! The simulated parties are strict: a client that breaks the rules of MCP, OAuth or TLS is refused, and the journal says why.
//!
//! ```
//! # use simulator::{Simulator, SimulatorOptions, World};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let world = World::from_yaml("world.yaml", "servers: [{url: http://mcp.example.com/mcp, tools: [{name: echo}]}]")?;
//! let simulator = Simulator::start(SimulatorOptions::default()).await?;
//! let handle = simulator.add_world(world).await?;
//! assert_eq!(handle.names()[0].host, "mcp.example.com");
//! handle.remove().await;
//! # Ok(())
//! # }
//! ```

mod addresses;
mod clock;
pub mod control;
mod dns;
mod duration;
mod faults;
mod hexadecimal;
mod journal;
mod live;
mod mcp;
mod oauth;
mod simulator;
mod telemetry;
mod tls;
mod token;
mod wire;
pub mod world;

pub use addresses::AddressPool;
pub use journal::{
    CertificateFacts, Condition, ConditionError, DnsFacts, DnsTransport, HttpFacts, Journal, JournalEntry,
    JournalLimits, JournalSubscription, LogFacts, MetricFacts, OriginFacts, PointFacts, REDACTED, RecordedBody,
    ResponseFacts, SpanFacts, TRAFFIC, TelemetryFacts, TlsFacts, TokenFacts,
};
pub use live::{Name, WorldError};
pub use simulator::{Simulator, SimulatorOptions, StartError, WorldHandle};
pub use tls::{
    AuthorityRoot, ClientCertificateError, ClientCertificateRequest, ConfigMap, ConfigMapError, IssuedCertificate,
};
pub use token::{TokenError, TokenFault, TokenRequest};
pub use world::{World, WorldChange};
