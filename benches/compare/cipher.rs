//! SM4-GCM by every kernel that this CPU runs, beside the portable crates, OpenSSL 4, libgcrypt, and AES-128-GCM.

use std::hint::black_box;
use std::time::Duration;

use aes_gcm::AesGcm;
use aes_gcm::aead::consts::U12;
use aes_gcm::aead::{AeadInOut, KeyInit};
use anyhow::{Context as _, Result};
use glovebox_benches::clock::{Work, cpu_best_of_all, cpu_best_of_two};
use glovebox_benches::figure::{Aim, Figure};
use glovebox_gm::{Kernel, Key128, Sm4Gcm, TAG_LENGTH_BYTES};
use sm4::Sm4;

use crate::gcrypt::Gcrypt;
use crate::openssl::OpenSsl;

const ROUNDS: u32 = 7;
/// What one chunk of a segment holds.
const CHUNK_BYTES: usize = 64 << 10;
/// What a contestant works on for one measurement.
const WORK_BYTES: usize = 4 << 20;
const SIZES: [usize; 6] = [256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 1 << 20];
const NONCE: [u8; 12] = [1; 12];
const REFERENCE: &str = "crates `sm4` + `aes-gcm`";

pub(crate) fn figures() -> Result<Vec<Figure>> {
    let key = Key128::random()?;
    let mut figures = kernels(&key)?;
    figures.extend(peers(&key)?);
    figures.extend(sizes(&key)?);
    Ok(figures)
}

/// Every kernel beside the crates, in turns.
fn kernels(key: &Key128) -> Result<Vec<Figure>> {
    let kernels: Vec<Kernel> = Kernel::ALL.into_iter().filter(|kernel| kernel.is_available()).collect();
    let ciphers = kernels.iter().map(|kernel| Sm4Gcm::with_kernel(key, *kernel)).collect::<Result<Vec<_>, _>>()?;
    let reference = reference(key)?;
    let (mut seals, mut opens) = (vec![sealing_by_reference(&reference)], vec![opening_by_reference(&reference)?]);
    for cipher in &ciphers {
        seals.push(sealing(cipher, CHUNK_BYTES));
        opens.push(opening(cipher, CHUNK_BYTES)?);
    }
    let seals = rates(cpu_best_of_all(ROUNDS, &mut seals)?);
    let opens = rates(cpu_best_of_all(ROUNDS, &mut opens)?);
    let mut figures = Vec::new();
    for (what, rates) in [("seals", seals), ("opens", opens)] {
        let (theirs, ours) = rates.split_first().context("the reference")?;
        for (kernel, rate) in kernels.iter().zip(ours) {
            let name = format!("SM4-GCM {what} 64 KiB, kernel {kernel}");
            let figure = Figure::new(name, *rate, "MB/s").aiming(aim(*kernel, *theirs, 25.0, 15.0, 4.0));
            figures.push(figure.beside(REFERENCE, *theirs));
        }
    }
    Ok(figures)
}

/// The best kernel beside other programs and libraries.
fn peers(key: &Key128) -> Result<Vec<Figure>> {
    let cipher = Sm4Gcm::new(key);
    let mut contestants: Vec<(&str, Work<'_>)> = vec![("", sealing(&cipher, CHUNK_BYTES))];
    contestants.extend(aes::contestants(CHUNK_BYTES)?);
    let (names, mut works): (Vec<_>, Vec<_>) = contestants.into_iter().unzip();
    let rates = rates(cpu_best_of_all(ROUNDS, &mut works)?);
    let (ours, theirs) = rates.split_first().context("ours")?;
    let figure = Figure::new(format!("SM4-GCM seals 64 KiB, kernel {}", cipher.kernel()), *ours, "MB/s");
    let mut figures = Vec::new();
    if let Some(peer) = OpenSsl::four()
        && let Some(rate) = peer.megabytes_per_second("sm4-gcm", CHUNK_BYTES)
    {
        let aimed = figure.clone().aiming(aim(cipher.kernel(), rate, 15.0, 10.0, 0.0));
        figures.push(aimed.beside(format!("{}, SM4-GCM", peer.name), rate));
    }
    // OpenSSL 3.0 has SM4 in counter mode, which is GCM without the tag.
    if let Some(peer) = OpenSsl::on_path()
        && let Some(rate) = peer.megabytes_per_second("sm4-ctr", CHUNK_BYTES)
    {
        figures.push(figure.clone().beside(format!("{}, SM4-CTR (no tag)", peer.name), rate));
    }
    if let Some(peer) = Gcrypt::compile() {
        let (name, rate) = peer.seals(CHUNK_BYTES)?;
        figures.push(figure.clone().beside(name, rate));
    }
    figures.extend(names.iter().skip(1).zip(theirs).map(|(name, rate)| figure.clone().beside(*name, *rate)));
    Ok(figures)
}

/// The best kernel by length of the message, and what a fresh key costs, beside a message of 64 KiB.
fn sizes(key: &Key128) -> Result<Vec<Figure>> {
    let cipher = Sm4Gcm::new(key);
    let mut works: Vec<_> = SIZES.iter().map(|bytes| sealing(&cipher, *bytes)).collect();
    let rates = rates(cpu_best_of_all(ROUNDS, &mut works)?);
    let chunk = SIZES.iter().zip(&rates).find(|(bytes, _)| **bytes == CHUNK_BYTES).map_or(f64::NAN, |(_, rate)| *rate);
    let named = |(bytes, rate): (&usize, &f64)| {
        let name = if *bytes < 1 << 10 { format!("{bytes} B") } else { format!("{} KiB", bytes >> 10) };
        Figure::new(format!("SM4-GCM seals messages of {name}"), *rate, "MB/s").beside("64 KiB", chunk)
    };
    let mut figures: Vec<_> = SIZES.iter().zip(&rates).map(named).collect();
    figures.push(key_setup(key)?);
    Ok(figures)
}

fn key_setup(key: &Key128) -> Result<Figure> {
    const KEYS: u32 = 4096;
    let reference = reference(key)?;
    let mut message = [0x5a; 64];
    let mut other = message;
    let ours = || -> Result<()> {
        for _ in 0..KEYS {
            black_box(Sm4Gcm::new(black_box(key)).seal_detached(&NONCE, b"", &mut message)?);
        }
        Ok(())
    };
    let theirs = || -> Result<()> {
        for _ in 0..KEYS {
            black_box(AesGcm::<Sm4, U12>::new(black_box(key.expose()).try_into()?));
            black_box(encrypted(&reference, &mut other)?);
        }
        Ok(())
    };
    let (ours, theirs) = cpu_best_of_two(ROUNDS, ours, theirs)?;
    let each = |taken: Duration| taken.as_secs_f64() * 1e6 / f64::from(KEYS);
    Ok(Figure::new("SM4-GCM: fresh key, one message of 64 B", each(ours), "µs").beside(REFERENCE, each(theirs)))
}

fn reference(key: &Key128) -> Result<AesGcm<Sm4, U12>> {
    Ok(AesGcm::new(key.expose().try_into()?))
}

fn encrypted(cipher: &AesGcm<Sm4, U12>, buffer: &mut [u8]) -> Result<[u8; TAG_LENGTH_BYTES]> {
    let sealed = cipher.encrypt_inout_detached(&NONCE.into(), b"", buffer.into());
    Ok(sealed.ok().context("the reference seals")?.into())
}

fn sealing(cipher: &Sm4Gcm, bytes: usize) -> Work<'_> {
    let mut buffer = vec![0; bytes];
    Box::new(move || {
        for _ in 0..WORK_BYTES / bytes {
            black_box(cipher.seal_detached(&NONCE, b"", &mut buffer)?);
        }
        Ok(())
    })
}

/// From one buffer into another, as the vault reads.
fn opening(cipher: &Sm4Gcm, bytes: usize) -> Result<Work<'_>> {
    let (mut plain, mut sealed) = (vec![0x5a; bytes], vec![0; bytes + TAG_LENGTH_BYTES]);
    cipher.seal_into(&NONCE, b"", &plain, &mut sealed)?;
    Ok(Box::new(move || {
        for _ in 0..WORK_BYTES / bytes {
            cipher.open_into(&NONCE, b"", &sealed, &mut plain)?;
        }
        Ok(())
    }))
}

fn sealing_by_reference(cipher: &AesGcm<Sm4, U12>) -> Work<'_> {
    let mut buffer = vec![0; CHUNK_BYTES];
    Box::new(move || {
        for _ in 0..WORK_BYTES / CHUNK_BYTES {
            black_box(encrypted(cipher, &mut buffer)?);
        }
        Ok(())
    })
}

/// The crates decrypt in place, so every chunk is copied first; that takes below 1 % of the time.
fn opening_by_reference(cipher: &AesGcm<Sm4, U12>) -> Result<Work<'_>> {
    let (mut plain, mut sealed) = (vec![0x5a; CHUNK_BYTES], vec![0x5a; CHUNK_BYTES]);
    let tag = encrypted(cipher, &mut sealed)?;
    Ok(Box::new(move || {
        for _ in 0..WORK_BYTES / CHUNK_BYTES {
            plain.copy_from_slice(&sealed);
            let data = plain.as_mut_slice().into();
            let opened = cipher.decrypt_inout_detached(&NONCE.into(), b"", data, &tag.into());
            opened.ok().context("the reference opens")?;
        }
        Ok(())
    }))
}

fn rates(taken: Vec<Duration>) -> Vec<f64> {
    taken.into_iter().map(|taken| WORK_BYTES as f64 / taken.as_secs_f64() / 1e6).collect()
}

/// How many times `theirs` a kernel should reach.
fn aim(kernel: Kernel, theirs: f64, avx512: f64, avx2: f64, aes_ni: f64) -> Aim {
    let times = match kernel {
        Kernel::Avx512Gfni => avx512,
        Kernel::Avx2Gfni => avx2,
        Kernel::AesNi => aes_ni,
        Kernel::Portable => 0.0,
    };
    if times > 0.0 { Aim::AtLeast(times * theirs) } else { Aim::None }
}

/// AES-128-GCM by libraries that have it in assembly, for scale.
#[cfg(feature = "peers")]
mod aes {
    use anyhow::{Context as _, Result};
    use glovebox_benches::clock::Work;

    use super::{NONCE, WORK_BYTES, black_box};

    /// The crate and how its key is made: aws-lc-rs has the interface of ring.
    macro_rules! sealing {
        ($library:ident, $bytes:expr) => {{
            use $library::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

            let key = UnboundKey::new(&AES_128_GCM, &[7; 16]).ok().context("a key of 16 bytes")?;
            let key = LessSafeKey::new(key);
            let mut buffer = vec![0; $bytes];
            Box::new(move || {
                for _ in 0..WORK_BYTES / $bytes {
                    let nonce = Nonce::assume_unique_for_key(NONCE);
                    let sealed = key.seal_in_place_separate_tag(nonce, Aad::empty(), &mut buffer);
                    let tag = sealed.ok().context("AES-128-GCM seals")?;
                    black_box(tag.as_ref());
                }
                Ok(())
            }) as Work<'static>
        }};
    }

    pub(super) fn contestants(bytes: usize) -> Result<Vec<(&'static str, Work<'static>)>> {
        Ok(vec![("aws-lc-rs, AES-128-GCM", sealing!(aws_lc_rs, bytes)), ("ring, AES-128-GCM", sealing!(ring, bytes))])
    }
}

/// Without the feature `peers` they are not built; the table then says so.
#[cfg(not(feature = "peers"))]
mod aes {
    use anyhow::Result;
    use glovebox_benches::clock::Work;

    #[allow(clippy::print_stderr, reason = "a table without its peer says why, beside itself")]
    pub(super) fn contestants(_: usize) -> Result<Vec<(&'static str, Work<'static>)>> {
        eprintln!("no peer: AES-128-GCM of aws-lc-rs and ring needs `--features peers`");
        Ok(Vec::new())
    }
}
