//! Proxies in this process.

use crate::in_support::{File, Running};
use crate::out_api::Api;
use crate::out_support::Server;
use clap::Parser;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use vmcp::cli::{Cli, Command, Proxy as Flags};
use vmcp::gateway::StartError;
use vmcp::proxy::{Options, Proxy};
use vmcp::reload::ConfigFile;
use vmcp_config::proxy::ProxyConfig;

/// The configuration of a proxy of `server` that everyone may use, with these keys set otherwise.
pub(crate) fn config(server: &Server, keys: Value) -> Value {
    config_of(server.url("/mcp").as_str(), keys)
}

/// The same of the server at this URL.
pub(crate) fn config_of(url: &str, keys: Value) -> Value {
    let mut config = json!({
        "name": "partner", "url": url, "transport": "streamable-http", "class": "proxied",
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
    let options = Options { config, flags: flags(more) };
    let proxy = match secrets {
        Some(api) => Proxy::bind_with(options, api.client(), "ns").await?,
        None => Proxy::bind(options).await?,
    };
    Ok(serving(proxy))
}

/// Starts a proxy of a configuration file, which it follows while it serves, with Secrets from `secrets` if there are any.
pub(crate) async fn following(file: &File, secrets: Option<&Api>) -> Running {
    let (followed, config) = ConfigFile::open(&file.path).unwrap();
    let options = Options { config, flags: flags(&[]) };
    let proxy = match secrets {
        Some(api) => Proxy::bind_with(options, api.client(), "ns").await.unwrap(),
        None => Proxy::bind(options).await.unwrap(),
    };
    serving(proxy.following(followed))
}

fn flags(more: &[&str]) -> Flags {
    let all = ["vmcp", "proxy", "--config", "unused", "--port", "0", "--egress-allow", "127.0.0.0/8"];
    match Cli::try_parse_from(all.iter().chain(more)).unwrap().command {
        Command::Proxy(flags) => *flags,
        _ => panic!("not proxy"),
    }
}

fn serving(proxy: Proxy) -> Running {
    let url = format!("http://{}", proxy.address());
    let stop = CancellationToken::new();
    let task = tokio::spawn(proxy.serve(stop.clone()));
    Running { url, stop, task }
}

/// The same without Secrets, and it must start.
pub(crate) async fn start(config: &Value) -> Running {
    try_start(config, None).await.unwrap()
}
