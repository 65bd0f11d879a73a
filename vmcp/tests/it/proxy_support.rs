//! Proxies in this process.

use crate::in_support::Running;
use crate::out_status::Api;
use crate::out_support::Server;
use clap::Parser;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use vmcp::cli::{Cli, Command};
use vmcp::gateway::StartError;
use vmcp::proxy::{Options, Proxy};
use vmcp_config::proxy::ProxyConfig;

/// The configuration of a proxy of `server` that everyone may use, with these keys set otherwise.
pub(crate) fn config(server: &Server, keys: Value) -> Value {
    let mut config = json!({
        "name": "partner", "url": server.url("/mcp"), "transport": "streamable-http", "class": "proxied",
        "incoming": {"type": "anonymous"},
    });
    let Value::Object(keys) = keys else { panic!("not an object: {keys}") };
    config.as_object_mut().unwrap().extend(keys);
    config
}

/// Starts a proxy, with Secrets from `secrets` if there are any.
pub(crate) async fn try_start(config: &Value, secrets: Option<&Api>) -> Result<Running, StartError> {
    try_start_with(config, secrets, &[]).await
}

/// The same with these flags.
pub(crate) async fn try_start_with(
    config: &Value,
    secrets: Option<&Api>,
    more: &[&str],
) -> Result<Running, StartError> {
    let config = ProxyConfig::parse(&config.to_string(), "test.json").unwrap();
    let flags = ["vmcp", "proxy", "--config", "unused", "--port", "0", "--egress-allow", "127.0.0.0/8"];
    let flags = Cli::try_parse_from(flags.iter().chain(more)).unwrap();
    let Command::Proxy(flags) = flags.command else { panic!("not proxy") };
    let options = Options { config, flags: *flags };
    let proxy = match secrets {
        Some(api) => Proxy::bind_with(options, api.client(), "ns").await?,
        None => Proxy::bind(options).await?,
    };
    let url = format!("http://{}", proxy.address());
    let stop = CancellationToken::new();
    let task = tokio::spawn(proxy.serve(stop.clone()));
    Ok(Running { url, stop, task })
}

/// The same without Secrets, and it must start.
pub(crate) async fn start(config: &Value) -> Running {
    try_start(config, None).await.unwrap()
}
