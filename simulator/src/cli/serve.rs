//! `simulator serve`: a world until interrupted, with a table of where everything is, or the control API, or both.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use futures::FutureExt as _;
use simulator::control::{Control, ControlError, ControlTls};
use simulator::{Simulator, SimulatorOptions, TokenRequest, World, WorldHandle};
use tracing_subscriber::EnvFilter;

use super::files::{file_name, write_private};
use super::line::{Readable, is_for_people};
use super::{Failure, WORLD};

/// Where the control API is served, and how.
pub(super) struct ControlAt {
    pub(super) address: SocketAddr,
    pub(super) tls: Option<ControlTls>,
}

pub(super) async fn serve(
    world: Option<World>,
    options: SimulatorOptions,
    control: Option<ControlAt>,
    ca_dir: Option<PathBuf>,
    audience: Option<&str>,
) -> Result<(), Failure> {
    log();

    let simulator = Simulator::start(options).await.map_err(|error| Failure::World(error.into()))?;
    let running = match &world {
        Some(world) => Some(simulator.add_world(world.clone()).await.map_err(|error| Failure::World(error.into()))?),
        None => None,
    };
    let mut ready = None;
    if let (Some(world), Some(handle)) = (&world, &running) {
        let url = first_url(world, handle)
            .context("the world has no servers and no authorization servers: there is nothing to serve")
            .map_err(Failure::World)?;
        let folder = ca_dir.unwrap_or_else(|| std::env::temp_dir().join(format!("simulator-{}", std::process::id())));
        let description = describe(world, handle, &folder, audience).map_err(Failure::World)?;
        eprintln!("{description}\n");
        ready = Some(url);
    }
    let serving = match control {
        Some(ControlAt { address, tls }) => {
            let scheme = if tls.is_some() { "https" } else { "http" };
            let listening = match tls {
                None => Control::listen(simulator, address).await,
                Some(tls) => Control::listen_tls(simulator, address, tls).await,
            };
            let control = listening.map_err(|error| match error {
                ControlError::NotLoopback(_) => {
                    Failure::Usage(anyhow::Error::from(error).context("--control needs --control-tls here"))
                }
                ControlError::Listen { .. } => Failure::World(error.into()),
            })?;
            if let Some(handle) = &running {
                control.adopt(WORLD, handle.clone());
            }
            let url = format!("{scheme}://{}", control.address().map_err(|error| Failure::World(error.into()))?);
            eprintln!("control API           {url}");
            ready.get_or_insert(url);
            control.serve().boxed()
        }
        None => {
            // The simulator stays as long as its world is served.
            async move {
                let _simulator = simulator;
                std::future::pending().await
            }
            .boxed()
        }
    };
    say_ready(&ready.unwrap_or_default()).map_err(|error| Failure::World(error.into()))?;
    tokio::select! {
        ended = serving => ended.context("failed to serve the control API"),
        interrupted = interrupted() => interrupted.context("failed to wait for a signal"),
    }
    .map_err(Failure::World)?;
    if let Some(handle) = running {
        handle.remove().await;
    }
    Ok(())
}

/// The log on standard error: lines for people on a terminal, else JSON.
fn log() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if is_for_people(&std::io::stderr()) {
        log.event_format(Readable::default()).init();
    } else {
        log.json().flatten_event(true).with_current_span(false).with_span_list(false).with_target(false).init();
    }
}

/// Where everything is. Writes the certificates and tokens that it speaks of.
fn describe(world: &World, handle: &WorldHandle, folder: &Path, audience: Option<&str>) -> anyhow::Result<String> {
    std::fs::create_dir_all(folder).with_context(|| format!("failed to make the folder {}", folder.display()))?;
    let mut lines = vec!["NAME                                      PORT   LISTENS ON".to_owned()];
    for name in handle.names() {
        for (port, address) in &name.ports {
            lines.push(format!("{:<40}  {port:<5}  {address}", name.host));
        }
    }
    lines.push(String::new());
    for server in &world.servers {
        lines.push(format!("MCP server            {}", server.url));
    }
    for server in &world.authorization_servers {
        lines.push(format!("authorization server  {}", server.issuer()?));
        let Some(audience) = audience else { continue };
        for user in &server.users {
            let token = handle.token(&TokenRequest::new(&server.host, &user.name, audience))?;
            let file = folder.join(file_name(&format!("{}-{}.token", server.host, user.name)));
            write_private(&file, &token)?;
            let (user, file) = (&user.name, file.display());
            lines.push(format!("token                 {user} in {file}"));
        }
    }
    if let Some(address) = handle.name_server() {
        lines.push(format!("name server           {address}"));
    }
    for authority in handle.authorities() {
        let file = folder.join(file_name(&format!("{authority}.pem")));
        let pem = handle.ca_pem(&authority).unwrap_or_default();
        std::fs::write(&file, pem).with_context(|| format!("failed to write {}", file.display()))?;
        let file = file.display();
        lines.push(format!("root certificate      {authority} in {file}"));
    }
    lines.push(format!(
        "\nTo reach a name: curl --connect-to NAME:PORT:ADDRESS:PORT --cacert {} URL",
        folder.join("public.pem").display()
    ));
    Ok(lines.join("\n"))
}

/// Where the first server of the file, or else the first authorization server, really listens.
fn first_url(world: &World, handle: &WorldHandle) -> Option<String> {
    let url = match (world.servers.first(), world.authorization_servers.first()) {
        (Some(server), _) => server.url.clone(),
        (None, Some(server)) => server.issuer().ok()?,
        (None, None) => return None,
    };
    let names = handle.names();
    let name = names.iter().find(|name| name.host == url.host())?;
    let scheme = if url.is_tls() { "https" } else { "http" };
    Some(format!("{scheme}://{}", name.ports.get(&url.port())?))
}

fn say_ready(url: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "ready {url}")?;
    out.flush()
}

/// Returns at the first interrupt or request to terminate.
async fn interrupted() -> std::io::Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        result = tokio::signal::ctrl_c() => result,
        _ = terminate.recv() => Ok(()),
    }
}
