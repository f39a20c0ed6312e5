"""SM3 and SM2 against their standards, and against forgeries."""

import hashlib
import random

import pytest

from forger import SECRET, VECTORS, golden_key, key_of, sign
from glovebox import EnclaveKey, VerificationError
from glovebox.verification import sm2
from glovebox.verification import sm3 as digest
from glovebox.verification.sm3 import sm3_in_python

# GB/T 32905-2016, annex A.
DIGESTS = {
    b"abc": "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0",
    b"abcd" * 16: "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732",
    b"": "1ab21d8355cfa17f8e61194831e81a8f22bec8c728fefb747ed035eb5082aa2b",
}


@pytest.mark.parametrize(("data", "expected"), DIGESTS.items())
def test_digests_of_the_standard(data: bytes, expected: str) -> None:
    assert digest(data).hex() == expected
    assert sm3_in_python(data).hex() == expected


def test_python_and_openssl_agree_on_every_length() -> None:
    data = random.Random(1).randbytes(300)
    for length in range(len(data)):
        assert sm3_in_python(data[:length]) == hashlib.new("sm3", data[:length]).digest(), length


def test_a_python_without_sm3_still_digests(monkeypatch: pytest.MonkeyPatch) -> None:
    def unsupported(name: str, data: bytes, usedforsecurity: bool) -> None:
        raise ValueError(f"unsupported hash type {name}")

    monkeypatch.setattr(hashlib, "new", unsupported)
    assert digest(b"abc").hex() == DIGESTS[b"abc"]


# GB/T 32918.5-2017, annex A.2.
POINT = (
    0x09F9DF311E5421A150DD7D161E4BC5C672179FAD1833FC076BB08FF356F35020,
    0xCCEA490CE26775A52DC6EA718CC1AA600AED05FBF35E084A6632F6072DA9AD13,
)
SIGNATURE = bytes.fromhex(
    "f5a03b0648d2c4630eeac513e1bb81a15944da3827d5b74143ac7eaceee720b3"
    "b1b6aa29df212fd8763182bc0d421ca1bb9038fd1f7f42d4840b69c485bbc1aa"
)


def test_the_signature_of_the_standard() -> None:
    assert key_of(SECRET).point == POINT
    assert sm2.verify(POINT, b"message digest", SIGNATURE)


def test_every_flipped_bit_is_found() -> None:
    for bit in range(0, 512, 7):
        forged = bytearray(SIGNATURE)
        forged[bit // 8] ^= 1 << bit % 8
        assert not sm2.verify(POINT, b"message digest", bytes(forged)), bit
    assert not sm2.verify(POINT, b"message digesT", SIGNATURE)
    assert not sm2.verify(golden_key().point, b"message digest", SIGNATURE)


def test_numbers_out_of_range_are_no_signature() -> None:
    r, s = SIGNATURE[:32], SIGNATURE[32:]
    order, zero = sm2.N.to_bytes(32, "big"), bytes(32)
    negated = (sm2.N - int.from_bytes(r, "big")).to_bytes(32, "big")
    shifted = (int.from_bytes(s, "big") + sm2.N).to_bytes(33, "big")[-32:]
    for forged in (zero + s, r + zero, order + s, r + order, r + negated, zero + zero, r + shifted, r, b"", r + s + s):
        assert not sm2.verify(POINT, b"message digest", forged), forged.hex()


def test_a_point_off_the_curve_is_no_key() -> None:
    x, y = POINT
    for point in ((x, y + 1), (x + sm2.P, y), (0, 0), (x, sm2.P - y + 1)):
        assert not sm2.is_on_curve(point)
        assert not sm2.verify(point, b"message digest", SIGNATURE)


def test_the_group_law_holds() -> None:
    numbers = random.Random(2)
    for _ in range(5):
        k, m, secret = (numbers.randrange(1, sm2.N) for _ in range(3))
        public = key_of(secret).point
        expected = sm2._sum_of_products((k + m * secret) % sm2.N, sm2.G, 0, None)
        assert sm2._sum_of_products(k, sm2.G, m, public) == expected
    assert sm2._sum_of_products(sm2.N, sm2.G, 0, None) is None
    assert sm2._sum_of_products(1, sm2.G, sm2.N - 1, sm2.G) is None
    assert sm2._sum_of_products(1, sm2.G, 1, sm2.G) == sm2._sum_of_products(2, sm2.G, 0, None)


def test_what_is_signed_verifies_and_nothing_else() -> None:
    for number in range(5):
        message = b"message %d" % number
        assert key_of(SECRET + number).verify(message, sign(message, SECRET + number))
        assert not key_of(SECRET).verify(message, sign(message, SECRET + number + 1))


def test_keys_are_read_strictly() -> None:
    pem = (VECTORS / "enclave.pem").read_text()
    key = EnclaveKey.from_pem(pem)
    assert key.fingerprint == "bdfdfd238536e0acaf5e171cd035941261aa0995bc02229c30af74e59bf6f181"
    assert key == golden_key()
    body = "".join(pem.split("-----")[2].split())
    for broken in (
        "",
        "x",
        pem.replace("PUBLIC", "PRIVATE"),
        pem.replace(body[:8], "AAAAAAAA"),
        pem.replace(body[40:44], "AAAA"),
        pem + pem,
        f"-----BEGIN PUBLIC KEY-----\n{body}AAAA\n-----END PUBLIC KEY-----",
        f"-----BEGIN PUBLIC KEY-----\n{body[:-4]}\n-----END PUBLIC KEY-----",
        "-----BEGIN PUBLIC KEY-----\n=\n-----END PUBLIC KEY-----",
    ):
        with pytest.raises(VerificationError, match="not an SM2 public key"):
            EnclaveKey.from_pem(broken)
