//! What handlers take: the caller, parameters of path and query, and bodies within their bounds.

use std::str::FromStr;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Query, RawPathParams, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use bytes::Bytes;
use glovebox_api::Page;
use glovebox_catalog::text::visible;
use glovebox_engine::{Caller, PageQuery};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::app::App;
use crate::idempotency::Once;
use crate::problem::Failure;

/// Longest part of a parser's text that is told.
const DETAIL_LENGTH_MAX: usize = 300;

/// The caller, found before the handler by `app::identify`.
pub(crate) struct Who(pub(crate) Caller);

impl<S: Send + Sync> FromRequestParts<S> for Who {
    type Rejection = Failure;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        let caller = parts.extensions.get::<Caller>().cloned();
        caller.map(Self).ok_or_else(|| Failure::Internal("a handler ran without a caller".into()))
    }
}

/// Parameters of the path.
pub(crate) struct Place(Vec<(String, String)>);

impl Place {
    /// The parameter called `name`.
    pub(crate) fn read<T: FromStr>(&self, name: &'static str) -> Result<T, Failure>
    where
        T::Err: std::fmt::Display,
    {
        let found = self.0.iter().find(|(key, _)| key == name);
        let (_, text) = found.ok_or_else(|| Failure::Internal(format!("the route has no parameter `{name}`")))?;
        text.parse().map_err(|error: T::Err| Failure::BadParameter { name, expected: error.to_string() })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Place {
    type Rejection = Failure;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let parameters = RawPathParams::from_request_parts(parts, state)
            .await
            .map_err(|_| Failure::BadParameter { name: "path", expected: "percent-encoded UTF-8".into() })?;
        Ok(Self(parameters.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()))
    }
}

/// Parameters of the query, each known to the route.
pub(crate) struct Asked<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Failure;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(asked)) => Ok(Self(asked)),
            Err(rejection) => {
                let expected = std::error::Error::source(&rejection).map_or_else(String::new, ToString::to_string);
                Err(Failure::BadParameter { name: "query", expected: short(&expected) })
            }
        }
    }
}

/// Which page of a list.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Paging {
    /// `next_cursor` of the page before; absent for the first.
    cursor: Option<String>,
    /// Items on a page, 1 to 500; 50 when absent.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
}

impl Paging {
    /// The query as the engine takes it.
    pub(crate) fn query(self) -> Result<PageQuery, Failure> {
        page_query(self.cursor, self.limit)
    }

    /// Cuts the page out of a list that is short enough to be had whole. `key` is unique.
    pub(crate) fn cut<T>(self, mut items: Vec<T>, key: impl Fn(&T) -> String) -> Result<Page<T>, Failure> {
        let PageQuery { cursor, limit } = self.query()?;
        items.sort_by_cached_key(&key);
        let mut rest = items.into_iter().filter(|item| cursor.as_ref().is_none_or(|cursor| key(item) > *cursor));
        let items: Vec<T> = rest.by_ref().take(usize::try_from(limit).unwrap_or(usize::MAX)).collect();
        let next_cursor = if rest.next().is_some() { items.last().map(&key) } else { None };
        Ok(Page { items, next_cursor })
    }
}

/// A cursor and a limit as the engine takes them.
pub(crate) fn page_query(cursor: Option<String>, limit: Option<u32>) -> Result<PageQuery, Failure> {
    let limit = limit.unwrap_or_else(|| PageQuery::default().limit);
    if !(1..=500).contains(&limit) {
        return Err(Failure::BadParameter { name: "limit", expected: "a number from 1 to 500".into() });
    }
    Ok(PageQuery { cursor, limit })
}

/// The JSON body of a write, with its idempotency key. An empty body stands for `{}`.
pub(crate) struct Write<T> {
    pub(crate) body: T,
    pub(crate) once: Option<Once>,
}

/// The body of a write that needs none.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

impl<T: DeserializeOwned> FromRequest<App> for Write<T> {
    type Rejection = Failure;
    async fn from_request(request: Request, app: &App) -> Result<Self, Failure> {
        let (parts, body) = request.into_parts();
        let bytes = collect(body, app.limits.json_max_bytes, app.limits.body_timeout).await?;
        if !bytes.is_empty() && content_type(&parts.headers) != Some("application/json") {
            return Err(Failure::UnsupportedMediaType { expected: "application/json" });
        }
        let once = Once::read(&parts.headers, &[parts.method.as_str().as_bytes(), target(&parts), &bytes])?;
        let json: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
        let body = serde_json::from_slice(json).map_err(|error| Failure::MalformedJson(short(&error.to_string())))?;
        Ok(Self { body, once })
    }
}

/// The body of a submitted module, with its idempotency key.
pub(crate) struct ModuleBody {
    pub(crate) bytes: Bytes,
    pub(crate) once: Option<Once>,
}

impl FromRequest<App> for ModuleBody {
    type Rejection = Failure;
    async fn from_request(request: Request, app: &App) -> Result<Self, Failure> {
        let (parts, body) = request.into_parts();
        if content_type(&parts.headers) != Some("application/wasm") {
            return Err(Failure::UnsupportedMediaType { expected: "application/wasm" });
        }
        let bytes = collect(body, app.limits.module_max_bytes, app.limits.body_timeout).await?;
        let once = Once::read(&parts.headers, &[parts.method.as_str().as_bytes(), target(&parts), &bytes])?;
        Ok(Self { bytes, once })
    }
}

/// Path and query, as sent.
pub(crate) fn target(parts: &Parts) -> &[u8] {
    parts.uri.path_and_query().map_or(b"", |target| target.as_str().as_bytes())
}

/// The media type of a body, without parameters such as a charset.
pub(crate) fn content_type(headers: &HeaderMap) -> Option<&str> {
    let text = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    Some(text.split(';').next().unwrap_or(text).trim())
}

async fn collect(body: Body, limit_bytes: usize, timeout: Duration) -> Result<Bytes, Failure> {
    let too_large = || Failure::TooLarge { limit_bytes: u64::try_from(limit_bytes).unwrap_or(u64::MAX) };
    // A length that is declared too large is refused before a byte of it is read.
    if hyper::body::Body::size_hint(&body).lower() > u64::try_from(limit_bytes).unwrap_or(u64::MAX) {
        return Err(too_large());
    }
    match tokio::time::timeout(timeout, Limited::new(body, limit_bytes).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) | Err(_) => Err(Failure::IncompleteBody),
    }
}

/// A parser's text may quote what the caller sent: shown is what can do no harm where it is read.
fn short(text: &str) -> String {
    visible(text).chars().take(DETAIL_LENGTH_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_cover_a_list_once() {
        let mut seen = Vec::new();
        let mut cursor = None;
        loop {
            let paging = Paging { cursor, limit: Some(2) };
            let page = paging.cut(vec!["c", "a", "e", "b", "d"], |item| (*item).to_owned()).unwrap();
            seen.extend(page.items);
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(seen, ["a", "b", "c", "d", "e"]);
    }

    #[test]
    fn limits_of_pages_are_held() {
        for limit in [0, 501, u32::MAX] {
            let paging = Paging { cursor: None, limit: Some(limit) };
            assert!(matches!(paging.query(), Err(Failure::BadParameter { name: "limit", .. })));
        }
        assert_eq!(Paging::default().query().unwrap().limit, 50);
    }

    #[test]
    fn media_types_are_read_without_parameters() {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, "text/csv; charset=utf-8".parse().unwrap());
        assert_eq!(content_type(&headers), Some("text/csv"));
    }
}
