//! The containers that tests start.

use libtest_mimic::Failed;
use serde_json::{Value, json};
use testcontainers::core::{IntoContainerPort as _, WaitFor};
use testcontainers::runners::AsyncRunner as _;
use testcontainers::{ContainerAsync, ContainerRequest, GenericImage, ImageExt as _};

use crate::engine::Engine;

/// Where both programs listen in their containers.
const PORT: u16 = 8080;

/// A container that runs.
pub(crate) type Container = ContainerAsync<GenericImage>;

/// With what a pod lets the programs do: nothing that takes a capability, and no way to more.
pub(crate) fn restricted(image: GenericImage, network: &str) -> ContainerRequest<GenericImage> {
    image.with_network(network).with_cap_drop("ALL").with_security_opt("no-new-privileges")
}

/// A simulator whose only server has the name of the container and one tool, `echo`. Returns the server's URL too.
pub(crate) async fn start_simulator(engine: &Engine, name: &str) -> Result<(Container, String), Failed> {
    let url = format!("http://{name}:{PORT}/mcp");
    let world = json!({"servers": [{"url": url, "tools": [{"name": "echo"}]}]});
    let image = engine.image("simulator").with_wait_for(WaitFor::message_on_stdout("ready http://"));
    let simulator = restricted(image, engine.network())
        .with_container_name(name)
        .with_copy_to("/etc/world.yaml", world.to_string().into_bytes())
        .with_cmd(["serve", "/etc/world.yaml", "--listen=0.0.0.0", "--exact-ports"]);
    let simulator = simulator.start().await.map_err(|error| format!("the simulator does not start: {error}"))?;
    Ok((simulator, url))
}

/// The configuration of a gateway for anybody, in front of one server.
pub(crate) fn configuration(backend: &str) -> Value {
    json!({
        "name": "gateway",
        "groupRef": "tools",
        "incomingAuth": {"type": "anonymous"},
        "outgoingAuth": {"source": "inline"},
        "backends": [{"name": "partner", "url": backend, "transport": "streamable-http"}],
    })
}

/// A gateway. Each of the flags names one of the files, which are put into the container.
pub(crate) async fn start_gateway(
    engine: &Engine,
    configuration: &Value,
    files: &[(&str, &[u8])],
) -> Result<Container, Failed> {
    let image =
        engine.image("vmcp").with_exposed_port(PORT.tcp()).with_wait_for(WaitFor::message_on_stdout("ready http://"));
    let mut gateway = restricted(image, engine.network())
        .with_copy_to("/etc/vmcp/config.yaml", configuration.to_string().into_bytes());
    let mut arguments = vec!["serve".to_owned(), "--config=/etc/vmcp/config.yaml".to_owned()];
    arguments.extend(["--host=0.0.0.0".to_owned(), format!("--port={PORT}")]);
    for (flag, content) in files {
        let path = format!("/etc/vmcp/{flag}");
        arguments.push(format!("--{flag}={path}"));
        gateway = gateway.with_copy_to(path, content.to_vec());
    }
    let gateway = gateway.with_cmd(arguments);
    gateway.start().await.map_err(|error| format!("the gateway does not start: {error}").into())
}

/// Where clients reach the MCP server of a gateway.
pub(crate) async fn endpoint(gateway: &Container) -> Result<String, Failed> {
    Ok(format!("http://{}:{}/mcp", gateway.get_host().await?, gateway.get_host_port_ipv4(PORT).await?))
}

/// What a container wrote to stderr.
pub(crate) async fn log(container: &Container) -> Result<String, Failed> {
    Ok(String::from_utf8_lossy(&container.stderr_to_vec().await?).into_owned())
}
