//! The gateway from outside: a real listener, real backends and issuers, a plain HTTP client.
#![allow(clippy::unwrap_used, clippy::panic)]

mod in_backend;
mod in_calls;
mod in_circuit;
mod in_errors;
mod in_fidelity;
mod in_http;
mod in_kinds;
mod in_oidc;
mod in_passthrough;
mod in_streams;
mod in_support;
mod in_tools;
mod out_connect;
mod out_http_sse;
mod out_probes;
mod out_status;
mod out_streamable;
mod out_support;
mod out_token_exchange;
mod program;
mod proxy_auth;
mod proxy_messages;
mod proxy_sse;
mod proxy_support;
mod proxy_tools;
