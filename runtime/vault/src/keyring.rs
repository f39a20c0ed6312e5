//! The keyring: root key → key-encryption key per supplier → data key per dataset and epoch. docs/vault-format.md.

use std::collections::{BTreeMap, BTreeSet};

use cap_std::fs::Dir;
use glovebox_catalog::{DatasetId, OrganisationId};
use glovebox_gm::{Key256, Sm4Gcm, hkdf_sm3_128, hkdf_sm3_256, hmac_sm3, passphrase_key};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::segment::{DataKey, KeyId};
use crate::{VaultError, folder};

/// Name of the keyring's file in the vault's folder.
pub(crate) const FILE: &str = "keyring.json";
const FORMAT: &str = "glovebox-keyring-1";
/// PBKDF2 rounds for a new passphrase: some tenths of a second a guess.
const ITERATIONS_DEFAULT: u32 = 600_000;
/// Fewer make guessing cheap; more, from a tampered file, would hang the start.
const ITERATIONS: std::ops::RangeInclusive<u32> = 10_000..=50_000_000;
const NONCE_BYTES: usize = 12;

/// What opens the vault. Wiped when dropped.
pub struct RootKey(Secret);

enum Secret {
    Passphrase { passphrase: Zeroizing<Vec<u8>>, iterations: u32 },
    Key(Key256),
}

impl RootKey {
    /// From a passphrase: a line break at its end, as editors leave one in a passphrase file, does not count.
    /// A new vault stretches it with PBKDF2-HMAC-SM3 and 600,000 rounds.
    #[must_use]
    pub fn from_passphrase(passphrase: &[u8]) -> Self {
        Self::from_passphrase_with(passphrase, ITERATIONS_DEFAULT)
    }

    /// As [`RootKey::from_passphrase`], with another number of rounds for a new vault, 10,000 at least. An existing
    /// vault keeps its own number.
    #[must_use]
    pub fn from_passphrase_with(passphrase: &[u8], iterations: u32) -> Self {
        let line = passphrase.strip_suffix(b"\n").unwrap_or(passphrase);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let iterations = iterations.clamp(*ITERATIONS.start(), *ITERATIONS.end());
        Self(Secret::Passphrase { passphrase: Zeroizing::new(line.to_vec()), iterations })
    }

    /// From a key that something else keeps: a token, a key management service, shares put together.
    #[must_use]
    pub fn from_key(key: Key256) -> Self {
        Self(Secret::Key(key))
    }

    /// Derivation for a new keyring.
    fn fresh(&self) -> Result<Derivation, VaultError> {
        Ok(match &self.0 {
            Secret::Passphrase { iterations, .. } => {
                Derivation::Passphrase { salt: Hex(random::<16>()?), iterations: *iterations }
            }
            Secret::Key(_) => Derivation::Key,
        })
    }

    fn derive(&self, derivation: &Derivation) -> Result<Key256, VaultError> {
        match (&self.0, derivation) {
            (Secret::Passphrase { passphrase, .. }, Derivation::Passphrase { salt, iterations }) => {
                if !ITERATIONS.contains(iterations) {
                    return Err(VaultError::KeyringDamaged { what: "its number of rounds is out of range" });
                }
                Ok(passphrase_key(passphrase, &salt.0, *iterations))
            }
            (Secret::Key(key), Derivation::Key) => Ok(key.clone()),
            _ => Err(VaultError::WrongRootKey),
        }
    }
}

/// The open keyring. Holds the root key; keys below it are unwrapped for the moment of use.
pub(crate) struct Keyring {
    root: Key256,
    body: Body,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sealed {
    body: Body,
    /// HMAC-SM3 over the body's JSON, under a key of the root key.
    mac: Hex<32>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    format: String,
    vault: Hex<16>,
    root: Derivation,
    /// Tells a wrong root key from a changed file.
    check: Hex<32>,
    suppliers: BTreeMap<OrganisationId, Wrapped>,
    datasets: BTreeMap<DatasetId, DatasetKeys>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
enum Derivation {
    Passphrase { salt: Hex<16>, iterations: u32 },
    Key,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct DatasetKeys {
    supplier: OrganisationId,
    /// The last epoch given out; epochs count up and never return.
    epoch: u32,
    /// Data keys by epoch.
    keys: BTreeMap<u32, Wrapped>,
    /// Ids of data keys that were destroyed.
    destroyed: BTreeSet<Hex<16>>,
    /// Number of the newest snapshot published under the present keys; 0 for none. The next one goes on from its registry.
    #[serde(default, skip_serializing_if = "is_zero")]
    newest: u32,
}

/// A key sealed under the one above it.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wrapped {
    id: Hex<16>,
    nonce: Hex<NONCE_BYTES>,
    /// The sealed key and its tag.
    sealed: Hex<48>,
}

impl Keyring {
    /// A keyring with no keys but the root key.
    pub(crate) fn create(dir: &Dir, root_key: &RootKey) -> Result<Self, VaultError> {
        let derivation = root_key.fresh()?;
        let root = root_key.derive(&derivation)?;
        let vault = Hex(random::<16>()?);
        let body = Body {
            format: FORMAT.into(),
            check: check_value(&root, &vault),
            vault,
            root: derivation,
            suppliers: BTreeMap::new(),
            datasets: BTreeMap::new(),
        };
        let keyring = Self { root, body };
        keyring.save(dir, &keyring.body)?;
        Ok(keyring)
    }

    /// Reads the keyring and proves it whole.
    pub(crate) fn open(dir: &Dir, root_key: &RootKey) -> Result<Self, VaultError> {
        if !dir.try_exists(FILE)? {
            return Err(VaultError::KeyringMissing);
        }
        let damaged = |what| VaultError::KeyringDamaged { what };
        let sealed: Sealed = serde_json::from_slice(&dir.read(FILE)?).map_err(|_| damaged("it is not a keyring"))?;
        let Sealed { body, mac } = sealed;
        if body.format != FORMAT {
            return Err(damaged("it is of another version"));
        }
        let root = root_key.derive(&body.root)?;
        if check_value(&root, &body.vault) != body.check {
            return Err(VaultError::WrongRootKey);
        }
        if body_mac(&root, &body)? != mac {
            return Err(damaged("its integrity value does not match"));
        }
        Ok(Self { root, body })
    }

    /// The data key for a new snapshot of `dataset`; makes it, and the supplier's key above it, when there is none.
    pub(crate) fn data_key_for_ingestion(
        &mut self,
        dir: &Dir,
        dataset: &DatasetId,
        supplier: &OrganisationId,
    ) -> Result<DataKey, VaultError> {
        let newest = self.body.datasets.get(dataset).and_then(|keys| keys.keys.keys().next_back().copied());
        if let Some(epoch) = newest {
            return self.data_key(dataset, epoch);
        }
        let mut body = self.body.clone();
        if !body.suppliers.contains_key(supplier) {
            let id = Hex(random::<16>()?);
            let label = supplier_label(&body.vault, supplier, &id);
            body.suppliers.insert(supplier.clone(), wrap(&self.root, id, &label, &new_key()?)?);
        }
        let above = supplier_key(&self.root, &body, supplier)?;
        let none = || DatasetKeys {
            supplier: supplier.clone(),
            epoch: 0,
            keys: BTreeMap::new(),
            destroyed: BTreeSet::new(),
            newest: 0,
        };
        let vault = body.vault;
        let keys = body.datasets.entry(dataset.clone()).or_insert_with(none);
        keys.supplier = supplier.clone();
        keys.epoch += 1;
        let (id, key) = (Hex(random::<16>()?), new_key()?);
        let label = data_label(&vault, dataset, keys.epoch, &id);
        keys.keys.insert(keys.epoch, wrap(&above, id, &label, &key)?);
        let data_key = DataKey { id: KeyId { epoch: keys.epoch, id: id.0 }, key };
        // On disk before any byte is sealed under it.
        self.save(dir, &body)?;
        self.body = body;
        Ok(data_key)
    }

    /// The data key of `dataset` in `epoch`.
    pub(crate) fn data_key(&self, dataset: &DatasetId, epoch: u32) -> Result<DataKey, VaultError> {
        let missing = || VaultError::NoDataKey { dataset: dataset.clone() };
        let keys = self.body.datasets.get(dataset).ok_or_else(missing)?;
        let wrapped = keys.keys.get(&epoch).ok_or_else(missing)?;
        let above = supplier_key(&self.root, &self.body, &keys.supplier)?;
        let key = unwrap(&above, wrapped, &data_label(&self.body.vault, dataset, epoch, &wrapped.id))?;
        Ok(DataKey { id: KeyId { epoch, id: wrapped.id.0 }, key })
    }

    /// The newest data key of `dataset`.
    pub(crate) fn newest_data_key(&self, dataset: &DatasetId) -> Result<DataKey, VaultError> {
        let keys = self.body.datasets.get(dataset).map(|keys| &keys.keys);
        let epoch = keys.and_then(|keys| keys.keys().next_back().copied());
        self.data_key(dataset, epoch.ok_or_else(|| VaultError::NoDataKey { dataset: dataset.clone() })?)
    }

    /// The oldest data key of `dataset`: what must mean the same in every epoch is derived from it.
    pub(crate) fn oldest_data_key(&self, dataset: &DatasetId) -> Result<DataKey, VaultError> {
        let epoch = self.body.datasets.get(dataset).and_then(|keys| keys.keys.keys().next().copied());
        self.data_key(dataset, epoch.ok_or_else(|| VaultError::NoDataKey { dataset: dataset.clone() })?)
    }

    /// Number of the newest snapshot of `dataset` that was published under its present keys; 0 for none.
    pub(crate) fn newest_snapshot(&self, dataset: &DatasetId) -> u32 {
        self.body.datasets.get(dataset).map_or(0, |keys| keys.newest)
    }

    /// Notes that snapshot `number` of `dataset` is being published.
    pub(crate) fn note_snapshot(&mut self, dir: &Dir, dataset: &DatasetId, number: u32) -> Result<(), VaultError> {
        let mut body = self.body.clone();
        let keys = body.datasets.get_mut(dataset).ok_or_else(|| VaultError::NoDataKey { dataset: dataset.clone() })?;
        keys.newest = keys.newest.max(number);
        self.save(dir, &body)?;
        self.body = body;
        Ok(())
    }

    /// Whether the key called `id` was destroyed.
    pub(crate) fn is_destroyed(&self, dataset: &DatasetId, id: &[u8; 16]) -> bool {
        self.body.datasets.get(dataset).is_some_and(|keys| keys.destroyed.contains(&Hex(*id)))
    }

    /// Forgets every data key of `dataset`; keeps their ids, so that leftovers can be told.
    pub(crate) fn destroy(&mut self, dir: &Dir, dataset: &DatasetId) -> Result<(), VaultError> {
        let mut body = self.body.clone();
        let missing = || VaultError::NoDataKey { dataset: dataset.clone() };
        let keys = body.datasets.get_mut(dataset).filter(|keys| !keys.keys.is_empty()).ok_or_else(missing)?;
        keys.destroyed.extend(keys.keys.values().map(|wrapped| wrapped.id));
        keys.keys.clear();
        keys.newest = 0;
        self.save(dir, &body)?;
        self.body = body;
        Ok(())
    }

    /// Wraps the suppliers' keys under another root key. Data keys and segments stay as they are.
    pub(crate) fn rotate_root(&mut self, dir: &Dir, new_root: &RootKey) -> Result<(), VaultError> {
        let mut body = self.body.clone();
        body.root = new_root.fresh()?;
        let root = new_root.derive(&body.root)?;
        body.check = check_value(&root, &body.vault);
        for (supplier, wrapped) in &mut body.suppliers {
            let label = supplier_label(&body.vault, supplier, &wrapped.id);
            *wrapped = wrap(&root, wrapped.id, &label, &unwrap(&self.root, wrapped, &label)?)?;
        }
        let rotated = Self { root, body };
        rotated.save(dir, &rotated.body)?;
        *self = rotated;
        Ok(())
    }

    fn save(&self, dir: &Dir, body: &Body) -> Result<(), VaultError> {
        let sealed = Sealed { mac: body_mac(&self.root, body)?, body: body.clone() };
        let json = serde_json::to_vec_pretty(&sealed).map_err(|_| VaultError::Worker)?;
        folder::replace_file(dir, FILE, &json)
    }
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

fn supplier_key(root: &Key256, body: &Body, supplier: &OrganisationId) -> Result<Key256, VaultError> {
    let missing = VaultError::KeyringDamaged { what: "a supplier's key is missing" };
    let wrapped = body.suppliers.get(supplier).ok_or(missing)?;
    unwrap(root, wrapped, &supplier_label(&body.vault, supplier, &wrapped.id))
}

fn supplier_label(vault: &Hex<16>, supplier: &OrganisationId, id: &Hex<16>) -> String {
    format!("{FORMAT}|supplier|{}|{supplier}|{}", String::from(*vault), String::from(*id))
}

fn data_label(vault: &Hex<16>, dataset: &DatasetId, epoch: u32, id: &Hex<16>) -> String {
    format!("{FORMAT}|data|{}|{dataset}|{epoch}|{}", String::from(*vault), String::from(*id))
}

/// Seals `key` under `above`. The label, bound as associated data, says where the wrapped key belongs.
fn wrap(above: &Key256, id: Hex<16>, label: &str, key: &Key256) -> Result<Wrapped, VaultError> {
    let nonce = Hex(random::<NONCE_BYTES>()?);
    let cipher = Sm4Gcm::new(&hkdf_sm3_128(above, &id.0, b"glovebox keyring wrap"));
    let mut buffer = Zeroizing::new(Vec::with_capacity(48));
    buffer.extend_from_slice(key.expose());
    cipher.seal_in_place(&nonce.0, label.as_bytes(), &mut buffer).map_err(|_| VaultError::Cryptography)?;
    let sealed = Hex(buffer.as_slice().try_into().map_err(|_| VaultError::Cryptography)?);
    Ok(Wrapped { id, nonce, sealed })
}

fn unwrap(above: &Key256, wrapped: &Wrapped, label: &str) -> Result<Key256, VaultError> {
    let cipher = Sm4Gcm::new(&hkdf_sm3_128(above, &wrapped.id.0, b"glovebox keyring wrap"));
    let mut buffer = Zeroizing::new(wrapped.sealed.0.to_vec());
    let damaged = VaultError::KeyringDamaged { what: "a wrapped key does not open" };
    cipher.open_in_place(&wrapped.nonce.0, label.as_bytes(), &mut buffer).map_err(|_| damaged)?;
    Key256::from_slice(&buffer).map_err(|_| VaultError::Cryptography)
}

fn check_value(root: &Key256, vault: &Hex<16>) -> Hex<32> {
    Hex(hmac_sm3(&hkdf_sm3_256(root, &vault.0, b"glovebox keyring check"), FORMAT.as_bytes()))
}

fn body_mac(root: &Key256, body: &Body) -> Result<Hex<32>, VaultError> {
    // Maps are sorted and fields in the order of their declaration, so a body has one JSON.
    let json = serde_json::to_vec(body).map_err(|_| VaultError::Worker)?;
    Ok(Hex(hmac_sm3(&hkdf_sm3_256(root, &body.vault.0, b"glovebox keyring integrity"), &json)))
}

fn new_key() -> Result<Key256, VaultError> {
    Key256::random().map_err(|_| VaultError::Cryptography)
}

pub(crate) fn random<const N: usize>() -> Result<[u8; N], VaultError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| VaultError::Cryptography)?;
    Ok(bytes)
}

/// Bytes written as lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
struct Hex<const N: usize>([u8; N]);

impl<const N: usize> From<Hex<N>> for String {
    fn from(hex: Hex<N>) -> Self {
        hex.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl<const N: usize> TryFrom<String> for Hex<N> {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        const FAULT: &str = "not lower-case hexadecimal digits of the expected length";
        let mut bytes = [0; N];
        if text.len() != 2 * N || !text.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(FAULT);
        }
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| FAULT)?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| FAULT)?;
        }
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests;
