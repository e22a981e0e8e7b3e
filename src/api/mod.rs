//! The HTTP interface: one router a resource, all of them under one guard, declared in one place ([`router`]). Owns
//! addresses, parameters, limits and the shape of answers; screening is the engine's ([`Engine`]), alerts and cases the
//! desk's. Loopback only until there are accounts.

mod alerts;
mod cases;
mod guard;
mod health;
mod names;
mod page;
mod params;
mod problem;
mod server;
mod stats;
mod stream;
mod tally;
mod upstream;
mod views;
mod waybills;

pub use guard::REQUESTS_AT_ONCE_MAX;
pub use server::{CONNECTIONS_MAX, HEADERS_WITHIN, STOP_WITHIN, TAKE_WITHIN};
pub use stream::{HEARTBEAT_EVERY, STREAMS_MAX};
pub use upstream::{Engine, NotTaken, Raised, Receipt, Refused, RulesInForce, Totals, Unready};
pub use waybills::BODY_WITHIN;

use crate::case::{Desk, Entry, StoreError};
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use problem::{Code, Problem};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use time::OffsetDateTime;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, broadcast, watch};

/// What a site may set. The other limits are the constants of this module.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of a body of records.
    pub body_bytes_max: usize,
    /// Time in which a body must have arrived whole.
    pub body_within: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes_max: 8 << 20,
            body_within: BODY_WITHIN,
        }
    }
}

/// Entries kept for those who follow the journal; who falls further behind reads it instead.
const NEWS_MAX: usize = 1024;

/// What the resources work with.
struct Inner {
    desk: Desk,
    news: broadcast::Sender<Arc<Entry>>,
    engine: Arc<dyn Engine>,
    limits: Limits,
    today: stats::Today,
    tally: tally::Tally,
    streams: Arc<Semaphore>,
    stop: watch::Receiver<bool>,
}

/// The state that every resource gets.
#[derive(Clone)]
struct Shared(Arc<Inner>);

impl std::ops::Deref for Shared {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl Shared {
    /// Asks the desk on a thread that may wait for the disk.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Desk) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Problem> {
        let desk = self.desk.clone();
        match tokio::task::spawn_blocking(move || question(&desk)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(StoreError::Cursor(_))) => Err(Problem::new(
                Code::BadCursor,
                "cursor takes next_cursor of the page before, unchanged",
            )),
            Ok(Err(error)) => {
                tracing::error!(%error, "the desk could not be read");
                Err(Problem::new(
                    Code::Unavailable,
                    "alerts and cases can't be read now; the log says why",
                )
                .retry_after(5))
            }
            Err(_) => Err(Problem::new(Code::Unavailable, "the question to the desk broke off")),
        }
    }
}

/// Every address that there is.
fn router(shared: Shared, port: u16) -> Router {
    Router::new()
        .merge(page::router())
        .merge(waybills::router())
        .merge(alerts::router())
        .merge(stream::router())
        .merge(cases::router())
        .merge(stats::router())
        .merge(health::router())
        .method_not_allowed_fallback(|| async {
            Problem::new(
                Code::MethodNotAllowed,
                "the Allow header names the methods of this address",
            )
        })
        .fallback(|| async { Problem::new(Code::UnknownPath, "the addresses are listed in docs/api.md") })
        .layer(DefaultBodyLimit::disable())
        .layer(from_fn_with_state(guard::Guard::new(port), guard::check))
        .with_state(shared)
}

/// Serves the API on a loopback listener until `stop` turns true, then lets running requests finish.
///
/// Fails with `InvalidInput` on a listener that others than this machine can reach.
pub async fn serve(
    listener: TcpListener,
    desk: Desk,
    engine: Arc<dyn Engine>,
    limits: Limits,
    stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let address = listener.local_addr()?;
    if !address.ip().is_loopback() {
        let why =
            format!("the API listens on loopback only until there are accounts: 127.0.0.1 or [::1], not {address}");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    }
    let (news, _) = broadcast::channel(NEWS_MAX);
    let hook = news.clone();
    desk.on_entry(Box::new(move |entry| drop(hook.send(entry.clone()))));
    let shared = Shared(Arc::new(Inner {
        desk,
        news,
        engine,
        limits,
        today: stats::Today::new(OffsetDateTime::now_utc()),
        tally: tally::Tally::default(),
        streams: Arc::new(Semaphore::new(STREAMS_MAX)),
        stop: stop.clone(),
    }));
    let helpers = [
        tokio::spawn(stats::sample(shared.clone())),
        tokio::spawn(tally::follow(shared.clone())),
    ];
    server::run(listener, router(shared, address.port()), stop).await;
    helpers.iter().for_each(tokio::task::JoinHandle::abort);
    Ok(())
}
