//! The programs in containers: a tool of a simulated server, called through a gateway, on a network of their own.
//!
//! The images are built first, from programs that cargo builds (profile `IMAGES_PROFILE`, default `dev`). Where no Docker Engine
//! answers, the tests are ignored, and their names say why. So is a test that needs Redis where there is no `redis-server`.

mod containers;
mod engine;
mod mcp;
mod redis;

use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use containers::{Container, configuration, endpoint, log, start_gateway, start_simulator};
use engine::Engine;
use libtest_mimic::{Arguments, Failed, Trial};
use mcp::Session;
use redis::Redis;
use serde_json::json;

type Test = fn(&Engine) -> Result<(), Failed>;

const TESTS: [(&str, Test); 2] = [
    ("a_tool_of_one_container_is_called_through_the_gateway_in_another", |engine| engine.run(call_a_tool(engine))),
    ("a_gateway_ends_well_when_its_container_is_stopped", |engine| engine.run(stop(engine))),
];

const TESTS_WITH_REDIS: [(&str, Test); 1] =
    [("a_session_of_one_gateway_is_served_by_another", |engine| engine.run(share_a_session(engine)))];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let engine = Arc::new(Engine::find());
    let images: Arc<OnceLock<Result<(), String>>> = Arc::default();
    let no_redis = redis::find().err();
    let tests =
        TESTS.map(|test| (test, None)).into_iter().chain(TESTS_WITH_REDIS.map(|test| (test, no_redis.as_ref())));
    let trials = tests.map(|((name, test), lacks)| {
        let skipped = (*engine).as_ref().err().or(lacks).map(|reason| format!(" (skipped: {reason})"));
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

/// Calls the only tool through a gateway.
async fn call(session: &Session, text: &str, gateway: &Container) -> Result<(), Failed> {
    let called = session.request("tools/call", &json!({"name": "partner_echo", "arguments": {"text": text}})).await?;
    if called["result"]["content"] == json!([{"type": "text", "text": text}]) {
        return Ok(());
    }
    Err(format!("expected the echo of the tool, got {called:#}; the gateway's log:\n{}", log(gateway).await?).into())
}

async fn call_a_tool(engine: &Engine) -> Result<(), Failed> {
    let (_simulator, backend) = start_simulator(engine, &format!("simulator-{}", engine.network())).await?;
    let gateway = start_gateway(engine, &configuration(&backend), &[]).await?;
    let session = Session::open(&endpoint(&gateway).await?).await?;
    call(&session, "hello", &gateway).await
}

async fn stop(engine: &Engine) -> Result<(), Failed> {
    let gateway = start_gateway(engine, &configuration("http://nowhere.example:8080/mcp"), &[]).await?;
    // An open session must not hold it up.
    let _session = Session::open(&endpoint(&gateway).await?).await?;
    gateway.stop_with_timeout(Some(30)).await?;
    match gateway.exit_code().await? {
        Some(0) => Ok(()),
        code => Err(format!("expected exit code 0, got {code:?}").into()),
    }
}

async fn share_a_session(engine: &Engine) -> Result<(), Failed> {
    const PASSWORD: &str = "open-sesame";
    let (_simulator, backend) = start_simulator(engine, &format!("simulator-redis-{}", engine.network())).await?;
    let redis = Redis::start(engine, PASSWORD).await?;
    let mut configuration = configuration(&backend);
    configuration["sessionStorage"] = json!({"provider": "redis", "address": redis.address});
    let files: [(&str, &[u8]); 2] = [("seal-key-file", &[7; 32]), ("redis-password-file", PASSWORD.as_bytes())];
    let one = start_gateway(engine, &configuration, &files).await?;
    let two = start_gateway(engine, &configuration, &files).await?;
    let here = Session::open(&endpoint(&one).await?).await?;
    call(&here, "here", &one).await?;
    let there = here.at(&endpoint(&two).await?);
    call(&there, "there", &two).await?;
    one.stop_with_timeout(Some(30)).await?;
    call(&there, "still", &two).await
}
