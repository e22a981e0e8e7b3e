//! `GET /api/v1/alerts` and `/api/v1/alerts/{id}`: newest first, filtered, page by page.

use super::Shared;
use super::params::Params;
use super::problem::{Code, Problem};
use super::views;
use crate::alert::AlertId;
use crate::case::AlertQuery;
use axum::extract::{Path, State};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

/// `GET /api/v1/alerts`, `/api/v1/alerts/{id}`.
pub fn router() -> Router<Shared> {
    Router::new()
        .route("/api/v1/alerts", get(list))
        .route("/api/v1/alerts/{id}", get(one))
}

const FILTERS: [&str; 9] = [
    "color",
    "category",
    "carrier",
    "region",
    "waybill_no",
    "from",
    "to",
    "limit",
    "cursor",
];

async fn list(State(shared): State<Shared>, params: Params) -> Result<Json<Value>, Problem> {
    let params = params.only(&FILTERS)?;
    let query = AlertQuery {
        color: params.color()?,
        category: params.category()?,
        carrier: params.carrier()?,
        region_prefix: params.region()?,
        waybill_no: params.waybill_no()?,
        from: params.instant("from")?,
        to: params.instant("to")?,
        case_id: None,
        superseded: None,
        limit: Some(params.limit()?),
        after: params.text("cursor").map(str::to_owned),
    };
    let page = shared.ask(move |desk| desk.alerts(&query)).await?;
    let alerts: Vec<Value> = page.items.iter().map(|alert| views::alert(alert, None)).collect();
    Ok(Json(json!({ "alerts": alerts, "next_cursor": page.next })))
}

async fn one(State(shared): State<Shared>, Path(id): Path<String>, params: Params) -> Result<Json<Value>, Problem> {
    params.only(&[])?;
    let missing = || Problem::new(Code::NotFound, "no alert has this id; ids are listed by /api/v1/alerts");
    let id = uuid::Uuid::try_parse(&id).map(AlertId).map_err(|_| missing())?;
    let alert = shared.ask(move |desk| desk.alert(id)).await?.ok_or_else(missing)?;
    Ok(Json(views::alert(&alert, None)))
}
