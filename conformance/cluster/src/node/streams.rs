//! The API server's streams to the containers of the node.

use futures::StreamExt;
use futures::future::BoxFuture;
use tokio::net::TcpStream;
use tokio_util::io::StreamReader;

use super::images;
use super::logs::Logs;
use super::process::Invocation;
use super::running::{RunningContainer, RunningPods};
use super::session::{Pipes, Session};
use crate::logs::{LogOptions, LogSource};
use crate::streams::{Connection, Execution, Input, Output, PodName, PodStreams, StreamError};

/// Opens streams to the running pods. Cheap to clone.
#[derive(Clone)]
pub(crate) struct NodeStreams {
    pub(super) running: RunningPods,
    pub(super) logs: Logs,
}

impl NodeStreams {
    fn container(&self, pod: &PodName, container: &str) -> Result<RunningContainer, StreamError> {
        let found = self.running.container(pod, container);
        found.ok_or_else(|| StreamError::NotAvailable(format!("container not found ({container:?})")))
    }
}

impl PodStreams for NodeStreams {
    /// Connects to the pod's own address. A program that binds 127.0.0.1 shares that address with the whole machine and is
    /// not reached: whoever answered there might belong to another pod.
    fn connect<'a>(&'a self, pod: &'a PodName, port: u16) -> BoxFuture<'a, Result<Connection, StreamError>> {
        Box::pin(async move {
            let failed =
                |why: String| StreamError::NotAvailable(format!("error forwarding port {port} to pod {pod}: {why}"));
            let address = self.running.address(pod).ok_or_else(|| failed("the pod is not running".to_owned()))?;
            match TcpStream::connect((address, port)).await {
                Ok(stream) => {
                    // Small messages are not to wait for more; a failure costs speed only.
                    let _ = stream.set_nodelay(true);
                    Ok(Box::new(stream) as Connection)
                }
                Err(error) => Err(failed(format!(
                    "failed to connect to {address}:{port}, the pod's own address (a program that binds 127.0.0.1 is \
                     not reached): {error}"
                ))),
            }
        })
    }

    fn exec<'a>(
        &'a self,
        pod: &'a PodName,
        container: &'a str,
        command: &'a [String],
        stdin: bool,
    ) -> BoxFuture<'a, Result<Execution, StreamError>> {
        let started = self.container(pod, container).and_then(|running| {
            let failed = |why: String| {
                let why = format!("failed to exec in container: unable to start container process: {why}");
                StreamError::NotAvailable(why)
            };
            let RunningContainer { target, ended } = running;
            let environment = &target.invocation.environment;
            let (program, arguments) = images::command(&target.program, command, environment, &target.rewrite)
                .map_err(|error| failed(error.to_string()))?;
            let invocation = Invocation { program, arguments, ..target.invocation.clone() };
            let (session, pipes) = Session::start(&invocation, stdin).map_err(|error| failed(error.to_string()))?;
            let Pipes { stdin, stdout, stderr } = pipes;
            Ok(Execution {
                stdin: stdin.map(|pipe| Box::new(pipe) as Input),
                stdout: stdout.map(|pipe| Box::new(pipe) as Output),
                stderr: stderr.map(|pipe| Box::new(pipe) as Output),
                exit: Box::pin(async move { session.exited(ended).await.map_err(|error| error.to_string()) }),
            })
        });
        Box::pin(std::future::ready(started))
    }

    /// The log of a container keeps no difference between stdout and stderr, and a line appears when it is whole.
    fn attach<'a>(&'a self, pod: &'a PodName, container: &'a str) -> BoxFuture<'a, Result<Execution, StreamError>> {
        Box::pin(async move {
            let RunningContainer { ended, .. } = self.container(pod, container)?;
            let options = LogOptions { follow: true, tail_lines: Some(0), ..LogOptions::default() };
            let log = self.logs.logs(&pod.namespace, &pod.name, Some(container), options).await;
            let log = log.map_err(|error| StreamError::NotAvailable(error.to_string()))?;
            let stdout = StreamReader::new(log.map(Ok::<_, std::io::Error>));
            Ok(Execution {
                stdin: None,
                stdout: Some(Box::new(stdout)),
                stderr: None,
                exit: Box::pin(async move {
                    ended.cancelled().await;
                    Ok(0)
                }),
            })
        })
    }
}
