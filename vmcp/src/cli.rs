//! The command line of `vmcp`.

use crate::egress::guard::AllowRule;
use crate::egress::{ConnectTo, DEFAULT_LANE_WIDTH};
use clap::{Args, Parser, Subcommand};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use url::Url;

/// One MCP endpoint in front of many MCP servers.
#[derive(Debug, Parser)]
#[command(name = "vmcp", version, about, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve the gateway that a configuration file describes.
    Serve(Box<Serve>),
    /// Serve one MCP server that a configuration file describes, with every message passed through.
    Proxy(Box<Proxy>),
    /// Say everything that is wrong with a configuration file, with line and column: values of the wrong type first, then what breaks a rule.
    Validate(Validate),
    /// Print the version.
    Version,
}

/// The arguments of `vmcp validate`.
#[derive(Debug, Clone, Args)]
pub struct Validate {
    /// The configuration file.
    #[arg(value_name = "FILE")]
    pub config: PathBuf,
    /// It is a file of `proxy`, not of `serve`.
    #[arg(long)]
    pub proxy: bool,
}

/// The flags of `vmcp serve`.
#[derive(Debug, Clone, Args)]
pub struct Serve {
    /// The configuration file.
    #[arg(long, short, value_name = "FILE")]
    pub config: PathBuf,
    /// The port to listen on; 0 picks a free one.
    #[arg(long, default_value_t = 4483)]
    pub port: u16,
    /// How to serve.
    #[command(flatten)]
    pub serving: Serving,
    /// Check the health of `MCPRemoteProxies` at the interval too, not just when they appear and when they are called.
    #[arg(long, env = "TOOLHIVE_REMOTE_HEALTHCHECKS")]
    pub remote_health_checks: bool,
    /// The name of the gateway's `VirtualMCPServer`; the operator sets it.
    #[arg(long, env = "VMCP_NAME", hide = true)]
    pub name: Option<String>,
}

/// The flags of `vmcp proxy`.
#[derive(Debug, Clone, Args)]
pub struct Proxy {
    /// The configuration file.
    #[arg(long, short, value_name = "FILE")]
    pub config: PathBuf,
    /// The port to listen on; 0 picks a free one.
    #[arg(long, default_value_t = 8080)]
    pub port: u16,
    /// How to serve.
    #[command(flatten)]
    pub serving: Serving,
}

/// The flags that every command has which serves clients and calls servers.
#[derive(Debug, Clone, Args)]
pub struct Serving {
    /// The address to listen on.
    #[arg(long, default_value = "127.0.0.1")]
    pub host: String,
    /// Addresses that servers and issuers may have although the egress guard refuses them, for one class
    /// (remote, proxied, oidc, token, otlp, workload) or for all. May be repeated.
    #[arg(long, value_name = "[CLASS=]CIDR")]
    pub egress_allow: Vec<AllowRule>,
    /// Refuse token endpoints and telemetry collectors in private networks too.
    #[arg(long)]
    pub egress_strict: bool,
    /// The DNS server that resolves the names of servers, and that of Redis, instead of the system's. It is asked for names as they
    /// are written, whatever search domains the system has.
    #[arg(long, value_name = "ADDR:PORT", env = "VMCP_DNS_SERVER")]
    pub dns_server: Option<SocketAddr>,
    /// Another place to dial for a host and port, or for an address and port. May be repeated.
    #[arg(long, value_name = "HOST:PORT=ADDR:PORT", env = "VMCP_CONNECT_TO", value_delimiter = ',')]
    pub connect_to: Vec<ConnectTo>,
    /// An origin of web pages that may call, beside that of the resource as which the server is published, and any of this machine where the
    /// server listens on localhost alone. May be repeated.
    #[arg(long, value_name = "ORIGIN", env = "VMCP_ALLOW_ORIGIN", value_delimiter = ',', value_parser = parse_origin)]
    pub allow_origin: Vec<Url>,
    /// How long an exchanged token is used at most: the delay with which a revocation takes effect.
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = parse_duration)]
    pub token_cache_max: Duration,
    /// How long a session may be idle.
    #[arg(long, value_name = "DURATION", default_value = "30m", value_parser = parse_duration)]
    pub session_ttl: Duration,
    /// How many sessions there may be.
    #[arg(long, value_name = "NUMBER", default_value_t = 10_000, value_parser = parse_cap)]
    pub session_cap: usize,
    /// How many requests may be under way to one backend; callers are told to come back beyond it.
    #[arg(long, value_name = "NUMBER", default_value_t = DEFAULT_LANE_WIDTH, value_parser = parse_cap)]
    pub backend_cap: usize,
    /// The file with the key of what clients and other replicas keep for this one: at least 32 random bytes, the same at
    /// all replicas. Needed when sessions are in Redis.
    #[arg(long, value_name = "FILE", env = "VMCP_SEAL_KEY_FILE")]
    pub seal_key_file: Option<PathBuf>,
    /// The file with the password of the Redis of sessionStorage.
    #[arg(long, value_name = "FILE", env = "VMCP_REDIS_PASSWORD_FILE")]
    pub redis_password_file: Option<PathBuf>,
    /// How many threads serve clients; without it one for each processor that the process may use.
    #[arg(long, value_name = "NUMBER", value_parser = parse_cap)]
    pub workers: Option<usize>,
    /// The namespace of the objects that are read; the operator sets it.
    #[arg(long, env = "VMCP_NAMESPACE", hide = true)]
    pub namespace: Option<String>,
}

fn parse_origin(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("{error}: write it as https://app.example.com"))?;
    if url.origin().is_tuple() && url.path() == "/" && url.query().is_none() && url.fragment().is_none() {
        return Ok(url);
    }
    Err("an origin is a scheme, a host and a port: write it as https://app.example.com".to_owned())
}

fn parse_cap(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("it must be at least 1: nothing could be served".to_owned()),
        Ok(cap) => Ok(cap),
        Err(_) => Err("expected a number such as 1000".to_owned()),
    }
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    let duration: vmcp_config::Duration =
        text.parse().map_err(|error: vmcp_config::DurationError| error.to_string())?;
    if duration.is_zero() { Err("the duration must be more than zero".to_owned()) } else { Ok(duration.as_std()) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_flags_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn wrong_values_are_refused_with_what_is_right() {
        for (flag, value, expected) in [
            ("--egress-allow", "remote=10.0.0.0/33", "10.1.0.0/16"),
            ("--egress-allow", "nowhere=10.0.0.0/8", "remote, proxied"),
            ("--dns-server", "127.0.0.1", "socket address"),
            ("--connect-to", "a.example", "mcp.example.com:443"),
            ("--allow-origin", "https://a.example/path", "https://app.example.com"),
            ("--token-cache-max", "0s", "more than zero"),
            ("--port", "70000", "65535"),
            ("--session-cap", "0", "at least 1"),
            ("--backend-cap", "many", "such as 1000"),
        ] {
            let error = Cli::try_parse_from(["vmcp", "serve", "--config", "f", flag, value]).unwrap_err().to_string();
            assert!(error.contains(expected), "{flag} {value}: {error}");
        }
    }

    #[test]
    fn the_defaults_are_the_documented_ones() {
        let Command::Serve(serve) = Cli::try_parse_from(["vmcp", "serve", "--config", "f"]).unwrap().command else {
            panic!("not serve")
        };
        assert_eq!((serve.serving.host.as_str(), serve.port), ("127.0.0.1", 4483));
        assert_eq!(serve.serving.token_cache_max, Duration::from_mins(5));
        assert_eq!(serve.serving.session_ttl, Duration::from_mins(30));
        let Command::Proxy(proxy) = Cli::try_parse_from(["vmcp", "proxy", "--config", "f"]).unwrap().command else {
            panic!("not proxy")
        };
        assert_eq!((proxy.serving.host.as_str(), proxy.port), ("127.0.0.1", 8080));
    }
}
