//! `POST /api/v1/waybills`: records by HTTP, one JSON object a line. 200 means that every record is screened or refused
//! by name, and that whatever was raised is durable; anything else means that the same body can be sent again.

use super::Shared;
use super::params::Params;
use super::problem::{Code, Problem};
use super::upstream::{NotTaken, Receipt};
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::routing::post;
use axum::{Json, Router};
use std::time::Duration;
use tokio_stream::StreamExt;

/// Time in which a body must have arrived whole.
pub const BODY_WITHIN: Duration = Duration::from_secs(30);

/// Bytes beyond the limit that are read and dropped before the connection is closed on a client that keeps sending.
const DROPPED_BYTES_MAX: usize = 64 << 20;

/// Media types taken. `application/x-www-form-urlencoded` is what curl says when told nothing, so its name is not
/// held against a body that is NDJSON.
const TAKEN: [&str; 5] = [
    "application/x-ndjson",
    "application/ndjson",
    "application/json",
    "application/jsonl",
    "application/x-www-form-urlencoded",
];

/// `POST /api/v1/waybills`.
pub fn router() -> Router<Shared> {
    Router::new().route("/api/v1/waybills", post(take))
}

async fn take(
    State(shared): State<Shared>,
    params: Params,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Receipt>, Problem> {
    params.only(&[])?;
    check_type(&headers)?;
    let body = read(&headers, body, shared.limits.body_bytes_max, shared.limits.body_within).await?;
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(Problem::new(
            Code::EmptyBody,
            "one waybill record a line, each a JSON object (NDJSON)",
        ));
    }
    let engine = shared.engine.clone();
    let receipt = tokio::task::spawn_blocking(move || engine.submit(body))
        .await
        .map_err(|_| Problem::new(Code::Unavailable, "screening failed; send the same body again"))?;
    receipt.map(Json).map_err(|not_taken| match not_taken {
        NotTaken::Busy { retry_after_s } => {
            Problem::new(Code::Busy, not_taken.to_string()).retry_after(retry_after_s.max(1))
        }
        NotTaken::Unavailable(why) => Problem::new(Code::Unavailable, why).retry_after(5),
    })
}

fn check_type(headers: &HeaderMap) -> Result<(), Problem> {
    let refused = |what: &str| {
        Err(Problem::new(
            Code::UnsupportedMediaType,
            format!("{what}: application/x-ndjson in UTF-8 is taken"),
        ))
    };
    if headers
        .get(header::CONTENT_ENCODING)
        .is_some_and(|encoding| encoding != "identity")
    {
        return refused("a compressed body");
    }
    let Some(given) = headers.get(header::CONTENT_TYPE) else {
        return Ok(());
    };
    let essence = given
        .to_str()
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    if TAKEN.contains(&essence.as_str()) {
        Ok(())
    } else {
        refused("another content type")
    }
}

/// Reads a body of at most `bytes_max` within `within`. The rest of one that is longer is read and dropped, so that a
/// client that is still sending gets to hear the answer.
async fn read(headers: &HeaderMap, body: Body, bytes_max: usize, within: Duration) -> Result<Bytes, Problem> {
    let too_large = || {
        Problem::new(
            Code::BodyTooLarge,
            format!("a body of at most {bytes_max} bytes; send several"),
        )
    };
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    let announced = announced.unwrap_or(0);
    if announced > bytes_max as u64 && headers.contains_key(header::EXPECT) {
        return Err(too_large());
    }
    let gather = async {
        let mut gathered = Vec::with_capacity((announced as usize).min(bytes_max));
        let mut dropped = 0;
        let mut parts = body.into_data_stream();
        while let Some(part) = parts.next().await {
            let part = part.map_err(|_| Problem::new(Code::BadParameter, "the body broke off"))?;
            if dropped > 0 || gathered.len() + part.len() > bytes_max {
                dropped += part.len();
            } else {
                gathered.extend_from_slice(&part);
            }
            if dropped > DROPPED_BYTES_MAX {
                break;
            }
        }
        if dropped > 0 {
            Err(too_large())
        } else {
            Ok(Bytes::from(gathered))
        }
    };
    match tokio::time::timeout(within, gather).await {
        Ok(gathered) => gathered,
        Err(_) => Err(Problem::new(
            Code::BodyTooSlow,
            format!("the whole body within {} s", within.as_secs_f64()),
        )),
    }
}
