//! For machines that watch: whether the process lives, whether it is ready for work, and its metrics.

use super::Shared;
use super::params::Params;
use super::problem::Problem;
use super::upstream::Unready;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;

/// `GET /healthz`, `/readyz`, `/metrics`.
pub fn router() -> Router<Shared> {
    Router::new()
        .route("/healthz", get(alive))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
}

#[derive(Serialize)]
struct Health {
    status: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reasons: Vec<Unready>,
}

async fn alive(params: Params) -> Result<Json<Health>, Problem> {
    params.only(&[])?;
    Ok(Json(Health {
        status: "alive",
        reasons: Vec::new(),
    }))
}

async fn ready(State(shared): State<Shared>, params: Params) -> Result<(StatusCode, Json<Health>), Problem> {
    params.only(&[])?;
    let reasons = shared.engine.unready();
    Ok(if reasons.is_empty() {
        (
            StatusCode::OK,
            Json(Health {
                status: "ready",
                reasons,
            }),
        )
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            Json(Health {
                status: "not_ready",
                reasons,
            }),
        )
    })
}

async fn metrics(State(shared): State<Shared>, params: Params) -> Result<impl IntoResponse, Problem> {
    params.only(&[])?;
    Ok((
        [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
        shared.engine.metrics(),
    ))
}
