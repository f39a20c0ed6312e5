//! Who gets in: certificates and the principals that they name.

use std::time::{Duration, Instant};

use glovebox_api::Decision;
use glovebox_catalog::PrincipalId;
use glovebox_client::ClientError;
use glovebox_gm::pki::Kind;

use super::zone::Zone;

#[tokio::test(flavor = "multi_thread")]
async fn only_valid_certificates_of_people_on_file_get_in() {
    let zone = Zone::start().await;
    let who = zone.client("developer").whoami().await.unwrap();
    assert_eq!((who.principal.as_str(), who.organisation.as_str()), ("developer", "company-c"));

    let nobody = zone.raw(None).get(zone.url("/v1/whoami")).send().await;
    assert!(nobody.is_err(), "{nobody:?}");
    let expired = zone.issue("developer", "company-c", &["developer"], Kind::Client, 20, 10);
    let error = zone.client_with(&expired).whoami().await.unwrap_err();
    assert!(matches!(error, ClientError::Connection { .. }), "{error}");
    let server = zone.issue("developer", "company-c", &["developer"], Kind::Server { names: vec!["x".into()] }, 1, 10);
    assert!(matches!(zone.client_with(&server).whoami().await, Err(ClientError::Connection { .. })));

    for (common_name, organisation, role, code) in [
        ("stranger", "company-c", "developer", "policy.unknown-principal"),
        ("Not An Id", "company-c", "developer", "policy.unknown-principal"),
        ("developer", "hospital-a", "developer", "policy.organisation-mismatch"),
        ("developer", "company-c", "supplier", "policy.no-role"),
    ] {
        let issued = zone.issue(common_name, organisation, &[role], Kind::Client, 1, 30);
        for path in ["/v1/whoami", "/v1/openapi.json", "/v1/no-such-route"] {
            let answer = zone.raw(Some(&issued)).get(zone.url(path)).send().await.unwrap();
            assert_eq!(answer.status(), 403, "{common_name} {path}");
            let problem: glovebox_api::Problem = answer.json().await.unwrap();
            assert_eq!(problem.code, code, "{common_name} {organisation} {role}");
        }
    }
}

/// Refused on the open connection, or, when the client has just opened another, in its handshake.
fn is_revoked(error: &ClientError) -> bool {
    error.code() == Some("connect.certificate-no-longer-valid")
        || (matches!(error, ClientError::Connection { .. }) && error.to_string().contains("CertificateRevoked"))
}

#[tokio::test(flavor = "multi_thread")]
async fn revocation_and_deactivation_bite_on_open_connections() {
    let zone = Zone::start().await;
    let certificate = zone.certificate("operator");
    let operator = zone.client_with(&certificate);
    operator.whoami().await.unwrap();
    let mut watching = operator.watch_meters();
    watching.next().await.unwrap().unwrap();

    zone.revoke(&[&certificate], 2);
    let start = Instant::now();
    let error = loop {
        match operator.whoami().await {
            Ok(_) => assert!(start.elapsed() < Duration::from_secs(5), "still in"),
            Err(error) => break error,
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert!(is_revoked(&error), "{error}");
    // A new connection does not get through the handshake.
    let again = zone.client_with(&certificate).whoami().await;
    assert!(matches!(again, Err(ClientError::Connection { .. })), "{again:?}");

    let developer = zone.client("developer");
    developer.whoami().await.unwrap();
    let id = PrincipalId::new("developer").unwrap();
    let why = Decision { comment: "left".into() };
    assert!(!zone.client("officer").deactivate_principal(&id, &why).await.unwrap().active);
    assert_eq!(developer.whoami().await.unwrap_err().code(), Some("policy.principal-inactive"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_stream_ends_with_the_standing_of_its_caller() {
    let limits = glovebox_server::Limits { keep_alive_interval: Duration::from_millis(200), ..Default::default() };
    let zone = Zone::start_with(limits, |_| {}).await;
    let certificate = zone.certificate("operator");
    let mut watching = zone.client_with(&certificate).watch_meters();
    watching.next().await.unwrap().unwrap();
    zone.revoke(&[&certificate], 2);
    let ended = tokio::time::timeout(Duration::from_secs(10), async {
        loop {
            match watching.next().await {
                Some(Ok(_)) => {}
                other => break other,
            }
        }
    });
    match ended.await.unwrap() {
        Some(Err(error)) => assert!(is_revoked(&error), "{error}"),
        other => panic!("{other:?}"),
    }
}
