//! One check: an HTTP request, a TCP connection, or a command in the container.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::{ExecAction, HTTPGetAction, LifecycleHandler, Probe, TCPSocketAction};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::TcpStream;

use super::tls;
use crate::node::environment::expand;
use crate::node::images::{self, Program};
use crate::node::process::{Invocation, Process};
use crate::node::rewrite::Rewrite;

/// How much of a command's output or a response's body is read for a message.
const MESSAGE_LIMIT: usize = 10 << 10;

/// What is checked: a container and the address of its pod.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) address: Ipv4Addr,
    /// The container's ports by name.
    pub(crate) ports: BTreeMap<String, u16>,
    pub(crate) program: Program,
    pub(crate) rewrite: Rewrite,
    /// How the container's own process was started.
    pub(crate) invocation: Invocation,
}

/// Makes one check within its time; the error is the message of the event.
pub(super) async fn check(probe: &Probe, target: &Target) -> Result<(), String> {
    let seconds = probe.timeout_seconds.and_then(|seconds| u64::try_from(seconds).ok()).unwrap_or(1).max(1);
    let timeout = Duration::from_secs(seconds);
    let checked = async {
        if let Some(action) = &probe.http_get {
            http(action, target).await
        } else if let Some(action) = &probe.tcp_socket {
            tcp(action, target).await
        } else if let Some(action) = &probe.exec {
            exec(action, target).await
        } else if probe.grpc.is_some() {
            Err("this node has no gRPC probes: use httpGet, tcpSocket or exec".to_owned())
        } else {
            Err("missing probe handler: use httpGet, tcpSocket or exec".to_owned())
        }
    };
    tokio::time::timeout(timeout, checked).await.unwrap_or_else(|_| {
        Err(match &probe.exec {
            Some(action) => format!(
                "command timed out: {:?} timed out after {seconds}s",
                action.command.iter().flatten().cloned().collect::<Vec<_>>().join(" ")
            ),
            None => "context deadline exceeded (Client.Timeout exceeded while awaiting headers)".to_owned(),
        })
    })
}

/// Runs a lifecycle hook.
pub(crate) async fn run_hook(hook: &LifecycleHandler, target: &Target) -> Result<(), String> {
    if let Some(action) = &hook.exec {
        exec(action, target).await
    } else if let Some(action) = &hook.http_get {
        http(action, target).await
    } else if let Some(action) = &hook.sleep {
        tokio::time::sleep(Duration::from_secs(u64::try_from(action.seconds).unwrap_or_default())).await;
        Ok(())
    } else {
        Err("invalid handler: use exec, httpGet or sleep".to_owned())
    }
}

fn port(port: &IntOrString, target: &Target) -> Result<u16, String> {
    match port {
        IntOrString::Int(number) => u16::try_from(*number).map_err(|_| format!("invalid port number: {number}")),
        IntOrString::String(name) => target
            .ports
            .get(name)
            .copied()
            .or_else(|| name.parse().ok())
            .ok_or_else(|| format!("couldn't find port: the container has no port named {name:?}")),
    }
}

async fn connect(host: &str, port: u16) -> Result<TcpStream, String> {
    let stream = TcpStream::connect((host, port)).await;
    stream.map_err(|error| {
        let reason = match error.kind() {
            std::io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
            _ => error.to_string(),
        };
        format!("dial tcp {host}:{port}: connect: {reason}")
    })
}

async fn tcp(action: &TCPSocketAction, target: &Target) -> Result<(), String> {
    let host = action.host.clone().filter(|host| !host.is_empty()).unwrap_or_else(|| target.address.to_string());
    connect(&host, port(&action.port, target)?).await.map(drop)
}

async fn http(action: &HTTPGetAction, target: &Target) -> Result<(), String> {
    let host = action.host.clone().filter(|host| !host.is_empty()).unwrap_or_else(|| target.address.to_string());
    let port = port(&action.port, target)?;
    let secure = action.scheme.as_deref() == Some("HTTPS");
    let path = action.path.clone().filter(|path| !path.is_empty()).unwrap_or_else(|| "/".to_owned());
    let path = if path.starts_with('/') { path } else { format!("/{path}") };
    let url = format!("{}://{host}:{port}{path}", if secure { "https" } else { "http" });
    let failed = |reason: String| format!("Get {url:?}: {reason}");

    let mut request = http::Request::get(path.as_str());
    let own_headers = action.http_headers.iter().flatten();
    for header in own_headers.clone() {
        request = request.header(&header.name, &header.value);
    }
    let has = |name: &str| own_headers.clone().any(|header| header.name.eq_ignore_ascii_case(name));
    for (name, value) in
        [("host", format!("{host}:{port}")), ("user-agent", "kube-probe/1.36".into()), ("accept", "*/*".into())]
    {
        if !has(name) {
            request = request.header(name, value);
        }
    }
    let request = request.body(Empty::<Bytes>::new()).map_err(|error| failed(error.to_string()))?;

    let stream = connect(&host, port).await.map_err(failed)?;
    let status = if secure {
        let stream =
            tls::connect_without_verification(stream, &host).await.map_err(|error| failed(error.to_string()))?;
        exchange(stream, request).await
    } else {
        exchange(stream, request).await
    };
    let status = status.map_err(|error| failed(error.to_string()))?;
    if (200..400).contains(&status.as_u16()) {
        Ok(())
    } else {
        Err(format!("HTTP probe failed with statuscode: {}", status.as_u16()))
    }
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send,
    request: http::Request<Empty<Bytes>>,
) -> Result<http::StatusCode, hyper::Error> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let response = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        // A program whose response nobody reads would log an error.
        let _ = Limited::new(response.into_body(), MESSAGE_LIMIT).collect().await;
        drop(sender);
        Ok(status)
    };
    tokio::pin!(response, connection);
    tokio::select! {
        result = &mut response => result,
        ended = &mut connection => {
            ended?;
            response.await
        }
    }
}

/// Runs a command beside the container's process, with the same environment.
async fn exec(action: &ExecAction, target: &Target) -> Result<(), String> {
    let command = action.command.clone().unwrap_or_default();
    let environment = &target.invocation.environment;
    let command: Vec<String> = command.iter().map(|text| expand(text, environment)).collect();
    let (program, arguments) =
        images::command(&target.program, &command, environment, &target.rewrite).map_err(|error| error.to_string())?;
    let invocation = Invocation { program, arguments, ..target.invocation.clone() };
    let (mut process, output) = Process::start(&invocation).await.map_err(|error| error.to_string())?;
    let mut text = Vec::new();
    let limit = u64::try_from(MESSAGE_LIMIT).unwrap_or(u64::MAX);
    // The end of the output is the end of the process.
    let _ = output.take(limit).read_to_end(&mut text).await;
    match process.exited().await {
        0 => Ok(()),
        _ => Err(String::from_utf8_lossy(&text).into_owned()),
    }
}
