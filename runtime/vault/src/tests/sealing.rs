//! What is sealed for a dataset and kept elsewhere.

use glovebox_catalog::{Dataset, DatasetId};

use crate::VaultError;
use crate::testing::{Zone, dataset, root_key};

async fn zone() -> Zone {
    let zone = Zone::new();
    zone.publish(&dataset(), 1, b"id,sex,age,bmi,seen,smoker,note\na,1,30,20,,,\n").await;
    zone
}

#[tokio::test]
async fn what_was_sealed_opens_in_its_place_and_nowhere_else() {
    let zone = zone().await;
    let other = Dataset { id: DatasetId::new("clinic").unwrap(), ..dataset() };
    zone.publish(&other, 1, b"id,sex,age,bmi,seen,smoker,note\na,1,30,20,,,\n").await;
    let ward = dataset().id;
    for plaintext in [&b""[..], b"Lin Wei", &[7; 100_000]] {
        let sealed = zone.vault.seal(&ward, "cohort", "12", plaintext).unwrap();
        assert_eq!(zone.vault.unseal(&ward, "cohort", "12", &sealed).unwrap(), plaintext);
        assert!(plaintext.is_empty() || !sealed.windows(7).any(|window| plaintext.starts_with(window)));
        let places =
            [(&ward, "cohort", "13"), (&ward, "sketch", "12"), (&ward, "cohort1", "2"), (&other.id, "cohort", "12")];
        for (dataset, label, id) in places {
            let refused = zone.vault.unseal(dataset, label, id, &sealed).err();
            assert!(matches!(refused, Some(VaultError::SealedDamaged { .. })), "{dataset} {label} {id}");
        }
    }
    let [one, two] = [0; 2].map(|_| zone.vault.seal(&ward, "cohort", "12", b"same").unwrap());
    assert_ne!(one[56..], two[56..], "no key seals twice");
}

#[tokio::test]
async fn every_changed_bit_and_every_cut_is_found() {
    let zone = zone().await;
    let ward = dataset().id;
    let sealed = zone.vault.seal(&ward, "cohort", "12", b"Lin Wei").unwrap();
    for bit in 0..8 * sealed.len() {
        let mut changed = sealed.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let refused = zone.vault.unseal(&ward, "cohort", "12", &changed).err();
        // A changed epoch names a key that there is not.
        let expected = match bit / 8 {
            4..8 => matches!(refused, Some(VaultError::NoDataKey { .. })),
            _ => matches!(refused, Some(VaultError::SealedDamaged { .. })),
        };
        assert!(expected, "bit {bit}: {refused:?}");
    }
    for length in 0..sealed.len() {
        assert!(zone.vault.unseal(&ward, "cohort", "12", &sealed[..length]).is_err(), "{length}");
    }
    assert!(zone.vault.unseal(&ward, "cohort", "12", &[&sealed[..], b"x"].concat()).is_err());
}

#[tokio::test]
async fn destroying_the_dataset_makes_it_unreadable() {
    let zone = zone().await;
    let ward = dataset().id;
    let key = zone.vault.guard_key(&ward).unwrap();
    let sealed = zone.vault.seal(&ward, "cohort", "12", b"Lin Wei").unwrap();
    zone.vault.rotate_root(&root_key(2)).unwrap();
    assert_eq!(zone.vault.unseal(&ward, "cohort", "12", &sealed).unwrap(), b"Lin Wei", "rotation changes nothing");
    assert_eq!(zone.vault.guard_key(&ward).unwrap(), key);
    zone.vault.destroy(&ward).unwrap();
    let refusals = [
        zone.vault.unseal(&ward, "cohort", "12", &sealed).err(),
        zone.vault.seal(&ward, "cohort", "12", b"").err(),
        zone.vault.guard_key(&ward).err(),
    ];
    for refused in refusals {
        assert!(matches!(refused, Some(VaultError::NoDataKey { .. })));
    }
    // A new epoch has another key, so that what was sealed before stays closed and sketches are told apart.
    zone.publish(&dataset(), 2, b"id,sex,age,bmi,seen,smoker,note\na,1,30,20,,,\n").await;
    assert!(zone.vault.unseal(&ward, "cohort", "12", &sealed).is_err());
    assert_ne!(zone.vault.guard_key(&ward).unwrap(), key);
}
