"""The SM3 digest (GB/T 32905-2016)."""

import hashlib

_MASK = 0xFFFFFFFF
_START = (0x7380166F, 0x4914B2B9, 0x172442D7, 0xDA8A0600, 0xA96F30BC, 0x163138AA, 0xE38DEE4D, 0xB0FB0E4E)


def sm3(data: bytes) -> bytes:
    """The digest of ``data``, 32 bytes: by OpenSSL, or by the code below where OpenSSL was built without SM3."""
    try:
        return hashlib.new("sm3", data, usedforsecurity=False).digest()
    except ValueError:
        return sm3_in_python(data)


def sm3_in_python(data: bytes) -> bytes:
    """The same in Python, some 200 KB a second: enough for receipts and tables."""
    padded = data + b"\x80" + bytes((55 - len(data)) % 64) + (8 * len(data)).to_bytes(8, "big")
    state: tuple[int, ...] = _START
    for at in range(0, len(padded), 64):
        state = _compress(state, padded[at : at + 64])
    return b"".join(word.to_bytes(4, "big") for word in state)


def _rotate(word: int, bits: int) -> int:
    bits %= 32
    return (word << bits | word >> (32 - bits)) & _MASK


def _p0(word: int) -> int:
    return word ^ _rotate(word, 9) ^ _rotate(word, 17)


def _p1(word: int) -> int:
    return word ^ _rotate(word, 15) ^ _rotate(word, 23)


def _compress(state: tuple[int, ...], block: bytes) -> tuple[int, ...]:
    """Section 5.3: expansion of the block, then 64 rounds."""
    w = [int.from_bytes(block[at : at + 4], "big") for at in range(0, 64, 4)]
    for j in range(16, 68):
        w.append(_p1(w[j - 16] ^ w[j - 9] ^ _rotate(w[j - 3], 15)) ^ _rotate(w[j - 13], 7) ^ w[j - 6])
    a, b, c, d, e, f, g, h = state
    for j in range(64):
        constant = 0x79CC4519 if j < 16 else 0x7A879D8A
        ss1 = _rotate((_rotate(a, 12) + e + _rotate(constant, j)) & _MASK, 7)
        ss2 = ss1 ^ _rotate(a, 12)
        ff = a ^ b ^ c if j < 16 else (a & b) | (a & c) | (b & c)
        gg = e ^ f ^ g if j < 16 else (e & f) | (~e & g)
        tt1 = (ff + d + ss2 + (w[j] ^ w[j + 4])) & _MASK
        tt2 = (gg + h + ss1 + w[j]) & _MASK
        a, b, c, d, e, f, g, h = tt1, a, _rotate(b, 9), c, _p0(tt2), e, _rotate(f, 19), g
    return tuple(old ^ new for old, new in zip(state, (a, b, c, d, e, f, g, h), strict=True))
