//! The listening socket: connections in bounded number, with bounded patience for their headers, and an end that lets
//! running requests finish. HTTP/1.1 without TLS, on loopback.

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, Sleep};
use tracing::{debug, warn};

/// Connections at once; more wait in the socket's own queue.
pub const CONNECTIONS_MAX: usize = 512;
/// Time in which a request's headers must have arrived whole; also how long an idle connection is kept.
pub const HEADERS_WITHIN: Duration = Duration::from_secs(30);
/// Time in which a client must take some of its answer; one that doesn't is let go.
pub const TAKE_WITHIN: Duration = Duration::from_mins(1);
/// Bytes of a request's headers.
const HEADER_BYTES_MAX: usize = 64 << 10;
/// Time that running requests have when the server stops.
pub const STOP_WITHIN: Duration = Duration::from_secs(10);
/// Pause after an `accept` that failed for want of file handles.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Answers requests until `stop` turns true, then lets those that run finish.
pub async fn run(listener: TcpListener, router: Router, mut stop: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    while !*stop.borrow() {
        tokio::select! {
            biased;
            changed = stop.changed() => if changed.is_err() { break },
            Some(_) = connections.join_next() => {}
            next = accept(&listener, &places) => match next {
                Ok((stream, place)) => {
                    connections.spawn(serve(stream, place, router.clone(), stop.clone()));
                }
                Err(error) => {
                    warn!(%error, "no connection could be taken");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
    drop(listener);
    let all = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(STOP_WITHIN, all).await.is_err() {
        warn!("requests that did not finish in time were broken off");
    }
}

async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let place = places.clone().acquire_owned().await.map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    Ok((stream, place))
}

async fn serve(stream: TcpStream, place: OwnedSemaphorePermit, router: Router, mut stop: watch::Receiver<bool>) {
    let _ = stream.set_nodelay(true);
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEADERS_WITHIN)
        .max_buf_size(HEADER_BYTES_MAX);
    let connection = http.serve_connection(
        TokioIo::new(Patient::new(stream, TAKE_WITHIN)),
        TowerToHyperService::new(router),
    );
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopped(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!(%error, "a connection broke");
    }
    drop(place);
}

/// A connection whose writes fail when the other side takes nothing for a while.
struct Patient<S> {
    stream: S,
    within: Duration,
    until: Pin<Box<Sleep>>,
    is_waiting: bool,
}

impl<S> Patient<S> {
    fn new(stream: S, within: Duration) -> Self {
        Self {
            stream,
            within,
            until: Box::pin(tokio::time::sleep(within)),
            is_waiting: false,
        }
    }

    /// Lets what is ready through, and what waits too long fail.
    fn bound<T>(&mut self, cx: &mut Context<'_>, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.is_waiting = false;
            return outcome;
        }
        if !self.is_waiting {
            self.is_waiting = true;
            self.until.as_mut().reset(Instant::now() + self.within);
        }
        self.until
            .as_mut()
            .poll(cx)
            .map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(cx, from);
        self.bound(cx, outcome)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_flush(cx);
        self.bound(cx, outcome)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Returns when `stop` has turned true, or whoever could say so is gone.
pub async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn who_takes_nothing_is_let_go() {
        let (ours, mut theirs) = tokio::io::duplex(8);
        let mut ours = Patient::new(ours, Duration::from_millis(20));
        ours.write_all(b"12345678").await.expect("there is room");
        let error = ours.write_all(b"9").await.expect_err("nobody reads");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        let mut taken = [0; 4];
        theirs.read_exact(&mut taken).await.expect("what was sent");
        ours.write_all(b"9").await.expect("there is room again");
    }
}
