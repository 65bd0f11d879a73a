//! The configuration of the vMCP gateway, and of the proxy in front of one server.
//!
//! One set of types serves two places: the file that `vmcp serve --config` reads, and the field `spec.config` of a
//! `VirtualMCPServer`, whose schema is derived from them. The operator fills in what a file must have (name, group,
//! authentication) and renders the result as the file of the gateway's pod.
//!
//! A proxy of one server has a file of its own kind, [`proxy::ProxyConfig`], for `vmcp proxy --config`.
//!
//! Reading a file has three steps, each with its own module: [`load`] parses and finds unknown keys and wrong types, [`Config::problems`]
//! checks the rules that types cannot express, and [`Config::unsupported`] names what this release does not serve;
//! [`validate()`] tells all of it at once, and
//! [`parse_file()`] does so for the text of a file that changes. [`Config::needs_restart`] says which changes a running gateway cannot follow.
//! Nothing here does input or output, but for [`load()`], which reads the one file it is given.

mod aggregation;
mod backend;
mod composite;
mod config;
mod duration;
mod headers;
mod incoming;
mod keys;
pub mod load;
mod observability;
mod operational;
mod outgoing;
mod position;
pub mod proxy;
mod restart;
mod schema;
mod secret;
mod selection;
mod session;
mod tools;
mod types;
mod unsupported;
mod urls;
mod validate;
mod workflow;

pub use aggregation::{
    Aggregation, ConflictResolution, ConflictResolutionConfig, ToolAnnotations, ToolConfigReference, ToolOverride,
    ToolVisibility, WorkloadTools,
};
pub use backend::{StaticBackend, StaticBackendKind, Transport};
pub use composite::{
    CompositeTool, CompositeToolReference, ErrorAction, ErrorHandling, ResponseAction, ResponseHandling, Step,
    StepKind, WorkflowOutput, WorkflowOutputProperty, WorkflowOutputType,
};
pub use config::Config;
pub use duration::{Duration, DurationError};
pub use headers::{header_problem, is_header_value, passthrough_problem};
pub use incoming::{Authorization, IncomingAuth, IncomingAuthKind, Oidc};
pub use keys::{UnknownKey, unknown_keys};
pub use load::{ConfigError, Problem, load, parse, parse_file, validate};
pub use observability::{Audit, Telemetry};
pub use operational::{CircuitBreaker, FailureHandling, LogLevel, Operational, PartialFailureMode, Timeouts};
pub use outgoing::{
    AwsRoleMapping, AwsSts, ExternalAuthConfig, HeaderInjection, OnBehalfOf, OutgoingAuth, OutgoingAuthSource,
    OutgoingStrategy, SecretKey, TokenExchange, UpstreamInject, Xaa,
};
pub use schema::FreeObject;
pub use secret::Secret;
pub use selection::selection_problems;
pub use session::{
    DEFAULT_KEY_PREFIX, RateLimit, RateLimiting, RedisAddress, SessionProvider, SessionStorage, ToolRateLimit,
};
pub use tools::{CodeMode, EmbeddingProvider, Optimizer};
pub use urls::server_url;
pub use validate::Violation;
pub use workflow::{WorkflowFault, WorkflowProblem};
