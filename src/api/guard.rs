//! What every request passes before it meets a resource, and every answer on its way out. Until there are accounts, the
//! API trusts whoever is on this machine, but not the web pages in that person's browser: a page elsewhere must neither
//! read from it (DNS rebinding) nor drive it (cross-site requests).

use super::problem::{Code, Problem};
use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Requests being worked on at once; live streams count only until they have begun.
pub const REQUESTS_AT_ONCE_MAX: usize = 256;

/// For the page: its own three files, its own API, and nothing from anywhere else.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Names by which a loopback server may be called.
const LOCAL_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// Whom this server answers: requests for a loopback name and its own port.
#[derive(Clone, Debug)]
pub struct Guard {
    port: u16,
    places: Arc<Semaphore>,
}

impl Guard {
    /// A guard for a server that listens on `port`.
    pub fn new(port: u16) -> Self {
        Self {
            port,
            places: Arc::new(Semaphore::new(REQUESTS_AT_ONCE_MAX)),
        }
    }

    /// The refusal of a request by its target and headers, if it is one to refuse.
    fn refusal(&self, uri: &Uri, headers: &HeaderMap) -> Option<Problem> {
        let mut hosts = headers.get_all(header::HOST).iter();
        let (host, second) = (hosts.next().and_then(|host| host.to_str().ok()), hosts.next());
        let authority = uri.authority().map(Authority::as_str);
        let right = host.is_some_and(|host| self.is_own(host)) && authority.is_none_or(|host| self.is_own(host));
        if !right || second.is_some() {
            let detail = format!(
                "this server answers for localhost:{0}, 127.0.0.1:{0} and [::1]:{0}",
                self.port
            );
            return Some(Problem::new(Code::WrongHost, detail));
        }
        let origin_is_own = match headers.get(header::ORIGIN).map(HeaderValue::to_str) {
            None => true,
            Some(Ok(origin)) => origin
                .strip_prefix("http://")
                .is_some_and(|origin| Some(origin) == host),
            Some(Err(_)) => false,
        };
        let site = headers.get("sec-fetch-site").and_then(|site| site.to_str().ok());
        let navigation = headers.get("sec-fetch-mode").is_some_and(|mode| mode == "navigate");
        let from_elsewhere = matches!(site, Some("cross-site" | "same-site")) && !navigation;
        (!origin_is_own || from_elsewhere).then(|| {
            Problem::new(
                Code::CrossOrigin,
                "only pages of this server itself may send requests to it",
            )
        })
    }

    fn is_own(&self, host: &str) -> bool {
        let (name, port) = match host.rsplit_once(':') {
            Some((name, port)) if !port.ends_with(']') => (name, port.parse().ok()),
            _ => (host, Some(80)),
        };
        port == Some(self.port) && LOCAL_NAMES.iter().any(|local| name.eq_ignore_ascii_case(local))
    }
}

/// The middleware: refuse, or let through with the answer's headers made safe.
pub async fn check(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let mut response = match guard.refusal(request.uri(), request.headers()) {
        Some(problem) => problem.into_response(),
        None => match guard.places.try_acquire() {
            Ok(_place) => next.run(request).await,
            Err(_) => Problem::new(
                Code::Overloaded,
                format!("at most {REQUESTS_AT_ONCE_MAX} requests at once"),
            )
            .retry_after(1)
            .into_response(),
        },
    };
    let safe: [(HeaderName, &str); 7] = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ];
    for (name, value) in safe {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(headers: &[(&'static str, &'static str)]) -> Option<Code> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_static(value));
        }
        Guard::new(8686)
            .refusal(&Uri::from_static("/api/v1/alerts"), &map)
            .map(|problem| problem.code())
    }

    #[test]
    fn only_loopback_names_with_the_port_are_answered() {
        for host in ["localhost:8686", "127.0.0.1:8686", "[::1]:8686", "LOCALHOST:8686"] {
            assert_eq!(refused(&[("host", host)]), None, "{host}");
        }
        for host in [
            "localhost",
            "localhost:80",
            "evil.example:8686",
            "127.0.0.1.evil.example:8686",
            "[::1]",
            "",
            ":8686",
        ] {
            assert_eq!(refused(&[("host", host)]), Some(Code::WrongHost), "{host}");
        }
        assert_eq!(refused(&[]), Some(Code::WrongHost));
        assert_eq!(
            refused(&[("host", "localhost:8686"), ("host", "evil.example")]),
            Some(Code::WrongHost)
        );
    }

    #[test]
    fn other_origins_are_refused() {
        let host = ("host", "localhost:8686");
        assert_eq!(refused(&[host, ("origin", "http://localhost:8686")]), None);
        for origin in [
            "http://evil.example",
            "https://localhost:8686",
            "http://localhost:3000",
            "null",
            "http://127.0.0.1:8686",
        ] {
            assert_eq!(
                refused(&[host, ("origin", origin)]),
                Some(Code::CrossOrigin),
                "{origin}"
            );
        }
        assert_eq!(refused(&[host, ("sec-fetch-site", "same-origin")]), None);
        assert_eq!(refused(&[host, ("sec-fetch-site", "none")]), None);
        assert_eq!(
            refused(&[host, ("sec-fetch-site", "cross-site")]),
            Some(Code::CrossOrigin)
        );
        assert_eq!(
            refused(&[host, ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")]),
            None
        );
    }
}
