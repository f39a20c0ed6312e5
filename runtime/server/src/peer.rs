//! The other end of a connection: whom its certificate names, and whether that certificate still holds.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

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
    /// When that was, in seconds since the Unix epoch.
    checked_unix_s: AtomicU64,
}

impl Peer {
    /// The peer of a connection that was accepted under `set`. None when the certificate's subject can't be read.
    pub(crate) fn new(chain: &[CertificateDer<'_>], address: IpAddr, set: &TrustSet) -> Option<Arc<Self>> {
        let identity = Identity::from_der(chain.first()?).ok()?;
        let chain = chain.iter().map(|certificate| certificate.clone().into_owned()).collect();
        let (generation, checked_unix_s) =
            (AtomicU64::new(set.generation), AtomicU64::new(set.time.since_epoch().as_secs()));
        Some(Arc::new(Self { identity, address, suites: set.suites, chain, generation, checked_unix_s }))
    }

    /// Whether the certificate holds now: not expired, not revoked by a list that came after the handshake, and not
    /// under a list that has ended since, which would say nothing about today. The chain is checked whenever the files
    /// changed, and otherwise once a second at most: terms end without any file changing.
    ///
    /// # Errors
    /// [`Failure::Certificate`] once it does not.
    pub(crate) fn check(&self, trust: &Trust) -> Result<(), Failure> {
        let set = trust.of(self.suites).ok_or(Failure::Certificate)?;
        let now = set.time.since_epoch();
        if i64::try_from(now.as_millis()).unwrap_or(i64::MAX) > self.identity.not_after_unix_ms {
            return Err(Failure::Certificate);
        }
        let is_of_this_state = self.generation.load(Ordering::Acquire) == set.generation;
        let is_of_this_second = self.checked_unix_s.load(Ordering::Acquire) == now.as_secs();
        if !is_of_this_state || !is_of_this_second {
            set.check(&self.chain).map_err(|_| Failure::Certificate)?;
            self.checked_unix_s.store(now.as_secs(), Ordering::Release);
            self.generation.store(set.generation, Ordering::Release);
        }
        Ok(())
    }
}
