"""The enclave's public key: SubjectPublicKeyInfo in PEM, SM2 (GM/T 0009-2012)."""

import base64
import binascii
import os
import re
from dataclasses import dataclass
from pathlib import Path

from glovebox.errors import VerificationError
from glovebox.verification import sm2
from glovebox.verification.sm3 import sm3

# SEQUENCE { SEQUENCE { id-ecPublicKey, sm2p256v1 }, BIT STRING (66 bytes) }, then the uncompressed point.
_PREFIX = bytes.fromhex("3059301306072a8648ce3d020106082a811ccf5501822d03420004")
_PEM = re.compile(r"\s*-----BEGIN PUBLIC KEY-----([A-Za-z0-9+/=\s]+)-----END PUBLIC KEY-----\s*")


@dataclass(frozen=True)
class EnclaveKey:
    """A key that receipts and tree heads verify with."""

    point: tuple[int, int]

    @classmethod
    def from_pem(cls, pem: str) -> "EnclaveKey":
        """Reads ``-----BEGIN PUBLIC KEY-----``."""
        found = _PEM.fullmatch(pem)
        try:
            der = base64.b64decode(re.sub(r"\s", "", found[1]), validate=True) if found else b""
        except binascii.Error:
            der = b""
        point = int.from_bytes(der[27:59], "big"), int.from_bytes(der[59:], "big")
        if len(der) != 91 or not der.startswith(_PREFIX) or not sm2.is_on_curve(point):
            raise VerificationError("the key is not an SM2 public key in PEM; `GET /v1/key` gives the enclave's")
        return cls(point)

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> "EnclaveKey":
        """Reads a PEM file."""
        return cls.from_pem(Path(path).read_text(encoding="ascii"))

    @property
    def fingerprint(self) -> str:
        """SM3 of the DER, in hexadecimal: what to compare with the one that the operator publishes."""
        x, y = self.point
        return sm3(_PREFIX + x.to_bytes(32, "big") + y.to_bytes(32, "big")).hex()

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Whether ``signature`` is by this key over ``message``."""
        return sm2.verify(self.point, message, signature)

    def __repr__(self) -> str:
        """Told apart by fingerprint."""
        return f"EnclaveKey({self.fingerprint})"
