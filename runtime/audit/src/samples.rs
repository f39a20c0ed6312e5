//! Events, logs and receipts for the tests.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use glovebox_catalog::{
    DatasetId, GrantId, Isolation, JobId, ModuleId, OrganisationId, PrincipalId, ReleaseId, Separation, Timestamp,
    WitnessId,
};
use glovebox_gm::{Digest, SigningKey, VerifyingKey, sm3};

use crate::{
    Actor, Cosignature, Draft, Event, KnownWitness, Log, RECEIPT_VERSION, Receipt, STATEMENT_DETAIL, SignedTreeHead,
    Statement, TreeHead, WitnessPolicy,
};

pub(crate) const LOG_ID: &str = "log-1";

static KEY: LazyLock<SigningKey> = LazyLock::new(|| {
    // A fixed key, made by OpenSSL, keeps the tests repeatable.
    SigningKey::from_pkcs8_pem(
        "-----BEGIN PRIVATE KEY-----\n\
         MIGHAgEAMBMGByqGSM49AgEGCCqBHM9VAYItBG0wawIBAQQgVyz3SX5ZJKCKwZOF\n\
         bcaRZ+azkhUZrzbrdsiSFbFlPlyhRANCAAQmPO8NPz6+VXNteWbB1EQdtlApYcM9\n\
         XG00zprjaZVyGnWLsJTA5xxtl0lAT61t5iGyVo6g0m1bLnTMzz98uTvl\n\
         -----END PRIVATE KEY-----\n",
    )
    .unwrap()
});

pub(crate) fn key() -> &'static SigningKey {
    &KEY
}

pub(crate) fn public() -> VerifyingKey {
    key().verifying_key().clone()
}

pub(crate) fn at(unix_s: i64) -> Timestamp {
    Timestamp::from_unix_ms(1_795_392_000_000 + unix_s * 1000)
}

pub(crate) fn actor() -> Actor {
    Actor {
        principal: Some(PrincipalId::new("lin.wei").unwrap()),
        organisation: Some(OrganisationId::new("hospital-a").unwrap()),
        address: Some("192.0.2.7".into()),
    }
}

pub(crate) fn event(sequence: u64) -> Event {
    let resource = format!("grant/g-{sequence}");
    let time = at(i64::try_from(sequence % 1000).unwrap());
    let draft = match sequence % 3 {
        2 => Draft::refused(time, actor(), "grant.approve", resource, "policy.not-permitted"),
        1 => Draft::done(time, Actor::default(), "enclave.start", resource),
        _ => Draft::done(time, actor(), "grant.approve", resource).with("count", sequence),
    };
    draft.at_sequence(sequence)
}

pub(crate) fn log(size: u64) -> Log {
    let mut log = Log::new(LOG_ID);
    (0..size).for_each(|sequence| log.append(&event(sequence)).unwrap());
    log
}

pub(crate) fn head(log: &Log) -> TreeHead {
    log.head(at(1000))
}

pub(crate) fn signed_head(log: &Log) -> SignedTreeHead {
    head(log).sign(key()).unwrap()
}

/// Names and private keys of three witnesses, made by OpenSSL.
const WITNESSES: [(&str, &str); 3] = [
    (
        "hospital-a",
        "-----BEGIN PRIVATE KEY-----\n\
         MIGHAgEAMBMGByqGSM49AgEGCCqBHM9VAYItBG0wawIBAQQgASilt32NI4IOeO5s\n\
         c65qChlOOCAUeX+4Uldz4TArdEyhRANCAASVxkm9/we3uNVaJTSTPmtgleTHhXEn\n\
         BpgzQa6Ha0XP6oSYA6dBpsJKnah2g9SS3MksraPePoWFrw0izaaGZ5cq\n\
         -----END PRIVATE KEY-----\n",
    ),
    (
        "hospital-b",
        "-----BEGIN PRIVATE KEY-----\n\
         MIGHAgEAMBMGByqGSM49AgEGCCqBHM9VAYItBG0wawIBAQQgp8MJ20+XPR+1psuG\n\
         m6fF/c6qf2qK+tq0/zOBfWfuL+OhRANCAAQH8lIAQtxOBSuq6IQQZS5Wcaz6ksAF\n\
         +DZWxg2y0nJGrsZDa/xux/owxHQgCMBnpmQOz2xpvb07LIxRCTtjT2Yt\n\
         -----END PRIVATE KEY-----\n",
    ),
    (
        "regulator",
        "-----BEGIN PRIVATE KEY-----\n\
         MIGHAgEAMBMGByqGSM49AgEGCCqBHM9VAYItBG0wawIBAQQg587LXfvKtcg3ikAs\n\
         KWwi03L8rmRQSKry8BN7RsvHLimhRANCAAQibUPKeqdIvdkCaGxoonHPS66TiO9X\n\
         Y1RWf0DSbyqpfw3/ZqQ9nOdPCCztQn1NwQHZd/n2nZib8JRtYG0o3jn8\n\
         -----END PRIVATE KEY-----\n",
    ),
];

static WITNESS_KEYS: LazyLock<[SigningKey; 3]> =
    LazyLock::new(|| WITNESSES.map(|(_, pem)| SigningKey::from_pkcs8_pem(pem).unwrap()));

pub(crate) fn witness_key(index: usize) -> &'static SigningKey {
    &WITNESS_KEYS[index]
}

pub(crate) fn cosignature(index: usize, head: &TreeHead) -> Cosignature {
    let name = WitnessId::new(WITNESSES[index].0).unwrap();
    Cosignature::sign(head, name, at(1003), witness_key(index)).unwrap()
}

/// Two of the three.
pub(crate) fn policy() -> WitnessPolicy {
    let known = |index: usize| KnownWitness {
        name: WitnessId::new(WITNESSES[index].0).unwrap(),
        key: witness_key(index).verifying_key().clone(),
        url: format!("http://192.0.2.{}:9470", index + 1),
    };
    WitnessPolicy::new(2, (0..3).map(known).collect()).unwrap()
}

pub(crate) fn export(size: u64) -> Vec<u8> {
    let mut lines: Vec<u8> = (0..size).flat_map(|sequence| [event(sequence).leaf(), b"\n".to_vec()].concat()).collect();
    lines.extend(signed_head(&log(size)).export_line(&[]).unwrap());
    lines
}

pub(crate) fn digest(text: &str) -> Digest {
    sm3(text.as_bytes())
}

pub(crate) fn statement() -> Statement {
    Statement {
        receipt_version: RECEIPT_VERSION,
        enclave_fingerprint: public().fingerprint(),
        log_id: LOG_ID.into(),
        job: JobId::new("job-1").unwrap(),
        release: Some(ReleaseId::new("rel-1").unwrap()),
        outcome: "released".into(),
        developer: PrincipalId::new("chen.fang").unwrap(),
        organisation: OrganisationId::new("pharma-b").unwrap(),
        grant: GrantId::new("grt-1").unwrap(),
        grant_terms_sm3: digest("terms"),
        policy_sm3: digest("policy"),
        disclosure_profile: "default".into(),
        disclosure_profile_sm3: digest("profile"),
        dataset: DatasetId::new("nhanes-2017").unwrap(),
        snapshot: 3,
        snapshot_sm3: digest("snapshot"),
        module: ModuleId::new(digest("module").to_string()).unwrap(),
        module_sha256: "ab".repeat(32),
        isolation: Isolation::Row,
        separation: Separation::StatelessProof,
        mechanism: "disclosure-rules".into(),
        parameters: BTreeMap::from([("age_min".into(), 18.0), ("bmi_max".into(), 39.5)]),
        output_sm3: Some(digest("output")),
        cells_released: 12,
        cells_withheld: 2,
        meters: BTreeMap::from([("fuel_units".into(), 1_000_000), ("rows_read".into(), 8366)]),
        started_at: at(1),
        ended_at: at(2),
    }
}

/// An export of so many events that two of the witnesses cosigned.
pub(crate) fn witnessed_export(size: u64) -> Vec<u8> {
    let (lines, head) = (export(size), signed_head(&log(size)));
    let events = lines
        .iter()
        .rposition(|byte| *byte == b'\n')
        .and_then(|end| lines[..end].iter().rposition(|byte| *byte == b'\n'));
    let cosignatures: Vec<_> = [0, 2].map(|index| cosignature(index, &head.head)).into();
    [&lines[..events.map_or(0, |end| end + 1)], &head.export_line(&cosignatures).unwrap()].concat()
}

/// A receipt in a log of nine events, recorded as event 5, which two of the witnesses cosigned.
pub(crate) fn receipt() -> Receipt {
    let statement = statement();
    let mut log = log(5);
    let recorded = Draft::done(at(5), Actor::default(), "job.release", "job/job-1")
        .with(STATEMENT_DETAIL, statement.digest().unwrap())
        .at_sequence(5);
    log.append(&recorded).unwrap();
    (6..9).for_each(|sequence| log.append(&event(sequence)).unwrap());
    let head = signed_head(&log);
    Receipt {
        cosignatures: (0..2).map(|index| cosignature(index, &head.head)).collect(),
        signature: statement.sign(key()).unwrap(),
        statement,
        event: recorded,
        inclusion: log.inclusion_proof(5).unwrap(),
        head,
    }
}
