//! SM4 in counter mode with CBC-MAC (NIST SP 800-38C, RFC 3610; RFC 8998 for its use in TLS): 12-byte nonces, 16-byte
//! tags, hence messages of less than 16 MiB.
//!
//! CBC-MAC takes one block after the other, so this mode is an order of magnitude slower than GCM. It is here because
//! RFC 8998 names it.

use aead::inout::InOutBuf;

use super::aead::{authenticated_mode, is_equal, is_in_place};
use super::cipher::Cipher;
use crate::{GmError, Kernel, NONCE_LENGTH_BYTES, TAG_LENGTH_BYTES};

/// The message's length is written in 3 bytes, what a 12-byte nonce leaves of a block.
const LENGTH_MAX_BYTES: usize = (1 << 24) - 1;

/// SM4-CCM under one key. A nonce is never used twice with a key: whoever calls sees to it.
pub struct Sm4Ccm(Cipher);

authenticated_mode!(Sm4Ccm, "16 MiB");

impl Sm4Ccm {
    fn expand(key: &[u8; 16], kernel: Kernel) -> Self {
        Self(Cipher::new(key, kernel))
    }

    /// The kernel at work.
    #[must_use]
    pub fn kernel(&self) -> Kernel {
        self.0.kernel()
    }

    fn seal_inout(
        &self,
        nonce: &[u8; NONCE_LENGTH_BYTES],
        associated: &[u8],
        data: InOutBuf<'_, '_, u8>,
    ) -> Result<[u8; TAG_LENGTH_BYTES], GmError> {
        if data.len() > LENGTH_MAX_BYTES {
            return Err(GmError::TooLong);
        }
        let tag = self.tag(nonce, associated, data.get_in());
        self.0.apply_key_stream(counter(nonce) + 1, data);
        Ok(tag)
    }

    fn open_inout(
        &self,
        nonce: &[u8; NONCE_LENGTH_BYTES],
        associated: &[u8],
        mut data: InOutBuf<'_, '_, u8>,
        tag: &[u8; TAG_LENGTH_BYTES],
    ) -> Result<(), GmError> {
        // A message that is too long was never sealed.
        let is_short = data.len() <= LENGTH_MAX_BYTES;
        if is_short {
            self.0.apply_key_stream(counter(nonce) + 1, data.reborrow());
            if is_equal(&self.tag(nonce, associated, data.get_out()), tag) {
                return Ok(());
            }
        }
        if !is_in_place(&mut data) {
            data.get_out().fill(0);
        } else if is_short {
            self.0.apply_key_stream(counter(nonce) + 1, data);
        }
        Err(GmError::Authentication)
    }

    /// SP 800-38C, section 6.1 and appendix A.2: CBC-MAC of lengths, nonce, associated data and plaintext, masked.
    fn tag(&self, nonce: &[u8; NONCE_LENGTH_BYTES], associated: &[u8], plain: &[u8]) -> [u8; 16] {
        // Flags: associated data or not, (16 - 2) / 2 for the tag's length, 3 - 1 for the length's length.
        let flags = if associated.is_empty() { 0x3A } else { 0x7A };
        let header = counter(nonce) | (flags << 120) | plain.len() as u128;
        let mut mac = self.0.encrypt(header.to_be_bytes());
        self.absorb_associated(&mut mac, associated);
        self.0.cbc_mac(&mut mac, plain);
        let mask = u128::from_be_bytes(self.0.encrypt(counter(nonce).to_be_bytes()));
        (u128::from_be_bytes(mac) ^ mask).to_be_bytes()
    }

    /// The length of the associated data in 2, 6 or 10 bytes, then the data, filled up with zeros.
    fn absorb_associated(&self, mac: &mut [u8; 16], associated: &[u8]) {
        let (length, width) = match associated.len() as u64 {
            0 => return,
            length @ ..0xFF00 => (u128::from(length) << 112, 2),
            length @ ..=0xFFFF_FFFF => ((0xFFFE << 112) | (u128::from(length) << 80), 6),
            length => ((0xFFFF << 112) | (u128::from(length) << 48), 10),
        };
        let mut first = length.to_be_bytes();
        let (start, rest) = associated.split_at(associated.len().min(first.len() - width));
        first.iter_mut().skip(width).zip(start).for_each(|(byte, start)| *byte = *start);
        self.0.cbc_mac(mac, &first);
        self.0.cbc_mac(mac, rest);
    }
}

/// The counter block 0: the length's length less one, the nonce, zeros.
fn counter(nonce: &[u8; NONCE_LENGTH_BYTES]) -> u128 {
    let nonce = nonce.iter().fold(0, |number, byte| (number << 8) | u128::from(*byte));
    (2 << 120) | (nonce << 24)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A length of four bytes would run into the nonce: one tag for two messages. Refused even with that tag.
    #[test]
    fn what_is_too_long_does_not_open_with_the_tag_that_fits() {
        let cipher = Sm4Ccm::expand(&[1; 16], Kernel::best());
        let mut data = vec![0; LENGTH_MAX_BYTES + 1];
        let tag = cipher.tag(&[2; 12], b"", &data);
        cipher.0.apply_key_stream(counter(&[2; 12]) + 1, data.as_mut_slice().into());
        let sealed = data.clone();
        assert_eq!(cipher.open_inout(&[2; 12], b"", data.as_mut_slice().into(), &tag), Err(GmError::Authentication));
        assert!(data == sealed);
    }
}
