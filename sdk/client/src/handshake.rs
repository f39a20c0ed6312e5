//! One handshake by itself, to see what a connection is protected by.

use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::call::CONNECT_TIMEOUT;
use crate::{Client, ClientError};

impl Client {
    /// Connects, and says what was agreed on: cipher suite and group, e.g. `TLS_SM4_GCM_SM3, curveSM2`. The connection is
    /// closed again; calls use their own.
    ///
    /// # Errors
    /// [`ClientError::Connection`].
    pub async fn handshake(&self) -> Result<String, ClientError> {
        let broken = |detail: String| ClientError::Connection { detail, remedy: None };
        let host = self.server.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let port = self.server.port_or_known_default().unwrap_or(443);
        let name = ServerName::try_from(host.clone()).map_err(|error| broken(error.to_string()))?;
        let connector = TlsConnector::from(self.tls.config.clone());
        let shake_hands = async {
            let stream = TcpStream::connect((host.as_str(), port)).await?;
            connector.connect(name, stream).await
        };
        let stream = tokio::time::timeout(CONNECT_TIMEOUT, shake_hands)
            .await
            .map_err(|_| broken(format!("no TLS handshake within {} s", CONNECT_TIMEOUT.as_secs())))?
            .map_err(|error| ClientError::of_transport(&error, self.tls.suites))?;
        glovebox_tls::negotiated(stream.get_ref().1).ok_or_else(|| broken("the handshake did not end".to_owned()))
    }
}
