//! Queries that another name server answers: passed on as they are, by the transport on which they came.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use super::server::{read_message, write_message};

/// How long another server may take. Its own slowness may be what is wanted, so this is longer than resolvers wait.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest message (RFC 1035, 4.2.2).
const LONGEST: usize = u16::MAX as usize;

/// The answer by UDP, if one comes.
pub(super) async fn over_udp(server: SocketAddr, query: &[u8]) -> io::Result<Vec<u8>> {
    // One socket for each query: nobody else's answer arrives there.
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    socket.connect(server).await?;
    socket.send(query).await?;
    let mut answer = vec![0; LONGEST];
    let length = timeout(PATIENCE, socket.recv(&mut answer)).await??;
    answer.truncate(length);
    Ok(answer)
}

/// The answer by TCP, if one comes.
pub(super) async fn over_tcp(server: SocketAddr, query: &[u8]) -> io::Result<Vec<u8>> {
    let asking = async {
        let mut stream = TcpStream::connect(server).await?;
        write_message(&mut stream, query).await?;
        read_message(&mut stream).await
    };
    timeout(PATIENCE, asking).await?
}
