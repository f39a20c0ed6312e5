//! What happened, in words for whoever runs the server or the client.

use rustls::CommonState;

/// What failed and what to do about it, for the log of whoever runs this side.
#[must_use]
pub fn explain(error: &rustls::Error) -> String {
    error.to_string()
}

/// What was agreed on, `TLS_SM4_GCM_SM3, curveSM2, resumed`; nothing before the end of the handshake.
#[must_use]
pub fn negotiated(state: &CommonState) -> Option<String> {
    use crate::gm::{CURVE_SM2, suite_name};
    use rustls::HandshakeKind;

    let suite = state.negotiated_cipher_suite()?.suite();
    let suite = suite_name(suite).map_or_else(|| format!("{suite:?}"), str::to_owned);
    let group = state.negotiated_key_exchange_group().map(|group| match group.name() {
        CURVE_SM2 => "curveSM2".to_owned(),
        group => format!("{group:?}"),
    });
    let kind = match state.handshake_kind()? {
        HandshakeKind::Resumed => Some("resumed".to_owned()),
        _ => None,
    };
    Some([Some(suite), group, kind].into_iter().flatten().collect::<Vec<_>>().join(", "))
}
