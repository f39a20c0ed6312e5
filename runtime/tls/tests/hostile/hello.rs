//! The two hellos as fields, so that a test changes one and leaves the rest as a real peer wrote it.

use super::wire::Record;

pub(crate) const KEY_SHARE: u16 = 51;
pub(crate) const SUPPORTED_VERSIONS: u16 = 43;
pub(crate) const SUPPORTED_GROUPS: u16 = 10;
pub(crate) const SIGNATURE_ALGORITHMS: u16 = 13;
pub(crate) const PRE_SHARED_KEY: u16 = 41;
pub(crate) const EARLY_DATA: u16 = 42;
pub(crate) const COOKIE: u16 = 44;

pub(crate) const TLS_SM4_GCM_SM3: u16 = 0x00c6;
pub(crate) const TLS_AES_128_GCM_SHA256: u16 = 0x1301;
pub(crate) const CURVE_SM2: u16 = 41;
pub(crate) const X25519: u16 = 29;
pub(crate) const SECP256R1: u16 = 23;
pub(crate) const ECDSA_SECP256R1_SHA256: u16 = 0x0403;

const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;
const HANDSHAKE: u8 = 22;

/// What both hellos have. A ServerHello has one suite, and one compression method without a length before it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Hello {
    pub(crate) is_client: bool,
    pub(crate) version: u16,
    pub(crate) random: [u8; 32],
    pub(crate) session_id: Vec<u8>,
    pub(crate) suites: Vec<u16>,
    pub(crate) compression: Vec<u8>,
    pub(crate) extensions: Vec<(u16, Vec<u8>)>,
}

impl Hello {
    /// Reads the first handshake message of a record.
    pub(crate) fn read(record: &Record) -> Option<Self> {
        let kind = *record.body.first()?;
        if record.kind != HANDSHAKE || ![CLIENT_HELLO, SERVER_HELLO].contains(&kind) {
            return None;
        }
        let is_client = kind == CLIENT_HELLO;
        let mut rest = &record.body[4..];
        let version = take_u16(&mut rest);
        let random = take(&mut rest, 32).try_into().unwrap();
        let session_id = take_vec8(&mut rest);
        let suites = if is_client { u16s(&take_vec16(&mut rest)) } else { vec![take_u16(&mut rest)] };
        let compression = if is_client { take_vec8(&mut rest) } else { take(&mut rest, 1).to_vec() };
        let mut extensions = Vec::new();
        let block = take_vec16(&mut rest);
        let mut block = &block[..];
        while !block.is_empty() {
            let kind = take_u16(&mut block);
            extensions.push((kind, take_vec16(&mut block)));
        }
        Some(Self { is_client, version, random, session_id, suites, compression, extensions })
    }

    /// The handshake message in a record of its own.
    pub(crate) fn record(&self) -> Record {
        Record { kind: HANDSHAKE, version: 0x0303, body: self.message() }
    }

    /// The handshake message.
    pub(crate) fn message(&self) -> Vec<u8> {
        let mut body = self.version.to_be_bytes().to_vec();
        body.extend(self.random);
        body.extend(vec8(&self.session_id));
        let suites = from_u16s(&self.suites);
        if self.is_client {
            body.extend(vec16(&suites));
            body.extend(vec8(&self.compression));
        } else {
            body.extend(suites);
            body.extend(&self.compression);
        }
        let block: Vec<u8> =
            self.extensions.iter().flat_map(|(kind, body)| [&kind.to_be_bytes()[..], &vec16(body)].concat()).collect();
        body.extend(vec16(&block));
        handshake(if self.is_client { CLIENT_HELLO } else { SERVER_HELLO }, &body)
    }

    pub(crate) fn extension(&mut self, kind: u16) -> &mut Vec<u8> {
        &mut self.extensions.iter_mut().find(|(found, _)| *found == kind).expect("the extension is there").1
    }

    /// Puts `body` in the place of the extension, or adds it as the last one.
    pub(crate) fn set(&mut self, kind: u16, body: Vec<u8>) {
        match self.extensions.iter_mut().find(|(found, _)| *found == kind) {
            Some((_, old)) => *old = body,
            None => self.extensions.push((kind, body)),
        }
    }

    pub(crate) fn remove(&mut self, kind: u16) {
        self.extensions.retain(|(found, _)| *found != kind);
    }

    /// Offers these groups, with these shares.
    pub(crate) fn offer_groups(&mut self, groups: &[u16], shares: &[(u16, Vec<u8>)]) {
        self.set(SUPPORTED_GROUPS, vec16(&from_u16s(groups)));
        let shares: Vec<u8> = shares.iter().flat_map(|(group, share)| key_share(*group, share)).collect();
        self.set(KEY_SHARE, vec16(&shares));
    }

    /// Offers these signatures.
    pub(crate) fn offer_signatures(&mut self, schemes: &[u16]) {
        self.set(SIGNATURE_ALGORITHMS, vec16(&from_u16s(schemes)));
    }
}

/// One entry of a key share extension.
pub(crate) fn key_share(group: u16, share: &[u8]) -> Vec<u8> {
    [&group.to_be_bytes()[..], &vec16(share)].concat()
}

/// A handshake message of this kind.
pub(crate) fn handshake(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind], &(body.len() as u32).to_be_bytes()[1..], body].concat()
}

pub(crate) fn vec8(bytes: &[u8]) -> Vec<u8> {
    [&[bytes.len() as u8], bytes].concat()
}

pub(crate) fn vec16(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u16).to_be_bytes()[..], bytes].concat()
}

pub(crate) fn from_u16s(values: &[u16]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_be_bytes()).collect()
}

fn u16s(bytes: &[u8]) -> Vec<u16> {
    bytes.chunks(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect()
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> &'a [u8] {
    let (head, tail) = rest.split_at(length);
    *rest = tail;
    head
}

fn take_u16(rest: &mut &[u8]) -> u16 {
    u16::from_be_bytes(take(rest, 2).try_into().unwrap())
}

fn take_vec8(rest: &mut &[u8]) -> Vec<u8> {
    let length = take(rest, 1)[0];
    take(rest, usize::from(length)).to_vec()
}

fn take_vec16(rest: &mut &[u8]) -> Vec<u8> {
    let length = take_u16(rest);
    take(rest, usize::from(length)).to_vec()
}

/// Points as an attacker sends them: off the curve to learn the key bit by bit, or odd to see what the parser does.
pub(crate) fn points(good: &[u8], of_other_curve: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let (x, y) = good[1..].split_at(32);
    let with = |start: &[u8], x: &[u8], y: &[u8]| [start, x, y].concat();
    let off = |at: usize| {
        let mut point = good.to_vec();
        point[at] ^= 1;
        point
    };
    vec![
        ("y off by one bit", off(64)),
        ("x off by one bit", off(32)),
        ("of another curve", of_other_curve.to_vec()),
        ("at infinity", vec![0]),
        ("at infinity, in full", vec![0; 65]),
        ("at the origin", with(&[4], &[0; 32], &[0; 32])),
        ("past the field", with(&[4], &[0xff; 32], y)),
        ("compressed", with(&[2 + (y[31] & 1)], x, &[])),
        ("hybrid", with(&[6 + (y[31] & 1)], x, y)),
        ("without its form", with(&[], x, y)),
        ("with another form", with(&[5], x, y)),
        ("a byte short", good[..64].to_vec()),
        ("a byte long", with(good, &[0], &[])),
        ("of one byte", vec![4]),
        ("of 16 KiB", vec![4; 16_000]),
    ]
}

/// The base points (GB/T 32918.5, section 2; SEC 2, section 2.4.2): good ones, each on its own curve alone.
pub(crate) const SM2_BASE: &str = "0432c4ae2c1f1981195f9904466a39c9948fe30bbff2660be1715a4589334c74c7\
                        bc3736a2f4f6779c59bdcee36b692153d0a9877cc62a474002df32e52139f0a0";
pub(crate) const P256_BASE: &str = "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296\
                         4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5";

pub(crate) fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}
