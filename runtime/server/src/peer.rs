//! The other end of a connection: whom its certificate names, and whether that certificate still holds.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use glovebox_gm::pki::Identity;
use glovebox_tls::Suites;
use rustls_pki_types::CertificateDer;

use crate::problem::Failure;
use crate::tls::{Trust, TrustSet};

/// A peer that passed the handshake. One for each connection, shared by its requests.
#[derive(Debug)]
pub(crate) struct Peer {
    /// Whom the certificate names.
    pub(crate) identity: Identity,
    /// From where.
    pub(crate) address: IpAddr,
    /// What it speaks.
    pub(crate) suites: Suites,
    chain: Vec<CertificateDer<'static>>,
    /// The newest state of the set's files that the chain was checked against.
    generation: AtomicU64,
}

impl Peer {
    /// The peer of a connection that was accepted under `set`. None when the certificate's subject can't be read.
    pub(crate) fn new(chain: &[CertificateDer<'_>], address: IpAddr, set: &TrustSet) -> Option<Arc<Self>> {
        let identity = Identity::from_der(chain.first()?).ok()?;
        let chain = chain.iter().map(|certificate| certificate.clone().into_owned()).collect();
        let generation = AtomicU64::new(set.generation);
        Some(Arc::new(Self { identity, address, suites: set.suites, chain, generation }))
    }

    /// Whether the certificate holds now: not expired, and not revoked by a list that came after the handshake.
    ///
    /// # Errors
    /// [`Failure::Certificate`] once it does not.
    pub(crate) fn check(&self, trust: &Trust) -> Result<(), Failure> {
        let now_unix_ms = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .ok()
            .and_then(|since| i64::try_from(since.as_millis()).ok())
            .unwrap_or(i64::MAX);
        if now_unix_ms > self.identity.not_after_unix_ms {
            return Err(Failure::Certificate);
        }
        let set = trust.of(self.suites).ok_or(Failure::Certificate)?;
        if self.generation.load(Ordering::Acquire) != set.generation {
            set.check(&self.chain).map_err(|_| Failure::Certificate)?;
            self.generation.store(set.generation, Ordering::Release);
        }
        Ok(())
    }
}
