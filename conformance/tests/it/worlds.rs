//! A world in a simulator elsewhere is to steps what one in this process is.

use std::time::Duration;

use conformance::diagnostic::Source;
use conformance::world::{Change, ControlClient, RemoteWorld, World, WorldHandle};
use conformance::yaml;
use serde_json::json;
use simulator::control::Control;
use simulator::{Simulator, SimulatorOptions};
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

const WORLD: &str = "
authorities: [partner-ca]
authorizationServers: [{host: idp.example.com, users: [alice]}]
servers: [{url: http://mcp.example.com/mcp, tools: [{name: echo}]}]
";

fn world(text: &str) -> World {
    World::read(&yaml::parse(&Source::new("world", text.to_owned())).unwrap()).unwrap()
}

fn change(text: &str) -> Change {
    Change::read(&yaml::parse(&Source::new("change", text.to_owned())).unwrap()).unwrap()
}

/// A simulator with a control API, which ends with the handle.
async fn elsewhere() -> (ControlClient, AbortOnDropHandle<()>) {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let simulator = Simulator::start(SimulatorOptions::default()).await.unwrap();
    let control = Control::listen(simulator, "127.0.0.1:0".parse().unwrap()).await.unwrap();
    let client = ControlClient::new(&format!("http://{}", control.address().unwrap())).unwrap();
    (client, AbortOnDropHandle::new(tokio::spawn(async move { control.serve().await.unwrap() })))
}

/// Sends a request to the world's MCP server.
async fn ping(world: &WorldHandle) {
    let names = world.names();
    let name = names.iter().find(|name| name.host == "mcp.example.com").unwrap();
    let url = format!("http://{}/mcp", name.ports[&80]);
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let message = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
    client.post(url).header("host", "mcp.example.com").json(&message).send().await.unwrap();
}

#[tokio::test]
async fn a_journal_elsewhere_is_followed_and_caught_up_with() {
    let (control, _simulator) = elsewhere().await;
    RemoteWorld::ready(&control).await;
    let world = WorldHandle::There(RemoteWorld::start(control, "one", &world(WORLD)).await.unwrap());
    let mut entries = world.journal().subscribe();
    ping(&world).await;
    let arrived = timeout(Duration::from_secs(10), entries.next()).await.unwrap();
    assert_eq!((arrived.sequence, arrived.method.as_deref()), (0, Some("ping")));
    for _ in 0..20 {
        ping(&world).await;
    }
    // Whoever has caught up misses nothing, however slow the way is.
    assert_eq!(world.catch_up().await.unwrap(), 21);
    let sequences: Vec<_> = world.journal().entries().iter().map(|entry| entry.sequence).collect();
    assert_eq!(sequences, (0..21).collect::<Vec<_>>());
    world.remove().await.unwrap();
}

#[tokio::test]
async fn changes_tokens_and_refusals_come_through() {
    let (control, _simulator) = elsewhere().await;
    let remote = RemoteWorld::start(control.clone(), "one", &world(WORLD)).await.unwrap();
    let handle = WorldHandle::There(remote);
    let before = handle.authorities();
    assert_eq!(before[0].certificate, handle.public_authority());
    handle.update(&change("rotateAuthority: partner-ca")).await.unwrap();
    let after = handle.authorities();
    assert_eq!((&before[0], before[1].name.as_str()), (&after[0], after[1].name.as_str()));
    assert_ne!(before[1].certificate, after[1].certificate);

    let request = |subject: &str| json!({"issuer": "idp.example.com", "subject": subject});
    assert_eq!(handle.token(request("alice")).await.unwrap().split('.').count(), 3);
    let refused = handle.token(request("eve")).await.unwrap_err().to_string();
    assert!(refused.contains("POST /worlds/one/tokens") && refused.contains("has no user `eve`"), "{refused}");

    let taken = RemoteWorld::start(control, "one", &world(WORLD)).await.unwrap_err();
    assert!(taken.to_string().contains("there is a world `one` already"), "{taken}");
    let again = handle.clone();
    handle.remove().await.unwrap();
    let gone = again.catch_up().await.unwrap_err().to_string();
    assert!(gone.contains("there is no world `one`"), "{gone}");
}
