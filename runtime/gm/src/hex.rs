//! Lower-case hexadecimal, the one form in which digests, signatures and serial numbers are written.

use crate::GmError;

/// `bytes` as lower-case hexadecimal digits.
pub(crate) fn encode(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Reads exactly `N` bytes. Upper case is refused, so that every value has one written form.
pub(crate) fn decode<const N: usize>(text: &str) -> Result<[u8; N], GmError> {
    let fault = GmError::Hex { expected_bytes: N };
    if text.len() != N * 2 || !text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return Err(fault);
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let pair = std::str::from_utf8(pair).map_err(|_| fault.clone())?;
        *byte = u8::from_str_radix(pair, 16).map_err(|_| fault.clone())?;
    }
    Ok(bytes)
}

/// Bytes of a test vector, in either case, spaces allowed.
#[cfg(test)]
pub(crate) fn vector(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_form_only() {
        assert_eq!(encode(&[0x00, 0xab, 0xff]), "00abff");
        assert_eq!(decode::<3>("00abff"), Ok([0x00, 0xab, 0xff]));
        for text in ["00ABFF", "00abf", "00abff0", "00abfg", "+0abff", "", "äbff"] {
            assert_eq!(decode::<3>(text), Err(GmError::Hex { expected_bytes: 3 }), "{text}");
        }
    }
}
