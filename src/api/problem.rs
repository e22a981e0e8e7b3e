//! Refusals of the API: RFC 9457 problem documents with a stable code, a Chinese and an English title, and a detail that
//! says what would be accepted. Which status belongs to which code stands here and nowhere else.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::borrow::Cow;

/// Why a request was refused. The word in JSON is stable: programs may depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// A query parameter that the resource does not know, or one given twice.
    UnknownParameter,
    /// A query parameter or header whose value can't be.
    BadParameter,
    /// A cursor that this server did not give out for this list.
    BadCursor,
    /// A body without a record.
    EmptyBody,
    /// No such path.
    UnknownPath,
    /// No alert or case by that id.
    NotFound,
    /// The path exists, not with that method.
    MethodNotAllowed,
    /// The body did not arrive in time.
    BodyTooSlow,
    /// The body is longer than is taken.
    BodyTooLarge,
    /// The body is of a type that is not taken.
    UnsupportedMediaType,
    /// The request is for another host than this one.
    WrongHost,
    /// The request was sent by a page of another origin.
    CrossOrigin,
    /// Screening is behind: the same request will do later.
    Busy,
    /// As many live streams are open as may be.
    TooManyStreams,
    /// As many requests are being worked on as may be.
    Overloaded,
    /// A part that the request needs is not there now; the detail says which.
    Unavailable,
}

impl Code {
    /// HTTP status, Chinese title, English title.
    const fn meaning(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::UnknownParameter => (StatusCode::BAD_REQUEST, "查询参数不认识", "Unknown query parameter"),
            Self::BadParameter => (StatusCode::BAD_REQUEST, "参数值不正确", "Bad value of a parameter"),
            Self::BadCursor => (StatusCode::BAD_REQUEST, "翻页游标不正确", "Bad cursor"),
            Self::EmptyBody => (StatusCode::BAD_REQUEST, "请求没有内容", "Empty body"),
            Self::UnknownPath => (StatusCode::NOT_FOUND, "没有这个地址", "No such path"),
            Self::NotFound => (StatusCode::NOT_FOUND, "没有找到", "Not found"),
            Self::MethodNotAllowed => (
                StatusCode::METHOD_NOT_ALLOWED,
                "此地址不支持该方法",
                "Method not allowed",
            ),
            Self::BodyTooSlow => (StatusCode::REQUEST_TIMEOUT, "请求内容发送太慢", "Body too slow"),
            Self::BodyTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "请求内容过大", "Body too large"),
            Self::UnsupportedMediaType => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "不支持的内容类型",
                "Unsupported media type",
            ),
            Self::WrongHost => (StatusCode::MISDIRECTED_REQUEST, "请求的主机名不对", "Wrong host"),
            Self::CrossOrigin => (
                StatusCode::FORBIDDEN,
                "拒绝来自其他网站的请求",
                "Cross-origin request refused",
            ),
            Self::Busy => (
                StatusCode::TOO_MANY_REQUESTS,
                "筛查繁忙，请稍后再试",
                "Screening is behind, try again later",
            ),
            Self::TooManyStreams => (StatusCode::TOO_MANY_REQUESTS, "实时连接过多", "Too many live streams"),
            Self::Overloaded => (
                StatusCode::SERVICE_UNAVAILABLE,
                "请求过多，请稍后再试",
                "Too many requests at once",
            ),
            Self::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "服务暂不可用", "Not available now"),
        }
    }
}

/// A refusal, ready to be answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    code: Code,
    detail: Cow<'static, str>,
    retry_after_s: Option<u64>,
}

#[derive(Serialize)]
struct Body<'a> {
    r#type: String,
    code: Code,
    status: u16,
    title_zh: &'static str,
    title: &'static str,
    detail: &'a str,
}

impl Problem {
    /// A refusal; `detail` says what would be accepted. Never personal data, never more of the request than a name.
    pub fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            detail: detail.into(),
            retry_after_s: None,
        }
    }

    /// Why.
    #[cfg(test)]
    pub const fn code(&self) -> Code {
        self.code
    }

    /// Says after how many seconds the same request may do.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, title_zh, title) = self.code.meaning();
        let code = serde_json::to_value(self.code).ok();
        let name = code.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default();
        let body = Body {
            r#type: format!("urn:jingyou:problem:{name}"),
            code: self.code,
            status: status.as_u16(),
            title_zh,
            title,
            detail: &self.detail,
        };
        let mut response = (status, serde_json::to_string(&body).unwrap_or_default()).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json; charset=utf-8"),
        );
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::REQUEST_TIMEOUT || status == StatusCode::PAYLOAD_TOO_LARGE {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}
