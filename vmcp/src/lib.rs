//! The vMCP data plane: one MCP endpoint in front of many MCP servers.
//!
//! A request passes through these modules in order. [`ingress`] speaks HTTP and MCP sessions with clients,
//! [`policy`] decides who the caller is, [`legacy`] what a client with a session asks for and [`modern`] what one without
//! does, [`catalog`] names what they offer and routes calls, [`egress`] reaches the
//! backends with the credentials of [`outgoing`]. [`discovery`] says which backends there are, [`health`] how
//! they fare, [`status`] reports both to Kubernetes. [`gateway`] wires them together. [`jsonrpc`] is the message
//! format that all of them share. [`proxy`] wires the same modules to one backend, with [`relay`] in the place of the
//! catalog: it passes messages through. [`selection`] is what both know of tools that are hidden or renamed,
//! [`naming`] what tools of many backends are called. [`settings`] is what a configuration says that may change while calls run; [`reload`]
//! sees to it.
//! [`stateless`] is what both sides know of the revisions without sessions.
//! [`seal`] makes text that clients and stores keep for the gateway and cannot read or change; [`replicas`] lets several
//! processes serve the same sessions. [`circuit`] is the breaker that stops requests to what keeps failing.
//! [`descriptors`] are what connections cost the process, [`workers`] the threads that serve them.

pub mod backend;
mod capabilities;
pub mod catalog;
pub mod circuit;
pub mod cli;
mod clients;
pub mod descriptors;
pub mod discovery;
pub mod egress;
pub mod gateway;
pub mod health;
pub mod ingress;
pub mod jsonrpc;
pub mod legacy;
pub mod modern;
pub mod naming;
pub mod offers;
pub mod outgoing;
pub mod policy;
pub mod proxy;
pub mod relay;
pub mod reload;
pub mod replicas;
pub mod seal;
pub mod selection;
pub mod settings;
mod start;
pub mod stateless;
pub mod status;
pub mod workers;
