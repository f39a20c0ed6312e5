//! Two connections and whoever sits between them: records pass through the hands of the test, and no round is endless.

use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{AlertDescription, ClientConfig, ClientConnection, Error, ServerConfig, ServerConnection};

/// Rounds after which a handshake counts as hung.
const ROUNDS_MAX: usize = 30;
const ALERT: u8 = 21;

/// A record as it stands on the wire.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Record {
    pub(crate) kind: u8,
    pub(crate) version: u16,
    pub(crate) body: Vec<u8>,
}

impl Record {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let length = (self.body.len() as u16).to_be_bytes();
        [&[self.kind], &self.version.to_be_bytes()[..], &length, &self.body].concat()
    }
}

/// Splits what a side wrote into records.
pub(crate) fn records(mut bytes: &[u8]) -> Vec<Record> {
    let mut found = Vec::new();
    while let [kind, v1, v2, l1, l2, rest @ ..] = bytes {
        let (body, rest) = rest.split_at(usize::from(u16::from_be_bytes([*l1, *l2])));
        found.push(Record { kind: *kind, version: u16::from_be_bytes([*v1, *v2]), body: body.to_vec() });
        bytes = rest;
    }
    found
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Client,
    Server,
}

/// Both ends of a connection, what each said in the end, and everything that each put on the wire.
pub(crate) struct Wire {
    pub(crate) client: ClientConnection,
    pub(crate) server: ServerConnection,
    pub(crate) client_end: Result<(), Error>,
    pub(crate) server_end: Result<(), Error>,
    pub(crate) sent: Vec<(Side, Record)>,
}

impl Wire {
    pub(crate) fn new(client: &Arc<ClientConfig>, server: &Arc<ServerConfig>) -> Self {
        let name = ServerName::try_from("enclave.test").unwrap();
        Self {
            client: ClientConnection::new(client.clone(), name).unwrap(),
            server: ServerConnection::new(server.clone()).unwrap(),
            client_end: Ok(()),
            server_end: Ok(()),
            sent: Vec::new(),
        }
    }

    /// Carries records to and fro until nobody has more to say; `between` puts others in their place.
    pub(crate) fn run(&mut self, between: &mut dyn FnMut(Side, Record) -> Vec<Record>) {
        for _ in 0..ROUNDS_MAX {
            let moved = self.carry(Side::Client, between) | self.carry(Side::Server, between);
            if !moved {
                return;
            }
        }
        panic!("the connection does not come to rest");
    }

    /// Carries records as they are.
    pub(crate) fn run_untouched(&mut self) {
        self.run(&mut |_, record| vec![record]);
    }

    fn carry(&mut self, from: Side, between: &mut dyn FnMut(Side, Record) -> Vec<Record>) -> bool {
        let mut wire = Vec::new();
        match from {
            Side::Client => while self.client.wants_write() && self.client.write_tls(&mut wire).unwrap() > 0 {},
            Side::Server => while self.server.wants_write() && self.server.write_tls(&mut wire).unwrap() > 0 {},
        }
        let written = records(&wire);
        for record in &written {
            self.sent.push((from, record.clone()));
            for changed in between(from, record.clone()) {
                self.feed(from, &changed.bytes());
            }
        }
        !written.is_empty()
    }

    /// Gives bytes to the peer of `from`, unless that peer has hung up.
    pub(crate) fn feed(&mut self, from: Side, bytes: &[u8]) {
        let mut unread = bytes;
        while !unread.is_empty() {
            let end = match from {
                Side::Client if self.server_end.is_ok() => {
                    self.server.read_tls(&mut unread).unwrap();
                    self.server_end = self.server.process_new_packets().map(|_| ());
                    &self.server_end
                }
                Side::Server if self.client_end.is_ok() => {
                    self.client.read_tls(&mut unread).unwrap();
                    self.client_end = self.client.process_new_packets().map(|_| ());
                    &self.client_end
                }
                _ => return,
            };
            if end.is_err() {
                return;
            }
        }
    }

    /// Both ends agreed and may talk.
    pub(crate) fn is_open(&self) -> bool {
        let settled = self.client_end.is_ok() && self.server_end.is_ok();
        settled && !self.client.is_handshaking() && !self.server.is_handshaking()
    }

    /// The alert that `side` sent: read from the wire as long as nothing is encrypted, else as its peer read it.
    pub(crate) fn alert_of(&self, side: Side) -> Option<AlertDescription> {
        let plain = self.sent.iter().find(|(from, r)| *from == side && r.kind == ALERT && r.body.len() == 2);
        let peer = match side {
            Side::Client => &self.server_end,
            Side::Server => &self.client_end,
        };
        match (plain, peer) {
            (Some((_, record)), _) => Some(AlertDescription::from(record.body[1])),
            (None, Err(Error::AlertReceived(alert))) => Some(*alert),
            _ => None,
        }
    }

    pub(crate) fn end_of(&self, side: Side) -> &Result<(), Error> {
        match side {
            Side::Client => &self.client_end,
            Side::Server => &self.server_end,
        }
    }

    /// Everything that `side` has been told in confidence.
    pub(crate) fn plaintext_at(&mut self, side: Side) -> Vec<u8> {
        use std::io::Read;
        let mut told = Vec::new();
        // An end that hung up answers with an error once what it holds is read.
        let _ = match side {
            Side::Client => self.client.reader().read_to_end(&mut told),
            Side::Server => self.server.reader().read_to_end(&mut told),
        };
        told
    }
}
