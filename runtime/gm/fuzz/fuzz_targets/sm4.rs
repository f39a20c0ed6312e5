//! Every kernel that this CPU has against the `sm4` crate under the modes of RustCrypto: GCM, CCM and CTR, sealed and
//! opened in place and into another buffer, at any alignment; what is refused leaves no plaintext.
#![no_main]

use aes_gcm::AesGcm;
use aes_gcm::aead::consts::{U12, U16};
use aes_gcm::aead::{Aead, KeyInit, Payload};
use arbitrary::Arbitrary;
use ccm::Ccm;
use ctr::Ctr128BE;
use ctr::cipher::{KeyIvInit, StreamCipher, StreamCipherSeek};
use glovebox_gm::{GmError, Kernel, Key128, Sm4Ccm, Sm4Ctr, Sm4Gcm};
use libfuzzer_sys::fuzz_target;
use sm4::Sm4;

#[derive(Debug, Arbitrary)]
struct Input {
    /// Which of the kernels and modes: one an input, for the sake of speed.
    kernel: u8,
    mode: u8,
    key: [u8; 16],
    nonce: [u8; 12],
    /// The first counter of CTR: carries need long runs of ones.
    counter: [u8; 16],
    /// The message: so many bytes, this pattern over and over.
    length: u16,
    pattern: Vec<u8>,
    associated: Vec<u8>,
    /// Distance of both buffers from a multiple of 64.
    from: u8,
    to: u8,
    /// The bit of tag, ciphertext or associated data that an attacker flips.
    flip: u16,
    /// Where CTR stops, and starts anew from elsewhere.
    steps: Vec<(u16, Option<u16>)>,
}

/// Longest message, in bytes: some turns of the widest kernel and all of its tails.
const LENGTH_MAX: usize = 5 * 1024 + 64;
const TAG_LENGTH: usize = 16;

/// `length` bytes that begin `distance` bytes after a multiple of 64.
struct Buffer {
    bytes: Vec<u8>,
    start: usize,
    length: usize,
}

impl Buffer {
    fn new(length: usize, distance: u8) -> Self {
        let bytes = vec![0xa5; length + 128];
        let start = bytes.as_ptr().align_offset(64) + usize::from(distance % 64);
        Self { bytes, start, length }
    }

    fn holding(content: &[u8], distance: u8) -> Self {
        let mut buffer = Self::new(content.len(), distance);
        buffer.part().copy_from_slice(content);
        buffer
    }

    fn part(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.start + self.length]
    }

    /// Nothing before or after was written.
    fn check_margins(&self) {
        let (before, rest) = self.bytes.split_at(self.start);
        assert!(before.iter().chain(&rest[self.length..]).all(|byte| *byte == 0xa5), "written outside of the buffer");
    }
}

/// The same for both modes, which share their methods but no trait that has all of them.
macro_rules! check {
    ($cipher:expr, $input:expr, $plain:expr, $sealed:expr) => {{
        let (cipher, input, plain, sealed): (_, &Input, &[u8], &[u8]) = ($cipher, $input, $plain, $sealed);
        let (nonce, associated) = (&input.nonce, &input.associated[..]);
        let (ciphertext, tag) = sealed.split_at(plain.len());
        let tag: &[u8; TAG_LENGTH] = tag.try_into().unwrap();

        let mut in_place = Buffer::holding(plain, input.from);
        assert_eq!(&cipher.seal_detached(nonce, associated, in_place.part()).unwrap(), tag);
        assert_eq!(in_place.part(), ciphertext);
        cipher.open_detached(nonce, associated, in_place.part(), tag).unwrap();
        assert_eq!(in_place.part(), plain);
        in_place.check_margins();

        let (mut from, mut to) = (Buffer::holding(plain, input.from), Buffer::new(sealed.len(), input.to));
        cipher.seal_into(nonce, associated, from.part(), to.part()).unwrap();
        assert_eq!(to.part(), sealed);
        to.check_margins();
        let (mut from, mut to) = (Buffer::holding(sealed, input.from), Buffer::new(plain.len(), input.to));
        cipher.open_into(nonce, associated, from.part(), to.part()).unwrap();
        assert_eq!(to.part(), plain);
        to.check_margins();

        let mut appended = plain.to_vec();
        cipher.seal_in_place(nonce, associated, &mut appended).unwrap();
        assert_eq!(appended, sealed);
        cipher.open_in_place(nonce, associated, &mut appended).unwrap();
        assert_eq!(appended, plain);

        // One bit of what was sealed, or of what stood beside it.
        let (mut forged, mut beside) = (sealed.to_vec(), associated.to_vec());
        let bit = usize::from(input.flip) % ((forged.len() + beside.len()) * 8);
        match bit.checked_sub(forged.len() * 8) {
            None => forged[bit / 8] ^= 1 << (bit % 8),
            Some(bit) => beside[bit / 8] ^= 1 << (bit % 8),
        }
        let mut to = Buffer::holding(&vec![7; plain.len()], input.to);
        assert_eq!(cipher.open_into(nonce, &beside, &forged, to.part()), Err(GmError::Authentication));
        assert!(to.part().iter().all(|byte| *byte == 0), "plaintext of a forged message");
        to.check_margins();
        let mut in_place = Buffer::holding(&forged[..plain.len()], input.from);
        let forged_tag = forged[plain.len()..].try_into().unwrap();
        let refused = cipher.open_detached(nonce, &beside, in_place.part(), &forged_tag);
        assert_eq!(refused, Err(GmError::Authentication));
        assert_eq!(in_place.part(), &forged[..plain.len()], "plaintext of a forged message");
        let mut cut = forged;
        cut.truncate(usize::from(input.flip) % sealed.len());
        let before = cut.clone();
        assert_eq!(cipher.open_in_place(nonce, &beside, &mut cut), Err(GmError::Authentication));
        assert_eq!(cut, before);
    }};
}

fn check_ctr(kernel: Kernel, key: &Key128, input: &Input, plain: &[u8]) {
    let mut oracle = Ctr128BE::<Sm4>::new(&input.key.into(), &input.counter.into());
    let mut cipher = Sm4Ctr::with_kernel(key, &input.counter, kernel).unwrap();
    let (mut expected, mut found) = (plain.to_vec(), Buffer::holding(plain, input.from));
    let mut at = 0;
    for (length, seek) in input.steps.iter().take(40) {
        let end = (at + usize::from(*length) % 1500).min(plain.len());
        oracle.apply_keystream(&mut expected[at..end]);
        cipher.apply_keystream(&mut found.part()[at..end]);
        at = end;
        assert_eq!(cipher.try_current_pos::<u128>().unwrap(), oracle.try_current_pos::<u128>().unwrap());
        if let Some(position) = seek {
            oracle.seek(u64::from(*position));
            cipher.seek(u64::from(*position));
        }
    }
    assert_eq!(found.part(), expected);
    found.check_margins();
}

fuzz_target!(|input: Input| {
    let pattern = if input.pattern.is_empty() { &[0][..] } else { &input.pattern };
    let plain: Vec<u8> = pattern.iter().copied().cycle().take(usize::from(input.length) % LENGTH_MAX).collect();
    let payload = Payload { msg: &plain, aad: &input.associated };
    let key = Key128::from_slice(&input.key).unwrap();
    let kernels: Vec<Kernel> = Kernel::ALL.into_iter().filter(|kernel| kernel.is_available()).collect();
    let kernel = kernels[usize::from(input.kernel) % kernels.len()];
    match input.mode % 3 {
        0 => {
            let sealed = AesGcm::<Sm4, U12>::new(&input.key.into()).encrypt(&input.nonce.into(), payload).unwrap();
            check!(Sm4Gcm::with_kernel(&key, kernel).unwrap(), &input, &plain, &sealed);
        }
        1 => {
            let sealed = Ccm::<Sm4, U16, U12>::new(&input.key.into()).encrypt(&input.nonce.into(), payload).unwrap();
            check!(Sm4Ccm::with_kernel(&key, kernel).unwrap(), &input, &plain, &sealed);
        }
        _ => check_ctr(kernel, &key, &input, &plain),
    }
});
