//! `GET /api/v1/cases` and `/api/v1/cases/{id}`: the list, and one case with its alerts and its timeline from the journal.

use super::Shared;
use super::params::Params;
use super::problem::{Code, Problem};
use super::views;
use crate::case::{CaseQuery, State as CaseState};
use axum::extract::{Path, State};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

/// `GET /api/v1/cases`, `/api/v1/cases/{id}`.
pub fn router() -> Router<Shared> {
    Router::new()
        .route("/api/v1/cases", get(list))
        .route("/api/v1/cases/{id}", get(one))
}

const FILTERS: [&str; 7] = ["state", "color", "category", "region", "open", "limit", "cursor"];

async fn list(State(shared): State<Shared>, params: Params) -> Result<Json<Value>, Problem> {
    let params = params.only(&FILTERS)?;
    let states = CaseState::ALL.map(CaseState::as_str).join(", ");
    let query = CaseQuery {
        state: params.parsed("state", &states, CaseState::parse)?,
        color: params.color()?,
        category: params.category()?,
        region_prefix: params.region()?,
        open_only: params.open()?,
        limit: Some(params.limit()?),
        after: params.text("cursor").map(str::to_owned),
        ..CaseQuery::default()
    };
    let page = shared.ask(move |desk| desk.cases(&query)).await?;
    let cases: Vec<Value> = page.items.iter().map(views::case).collect();
    Ok(Json(json!({ "cases": cases, "next_cursor": page.next })))
}

async fn one(State(shared): State<Shared>, Path(id): Path<String>, params: Params) -> Result<Json<Value>, Problem> {
    params.only(&[])?;
    let missing = || Problem::new(Code::NotFound, "no case has this id; ids are listed by /api/v1/cases");
    let found = shared.ask(move |desk| desk.case(&id)).await?.ok_or_else(missing)?;
    Ok(Json(json!({
        "case": views::case(&found.case),
        "alerts": found.alerts.iter().map(|alert| views::alert(alert, None)).collect::<Vec<_>>(),
        "timeline": found.timeline.iter().map(views::entry).collect::<Vec<_>>(),
    })))
}
