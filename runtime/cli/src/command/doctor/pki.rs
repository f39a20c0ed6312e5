//! A server's certificates: that each set works as the server will use it, that keys are secret, and when things end.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::bail;
use glovebox_catalog::Timestamp;
use glovebox_server::TlsFiles;
use glovebox_tls::{Authorities, Credentials, Suites, client_verifier, explain, provider, server_config};
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, ServerName, UnixTime};
use x509_cert::Certificate;
use x509_cert::crl::CertificateList;
use x509_cert::der::Decode as _;

use super::report::Report;
use crate::authority::unix_ms;
use crate::connection::{TlsChoice, read};
use crate::failure::words;
use crate::tls_files::{Sources, needs_passphrase};

const DAY_MS: i64 = 86_400_000;
/// How long before its end a certificate deserves a look, in days.
const CERTIFICATE_DAYS_LOW: i64 = 30;
/// The same for a revocation list.
const LIST_DAYS_LOW: i64 = 3;

pub(super) fn examine(report: &mut Report, sources: &Sources, passphrase: Option<&[u8]>, now_ms: i64) {
    let folder = sources.pki.as_deref().unwrap_or(Path::new("."));
    let tls = match sources.tls(TlsChoice::Auto) {
        Ok(tls) => tls,
        Err(error) => {
            return report.fault("certificates", words(&error), "name the folder that `serve --pki` gets");
        }
    };
    for (suites, files) in [(Suites::Gm, &tls.gm), (Suites::Standard, &tls.standard)] {
        match files {
            Some(files) => set(report, suites, files, passphrase, now_ms),
            None => report.note(section(suites), without(suites, folder)),
        }
    }
    let keys = ["ca.key", "gm/ca.key"].map(|name| folder.join(name));
    if keys.iter().any(|key| key.exists()) {
        let what = "the authority's key lies beside the server's: good for a trial, not for a zone";
        report.note("certificates", what);
    }
    for key in keys.iter().filter(|key| key.exists()) {
        secrecy(report, "certificates", key);
    }
}

fn section(suites: Suites) -> &'static str {
    match suites {
        Suites::Gm => "certificates for RFC 8998 (SM2)",
        Suites::Standard => "certificates for standard TLS (P-256)",
    }
}

fn without(suites: Suites, folder: &Path) -> String {
    let (who, algorithm) = match suites {
        Suites::Gm => ("who speaks RFC 8998 alone", "sm2"),
        Suites::Standard => ("who speaks standard TLS alone, as Python and browsers do,", "p256"),
    };
    format!(
        "none: {who} gets an alert; `glovebox pki init --dir {} --algorithm {algorithm}` makes some",
        folder.display()
    )
}

/// One set of files, used as the server uses them.
fn set(report: &mut Report, suites: Suites, files: &TlsFiles, passphrase: Option<&[u8]>, now_ms: i64) {
    let section = section(suites);
    secrecy(report, section, &files.key);
    match usable(suites, files, passphrase) {
        Ok(()) => report.good(section, "certificate, key, authority and revocation list fit together"),
        Err(error) => report.fault(
            section,
            words(&error),
            "`glovebox pki init --help` and `pki issue --help` say how they are made",
        ),
    }
    for (path, name) in
        [(&files.certificate, "the server's certificate"), (&files.client_authority, "the authority's certificate")]
    {
        for term in certificates(path) {
            ends(
                report,
                section,
                name,
                &term,
                now_ms,
                CERTIFICATE_DAYS_LOW,
                "`glovebox pki issue --for-server`, or a new authority",
            );
        }
    }
    for term in lists(&files.client_revocations) {
        ends(
            report,
            section,
            "the revocation list",
            &term,
            now_ms,
            LIST_DAYS_LOW,
            "`glovebox pki renew-list`: past its end no client gets in",
        );
    }
}

fn usable(suites: Suites, files: &TlsFiles, passphrase: Option<&[u8]>) -> anyhow::Result<()> {
    let key = zeroize::Zeroizing::new(read(&files.key)?);
    needs_passphrase(&files.key, &key, passphrase.is_some())?;
    let credentials = Credentials::from_pem(&read(&files.certificate)?, &key, passphrase)?;
    anyhow::ensure!(credentials.suites() == suites, "`{}` is of the other algorithm", files.certificate.display());
    let authorities = Authorities::from_pem(&read(&files.client_authority)?, suites)?;
    let verifier = client_verifier(suites, &authorities, &read(&files.client_revocations)?)?;
    server_config(&credentials, verifier)?;
    list_is_the_authoritys(suites, files)
}

/// Whether the list is signed by the authority, and not by another of the same name: a server notices at its first
/// client only. The server's own certificate stands for that client, where it is the same authority's.
fn list_is_the_authoritys(suites: Suites, files: &TlsFiles) -> anyhow::Result<()> {
    let (authority, list, server) =
        (read(&files.client_authority)?, read(&files.client_revocations)?, read(&files.certificate)?);
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(CertificateDer::pem_slice_iter(authority.as_bytes()).flatten());
    let lists: Vec<_> = CertificateRevocationListDer::pem_slice_iter(list.as_bytes()).flatten().collect();
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider(suites))
        .with_crls(lists)
        .allow_unknown_revocation_status()
        .build()?;
    let Some(Ok(server)) = CertificateDer::pem_slice_iter(server.as_bytes()).next() else { return Ok(()) };
    let name = ServerName::try_from("localhost")?;
    match verifier.verify_server_cert(&server, &[], &name, &[], UnixTime::now()) {
        Err(fault @ rustls::Error::InvalidCertRevocationList(_)) => bail!("{}", explain(&fault)),
        // Names and terms are not the matter here.
        _ => Ok(()),
    }
}

fn secrecy(report: &mut Report, section: &'static str, key: &Path) {
    let Ok(metadata) = std::fs::metadata(key) else { return };
    if metadata.mode() & 0o077 == 0 {
        report.good(section, format!("`{}` is its owner's alone", key.display()));
    } else {
        let remedy = format!("chmod 600 {}, and issue a new one if others use this machine", key.display());
        report.fault(section, format!("others may read `{}`", key.display()), remedy);
    }
}

/// From when until when something holds, milliseconds since the Unix epoch.
struct Term {
    from_ms: i64,
    until_ms: Option<i64>,
}

/// What can't be read was told of before.
fn certificates(path: &Path) -> Vec<Term> {
    let pem = read(path).unwrap_or_default();
    let chain = CertificateDer::pem_slice_iter(pem.as_bytes()).flatten();
    let term = |der: CertificateDer<'_>| {
        let certificate = Certificate::from_der(&der).ok()?;
        let validity = certificate.tbs_certificate().validity();
        Some(Term { from_ms: unix_ms(&validity.not_before), until_ms: Some(unix_ms(&validity.not_after)) })
    };
    chain.filter_map(term).collect()
}

fn lists(path: &Path) -> Vec<Term> {
    let pem = read(path).unwrap_or_default();
    let lists = CertificateRevocationListDer::pem_slice_iter(pem.as_bytes()).flatten();
    let term = |der: CertificateRevocationListDer<'_>| {
        let list = <CertificateList>::from_der(&der).ok()?.tbs_cert_list;
        Some(Term { from_ms: unix_ms(&list.this_update), until_ms: list.next_update.as_ref().map(unix_ms) })
    };
    lists.filter_map(term).collect()
}

fn ends(report: &mut Report, section: &'static str, name: &str, term: &Term, now_ms: i64, days_low: i64, remedy: &str) {
    let Some(until_ms) = term.until_ms else {
        return report.fault(section, format!("{name} has no end, so nobody knows whether it is the newest"), remedy);
    };
    let until = Timestamp::from_unix_ms(until_ms);
    let days = (until_ms - now_ms).div_euclid(DAY_MS);
    if term.from_ms > now_ms {
        let from = Timestamp::from_unix_ms(term.from_ms);
        report.fault(section, format!("{name} begins to hold at {from}"), "wait, or set this machine's clock");
    } else if until_ms <= now_ms {
        report.fault(section, format!("{name} ended at {until}"), remedy);
    } else if days < days_low {
        report.warning(section, format!("{name} ends at {until}, in {days} days"), remedy);
    } else {
        report.good(section, format!("{name} holds until {until}, {days} days"));
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use glovebox_gm::pki::{Algorithm, Authority, Kind, Request};
    use tempfile::TempDir;

    use super::super::report::Verdict;
    use super::*;
    use crate::authority::now_unix_ms;

    /// A folder with one set: the authority holds for 300 days, the server's certificate for 100, the list for 10.
    fn folder(algorithm: Algorithm, now_ms: i64) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        let (set, server) = match algorithm {
            Algorithm::Sm2 => ("gm", "server/gm"),
            Algorithm::P256 => (".", "server"),
        };
        let authority = Authority::create(algorithm, "zone", now_ms, 300).unwrap();
        let issued = authority.issue(&Request {
            common_name: "enclave".into(),
            organisation: "zone".into(),
            roles: Vec::new(),
            kind: Kind::Server { names: vec!["localhost".into()] },
            valid_from_unix_ms: now_ms,
            days: 100,
        });
        let issued = issued.unwrap();
        let list = authority.crl(&[], 1, now_ms, now_ms + 10 * DAY_MS).unwrap();
        for place in [set, server] {
            std::fs::create_dir_all(folder.path().join(place)).unwrap();
        }
        let put = |place: &str, name: &str, text: &str| {
            let path = folder.path().join(place).join(name);
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        };
        put(set, "ca.pem", authority.cert_pem());
        put(set, "revoked.pem", &list);
        put(server, "cert.pem", &issued.cert_pem);
        put(server, "key.pem", issued.key_pem.expose());
        folder
    }

    /// What is not good: faults and warnings.
    fn trouble(folder: &Path, now_ms: i64) -> Vec<(Verdict, String)> {
        let mut report = Report::new();
        examine(&mut report, &Sources::folder(folder), None, now_ms);
        let findings = report.findings.into_iter().map(|finding| (finding.verdict, finding.what));
        findings.filter(|(verdict, _)| matches!(verdict, Verdict::Warning | Verdict::Fault)).collect()
    }

    #[test]
    fn ends_are_told_before_they_come() {
        let now_ms = now_unix_ms();
        for algorithm in [Algorithm::Sm2, Algorithm::P256] {
            let folder = folder(algorithm, now_ms);
            let after = |days: i64| {
                let trouble = trouble(folder.path(), now_ms + days * DAY_MS + 1000);
                trouble.into_iter().map(|(verdict, what)| format!("{verdict:?} {what}")).collect::<Vec<_>>()
            };
            assert!(after(0).is_empty(), "{:?}", after(0));
            for (days, expected) in [
                (8, "Warning the revocation list ends at"),
                (10, "Fault the revocation list ended at"),
                (71, "Warning the server's certificate ends at"),
                (100, "Fault the server's certificate ended at"),
                (271, "Warning the authority's certificate ends at"),
                (300, "Fault the authority's certificate ended at"),
                (-1, "Fault the server's certificate begins to hold at"),
            ] {
                let found = after(days);
                assert!(found.iter().any(|found| found.starts_with(expected)), "{days}: {found:?}");
            }
        }
    }

    #[test]
    fn what_does_not_fit_together_is_told() {
        let now_ms = now_unix_ms();
        let (one, other) = (folder(Algorithm::P256, now_ms), folder(Algorithm::P256, now_ms));
        let gm = folder(Algorithm::Sm2, now_ms);
        let swap = |from: &TempDir, from_file: &str, file: &str| {
            let (target, source) = (one.path().join(file), from.path().join(from_file));
            let before = std::fs::read(&target).unwrap();
            std::fs::copy(source, &target).unwrap();
            let found = trouble(one.path(), now_ms + 1000);
            std::fs::write(&target, before).unwrap();
            found
        };
        for (from, from_file, file) in [
            (&other, "server/key.pem", "server/key.pem"),
            (&gm, "gm/ca.pem", "ca.pem"),
            (&gm, "gm/revoked.pem", "revoked.pem"),
            (&other, "revoked.pem", "revoked.pem"),
            (&gm, "server/gm/cert.pem", "server/cert.pem"),
        ] {
            let found = swap(from, from_file, file);
            assert!(matches!(found.as_slice(), [(Verdict::Fault, _), ..]), "{from_file} as {file}: {found:?}");
        }
        assert!(trouble(one.path(), now_ms + 1000).is_empty());
    }

    #[test]
    fn a_key_that_others_may_read_is_a_fault() {
        let now_ms = now_unix_ms();
        let folder = folder(Algorithm::Sm2, now_ms);
        let key = folder.path().join("server/gm/key.pem");
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o640)).unwrap();
        let found = trouble(folder.path(), now_ms + 1000);
        assert!(matches!(found.as_slice(), [(Verdict::Fault, what)] if what.contains("others may read")), "{found:?}");
        let empty = tempfile::tempdir().unwrap();
        let found = trouble(empty.path(), now_ms);
        assert!(matches!(found.as_slice(), [(Verdict::Fault, what)] if what.contains("pki init")), "{found:?}");
    }
}
