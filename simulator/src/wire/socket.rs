//! The socket below a connection: shared, so that a fault can end it under whatever speaks on it.

use std::io;
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

/// A TCP stream as HTTP and TLS read and write it.
pub(super) struct Socket(Arc<TcpStream>);

/// The handle by which a connection is ended.
#[derive(Debug)]
pub(super) struct Ending {
    stream: Arc<TcpStream>,
    ended: CancellationToken,
}

impl Socket {
    pub(super) fn new(stream: TcpStream) -> (Self, Ending) {
        let stream = Arc::new(stream);
        (Self(Arc::clone(&stream)), Ending { stream, ended: CancellationToken::new() })
    }
}

impl Ending {
    /// Cancelled when the connection is to be dropped.
    pub(super) fn ended(&self) -> CancellationToken {
        self.ended.clone()
    }

    /// Ends the connection: what was not sent is lost, the client sees an orderly end.
    pub(super) fn close(&self) {
        self.ended.cancel();
    }

    /// Ends the connection with a reset: a socket that does not linger says so when it is closed (RFC 9293, 3.10.4).
    pub(super) fn reset(&self) {
        if let Err(error) = SockRef::from(&*self.stream).set_linger(Some(Duration::ZERO)) {
            tracing::warn!(%error, "failed to prepare a reset: the connection is closed in order");
        }
        self.ended.cancel();
    }

    /// Tells the client that nothing more will come, and goes on reading.
    pub(super) fn end_writing(&self) {
        if let Err(error) = SockRef::from(&*self.stream).shutdown(Shutdown::Write) {
            tracing::debug!(%error, "the client has left already");
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.0.poll_read_ready(context))?;
            match self.0.try_read(buffer.initialize_unfilled()) {
                Ok(length) => {
                    buffer.advance(length);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.0.poll_write_ready(context))?;
            match self.0.try_write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => return Poll::Ready(written),
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(SockRef::from(&*self.0).shutdown(Shutdown::Write))
    }
}
