//! An engine as a process: the API beside it, until a signal says stop.

use super::Engine;
use crate::api;
use crate::case::StopError;
use crate::config::Config;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tracing::{info, warn};

/// How long requests that are being answered keep the engine from stopping, beside the API's own patience.
const RELEASE_WITHIN: Duration = Duration::from_secs(5);

/// Why a process ended otherwise than by a signal.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address can't be listened on.
    #[error("api.listen: {address}: {error}: is another jingyou running?")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        error: io::Error,
    },
    /// The runtime, the signals or the API failed.
    #[error("serving: {0}")]
    Io(#[from] io::Error),
    /// Not everything was written at the end.
    #[error(transparent)]
    Stop(#[from] StopError),
}

/// Runs an engine with its API until SIGTERM or SIGINT, then stops it in order. `started` is told the address.
pub fn serve(engine: Engine, config: &Config, started: impl FnOnce(SocketAddr)) -> Result<(), ServeError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("api")
        .build()?;
    let engine = Arc::new(engine);
    let served = runtime.block_on(answer(engine.clone(), config, started));
    runtime.shutdown_timeout(RELEASE_WITHIN);
    if let Some(engine) = Arc::into_inner(engine) {
        engine.shutdown()?;
    } else {
        warn!("a request outlived the API; ending without it");
    }
    served
}

async fn answer(engine: Arc<Engine>, config: &Config, started: impl FnOnce(SocketAddr)) -> Result<(), ServeError> {
    let address = config.api.listen;
    let listener = TcpListener::bind(address)
        .await
        .map_err(|error| ServeError::Listen { address, error })?;
    let (stop, stopped) = watch::channel(false);
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    // Reserved for reading the rules again; until then it must not end the process, as it would by default.
    let mut hangup = signal(SignalKind::hangup())?;
    let address = listener.local_addr()?;
    info!(%address, "listening");
    started(address);
    let limits = api::Limits {
        body_bytes_max: config.http_intake.body_bytes_max,
        ..api::Limits::default()
    };
    let desk = engine.desk().clone();
    let serving = tokio::spawn(api::serve(listener, desk, engine, limits, stopped));
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => info!("SIGHUP is reserved"),
        }
    }
    let _ended_already = stop.send(true);
    serving.await.map_err(io::Error::other)??;
    Ok(())
}
