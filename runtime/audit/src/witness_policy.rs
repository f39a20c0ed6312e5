//! Which witnesses an enclave has, and how many of them must have cosigned a head.

use std::collections::BTreeSet;

use glovebox_catalog::WitnessId;
use glovebox_gm::VerifyingKey;
use serde::{Deserialize, Serialize};

use crate::{AuditError, Cosignature, TreeHead, VerifyError};

/// Most witnesses that a policy names.
const WITNESSES_MAX: usize = 32;

/// The witnesses of a log, and how many of them must have cosigned a head before it counts: more than half.
///
/// More than half, so that any two heads that count share a witness. If that one is honest, they are of one history: an
/// enclave that was rolled back or copied can't find other witnesses that know nothing yet.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "PolicyText", into = "PolicyText")]
pub struct WitnessPolicy {
    required: usize,
    witnesses: Vec<KnownWitness>,
}

/// A witness whose key is known.
#[derive(Debug, Clone)]
pub struct KnownWitness {
    /// Its name.
    pub name: WitnessId,
    /// Its public key.
    pub key: VerifyingKey,
    /// Where it listens, `http://host:port`; verifiers do not need it.
    pub url: String,
}

impl WitnessPolicy {
    /// `required` of `witnesses`.
    ///
    /// # Errors
    /// [`AuditError::WitnessPolicy`] unless `required` is more than half and names and keys differ.
    pub fn new(required: usize, witnesses: Vec<KnownWitness>) -> Result<Self, AuditError> {
        let fault = |rule: &'static str| Err(AuditError::WitnessPolicy { rule });
        let count = witnesses.len();
        if count == 0 || count > WITNESSES_MAX {
            return fault("there are 1 to 32 witnesses");
        }
        if required > count || required.saturating_mul(2) <= count {
            return fault(
                "`required` is more than half of the witnesses and no more than all: with fewer, a copy finds others",
            );
        }
        let names: BTreeSet<_> = witnesses.iter().map(|witness| &witness.name).collect();
        let keys: BTreeSet<_> = witnesses.iter().map(|witness| witness.key.fingerprint()).collect();
        if names.len() != count || keys.len() != count {
            return fault("each witness has a name and a key of its own: one of them counts once");
        }
        Ok(Self { required, witnesses })
    }

    /// How many of them must have cosigned.
    #[must_use]
    pub fn required(&self) -> usize {
        self.required
    }

    /// The witnesses.
    #[must_use]
    pub fn witnesses(&self) -> &[KnownWitness] {
        &self.witnesses
    }

    /// Checks that enough witnesses cosigned `head`. Cosignatures of others are not looked at. Whether the enclave signed
    /// the head is checked apart.
    ///
    /// The answer is the witnesses that did, each once, in the policy's order.
    ///
    /// # Errors
    /// [`VerifyError::Cosignature`] for one that claims to be of a known witness and is not, [`VerifyError::Unwitnessed`]
    /// when there are too few.
    pub fn verify<'a>(
        &self,
        head: &TreeHead,
        cosignatures: &'a [Cosignature],
    ) -> Result<Vec<&'a Cosignature>, VerifyError> {
        let mut found = Vec::new();
        for witness in &self.witnesses {
            let mut own = cosignatures.iter().filter(|cosignature| cosignature.witness == witness.name);
            if let Some(cosignature) = own.next() {
                cosignature.verify(head, &witness.key)?;
                found.push(cosignature);
            }
            if own.next().is_some() {
                return Err(VerifyError::Cosignature { witness: witness.name.clone() });
            }
        }
        if found.len() >= self.required {
            return Ok(found);
        }
        let is_missing = |witness: &&KnownWitness| found.iter().all(|cosignature| cosignature.witness != witness.name);
        Err(VerifyError::Unwitnessed {
            required: self.required,
            found: found.len(),
            missing: self.witnesses.iter().filter(is_missing).map(|witness| witness.name.to_string()).collect(),
        })
    }
}

/// A policy as it is written.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyText {
    required: usize,
    witness: Vec<WitnessText>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WitnessText {
    name: WitnessId,
    url: String,
    public_key: String,
}

impl TryFrom<PolicyText> for WitnessPolicy {
    type Error = AuditError;
    fn try_from(text: PolicyText) -> Result<Self, AuditError> {
        let known = |WitnessText { name, url, public_key }| {
            let rule = "`public_key` is an SM2 public key in PEM, as `glovebox witness show` prints it";
            let key = VerifyingKey::from_pem(&public_key).map_err(|_| AuditError::WitnessPolicy { rule })?;
            Ok(KnownWitness { name, key, url })
        };
        Self::new(text.required, text.witness.into_iter().map(known).collect::<Result<_, AuditError>>()?)
    }
}

impl From<WitnessPolicy> for PolicyText {
    fn from(policy: WitnessPolicy) -> Self {
        let text = |witness: KnownWitness| WitnessText {
            name: witness.name,
            url: witness.url,
            // Can't fail for a key that was read or made; an empty text is refused when it is read.
            public_key: witness.key.to_pem().unwrap_or_default(),
        };
        Self { required: policy.required, witness: policy.witnesses.into_iter().map(text).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{cosignature, head, log, policy, witness_key};

    #[test]
    fn enough_witnesses_are_enough() {
        let (policy, head) = (policy(), head(&log(5)));
        let all: Vec<_> = (0..3).map(|index| cosignature(index, &head)).collect();
        for (cosignatures, found) in [(&all[..], 3), (&all[..2], 2), (&all[1..], 2)] {
            assert_eq!(policy.verify(&head, cosignatures).map(|found| found.len()), Ok(found));
        }
        let missing = vec!["hospital-b".to_owned(), "regulator".to_owned()];
        let fault = VerifyError::Unwitnessed { required: 2, found: 1, missing };
        assert_eq!(policy.verify(&head, &all[..1]), Err(fault));
    }

    #[test]
    fn one_witness_counts_once_and_strangers_not_at_all() {
        let (policy, head) = (policy(), head(&log(5)));
        let one = cosignature(0, &head);
        assert!(policy.verify(&head, &[one.clone(), one.clone()]).is_err());
        let stranger = glovebox_gm::SigningKey::generate().unwrap();
        let named = |name: &str, key| Cosignature::sign(&head, WitnessId::new(name).unwrap(), one.at, key).unwrap();
        let claimed = [one.clone(), named("stranger", &stranger)];
        let found = policy.verify(&head, &claimed);
        assert!(matches!(found, Err(VerifyError::Unwitnessed { found: 1, .. })));
        // Beside enough others, too: there is one way to write who cosigned.
        let all = [0, 1, 2, 1].map(|index| cosignature(index, &head));
        assert!(matches!(policy.verify(&head, &all), Err(VerifyError::Cosignature { .. })));
        // In another's name, or with another's key under a name of its own.
        assert!(policy.verify(&head, &[one.clone(), named("hospital-b", &stranger)]).is_err());
        assert!(policy.verify(&head, &[one.clone(), named("hospital-b", witness_key(0))]).is_err());
        assert!(policy.verify(&head, &[one.clone(), named("hospital-c", witness_key(0))]).is_err());
    }

    #[test]
    fn cosignatures_of_another_head_do_not_count() {
        let (policy, head, other) = (policy(), head(&log(5)), head(&log(6)));
        let others: Vec<_> = (0..3).map(|index| cosignature(index, &other)).collect();
        assert!(matches!(policy.verify(&head, &others), Err(VerifyError::Cosignature { .. })));
    }

    #[test]
    fn a_policy_needs_more_than_half_and_everybody_once() {
        let witnesses = policy().witnesses;
        let fails = |required, witnesses: &[KnownWitness]| WitnessPolicy::new(required, witnesses.to_vec()).is_err();
        for (required, count, bad) in [
            (0, 0, true),
            (0, 3, true),
            (1, 3, true),
            (2, 3, false),
            (3, 3, false),
            (4, 3, true),
            (1, 2, true),
            (1, 1, false),
        ] {
            assert_eq!(fails(required, &witnesses[..count]), bad, "{required} of {count}");
        }
        let mut doubled = witnesses.clone();
        doubled[1].key = doubled[0].key.clone();
        assert!(fails(2, &doubled));
        let mut doubled = witnesses;
        doubled[1].name = doubled[0].name.clone();
        assert!(fails(2, &doubled));
    }

    #[test]
    fn a_policy_survives_its_text() {
        let text = toml::to_string(&policy()).unwrap();
        let read: WitnessPolicy = toml::from_str(&text).unwrap();
        assert_eq!(toml::to_string(&read).unwrap(), text);
        assert!(toml::from_str::<WitnessPolicy>(&text.replace("required = 2", "required = 1")).is_err());
        assert!(toml::from_str::<WitnessPolicy>(&text.replace("PUBLIC", "PRIVATE")).is_err());
    }
}
