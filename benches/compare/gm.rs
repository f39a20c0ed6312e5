//! SM3 and SM2 beside their usual counterparts and beside OpenSSL, where it is installed; SM4 in a file of its own.

use std::hint::black_box;
use std::time::Duration;

use anyhow::Result;
use glovebox_benches::clock::cpu_best_of_two;
use glovebox_benches::figure::Figure;
use glovebox_gm::{GmError, Key256, SigningKey, Sm3Lanes, hmac_sm3, hmac_sm3_many, sm3, sm3_many};
use sha2::Digest as _;

use crate::cipher;
use crate::openssl::OpenSsl;

const ROUNDS: u32 = 7;
/// What one chunk of a segment holds.
const CHUNK_BYTES: usize = 64 << 10;
const CHUNKS: usize = 32;
const SIGNATURES: usize = 100;
/// Messages of a batch: leaves of a log, keys of persons.
const MESSAGES: usize = 4096;

pub(crate) fn figures() -> Result<Vec<Figure>> {
    let mut figures = cipher::figures()?;
    figures.extend(digests()?);
    figures.extend(batches()?);
    figures.extend(signatures()?);
    Ok(figures)
}

fn digests() -> Result<Vec<Figure>> {
    let data = vec![0x5a; CHUNK_BYTES];
    let ours = for_each_chunk(|| sm3(&data));
    let theirs = for_each_chunk(|| sha2::Sha256::digest(&data));
    let (ours, theirs) = cpu_best_of_two(ROUNDS, ours, theirs)?;
    let figure = Figure::new("SM3 of 64 KiB", megabytes_per_second(ours), "MB/s");
    let mut figures = vec![figure.clone().beside("SHA-256 (`sha2`)", megabytes_per_second(theirs))];
    for peer in [OpenSsl::on_path(), OpenSsl::four()].into_iter().flatten() {
        if let Some(theirs) = peer.megabytes_per_second("sm3", CHUNK_BYTES) {
            figures.push(figure.clone().beside(format!("{}, SM3", peer.name), theirs));
        }
    }
    Ok(figures)
}

/// Many short messages at once, beside one by one.
fn batches() -> Result<Vec<Figure>> {
    let lanes = Sm3Lanes::best();
    let key = Key256::random()?;
    let mut figures = Vec::new();
    for bytes in [32, 64, 256, 1024] {
        let messages: Vec<Vec<u8>> = (0..MESSAGES).map(|number| vec![number as u8; bytes]).collect();
        let rate = |taken: Duration| MESSAGES as f64 / taken.as_secs_f64() / 1e6;
        let many = || Ok(black_box(sm3_many(&messages)));
        let each = || Ok(messages.iter().map(|message| sm3(message)).collect::<Vec<_>>());
        let (ours, theirs) = cpu_best_of_two(ROUNDS, many, each)?;
        let name =
            format!("SM3 of {MESSAGES} messages of {bytes} B at once ({} lanes, {})", lanes.count(), lanes.name());
        figures.push(Figure::new(name, rate(ours), "M/s").beside("one by one", rate(theirs)));
        if bytes == 32 {
            let many = || Ok(black_box(hmac_sm3_many(&key, &messages)));
            let each = || Ok(messages.iter().map(|message| hmac_sm3(&key, message)).collect::<Vec<_>>());
            let (ours, theirs) = cpu_best_of_two(ROUNDS, many, each)?;
            let name = format!("HMAC-SM3 of {MESSAGES} messages of {bytes} B at once");
            figures.push(Figure::new(name, rate(ours), "M/s").beside("one by one", rate(theirs)));
        }
    }
    Ok(figures)
}

fn signatures() -> Result<Vec<Figure>> {
    let key = SigningKey::generate()?;
    let message = [0x5a; 256];
    let signature = key.sign(&message)?;
    let sign = || (0..SIGNATURES).try_for_each(|_| key.sign(&message).map(drop));
    let verify = || (0..SIGNATURES).try_for_each(|_| key.verifying_key().verify(&message, &signature));
    let (signed, verified) = cpu_best_of_two(ROUNDS, fallible(sign), fallible(verify))?;
    let rate = |taken: Duration| SIGNATURES as f64 / taken.as_secs_f64();
    let mut signs = Figure::new("SM2 signs", rate(signed), "a second");
    let mut verifies = Figure::new("SM2 verifies", rate(verified), "a second");
    if let Some(peer) = OpenSsl::on_path()
        && let Some((theirs_sign, theirs_verify)) = peer.sm2_per_second()
    {
        signs = signs.beside(&peer.name, theirs_sign);
        verifies = verifies.beside(&peer.name, theirs_verify);
    }
    Ok(vec![signs, verifies])
}

fn for_each_chunk<T>(work: impl Fn() -> T) -> impl FnMut() -> Result<()> {
    move || {
        for _ in 0..CHUNKS {
            black_box(work());
        }
        Ok(())
    }
}

fn fallible<T>(mut work: impl FnMut() -> Result<T, GmError>) -> impl FnMut() -> Result<T> {
    move || Ok(work()?)
}

fn megabytes_per_second(taken: Duration) -> f64 {
    (CHUNKS * CHUNK_BYTES) as f64 / taken.as_secs_f64() / 1e6
}
