//! `/v1/releases`: tables that left, in four formats.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use glovebox_api::{Page, ReleaseSummary};
use glovebox_audit::Receipt;
use glovebox_catalog::ReleaseId;
use glovebox_engine::ReleaseFormat;
use glovebox_gate::ReleaseDocument;

use crate::app::App;
use crate::input::{Asked, Paging, Place, Who};
use crate::problem::Failure;

const OFFERED: &str =
    "application/json, text/csv, application/vnd.apache.arrow.stream or application/vnd.apache.parquet";

/// Releases that the caller may see.
#[utoipa::path(get, path = "/v1/releases", tag = "releases", params(Paging),
    responses((status = 200, body = Page<ReleaseSummary>)))]
pub(crate) async fn list(
    State(app): State<App>,
    Who(caller): Who,
    Asked(paging): Asked<Paging>,
) -> Result<Json<Page<ReleaseSummary>>, Failure> {
    let page = paging.query()?;
    app.ask(&caller, move |engine, caller| engine.releases(caller, &page)).await.map(Json)
}

/// One release, in the format that `Accept` asks for; JSON when it does not matter.
#[utoipa::path(get, path = "/v1/releases/{id}", tag = "releases", params(("id" = ReleaseId, Path)),
    responses((status = 200, content((ReleaseDocument = "application/json"), (String = "text/csv"),
        (Vec<u8> = "application/vnd.apache.arrow.stream"), (Vec<u8> = "application/vnd.apache.parquet")))))]
pub(crate) async fn show(
    State(app): State<App>,
    Who(caller): Who,
    place: Place,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let id: ReleaseId = place.read("id")?;
    let (format, media_type) = negotiate(&headers)?;
    let bytes = app.ask(&caller, move |engine, caller| engine.release_bytes(caller, &id, format)).await?;
    let mut response = Response::new(Body::from(bytes));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept"));
    Ok(response)
}

/// The signed receipt of the job that made a release.
#[utoipa::path(get, path = "/v1/releases/{id}/receipt", tag = "releases", params(("id" = ReleaseId, Path)),
    responses((status = 200, body = Receipt)))]
pub(crate) async fn receipt(State(app): State<App>, Who(caller): Who, place: Place) -> Result<Json<Receipt>, Failure> {
    let id: ReleaseId = place.read("id")?;
    app.ask(&caller, move |engine, caller| engine.release_receipt(caller, &id)).await.map(Json)
}

/// The best format that `Accept` allows (RFC 9110, section 12.5.1); the first of equals.
fn negotiate(headers: &HeaderMap) -> Result<(ReleaseFormat, &'static str), Failure> {
    let formats = [
        (ReleaseFormat::Json, "application/json"),
        (ReleaseFormat::Csv, "text/csv"),
        (ReleaseFormat::Arrow, "application/vnd.apache.arrow.stream"),
        (ReleaseFormat::Parquet, "application/vnd.apache.parquet"),
    ];
    let accepts: Vec<&str> = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|v| v.split(','))
        .collect();
    let any = ["*/*"];
    let accepts = if accepts.is_empty() { &any[..] } else { &accepts };
    let mut best = None;
    for (format, media_type) in formats {
        let quality = accepts.iter().filter_map(|range| quality(range, media_type)).max();
        let quality = quality.map_or(0, |(_, quality)| quality);
        if quality > best.map_or(0, |(quality, _, _)| quality) {
            best = Some((quality, format, media_type));
        }
    }
    best.map(|(_, format, media_type)| (format, media_type)).ok_or(Failure::NotAcceptable { offered: OFFERED })
}

/// How specific `range` is about `media_type`, and its weight in thousandths; none when it does not cover it.
fn quality(range: &str, media_type: &str) -> Option<(u8, u16)> {
    let mut parts = range.split(';').map(str::trim);
    let name = parts.next()?;
    let (kind, _) = media_type.split_once('/')?;
    let specific = match name {
        name if name.eq_ignore_ascii_case(media_type) => 2,
        "*/*" => 0,
        name if name.strip_suffix("/*").is_some_and(|prefix| prefix.eq_ignore_ascii_case(kind)) => 1,
        _ => return None,
    };
    let weight = parts.find_map(|part| part.strip_prefix("q="));
    let weight = weight.map_or(Some(1.0), |text| text.parse::<f32>().ok()).filter(|q| (0.0..=1.0).contains(q))?;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // within 0 to 1000
    Some((specific, (weight * 1000.0) as u16))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(accept: Option<&'static str>) -> Option<&'static str> {
        let mut headers = HeaderMap::new();
        if let Some(accept) = accept {
            headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
        }
        negotiate(&headers).ok().map(|(_, media_type)| media_type)
    }

    #[test]
    fn accept_chooses_the_format() {
        assert_eq!(chosen(None), Some("application/json"));
        assert_eq!(chosen(Some("*/*")), Some("application/json"));
        assert_eq!(chosen(Some("text/csv")), Some("text/csv"));
        assert_eq!(
            chosen(Some("text/*;q=0.5, application/vnd.apache.parquet")),
            Some("application/vnd.apache.parquet")
        );
        assert_eq!(chosen(Some("application/json;q=0.1, text/csv;q=0.9")), Some("text/csv"));
        // The more specific range counts, though the other weighs more.
        assert_eq!(chosen(Some("*/*, application/json;q=0")), Some("text/csv"));
        assert_eq!(chosen(Some("image/png")), None);
        assert_eq!(chosen(Some("text/csv;q=0")), None);
        assert_eq!(chosen(Some("text/csv;q=2")), None);
    }
}
