//! The Chinese algorithms beside their usual counterparts and beside OpenSSL, where it is installed.

use std::hint::black_box;
use std::time::Duration;

use anyhow::Result;
use glovebox_benches::clock::cpu_best_of_two;
use glovebox_benches::figure::Figure;
use glovebox_gm::{GmError, Key128, SigningKey, Sm4Gcm, sm3};
use sha2::Digest as _;

use crate::openssl;

const ROUNDS: u32 = 7;
/// What one chunk of a segment holds.
const CHUNK_BYTES: usize = 64 << 10;
const CHUNKS: usize = 32;
const SIGNATURES: usize = 100;
const NONCE: [u8; 12] = [1; 12];
/// OpenSSL 3.0 has GCM for AES alone, and SM4 in counter mode, which is GCM without the tag.
const CIPHER_PEERS: [(&str, &str); 2] = [("sm4-ctr", "OpenSSL, SM4-CTR"), ("aes-128-gcm", "OpenSSL, AES-128-GCM")];

pub(crate) fn figures() -> Result<Vec<Figure>> {
    let mut figures = ciphers()?;
    figures.extend(digests()?);
    figures.extend(signatures()?);
    Ok(figures)
}

fn ciphers() -> Result<Vec<Figure>> {
    let cipher = Sm4Gcm::new(&Key128::random()?);
    let mut buffer = vec![0; CHUNK_BYTES];
    let mut chunk = buffer.clone();
    let tag = cipher.seal_detached(&NONCE, b"", &mut chunk)?;
    let seal = || (0..CHUNKS).try_for_each(|_| cipher.seal_detached(&NONCE, b"", &mut buffer).map(drop));
    // Opening decrypts in place, so every chunk is copied first; that takes below 1 % of the time.
    let open = || (0..CHUNKS).try_for_each(|_| cipher.open_detached(&NONCE, b"", &mut chunk.clone(), &tag));
    let (sealed, opened) = cpu_best_of_two(ROUNDS, fallible(seal), fallible(open))?;
    let seals = Figure::new("SM4-GCM seals 64 KiB", megabytes_per_second(sealed), "MB/s");
    let mut figures = vec![Figure::new("SM4-GCM opens 64 KiB", megabytes_per_second(opened), "MB/s")];
    for (algorithm, name) in CIPHER_PEERS {
        let peer = openssl::megabytes_per_second(algorithm, CHUNK_BYTES);
        figures.push(peer.map_or(seals.clone(), |theirs| seals.clone().beside(name, theirs)));
    }
    Ok(figures)
}

fn digests() -> Result<Vec<Figure>> {
    let data = vec![0x5a; CHUNK_BYTES];
    let ours = for_each_chunk(|| sm3(&data));
    let theirs = for_each_chunk(|| sha2::Sha256::digest(&data));
    let (ours, theirs) = cpu_best_of_two(ROUNDS, ours, theirs)?;
    let figure = Figure::new("SM3 of 64 KiB", megabytes_per_second(ours), "MB/s");
    let mut figures = vec![figure.clone().beside("SHA-256 (`sha2`)", megabytes_per_second(theirs))];
    if let Some(theirs) = openssl::megabytes_per_second("sm3", CHUNK_BYTES) {
        figures.push(figure.beside("OpenSSL, SM3", theirs));
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
    if let Some((theirs_sign, theirs_verify)) = openssl::sm2_per_second() {
        signs = signs.beside("OpenSSL", theirs_sign);
        verifies = verifies.beside("OpenSSL", theirs_verify);
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
