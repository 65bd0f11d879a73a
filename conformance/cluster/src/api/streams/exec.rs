//! `pods/exec` and `pods/attach` over WebSocket channels.
//!
//! A message begins with the number of its channel. With `v5.channel.k8s.io` the client may also close a channel, its
//! stdin above all. The last message is a `Status` on the error channel, with the exit code of what ran.

use bytes::{BufMut, BytesMut};
use futures::{SinkExt, Stream, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::websocket::{self, WebSocket};
use crate::api::request::Query;
use crate::api::status::{ApiError, ApiResult};
use crate::streams::{Execution, Input, StreamError};

/// The subprotocols, the better one first.
pub(super) const CHANNELS: [&str; 2] = ["v5.channel.k8s.io", "v4.channel.k8s.io"];

const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const STATUS: u8 = 3;
/// Followed by the number of the channel that the client closes.
const CLOSE: u8 = 255;

/// The largest piece of data in one message.
const CHUNK: usize = 32 << 10;

/// How many messages may wait in each direction before the sender waits.
const WAITING: usize = 8;

/// Which channels a client wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) stdin: bool,
    pub(super) stdout: bool,
    pub(super) stderr: bool,
}

impl Wanted {
    /// Reads them from the query. There are no terminals.
    pub(super) fn parse(query: &Query) -> ApiResult<Self> {
        if query.flag("tty") {
            return Err(ApiError::not_implemented("terminals in containers: leave tty (-t) out"));
        }
        let wanted = Self { stdin: query.flag("stdin"), stdout: query.flag("stdout"), stderr: query.flag("stderr") };
        if wanted.stdin || wanted.stdout || wanted.stderr {
            return Ok(wanted);
        }
        Err(ApiError::bad_request("you must specify at least 1 of stdin, stdout, stderr"))
    }
}

/// Carries the channels until the process has ended or the client is gone.
pub(super) async fn carry(
    socket: WebSocket,
    wanted: Wanted,
    command: &[String],
    started: Result<Execution, StreamError>,
) {
    let (mut sink, mut source) = socket.split();
    let incoming = &mut source;
    let (outgoing, mut to_send) = mpsc::channel::<Message>(WAITING);
    let sending = async {
        while let Some(message) = to_send.recv().await {
            if sink.send(message).await.is_err() {
                return;
            }
        }
    };
    let running = async move {
        // Tells the client that the channels are there.
        let first = if wanted.stdout {
            STDOUT
        } else if wanted.stderr {
            STDERR
        } else {
            STATUS
        };
        let _ = outgoing.send(message(first, &[])).await;
        let status = match started {
            Ok(execution) => run(execution, wanted, command, incoming, &outgoing).await,
            Err(error) => Some(failure(&error.to_string())),
        };
        if let Some(status) = status {
            let _ = outgoing.send(message(STATUS, status.to_string().as_bytes())).await;
        }
    };
    tokio::join!(running, sending);
    websocket::close(sink, source).await;
}

/// The status at the end; none when the client has left before.
async fn run(
    execution: Execution,
    wanted: Wanted,
    command: &[String],
    source: impl Stream<Item = Result<Message, Error>> + Unpin,
    outgoing: &mpsc::Sender<Message>,
) -> Option<Value> {
    let Execution { stdin, stdout, stderr, exit } = execution;
    let (input, received) = mpsc::channel(WAITING);
    let feeding = async {
        feed(stdin, received).await;
        std::future::pending::<()>().await;
    };
    let output = async {
        let stdout = pump(stdout, STDOUT, wanted.stdout, outgoing);
        let stderr = pump(stderr, STDERR, wanted.stderr, outgoing);
        let (code, (), ()) = tokio::join!(exit, stdout, stderr);
        code
    };
    tokio::select! {
        code = output => Some(match code {
            Ok(0) => json!({"metadata": {}, "status": "Success"}),
            Ok(code) => exit_status(command, code),
            Err(error) => failure(&error),
        }),
        () = feeding => None,
        () = receive(source, wanted.stdin.then_some(input)) => None,
    }
}

/// Hands on what the client sends, until it is gone.
async fn receive(
    mut source: impl Stream<Item = Result<Message, Error>> + Unpin,
    mut stdin: Option<mpsc::Sender<bytes::Bytes>>,
) {
    while let Some(Ok(message)) = source.next().await {
        let Message::Binary(mut data) = message else { continue };
        match data.first() {
            Some(&STDIN) => {
                let text = data.split_off(1);
                if let Some(open) = &stdin
                    && open.send(text).await.is_err()
                {
                    stdin = None;
                }
            }
            Some(&CLOSE) if data.get(1) == Some(&STDIN) => stdin = None,
            _ => {}
        }
    }
}

/// Writes to the process until the client closes its stdin.
async fn feed(stdin: Option<Input>, mut received: mpsc::Receiver<bytes::Bytes>) {
    let Some(mut stdin) = stdin else { return };
    while let Some(data) = received.recv().await {
        if stdin.write_all(&data).await.is_err() || stdin.flush().await.is_err() {
            return;
        }
    }
}

/// Sends what the process writes; what nobody wants is read all the same, or the process would wait.
async fn pump(reader: Option<impl AsyncRead + Unpin>, channel: u8, wanted: bool, outgoing: &mpsc::Sender<Message>) {
    let Some(mut reader) = reader else { return };
    let mut buffer = vec![0; CHUNK];
    while let Ok(length @ 1..) = reader.read(&mut buffer).await {
        if wanted && outgoing.send(message(channel, &buffer[..length])).await.is_err() {
            return;
        }
    }
}

fn message(channel: u8, data: &[u8]) -> Message {
    let mut bytes = BytesMut::with_capacity(data.len() + 1);
    bytes.put_u8(channel);
    bytes.put_slice(data);
    Message::Binary(bytes.freeze())
}

fn exit_status(command: &[String], code: i32) -> Value {
    json!({
        "metadata": {},
        "status": "Failure",
        "reason": "NonZeroExitCode",
        "message": format!(
            "command terminated with non-zero exit code: error executing command [{}], exit code {code}",
            command.join(" ")
        ),
        "details": {"causes": [{"reason": "ExitCode", "message": code.to_string()}]},
    })
}

fn failure(message: &str) -> Value {
    json!({
        "metadata": {},
        "status": "Failure",
        "reason": "InternalError",
        "message": format!("Internal error occurred: error executing command in container: {message}"),
        "details": {"causes": [{"message": format!("error executing command in container: {message}")}]},
        "code": 500,
    })
}
