//! The programs in containers: a tool of a simulated server, called through a gateway, on a network of their own.
//!
//! The images are built first, from programs that cargo builds (profile `IMAGES_PROFILE`, default `dev`). Where no Docker Engine
//! answers, the tests are ignored, and their names say why.

mod engine;
mod mcp;

use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use engine::Engine;
use libtest_mimic::{Arguments, Failed, Trial};
use mcp::Session;
use serde_json::json;
use testcontainers::core::{IntoContainerPort as _, WaitFor};
use testcontainers::runners::AsyncRunner as _;
use testcontainers::{ContainerAsync, ContainerRequest, GenericImage, ImageExt as _};

/// Where both programs listen in their containers.
const PORT: u16 = 8080;

type Test = fn(&Engine) -> Result<(), Failed>;

const TESTS: [(&str, Test); 2] = [
    ("a_tool_of_one_container_is_called_through_the_gateway_in_another", |engine| engine.run(call_a_tool(engine))),
    ("a_gateway_ends_well_when_its_container_is_stopped", |engine| engine.run(stop(engine))),
];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let engine = Arc::new(Engine::find());
    let images: Arc<OnceLock<Result<(), String>>> = Arc::default();
    let trials = TESTS.into_iter().map(|(name, test)| {
        let skipped = (*engine).as_ref().err().map(|reason| format!(" (skipped: {reason})"));
        let name = format!("{name}{}", skipped.as_deref().unwrap_or_default());
        let (engine, images) = (engine.clone(), images.clone());
        let trial = Trial::test(name, move || {
            let engine = (*engine).as_ref()?;
            images.get_or_init(|| engine.build_images()).clone()?;
            test(engine)
        });
        trial.with_ignored_flag(skipped.is_some())
    });
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    if let (Ok(engine), Some(_)) = (&*engine, images.get()) {
        engine.remove_images();
    }
    conclusion.exit_code()
}

/// With what a pod lets the programs do: nothing that takes a capability, and no way to more.
fn restricted(image: GenericImage, network: &str) -> ContainerRequest<GenericImage> {
    image.with_network(network).with_cap_drop("ALL").with_security_opt("no-new-privileges")
}

/// A simulator whose only server has the name of the container and one tool, `echo`.
async fn start_simulator(engine: &Engine, name: &str) -> Result<ContainerAsync<GenericImage>, Failed> {
    let world = json!({"servers": [{"url": format!("http://{name}:{PORT}/mcp"), "tools": [{"name": "echo"}]}]});
    let image = engine.image("simulator").with_wait_for(WaitFor::message_on_stdout("ready http://"));
    let simulator = restricted(image, engine.network())
        .with_container_name(name)
        .with_copy_to("/etc/world.yaml", world.to_string().into_bytes())
        .with_cmd(["serve", "/etc/world.yaml", "--listen=0.0.0.0", "--exact-ports"]);
    simulator.start().await.map_err(|error| format!("the simulator does not start: {error}").into())
}

/// A gateway for anybody, in front of one server.
async fn start_gateway(engine: &Engine, backend: &str) -> Result<ContainerAsync<GenericImage>, Failed> {
    let configuration = json!({
        "name": "gateway",
        "groupRef": "tools",
        "incomingAuth": {"type": "anonymous"},
        "outgoingAuth": {"source": "inline"},
        "backends": [{"name": "partner", "url": backend, "transport": "streamable-http"}],
    });
    let image =
        engine.image("vmcp").with_exposed_port(PORT.tcp()).with_wait_for(WaitFor::message_on_stdout("ready http://"));
    let gateway = restricted(image, engine.network())
        .with_copy_to("/etc/vmcp/config.yaml", configuration.to_string().into_bytes())
        .with_cmd(["serve", "--config=/etc/vmcp/config.yaml", "--host=0.0.0.0", &format!("--port={PORT}")]);
    gateway.start().await.map_err(|error| format!("the gateway does not start: {error}").into())
}

async fn url(gateway: &ContainerAsync<GenericImage>) -> Result<String, Failed> {
    Ok(format!("http://{}:{}", gateway.get_host().await?, gateway.get_host_port_ipv4(PORT).await?))
}

async fn call_a_tool(engine: &Engine) -> Result<(), Failed> {
    let name = format!("simulator-{}", engine.network());
    let _simulator = start_simulator(engine, &name).await?;
    let gateway = start_gateway(engine, &format!("http://{name}:{PORT}/mcp")).await?;
    let session = Session::open(&format!("{}/mcp", url(&gateway).await?)).await?;
    let called =
        session.request("tools/call", &json!({"name": "partner_echo", "arguments": {"text": "hello"}})).await?;
    if called["result"]["content"] == json!([{"type": "text", "text": "hello"}]) {
        return Ok(());
    }
    let log = String::from_utf8_lossy(&gateway.stderr_to_vec().await?).into_owned();
    Err(format!("expected the echo of the tool, got {called:#}; the gateway's log:\n{log}").into())
}

async fn stop(engine: &Engine) -> Result<(), Failed> {
    let gateway = start_gateway(engine, "http://nowhere.example:8080/mcp").await?;
    // An open session must not hold it up.
    let _session = Session::open(&format!("{}/mcp", url(&gateway).await?)).await?;
    gateway.stop_with_timeout(Some(30)).await?;
    match gateway.exit_code().await? {
        Some(0) => Ok(()),
        code => Err(format!("expected exit code 0, got {code:?}").into()),
    }
}
