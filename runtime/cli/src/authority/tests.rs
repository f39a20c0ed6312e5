//! Both authorities of a folder, one of them, and folders of before there were two.

use std::os::unix::fs::PermissionsExt as _;

use glovebox_gm::key_file;
use glovebox_gm::pki::Identity;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use super::*;
use crate::connection::read;

const PASSPHRASE: &[u8] = b"correct horse battery";

fn lin() -> Subject<'static> {
    Subject { common_name: "lin.wei", organisation: "company-c", roles: vec!["developer".into()] }
}

fn made(folder: &Path, algorithms: &[Algorithm]) -> anyhow::Result<Authorities> {
    let names = ["localhost".to_owned()];
    let beginning = Beginning { name: "zone", server_names: &names, days: 30, list_days: 7, passphrase: None };
    Authorities::create(folder, algorithms, &beginning)
}

fn certificate(path: &Path) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(read(path).unwrap().as_bytes()).unwrap()
}

fn algorithms(authorities: &Authorities) -> Vec<Algorithm> {
    authorities.each().iter().map(AuthorityFolder::algorithm).collect()
}

#[test]
fn keys_are_the_owners_alone() {
    let folder = tempfile::tempdir().unwrap();
    let identity = made(folder.path(), &Algorithm::ALL).unwrap().issue(&lin(), 7, None).unwrap().folder;
    let of_the_zone = ["ca.key", "server/key.pem", "gm/ca.key", "server/gm/key.pem"].map(|key| folder.path().join(key));
    for key in of_the_zone.into_iter().chain([identity.join("key.pem"), identity.join("gm/key.pem")]) {
        let mode = std::fs::metadata(&key).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", key.display());
    }
}

#[test]
fn a_folder_holds_the_certificates_of_both() {
    let folder = tempfile::tempdir().unwrap();
    let mut authorities = made(folder.path(), &Algorithm::ALL).unwrap();
    assert_eq!(algorithms(&authorities), Algorithm::ALL);
    let issued = authorities.issue(&lin(), 7, None).unwrap();
    assert_eq!(issued.folder, folder.path().join("identities/lin.wei"));
    for (place, zone, algorithm) in [("", "", Algorithm::P256), ("gm", "gm", Algorithm::Sm2)] {
        for identity in [issued.folder.join(place), folder.path().join("server").join(place)] {
            assert_eq!(Algorithm::of_certificate(&certificate(&identity.join("cert.pem"))), Ok(algorithm));
            assert_eq!(Algorithm::of_certificate(&certificate(&identity.join("ca.pem"))), Ok(algorithm));
            let key = key_file::read(&read(&identity.join("key.pem")).unwrap(), None).unwrap();
            assert_eq!(glovebox_gm::pki::PrivateKey::from_pkcs8_der(&key).unwrap().algorithm(), algorithm);
            assert_eq!(
                read(&identity.join("ca.pem")).unwrap(),
                read(&folder.path().join(zone).join("ca.pem")).unwrap()
            );
        }
        let named = Identity::from_der(&certificate(&issued.folder.join(place).join("cert.pem"))).unwrap();
        assert_eq!((named.common_name.as_str(), named.roles.as_slice()), ("lin.wei", &["developer".to_owned()][..]));
        let entry = issued.certificates.iter().find(|entry| entry.algorithm == algorithm.as_str()).unwrap();
        assert_eq!(entry.serial, named.serial_hex);
    }
}

#[test]
fn an_authority_is_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    made(folder.path(), &Algorithm::ALL).unwrap();
    let before = read(&folder.path().join("gm/ca.key")).unwrap();
    for algorithms in [&Algorithm::ALL[..], &[Algorithm::Sm2], &[Algorithm::P256]] {
        let again = made(folder.path(), algorithms).err().unwrap().to_string();
        assert!(again.contains("holds an authority of") && again.contains("choose another folder"), "{again}");
    }
    assert_eq!(read(&folder.path().join("gm/ca.key")).unwrap(), before);
    // Of a zone in earnest there is the certificate alone, and a server that trusts it.
    std::fs::remove_file(folder.path().join("ca.key")).unwrap();
    let earnest = made(folder.path(), &[Algorithm::P256]).err().unwrap().to_string();
    assert!(earnest.contains("no key of it"), "{earnest}");
}

#[test]
fn a_folder_of_one_goes_on_and_takes_the_other_later() {
    let folder = tempfile::tempdir().unwrap();
    let mut old = made(folder.path(), &[Algorithm::P256]).unwrap();
    old.issue(&lin(), 7, None).unwrap();
    assert!(!folder.path().join("gm").exists() && !folder.path().join("identities/lin.wei/gm").exists());
    // As it was written before there were two.
    let register = folder.path().join("register.json");
    let text = read(&register).unwrap().replace("\"algorithm\": \"p256\",", "");
    assert!(!text.contains("algorithm"));
    std::fs::write(&register, text).unwrap();
    let opened = Authorities::open(folder.path(), None).unwrap();
    assert_eq!(algorithms(&opened), [Algorithm::P256]);
    assert!(opened.certificates().all(|entry| entry.algorithm == "p256"));

    let both = made(folder.path(), &Algorithm::ALL).err().unwrap().to_string();
    assert!(both.contains("--algorithm sm2"), "{both}");
    let missing = Authorities::open_these(folder.path(), &[Algorithm::Sm2], None).err().unwrap().to_string();
    assert!(missing.contains("--algorithm sm2"), "{missing}");
    let before = read(&folder.path().join("ca.pem")).unwrap();
    assert_eq!(algorithms(&made(folder.path(), &[Algorithm::Sm2]).unwrap()), Algorithm::ALL);
    assert_eq!(read(&folder.path().join("ca.pem")).unwrap(), before);
    let mut added = Authorities::open_these(folder.path(), &[Algorithm::Sm2], None).unwrap();
    assert_eq!(added.issue(&lin(), 7, None).unwrap().certificates.len(), 1);
    assert!(folder.path().join("identities/lin.wei/gm/cert.pem").exists());
    assert_eq!(Authorities::open(folder.path(), None).unwrap().revoke("lin.wei", 7).unwrap().len(), 2);
}

#[test]
fn a_zone_may_have_sm2_alone() {
    let folder = tempfile::tempdir().unwrap();
    let mut authorities = made(folder.path(), &[Algorithm::Sm2]).unwrap();
    let issued = authorities.issue(&lin(), 7, None).unwrap();
    assert!(issued.folder.join("gm/cert.pem").exists() && !issued.folder.join("cert.pem").exists());
    assert!(!folder.path().join("ca.pem").exists() && !folder.path().join("server/cert.pem").exists());
    assert_eq!(algorithms(&Authorities::open(folder.path(), None).unwrap()), [Algorithm::Sm2]);
}

#[test]
fn revocation_reaches_both_lists_and_survives_reopening() {
    let folder = tempfile::tempdir().unwrap();
    made(folder.path(), &Algorithm::ALL).unwrap().issue(&lin(), 7, None).unwrap();
    let lists = || ["revoked.pem", "gm/revoked.pem"].map(|list| read(&folder.path().join(list)).unwrap());
    let before = lists();
    let mut opened = Authorities::open(folder.path(), None).unwrap();
    let revoked = opened.revoke("lin.wei", 7).unwrap();
    assert_eq!(opened.still_valid_beside(&revoked).count(), 0);
    assert_eq!(revoked.iter().map(|entry| entry.algorithm.as_str()).collect::<Vec<_>>(), ["sm2", "p256"]);
    assert!(lists().iter().zip(&before).all(|(now, before)| now != before));
    let opened = Authorities::open(folder.path(), None).unwrap();
    let of_lin = opened.certificates().filter(|entry| entry.common_name == "lin.wei");
    assert!(of_lin.into_iter().all(|entry| entry.revoked_at.is_some()));
    assert!(Authorities::open(folder.path(), None).unwrap().revoke("lin.wei", 7).is_err());
}

#[test]
fn a_serial_number_revokes_one_alone() {
    let folder = tempfile::tempdir().unwrap();
    let mut authorities = made(folder.path(), &Algorithm::ALL).unwrap();
    let issued = authorities.issue(&lin(), 7, None).unwrap();
    let sm2 = &issued.certificates[0];
    let p256_list = read(&folder.path().join("revoked.pem")).unwrap();
    let revoked = authorities.revoke(&sm2.serial, 7).unwrap();
    assert_eq!(revoked.len(), 1);
    assert_eq!(revoked[0].algorithm, "sm2");
    assert_eq!(read(&folder.path().join("revoked.pem")).unwrap(), p256_list, "nothing to say in that list");
    let beside: Vec<_> = authorities.still_valid_beside(&revoked).map(|entry| entry.algorithm.as_str()).collect();
    assert_eq!(beside, ["p256"], "whoever revokes is told of the other");
    let still = Authorities::open(folder.path(), None).unwrap();
    assert_eq!(
        still.certificates().filter(|entry| entry.common_name == "lin.wei" && entry.revoked_at.is_none()).count(),
        1
    );
}

#[test]
fn private_keys_are_encrypted_on_request() {
    let folder = tempfile::tempdir().unwrap();
    let mut authorities = made(folder.path(), &Algorithm::ALL).unwrap();
    let client = authorities.issue(&lin(), 7, Some(PASSPHRASE)).unwrap().folder;
    let server = authorities.issue_server(&["localhost".into()], 7, Some(PASSPHRASE)).unwrap().folder;
    for key in [client.join("key.pem"), client.join("gm/key.pem"), server.join("key.pem"), server.join("gm/key.pem")] {
        let pem = read(&key).unwrap();
        assert!(key_file::is_encrypted(&pem), "{}", key.display());
        assert!(key_file::read(&pem, None).is_err() && key_file::read(&pem, Some(b"another passphrase")).is_err());
        let opened = glovebox_gm::pki::PrivateKey::from_pem(&pem, Some(PASSPHRASE)).unwrap();
        let certified = certificate(&key.with_file_name("cert.pem"));
        assert_eq!(Algorithm::of_certificate(&certified), Ok(opened.algorithm()));
        let public = opened.public_key_der().unwrap();
        assert!(certified.windows(public.len()).any(|window| window == public), "the key is the certificate's");
    }
}

#[test]
fn an_authority_of_the_other_algorithm_in_its_place_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    made(folder.path(), &Algorithm::ALL).unwrap();
    for file in ["ca.pem", "ca.key"] {
        std::fs::copy(folder.path().join(file), folder.path().join("gm").join(file)).unwrap();
    }
    let refused = Authorities::open(folder.path(), None).err().unwrap().to_string();
    assert!(refused.contains("should hold an authority of sm2, not of p256"), "{refused}");
}

/// Two commands at a time: whoever writes second would bring back what the first revoked, or forget what it issued.
#[test]
fn a_register_that_another_command_changed_is_not_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    made(folder.path(), &Algorithm::ALL).unwrap().issue(&lin(), 7, None).unwrap();
    let open = || Authorities::open(folder.path(), None).unwrap();
    let other = Subject { common_name: "wang.fang", ..lin() };
    let list = |place: &str| read(&folder.path().join(place).join("revoked.pem")).unwrap();

    let (mut first, mut second) = (open(), open());
    first.revoke("lin.wei", 7).unwrap();
    let lists = [list(""), list("gm")];
    for refused in [second.issue(&other, 7, None).map(|_| ()), second.write_lists(7)] {
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("try again"), "{refused}");
    }
    assert_eq!([list(""), list("gm")], lists, "the newest list stays in force");
    assert!(open().certificates().filter(|entry| entry.common_name == "lin.wei").all(|it| it.revoked_at.is_some()));
    assert!(!folder.path().join("identities/wang.fang").exists(), "no key that nobody could revoke");
    // The one who wrote last goes on; so does who opens it anew.
    first.write_lists(7).unwrap();
    open().issue(&other, 7, None).unwrap();
    assert!(first.write_lists(7).unwrap_err().to_string().contains("try again"));
}

/// A check beforehand says nothing about the moment of writing.
#[test]
fn a_new_secret_replaces_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key.pem");
    write_new_secret(&path, "first").unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(write_new_secret(&path, "second").is_err());
    assert_eq!(read(&path).unwrap(), "first");
    std::fs::remove_file(&path).unwrap();
    // Nor does it follow a link to a file that is not there.
    std::os::unix::fs::symlink(folder.path().join("elsewhere"), &path).unwrap();
    assert!(write_new_secret(&path, "third").is_err());
    assert!(!folder.path().join("elsewhere").exists());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left behind");
}
