//! `pods/portforward` over WebSocket channels.
//!
//! Each port of the query has two channels, its data and its error, in the order of the query. A message begins with the
//! number of its channel. The server's first message on each channel is the port, in two bytes, the low one first; after
//! that the data channel carries the bytes, and the error channel at most one text.

use bytes::{BufMut, Bytes, BytesMut};
use futures::stream::FuturesUnordered;
use futures::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;

use super::websocket::{self, WebSocket};
use crate::api::request::Query;
use crate::api::status::{ApiError, ApiResult};
use crate::streams::{PodName, PodStreams};

/// The subprotocol.
pub(super) const CHANNELS: &str = "v4.channel.k8s.io";

/// The largest piece of data in one message.
const CHUNK: usize = 32 << 10;

/// How many messages may wait in each direction before the sender waits.
const WAITING: usize = 8;

/// The ports of a request: `ports`, once or several times, each a list.
pub(super) fn ports(query: &Query) -> ApiResult<Vec<u16>> {
    let texts: Vec<&str> =
        query.all("ports").flat_map(|list| list.split(',')).filter(|text| !text.is_empty()).collect();
    if texts.is_empty() {
        return Err(ApiError::bad_request("query parameter \"ports\" is required"));
    }
    let parse = |text: &&str| {
        let port = text.parse().ok().filter(|port| *port > 0);
        port.ok_or_else(|| ApiError::bad_request(format!("unable to parse {text:?} as a port: use 1 to 65535")))
    };
    let ports: Vec<u16> = texts.iter().map(parse).collect::<ApiResult<_>>()?;
    // The number of a channel is one byte.
    if ports.len() > 128 {
        return Err(ApiError::bad_request(format!("{} ports are too many: forward at most 128", ports.len())));
    }
    Ok(ports)
}

/// Forwards until every port's connection or the socket has ended.
pub(super) async fn forward(socket: WebSocket, streams: &dyn PodStreams, pod: &PodName, ports: &[u16]) {
    let (mut sink, mut source) = socket.split();
    let (outgoing, mut to_send) = mpsc::channel::<Message>(WAITING);
    let mut inputs = Vec::with_capacity(ports.len());
    let mut connections = FuturesUnordered::new();
    for (channel, port) in (0_u8..).step_by(2).zip(ports) {
        let (input, received) = mpsc::channel(WAITING);
        inputs.push(Some(input));
        connections.push(carry(streams, pod, *port, channel, received, outgoing.clone()));
    }
    let carrying = async move { while connections.next().await.is_some() {} };
    // The channel to the client ends with the last connection, and only then is everything sent.
    drop(outgoing);
    let sending = async {
        while let Some(message) = to_send.recv().await {
            if sink.send(message).await.is_err() {
                return;
            }
        }
    };
    let receiving = async {
        while let Some(Ok(message)) = source.next().await {
            let Message::Binary(mut data) = message else { continue };
            if data.is_empty() {
                continue;
            }
            let channel = usize::from(data.split_to(1)[0]);
            let Some(input) = inputs.get_mut(channel / 2).filter(|_| channel % 2 == 0) else { continue };
            if let Some(open) = input
                && open.send(data).await.is_err()
            {
                *input = None;
            }
        }
    };
    tokio::select! {
        ((), ()) = async { tokio::join!(carrying, sending) } => {}
        () = receiving => {}
    }
    websocket::close(sink, source).await;
}

/// One port: announces its channels, connects, and carries bytes until the pod's side ends.
async fn carry(
    streams: &dyn PodStreams,
    pod: &PodName,
    port: u16,
    channel: u8,
    mut received: mpsc::Receiver<Bytes>,
    outgoing: mpsc::Sender<Message>,
) {
    let [low, high] = port.to_le_bytes();
    for channel in [channel, channel + 1] {
        if outgoing.send(message(channel, &[low, high])).await.is_err() {
            return;
        }
    }
    let connection = match streams.connect(pod, port).await {
        Ok(connection) => connection,
        Err(error) => {
            let _ = outgoing.send(message(channel + 1, error.to_string().as_bytes())).await;
            return;
        }
    };
    let (mut reader, mut writer) = tokio::io::split(connection);
    let from_pod = async {
        let mut buffer = vec![0; CHUNK];
        while let Ok(length @ 1..) = reader.read(&mut buffer).await {
            if outgoing.send(message(channel, &buffer[..length])).await.is_err() {
                return;
            }
        }
    };
    let to_pod = async {
        while let Some(data) = received.recv().await {
            if writer.write_all(&data).await.is_err() {
                break;
            }
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = from_pod => {}
        () = to_pod => {}
    }
}

fn message(channel: u8, data: &[u8]) -> Message {
    let mut bytes = BytesMut::with_capacity(data.len() + 1);
    bytes.put_u8(channel);
    bytes.put_slice(data);
    Message::Binary(bytes.freeze())
}
