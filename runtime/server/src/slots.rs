//! Room for served connections: in all, by network address, and by whom the certificate names.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use glovebox_gm::pki::Identity;

use crate::config::Limits;

/// Who shares one part of the room.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Share {
    All,
    Network(IpAddr),
    Principal { organisation: String, common_name: String },
}

/// The room. Cheap to clone; all clones are the same room.
#[derive(Clone)]
pub(crate) struct Slots {
    taken: Arc<Mutex<HashMap<Share, usize>>>,
    all_max: usize,
    of_network_max: usize,
    of_principal_max: usize,
}

/// Room that one connection takes, given back when it ends.
pub(crate) struct Slot {
    slots: Slots,
    shares: Vec<Share>,
}

impl Slots {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            taken: Arc::default(),
            all_max: limits.connections_max,
            of_network_max: limits.connections_per_address_max,
            of_principal_max: limits.connections_per_principal_max,
        }
    }

    /// Room for one more from `address`, by whom `identity` names.
    ///
    /// # Errors
    /// What there are too many of, as the metrics count it.
    pub(crate) fn take(&self, address: IpAddr, identity: Option<&Identity>) -> Result<Slot, &'static str> {
        let principal = identity.map(|identity| Share::Principal {
            organisation: identity.organisation.clone(),
            common_name: identity.common_name.clone(),
        });
        let asked = [
            (Some(Share::Network(network(address))), self.of_network_max, "too-many-of-address"),
            (principal, self.of_principal_max, "too-many-of-principal"),
            (Some(Share::All), self.all_max, "too-many"),
        ];
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let mut shares = Vec::with_capacity(asked.len());
        for (share, max, outcome) in asked {
            let Some(share) = share else { continue };
            if taken.get(&share).copied().unwrap_or_default() >= max {
                return Err(outcome);
            }
            shares.push(share);
        }
        for share in &shares {
            *taken.entry(share.clone()).or_default() += 1;
        }
        drop(taken);
        Ok(Slot { slots: self.clone(), shares })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = self.slots.taken.lock().unwrap_or_else(PoisonError::into_inner);
        for share in &self.shares {
            if let Some(count) = taken.get_mut(share) {
                *count -= 1;
                if *count == 0 {
                    taken.remove(share);
                }
            }
        }
    }
}

/// A host owns its whole /64 in IPv6, so that counts as one address.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(address) => IpAddr::V4(address),
            None => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_of_ipv6_counts_as_one_address() {
        let parse = |text: &str| text.parse::<IpAddr>().unwrap();
        assert_eq!(network(parse("2001:db8:1:2:3:4:5:6")), network(parse("2001:db8:1:2::9")));
        assert_ne!(network(parse("2001:db8:1:2::9")), network(parse("2001:db8:1:3::9")));
        assert_eq!(network(parse("::ffff:192.0.2.1")), parse("192.0.2.1"));
    }

    #[test]
    fn what_is_refused_takes_no_room() {
        let limits = Limits { connections_max: 3, connections_per_address_max: 2, ..Limits::default() };
        let slots = Slots::new(&limits);
        let (one, two, three) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]), IpAddr::from([10, 0, 0, 3]));
        let held = [slots.take(one, None), slots.take(one, None), slots.take(two, None)];
        assert_eq!(slots.take(one, None).err(), Some("too-many-of-address"));
        assert_eq!(slots.take(three, None).err(), Some("too-many"));
        drop(held);
        assert!(slots.taken.lock().unwrap().is_empty());
    }
}
