//! The client under test.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use glovebox_tls::client_config;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use crate::enclave::{EXPORTER_LABEL, EXPORTER_LENGTH_BYTES, Handshake, in_words};
use crate::peer::PATIENCE;
use crate::zone::{SERVER_NAME, Side, credentials};

/// The configuration of the client of one side.
pub(crate) fn config_of(side: &Side) -> Arc<ClientConfig> {
    Arc::new(client_config(&credentials(&side.client), &side.authorities()).unwrap())
}

/// A connection after its handshake.
pub(crate) struct Call {
    pub(crate) handshake: Handshake,
    stream: StreamOwned<ClientConnection, TcpStream>,
}

impl Call {
    /// The fault in the operator's words.
    pub(crate) fn make(server: SocketAddr, config: &Arc<ClientConfig>) -> Result<Self, String> {
        Self::make_to(server, config, SERVER_NAME)
    }

    pub(crate) fn make_to(server: SocketAddr, config: &Arc<ClientConfig>, name: &str) -> Result<Self, String> {
        let mut socket = TcpStream::connect(server).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_nodelay(true).unwrap();
        let name = name.to_owned().try_into().unwrap();
        let mut connection = ClientConnection::new(Arc::clone(config), name).unwrap();
        while connection.is_handshaking() || connection.wants_write() {
            connection.complete_io(&mut socket).map_err(|fault| in_words(&fault))?;
        }
        let handshake = Handshake::of(&connection);
        Ok(Self { handshake, stream: StreamOwned::new(connection, socket) })
    }

    pub(crate) fn say(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.stream.write_all(bytes).and_then(|()| self.stream.flush()).map_err(|fault| in_words(&fault))
    }

    pub(crate) fn hear(&mut self, length: usize) -> Result<Vec<u8>, String> {
        let mut heard = vec![0; length];
        self.stream.read_exact(&mut heard).map_err(|fault| in_words(&fault))?;
        Ok(heard)
    }

    /// All until the peer's farewell. A connection without farewell is a fault.
    pub(crate) fn hear_all(&mut self) -> Result<Vec<u8>, String> {
        let mut heard = Vec::new();
        self.stream.read_to_end(&mut heard).map_err(|fault| in_words(&fault))?;
        Ok(heard)
    }

    pub(crate) fn update_keys(&mut self) {
        self.stream.conn.refresh_traffic_keys().unwrap();
    }

    pub(crate) fn exporter(&self) -> String {
        let key = [0; EXPORTER_LENGTH_BYTES];
        let key = self.stream.conn.export_keying_material(key, EXPORTER_LABEL.as_bytes(), None).unwrap();
        key.map(|byte| format!("{byte:02X}")).concat()
    }

    /// Says farewell.
    pub(crate) fn end(mut self) -> io::Result<()> {
        self.stream.conn.send_close_notify();
        self.stream.flush()
    }
}
