//! `GET /api/v1/alerts/stream`: alerts as they become durable, as server-sent events. The id of an event is the place of
//! its entry in the journal, so that a client that comes back says how far it got and misses nothing.
//!
//! What a client has not yet read is never kept for it: one that falls behind is told so (`lagged`), and is then served
//! from the journal.

use super::Shared;
use super::params::Params;
use super::problem::{Code, Problem};
use super::server::{TAKE_WITHIN, stopped};
use super::views;
use crate::case::Entry;
use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::routing::get;
use serde_json::json;
use std::convert::Infallible;
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;

/// Streams open at once.
pub const STREAMS_MAX: usize = 64;
/// Between two comments on a stream that has nothing to say.
pub const HEARTBEAT_EVERY: Duration = Duration::from_secs(15);
/// Events between the journal and a client's socket.
const UNSENT_MAX: usize = 64;
/// Entries read from the journal at once.
const ENTRIES_AT_ONCE: usize = 256;
/// What the browser waits before it comes back.
const RETRY: Duration = Duration::from_secs(2);

/// `GET /api/v1/alerts/stream`.
pub fn router() -> Router<Shared> {
    Router::new().route("/api/v1/alerts/stream", get(stream))
}

async fn stream(
    State(shared): State<Shared>,
    headers: HeaderMap,
    params: Params,
) -> Result<impl IntoResponse, Problem> {
    let params = params.only(&["after"])?;
    let asked = resume_after(&headers, &params)?;
    let place = shared.streams.clone().try_acquire_owned().map_err(|_| {
        let detail = format!("{STREAMS_MAX} streams are open, as many as may be; close one");
        Problem::new(Code::TooManyStreams, detail).retry_after(RETRY.as_secs())
    })?;
    let last = shared.ask(|desk| Ok(desk.head().0)).await?;
    let (events, unsent) = mpsc::channel(UNSENT_MAX);
    let reader = Reader {
        shared: shared.clone(),
        seen: asked.unwrap_or(last).min(last),
        events,
        _place: place,
    };
    let reset = asked.is_some_and(|asked| asked > last);
    let mut stop = shared.stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            () = stopped(&mut stop) => {}
            _ = reader.follow(reset) => {}
        }
    });
    let events = ReceiverStream::new(unsent).map(Ok::<Event, Infallible>);
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(HEARTBEAT_EVERY)))
}

/// The id of the last event that the client has. The header is the browser's own, newer than the address it first used.
fn resume_after(headers: &HeaderMap, params: &Params) -> Result<Option<u64>, Problem> {
    let accepted = "the id of the last event received, a whole number";
    let after = params.parsed("after", accepted, |text| text.parse().ok())?;
    let Some(header) = headers.get("last-event-id") else {
        return Ok(after);
    };
    let id = header.to_str().ok().and_then(|text| text.parse().ok());
    id.map(Some)
        .ok_or_else(|| Problem::new(Code::BadParameter, format!("Last-Event-ID takes {accepted}")))
}

/// One client's way through the journal.
struct Reader {
    shared: Shared,
    seen: u64,
    events: mpsc::Sender<Event>,
    _place: OwnedSemaphorePermit,
}

/// The client has gone, or is as good as gone.
struct Gone;

impl Reader {
    async fn follow(mut self, reset: bool) -> Result<(), Gone> {
        let mut news = self.shared.news.subscribe();
        self.send(Event::default().retry(RETRY).comment("jingyou")).await?;
        if reset {
            self.send(named("reset", &json!({ "last": self.seen }))).await?;
        }
        loop {
            self.catch_up().await?;
            loop {
                tokio::select! {
                    () = self.events.closed() => return Err(Gone),
                    entry = news.recv() => match entry {
                        Ok(entry) if entry.seq <= self.seen => {}
                        Ok(entry) if entry.seq == self.seen + 1 => self.tell(&entry).await?,
                        Ok(_) => break,
                        Err(RecvError::Lagged(missed)) => {
                            self.send(named("lagged", &json!({ "missed": missed, "after": self.seen }))).await?;
                            break;
                        }
                        Err(RecvError::Closed) => return Ok(()),
                    }
                }
            }
        }
    }

    /// Reads the journal to its end.
    async fn catch_up(&mut self) -> Result<(), Gone> {
        loop {
            let seen = self.seen;
            let entries = self
                .shared
                .ask(move |desk| desk.entries_after(seen, ENTRIES_AT_ONCE))
                .await;
            let entries = entries.map_err(|_| Gone)?;
            if entries.is_empty() {
                return Ok(());
            }
            for entry in &entries {
                self.tell(entry).await?;
            }
        }
    }

    async fn tell(&mut self, entry: &Entry) -> Result<(), Gone> {
        if let Some(change) = entry.change.alert_change() {
            let view = views::alert(&change.alert, Some(views::outcome(entry.change.action())));
            self.send(named("alert", &view).id(entry.seq.to_string())).await?;
        }
        self.seen = entry.seq;
        Ok(())
    }

    async fn send(&self, event: Event) -> Result<(), Gone> {
        match tokio::time::timeout(TAKE_WITHIN, self.events.send(event)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Gone),
        }
    }
}

fn named(name: &str, data: &serde_json::Value) -> Event {
    Event::default().event(name).data(data.to_string())
}
