//! The backends, their authorization server, and the gateways before them.

use std::net::TcpListener;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::program::{Program, simulator};
use crate::session::Target;

/// How many backends there are that answer; one more hangs.
pub(crate) const BACKENDS: usize = 10;
/// The backend whose tool never answers.
pub(crate) const HANGING: &str = "hanging";
/// The backend that takes tokens of the authorization server alone.
const GUARDED: &str = "guarded";
/// The audience of the users' tokens.
const AUDIENCE: &str = "gateway";

/// What a gateway asks of its clients, and how it authenticates to backends.
#[derive(Clone, Copy)]
pub(crate) enum Access {
    /// Nothing.
    Open,
    /// A token of its clients, nothing of itself.
    Oidc,
    /// The same, and the guarded backend a token that it exchanged the client's for.
    Exchange,
}

/// Backends in a simulator, and the folder of everything.
pub(crate) struct Setting {
    simulator: Program,
    gateway: PathBuf,
    folder: tempfile::TempDir,
    port: u16,
    token: String,
}

impl Setting {
    /// Builds and starts the simulator, for gateways of `gateway` or of what cargo has built.
    pub(crate) fn start(gateway: Option<PathBuf>) -> anyhow::Result<Self> {
        let program = simulator()?;
        let folder = tempfile::tempdir()?;
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let mut servers: Vec<Value> = (0..BACKENDS)
            .map(|number| json!({"url": url(port, &backend(number)), "tools": [{"name": "echo"}]}))
            .collect();
        servers.push(json!({
            "url": url(port, HANGING), "tools": [{"name": "echo"}],
            "faults": [{"on": {"method": "tools/call"}, "does": "hang"}],
        }));
        // The user's own token is good, too: the same backend is called directly for comparison.
        servers
            .push(json!({"url": url(port, GUARDED), "tools": [{"name": "echo"}], "accepts": {"issuer": host(port)}}));
        let world = json!({
            "servers": servers,
            "authorizationServers": [{
                "host": host(port), "issuer": issuer(port), "users": ["alice"],
                "clients": [{"id": "gateway", "secret": "s3cr3t"}],
            }],
        });
        let file = write(folder.path(), "world.yaml", &world)?;
        let files = folder.path().to_str().context("the folder's name is text")?;
        let flags = ["serve", &file, "--tokens-for", AUDIENCE, "--ca-dir", files];
        let simulator = Program::start(&program, &flags)?;
        let token = std::fs::read_dir(folder.path())?
            .filter_map(Result::ok)
            .map(|entry| entry.path())
            .find(|path| path.extension().is_some_and(|extension| extension == "token"))
            .context("the simulator writes a token for alice")?;
        let token = std::fs::read_to_string(token)?.trim().to_owned();
        let gateway = gateway.unwrap_or_else(|| env!("CARGO_BIN_EXE_vmcp").into());
        Ok(Self { simulator, gateway, folder, port, token })
    }

    /// A backend, called directly.
    pub(crate) fn backend(&self, access: Access) -> Target {
        Target {
            address: self.simulator.address.clone(),
            host: self.simulator.address.clone(),
            path: format!("/{}/mcp", name(access)),
            tool: "echo".to_owned(),
            token: matches!(access, Access::Exchange).then(|| self.token.clone()),
        }
    }

    /// The same backend through a gateway.
    pub(crate) fn through(&self, gateway: &Program, access: Access) -> Target {
        let token = (!matches!(access, Access::Open)).then(|| self.token.clone());
        Target { token, ..through(gateway, &name(access)) }
    }

    /// A gateway before all backends.
    pub(crate) fn gateway(&self, access: Access) -> anyhow::Result<Program> {
        let incoming = match access {
            Access::Open => json!({"type": "anonymous"}),
            Access::Oidc | Access::Exchange => {
                let issuer = issuer(self.port);
                json!({"type": "oidc", "oidc": {"issuer": issuer, "audience": AUDIENCE, "insecureAllowHttp": true}})
            }
        };
        let mut outgoing = json!({"source": "inline"});
        let mut names: Vec<String> = (0..BACKENDS).map(backend).collect();
        names.push(HANGING.to_owned());
        if let Access::Exchange = access {
            names.push(GUARDED.to_owned());
            outgoing["backends"] = json!({GUARDED: {"type": "token_exchange", "tokenExchange": {
                "tokenUrl": format!("{}/protocol/openid-connect/token", issuer(self.port)),
                "clientId": "gateway", "clientSecret": "s3cr3t", "audience": "backend",
            }}});
        }
        let backends: Vec<Value> = names
            .iter()
            .map(|name| json!({"name": name, "url": url(self.port, name), "transport": "streamable-http"}))
            .collect();
        let config = json!({
            "name": "bench", "groupRef": "bench", "incomingAuth": incoming, "outgoingAuth": outgoing, "backends": backends,
        });
        let file = write(self.folder.path(), "vmcp.yaml", &config)?;
        let flags =
            ["serve", "--config", &file, "--port", "0", "--egress-allow", "127.0.0.0/8", "--session-cap", "20000"];
        Program::start(&self.gateway, &flags)
    }
}

/// A backend of this name through a gateway that asks its clients for nothing.
pub(crate) fn through(gateway: &Program, backend: &str) -> Target {
    let host = gateway.address.clone();
    Target { address: host.clone(), host, path: "/mcp".to_owned(), tool: format!("{backend}_echo"), token: None }
}

/// The name of a backend that answers.
pub(crate) fn backend(number: usize) -> String {
    format!("backend-{number}")
}

fn name(access: Access) -> String {
    match access {
        Access::Open | Access::Oidc => backend(0),
        Access::Exchange => GUARDED.to_owned(),
    }
}

fn host(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

fn url(port: u16, backend: &str) -> String {
    format!("http://{}/{backend}/mcp", host(port))
}

fn issuer(port: u16) -> String {
    format!("http://{}/idp", host(port))
}

/// Writes a file of YAML, of which JSON is a part.
fn write(folder: &Path, name: &str, content: &Value) -> anyhow::Result<String> {
    let path: PathBuf = folder.join(name);
    std::fs::write(&path, content.to_string())?;
    Ok(path.to_str().context("the folder's name is text")?.to_owned())
}
