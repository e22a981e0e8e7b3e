//! The live page: three files, written by hand, that stand alone until the console takes their place.

use super::params::Params;
use super::problem::Problem;
use axum::Router;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;
use std::future::ready;

const HTML: (&str, &str) = ("text/html; charset=utf-8", include_str!("live.html"));
const CSS: (&str, &str) = ("text/css; charset=utf-8", include_str!("live.css"));
const JS: (&str, &str) = ("text/javascript; charset=utf-8", include_str!("live.js"));

/// `GET /`, `/live`, and the files that the page asks for.
pub fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/", get(|params| ready(file(HTML, params))))
        .route("/live", get(|params| ready(file(HTML, params))))
        .route("/live.css", get(|params| ready(file(CSS, params))))
        .route("/live.js", get(|params| ready(file(JS, params))))
}

fn file((kind, text): (&'static str, &'static str), params: Params) -> Result<impl IntoResponse + use<>, Problem> {
    params.only(&[])?;
    Ok(([(header::CONTENT_TYPE, kind)], text))
}
