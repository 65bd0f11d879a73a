//! `simulator serve`: a world until interrupted, with a table of where everything is.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use simulator::{AddressPool, Simulator, SimulatorOptions, TokenRequest, World, WorldHandle};
use tracing_subscriber::EnvFilter;

use super::Failure;

pub(super) async fn serve(world: World, addresses: AddressPool, ca_dir: Option<PathBuf>, audience: Option<&str>) -> Result<(), Failure> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false).init();

    let simulator = Simulator::start(SimulatorOptions { addresses, ..SimulatorOptions::default() }).await.map_err(|error| Failure::World(error.into()))?;
    let handle = simulator.add_world(world.clone()).await.map_err(|error| Failure::World(error.into()))?;
    announce(&world, &handle, ca_dir, audience).map_err(Failure::World)?;
    interrupted().await.map_err(|error| Failure::World(anyhow::Error::new(error).context("failed to wait for a signal")))?;
    handle.remove().await;
    Ok(())
}

/// Says where everything is, and that it is ready.
fn announce(world: &World, handle: &WorldHandle, ca_dir: Option<PathBuf>, audience: Option<&str>) -> anyhow::Result<()> {
    let folder = ca_dir.unwrap_or_else(|| std::env::temp_dir().join(format!("simulator-{}", std::process::id())));
    write_authorities(handle, &folder)?;
    let mut lines = vec!["NAME                                      PORT   LISTENS ON".to_owned()];
    for name in handle.names() {
        for (port, address) in &name.ports {
            lines.push(format!("{:<40}  {port:<5}  {address}", name.host));
        }
    }
    lines.push(String::new());
    for server in &world.servers {
        lines.push(format!("MCP server            {}", *server.url));
    }
    for server in &world.authorization_servers {
        lines.push(format!("authorization server  {}", server.issuer()?));
        for user in server.users.iter().filter(|_| audience.is_some()) {
            let request = TokenRequest { audience: audience.map(str::to_owned), ..TokenRequest::new(&server.host, &user.name, "") };
            let file = folder.join(format!("{}-{}.token", server.host.replace(':', "-"), user.name));
            std::fs::write(&file, handle.token(&request)?).with_context(|| format!("failed to write {}", file.display()))?;
            lines.push(format!("token                 {} in {}", user.name, file.display()));
        }
    }
    for authority in handle.authorities() {
        lines.push(format!("root certificate      {authority} in {}", folder.join(format!("{authority}.pem")).display()));
    }
    lines.push(format!("\nTo reach a name: curl --connect-to NAME:PORT:ADDRESS:PORT --cacert {} URL", folder.join("public.pem").display()));
    eprintln!("{}\n", lines.join("\n"));

    let scheme = world.servers.first().map_or("https", |server| if server.url.is_tls() { "https" } else { "http" });
    let address = world
        .servers
        .first()
        .and_then(|server| handle.names().into_iter().find(|name| name.host == server.url.host())?.ports.get(&server.url.port()).copied())
        .or_else(|| handle.names().first()?.ports.values().next().copied())
        .context("the world has no servers and no authorization servers: there is nothing to serve")?;
    let mut out = std::io::stdout();
    writeln!(out, "ready {scheme}://{address}")?;
    out.flush()?;
    Ok(())
}

fn write_authorities(handle: &WorldHandle, folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("failed to make the folder {}", folder.display()))?;
    for authority in handle.authorities() {
        let file = folder.join(format!("{authority}.pem"));
        let pem = handle.ca_pem(&authority).unwrap_or_default();
        std::fs::write(&file, pem).with_context(|| format!("failed to write {}", file.display()))?;
    }
    Ok(())
}

/// Returns at the first interrupt or request to terminate.
async fn interrupted() -> std::io::Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        result = tokio::signal::ctrl_c() => result,
        _ = terminate.recv() => Ok(()),
    }
}
