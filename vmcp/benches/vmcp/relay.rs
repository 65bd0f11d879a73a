//! What any intermediary costs on this machine: one that copies bytes and does nothing else.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::thread;

/// Relays connections to `address` until the benchmark ends; returns where it listens.
pub(crate) fn start(address: &str) -> io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let (here, there) = (listener.local_addr()?.to_string(), address.to_owned());
    thread::spawn(move || {
        for client in listener.incoming() {
            if let Err(error) = client.and_then(|client| connect(client, &there)) {
                eprintln!("the relay has lost a connection: {error}");
            }
        }
    });
    Ok(here)
}

fn connect(client: TcpStream, there: &str) -> io::Result<()> {
    let server = TcpStream::connect(there)?;
    for stream in [&client, &server] {
        stream.set_nodelay(true)?;
    }
    copy(client.try_clone()?, server.try_clone()?);
    copy(server, client);
    Ok(())
}

/// Copies in a thread until one side ends.
fn copy(mut from: TcpStream, mut to: TcpStream) {
    thread::spawn(move || io::copy(&mut from, &mut to));
}
