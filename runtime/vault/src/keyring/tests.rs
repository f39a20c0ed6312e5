//! Wrong keys, changed files, lost files.

use super::*;
use crate::testing::{dir, root_key};

struct Place {
    folder: tempfile::TempDir,
    dir: Dir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let dir = dir(folder.path());
        Self { folder, dir }
    }

    fn text(&self) -> String {
        std::fs::read_to_string(self.folder.path().join(FILE)).unwrap()
    }

    fn put(&self, text: &str) {
        std::fs::write(self.folder.path().join(FILE), text).unwrap();
    }
}

fn ward() -> DatasetId {
    DatasetId::new("ward").unwrap()
}

fn hospital() -> OrganisationId {
    OrganisationId::new("hospital").unwrap()
}

#[test]
fn keys_survive_a_restart_and_differ_between_datasets() {
    let place = Place::new();
    let mut keyring = Keyring::create(&place.dir, &root_key(1)).unwrap();
    let made = keyring.data_key_for_ingestion(&place.dir, &ward(), &hospital()).unwrap();
    let clinic = DatasetId::new("clinic").unwrap();
    let other = keyring.data_key_for_ingestion(&place.dir, &clinic, &hospital()).unwrap();
    assert_ne!(made.key.expose(), other.key.expose());
    let keyring = Keyring::open(&place.dir, &root_key(1)).unwrap();
    let found = keyring.data_key(&ward(), made.id.epoch).unwrap();
    assert_eq!((found.id, found.key.expose()), (made.id, made.key.expose()));
    assert!(matches!(keyring.data_key(&ward(), 9), Err(VaultError::NoDataKey { .. })));
}

/// What is derived from the oldest key means the same in every epoch; a destroyed key is none of them.
#[test]
fn the_oldest_key_stays_the_oldest_until_it_is_destroyed() {
    let place = Place::new();
    let mut keyring = Keyring::create(&place.dir, &root_key(1)).unwrap();
    let first = keyring.data_key_for_ingestion(&place.dir, &ward(), &hospital()).unwrap();
    assert_eq!(keyring.oldest_data_key(&ward()).unwrap().id, first.id);
    let above = supplier_key(&keyring.root, &keyring.body, &hospital()).unwrap();
    let label = data_label(&keyring.body.vault, &ward(), 2, &Hex([7; 16]));
    let second = wrap(&above, Hex([7; 16]), &label, &new_key().unwrap()).unwrap();
    let keys = keyring.body.datasets.get_mut(&ward()).unwrap();
    keys.keys.insert(2, second);
    keys.epoch = 2;
    keyring.save(&place.dir, &keyring.body).unwrap();
    let mut keyring = Keyring::open(&place.dir, &root_key(1)).unwrap();
    assert_eq!(keyring.newest_data_key(&ward()).unwrap().id.epoch, 2);
    assert_eq!(keyring.oldest_data_key(&ward()).unwrap().key.expose(), first.key.expose());
    keyring.destroy(&place.dir, &ward()).unwrap();
    assert!(matches!(keyring.oldest_data_key(&ward()), Err(VaultError::NoDataKey { .. })));
    let third = keyring.data_key_for_ingestion(&place.dir, &ward(), &hospital()).unwrap();
    assert_eq!((third.id.epoch, keyring.oldest_data_key(&ward()).unwrap().id), (3, third.id));
}

#[test]
fn the_wrong_passphrase_is_told_from_a_damaged_file() {
    let place = Place::new();
    Keyring::create(&place.dir, &RootKey::from_passphrase_with(b"correct horse\n", 10_000)).unwrap();
    let open = |passphrase: &[u8]| Keyring::open(&place.dir, &RootKey::from_passphrase(passphrase)).err();
    // The line break that an editor leaves is not part of the passphrase; a space is.
    assert!(open(b"correct horse").is_none());
    assert!(open(b"correct horse\r\n").is_none());
    for wrong in [&b"correct horse "[..], b"", b"Correct horse", b"correct horse\n\n"] {
        assert!(matches!(open(wrong), Some(VaultError::WrongRootKey)));
    }
    assert!(matches!(Keyring::open(&place.dir, &root_key(1)), Err(VaultError::WrongRootKey)));
}

#[test]
fn every_changed_character_is_found() {
    let place = Place::new();
    let mut keyring = Keyring::create(&place.dir, &root_key(1)).unwrap();
    keyring.data_key_for_ingestion(&place.dir, &ward(), &hospital()).unwrap();
    let text = place.text();
    for (at, old) in text.char_indices().filter(|(_, old)| old.is_ascii_alphanumeric()) {
        let new = if old == '1' { "2" } else { "1" };
        place.put(&format!("{}{new}{}", &text[..at], &text[at + 1..]));
        let refused = Keyring::open(&place.dir, &root_key(1)).err();
        let told = matches!(refused, Some(VaultError::KeyringDamaged { .. } | VaultError::WrongRootKey));
        assert!(told, "character {at}");
    }
    for length in 0..text.len() {
        place.put(&text[..length]);
        assert!(matches!(Keyring::open(&place.dir, &root_key(1)), Err(VaultError::KeyringDamaged { .. })));
    }
}

#[test]
fn a_removed_entry_or_one_from_another_vault_is_found() {
    let (place, elsewhere) = (Place::new(), Place::new());
    for place in [&place, &elsewhere] {
        let mut keyring = Keyring::create(&place.dir, &root_key(1)).unwrap();
        keyring.data_key_for_ingestion(&place.dir, &ward(), &hospital()).unwrap();
    }
    let (mut json, other): (serde_json::Value, serde_json::Value) =
        (serde_json::from_str(&place.text()).unwrap(), serde_json::from_str(&elsewhere.text()).unwrap());
    json["body"]["datasets"] = other["body"]["datasets"].clone();
    place.put(&json.to_string());
    assert!(matches!(Keyring::open(&place.dir, &root_key(1)), Err(VaultError::KeyringDamaged { .. })));
    json["body"]["datasets"] = serde_json::json!({});
    place.put(&json.to_string());
    assert!(matches!(Keyring::open(&place.dir, &root_key(1)), Err(VaultError::KeyringDamaged { .. })));
}

#[test]
fn rounds_can_be_neither_lowered_nor_raised_without_end() {
    let place = Place::new();
    Keyring::create(&place.dir, &RootKey::from_passphrase_with(b"p", 1)).unwrap();
    let text = place.text();
    assert!(text.contains("\"iterations\": 10000"), "the least number of rounds is kept");
    for rounds in ["1", "4294967295"] {
        place.put(&text.replace("10000", rounds));
        let refused = Keyring::open(&place.dir, &RootKey::from_passphrase(b"p"));
        assert!(matches!(refused, Err(VaultError::KeyringDamaged { .. })));
    }
}

#[test]
fn rotation_shuts_the_old_root_key_out_and_keeps_the_data_keys() {
    let place = Place::new();
    let mut keyring = Keyring::create(&place.dir, &root_key(1)).unwrap();
    let made = keyring.data_key_for_ingestion(&place.dir, &ward(), &hospital()).unwrap();
    keyring.rotate_root(&place.dir, &RootKey::from_passphrase_with(b"new", 10_000)).unwrap();
    assert!(matches!(Keyring::open(&place.dir, &root_key(1)), Err(VaultError::WrongRootKey)));
    for keyring in [keyring, Keyring::open(&place.dir, &RootKey::from_passphrase(b"new")).unwrap()] {
        assert_eq!(keyring.data_key(&ward(), 1).unwrap().key.expose(), made.key.expose());
    }
}

#[test]
fn a_destroyed_key_is_gone_and_its_epoch_never_returns() {
    let place = Place::new();
    let mut keyring = Keyring::create(&place.dir, &root_key(1)).unwrap();
    let old = keyring.data_key_for_ingestion(&place.dir, &ward(), &hospital()).unwrap();
    keyring.destroy(&place.dir, &ward()).unwrap();
    let mut keyring = Keyring::open(&place.dir, &root_key(1)).unwrap();
    assert!(matches!(keyring.data_key(&ward(), old.id.epoch), Err(VaultError::NoDataKey { .. })));
    assert!(keyring.is_destroyed(&ward(), &old.id.id));
    assert!(matches!(keyring.destroy(&place.dir, &ward()), Err(VaultError::NoDataKey { .. })));
    let fresh = keyring.data_key_for_ingestion(&place.dir, &ward(), &hospital()).unwrap();
    assert_eq!(fresh.id.epoch, 2);
    assert_ne!(fresh.key.expose(), old.key.expose());
    assert!(matches!(keyring.data_key(&ward(), 1), Err(VaultError::NoDataKey { .. })));
}

#[test]
fn no_key_stands_in_the_file() {
    let place = Place::new();
    let mut keyring = Keyring::create(&place.dir, &root_key(0xab)).unwrap();
    let made = keyring.data_key_for_ingestion(&place.dir, &ward(), &hospital()).unwrap();
    let hex: String = made.key.expose().iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(!place.text().contains(&hex));
    assert!(!place.text().contains(&"ab".repeat(32)));
}
