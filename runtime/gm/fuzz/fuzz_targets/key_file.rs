//! Key files of strangers: read or refused with a reason, in bounded time. The first byte says how the rest comes: `t`
//! as the text of a file, `p` as the DER of a plain key, `e` as that of an encrypted one.
#![no_main]

use glovebox_gm::pki::PrivateKey;
use glovebox_gm::{SigningKey, key_file};
use libfuzzer_sys::fuzz_target;

/// The passphrase of the seeds.
const PASSPHRASE: &[u8] = b"correct horse battery staple";

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, rest)) = bytes.split_first() else { return };
    let text = match kind {
        b't' => match std::str::from_utf8(rest) {
            Ok(text) => text.to_owned(),
            Err(_) => return,
        },
        b'p' => armoured("PRIVATE KEY", rest),
        b'e' if !is_slow(rest) => armoured("ENCRYPTED PRIVATE KEY", rest),
        _ => return,
    };
    if key_file::is_encrypted(&text) {
        assert!(key_file::read(&text, None).is_err(), "an encrypted key without its passphrase");
        // A whole text may ask for as many iterations as are allowed, which is slow by intent.
        if *kind == b't' {
            return;
        }
    }
    let read = key_file::read(&text, Some(PASSPHRASE));
    let _ = SigningKey::from_pem(&text, Some(PASSPHRASE));
    if let Ok(key) = PrivateKey::from_pem(&text, Some(PASSPHRASE)) {
        assert!(read.is_ok());
        let again = PrivateKey::from_pkcs8_der(&key.to_pkcs8_der().unwrap()).unwrap();
        assert_eq!(again.public_key_der().unwrap(), key.public_key_der().unwrap());
    }
});

/// Whether some number in the DER, which may be the one of iterations, is larger than the seeds'.
fn is_slow(der: &[u8]) -> bool {
    der.windows(7).any(|window| {
        let length = usize::from(window[1]);
        let number = || window[2..2 + length].iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        window[0] == 2 && (2..=5).contains(&length) && number() > 1000
    })
}

fn armoured(label: &str, der: &[u8]) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = format!("-----BEGIN {label}-----\n");
    let mut column = 0;
    for three in der.chunks(3) {
        let bits = three.iter().chain([&0; 2]).take(3).fold(0, |bits, byte| bits << 8 | usize::from(*byte));
        for at in 0..4 {
            let digit = ALPHABET[bits >> (18 - 6 * at) & 63];
            text.push(if at <= three.len() { char::from(digit) } else { '=' });
        }
        column += 4;
        if column == 64 {
            text.push('\n');
            column = 0;
        }
    }
    if column > 0 {
        text.push('\n');
    }
    text + &format!("-----END {label}-----\n")
}
