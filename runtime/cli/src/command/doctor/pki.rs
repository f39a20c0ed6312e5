//! A server's certificates: that each set works as the server will use it, that keys are secret, and when things end.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use glovebox_catalog::Timestamp;
use glovebox_server::TlsFiles;
use glovebox_tls::{Authorities, Credentials, Suites, client_verifier, server_config};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};
use x509_cert::Certificate;
use x509_cert::crl::CertificateList;
use x509_cert::der::Decode as _;
use x509_cert::time::Time;

use super::report::Report;
use crate::connection::{TlsChoice, read};
use crate::tls_files::Sources;

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
            return report.fault("certificates", format!("{error:#}"), "name the folder that `serve --pki` gets");
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
            format!("{error:#}"),
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
    let credentials = Credentials::from_pem(&read(&files.certificate)?, &key, passphrase)?;
    anyhow::ensure!(credentials.suites() == suites, "`{}` is of the other algorithm", files.certificate.display());
    let authorities = Authorities::from_pem(&read(&files.client_authority)?, suites)?;
    let verifier = client_verifier(suites, &authorities, &read(&files.client_revocations)?)?;
    server_config(&credentials, verifier)?;
    Ok(())
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

fn unix_ms(time: &Time) -> i64 {
    i64::try_from(time.to_unix_duration().as_millis()).unwrap_or(i64::MAX)
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
