//! The listening socket: connections in bounded number, with bounded patience for their headers, and an end that lets
//! running requests finish. HTTP/1.1 without TLS, on loopback.

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tracing::{debug, warn};

/// Connections at once; more wait in the socket's own queue.
pub const CONNECTIONS_MAX: usize = 512;
/// Time in which a request's headers must have arrived whole; also how long an idle connection is kept.
pub const HEADERS_WITHIN: Duration = Duration::from_secs(30);
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
    let connection = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
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

/// Returns when `stop` has turned true, or whoever could say so is gone.
pub async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}
