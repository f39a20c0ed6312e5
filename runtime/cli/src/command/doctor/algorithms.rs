//! The algorithms: known answers of the standards, every kernel against the portable one, and how fast they are here.

use std::hint::black_box;
use std::time::{Duration, Instant};

use glovebox_gm::{
    Digest, GmError, Kernel, Key128, Key256, Signature, SigningKey, Sm4Ccm, Sm4Gcm, VerifyingKey, hmac_sm3,
    hmac_sm3_many, sm3, sm3_many,
};

use super::report::{Report, Speed};

const SECTION: &str = "algorithms";
const REMEDY: &str =
    "trust nothing that this machine computed: run `glovebox doctor` on another, and replace this one or its binary";
/// Lengths at which kernels take another path: none, less than a block, whole turns of every kernel and one byte beside.
const LENGTHS: [usize; 14] = [0, 1, 15, 16, 17, 255, 256, 257, 511, 1024, 1025, 2047, 4096, 70_001];
/// A figure is the best of three measurements of this length.
const MEASURED: Duration = Duration::from_millis(20);
const CHUNK_BYTES: usize = 64 << 10;

/// RFC 8998, appendix A: key, nonce, associated data and plaintext of both examples.
const KEY: [u8; 16] = 0x0123_4567_89AB_CDEF_FEDC_BA98_7654_3210_u128.to_be_bytes();
const NONCE: [u8; 12] = [0, 0, 0x12, 0x34, 0x56, 0x78, 0, 0, 0, 0, 0xAB, 0xCD];
const ASSOCIATED: &str = "FEEDFACEDEADBEEFFEEDFACEDEADBEEFABADDAD2";
const PLAIN: &str = "AAAAAAAAAAAAAAAABBBBBBBBBBBBBBBBCCCCCCCCCCCCCCCCDDDDDDDDDDDDDDDD\
                     EEEEEEEEEEEEEEEEFFFFFFFFFFFFFFFFEEEEEEEEEEEEEEEEAAAAAAAAAAAAAAAA";
/// Appendix A.1.
const GCM: &str = "17F399F08C67D5EE19D0DC9969C4BB7D5FD46FD3756489069157B282BB200735\
                   D82710CA5C22F0CCFA7CBF93D496AC15A56834CBCF98C397B4024A2691233B8D\
                   83DE3541E4C2B58177E065A9BF7B62EC";
/// Appendix A.2.
const CCM: &str = "48AF93501FA62ADBCD414CCE6034D895DDA1BF8F132F042098661572E7483094\
                   FD12E518CE062C98ACEE28D95DF4416BED31A2F04476C18BB40C84A74B97DC5B\
                   16842D4FA186F56AB33256971FA110F4";
/// GB/T 32905-2016, appendix A.1: SM3 of `abc`.
const SM3_ABC: &str = "66C7F0F462EEEDD9D1F2D46BDC10E4E24167C4875CF2F7A2297DA02B8F4BA8E0";
/// GB/T 32918.5-2017, appendix A.2: public key and signature of `message digest`.
const SM2_POINT: &str = "0409F9DF311E5421A150DD7D161E4BC5C672179FAD1833FC076BB08FF356F35020\
                         CCEA490CE26775A52DC6EA718CC1AA600AED05FBF35E084A6632F6072DA9AD13";
const SM2_SIGNATURE: &str = "F5A03B0648D2C4630EEAC513E1BB81A15944DA3827D5B74143AC7EACEEE720B3\
                             B1B6AA29DF212FD8763182BC0D421CA1BB9038FD1F7F42D4840B69C485BBC1AA";

pub(super) fn examine(report: &mut Report) {
    verdict(report, "SM3, HMAC-SM3 and many at once: known answer, and equal to one by one", sm3_holds());
    verdict(report, "SM2: known answer, own signature verifies, a changed one does not", sm2_holds() == Ok(true));
    for kernel in Kernel::ALL.into_iter().filter(|kernel| kernel.is_available()) {
        let what = format!(
            "SM4-GCM and SM4-CCM, kernel {kernel}: known answers, equal to the portable one, changes are found"
        );
        verdict(report, &what, sm4_holds(kernel) == Ok(true));
    }
    report.speeds.extend(speeds().unwrap_or_default());
}

fn verdict(report: &mut Report, what: &str, holds: bool) {
    if holds {
        report.good(SECTION, what);
    } else {
        report.fault(SECTION, format!("failed: {what}"), REMEDY);
    }
}

fn sm3_holds() -> bool {
    let key = Key256::from_slice(&[7; 32]);
    let messages: Vec<Vec<u8>> = (0..200).map(|length| vec![length as u8; length]).collect();
    let each: Vec<Digest> = messages.iter().map(|message| sm3(message)).collect();
    let tags = |key: &Key256| messages.iter().map(|message| hmac_sm3(key, message)).collect::<Vec<_>>();
    sm3(b"abc").as_bytes()[..] == bytes(SM3_ABC)
        && sm3_many(&messages) == each
        && key.is_ok_and(|key| hmac_sm3_many(&key, &messages) == tags(&key))
}

fn sm2_holds() -> Result<bool, GmError> {
    let known = VerifyingKey::from_point(&bytes(SM2_POINT))?;
    let signature = bytes(SM2_SIGNATURE).try_into().map_err(|_| GmError::Signature)?;
    let key = SigningKey::generate()?;
    let own = key.sign(b"message")?;
    Ok(known.verify(b"message digest", &Signature::from_bytes(signature)).is_ok()
        && known.verify(b"message digesT", &Signature::from_bytes(signature)).is_err()
        && key.verifying_key().verify(b"message", &own).is_ok()
        && key.verifying_key().verify(b"massage", &own).is_err())
}

/// The same for both modes, which have the same methods.
macro_rules! mode_holds {
    ($mode:ident, $kernel:expr, $known:expr) => {{
        let key = Key128::from_slice(&KEY)?;
        let (ours, portable) = ($mode::with_kernel(&key, $kernel)?, $mode::with_kernel(&key, Kernel::Portable)?);
        let mut sealed = bytes(PLAIN);
        ours.seal_in_place(&NONCE, &bytes(ASSOCIATED), &mut sealed)?;
        let mut holds = sealed == bytes($known);
        for length in LENGTHS {
            let plain: Vec<u8> = (0..length).map(|at| (at * 31 + at / 256) as u8).collect();
            let associated = plain.get(..length.min(100)).unwrap_or_default();
            let (mut sealed, mut opened) = (vec![0; length + 16], vec![0; length]);
            ours.seal_into(&NONCE, associated, &plain, &mut sealed)?;
            portable.open_into(&NONCE, associated, &sealed, &mut opened)?;
            holds &= opened == plain;
            opened.fill(0);
            ours.open_into(&NONCE, associated, &sealed, &mut opened)?;
            holds &= opened == plain;
            if let Some(byte) = sealed.get_mut(length / 2) {
                *byte ^= 4;
            }
            holds &= ours.open_into(&NONCE, associated, &sealed, &mut opened) == Err(GmError::Authentication);
            holds &= opened.iter().all(|byte| *byte == 0);
        }
        holds
    }};
}

fn sm4_holds(kernel: Kernel) -> Result<bool, GmError> {
    Ok(mode_holds!(Sm4Gcm, kernel, GCM) && mode_holds!(Sm4Ccm, kernel, CCM))
}

fn speeds() -> Result<Vec<Speed>, GmError> {
    let cipher = Sm4Gcm::new(&Key128::random()?);
    let (mut plain, mut sealed) = (vec![0; CHUNK_BYTES], vec![0; CHUNK_BYTES + 16]);
    let seals = rate(|| cipher.seal_into(&NONCE, b"", &plain, &mut sealed).is_ok());
    let opens = rate(|| cipher.open_into(&NONCE, b"", &sealed, &mut plain).is_ok());
    let hashes = rate(|| sm3(&plain));
    let leaves = vec![[0x5a_u8; 64]; 1024];
    let many = rate(|| sm3_many(&leaves));
    let key = SigningKey::generate()?;
    let signature = key.sign(b"message")?;
    let signs = rate(|| key.sign(b"message").is_ok());
    let verifies = rate(|| key.verifying_key().verify(b"message", &signature).is_ok());
    let megabytes = CHUNK_BYTES as f64 / 1e6;
    let speed = |what, value, unit| Speed { what, value, unit };
    Ok(vec![
        speed("SM4-GCM seals 64 KiB", seals * megabytes, "MB/s"),
        speed("SM4-GCM opens 64 KiB", opens * megabytes, "MB/s"),
        speed("SM3 of 64 KiB", hashes * megabytes, "MB/s"),
        speed("SM3 of many messages of 64 B", many * leaves.len() as f64 / 1e3, "thousand/s"),
        speed("SM2 signs", signs, "a second"),
        speed("SM2 verifies", verifies, "a second"),
    ])
}

/// How often `work` is done in a second.
fn rate<T>(mut work: impl FnMut() -> T) -> f64 {
    let mut best = 0.0_f64;
    for _ in 0..3 {
        let (start, mut done) = (Instant::now(), 0_u32);
        while start.elapsed() < MEASURED {
            black_box(work());
            done += 1;
        }
        best = best.max(f64::from(done) / start.elapsed().as_secs_f64());
    }
    best
}

/// The bytes of a constant above.
fn bytes(digits: &str) -> Vec<u8> {
    let value = |digit: &u8| char::from(*digit).to_digit(16).unwrap_or(0);
    digits.as_bytes().chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte * 16 + value(digit)) as u8).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_algorithm_holds_here() {
        let mut report = Report::new();
        examine(&mut report);
        let kernels = Kernel::ALL.into_iter().filter(|kernel| kernel.is_available()).count();
        assert_eq!(report.findings.len(), 2 + kernels);
        assert_eq!(report.speeds.len(), 6);
        assert!(report.outcome().is_ok());
    }
}
