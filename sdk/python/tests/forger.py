"""Signs SM2 and builds logs, so that tests can forge receipts in every way but one."""

import hashlib
import json
from pathlib import Path
from typing import Any

from glovebox.verification import EnclaveKey, canonical_json, sm2, sm3

VECTORS = Path(__file__).parents[3] / "runtime/audit/vectors"
SECRET = 0x3945208F7B2144B13F36E38AC6D39F95889393692860B51A42FB81EF4DF7C5B8


def golden() -> dict[str, Any]:
    """The golden receipt, to be changed as one likes."""
    content: dict[str, Any] = json.loads((VECTORS / "receipt.json").read_text())
    return content


def golden_key() -> EnclaveKey:
    """The key of the golden receipt."""
    return EnclaveKey.read(VECTORS / "enclave.pem")


def key_of(secret: int = SECRET) -> EnclaveKey:
    """The public key of ``secret``."""
    point = sm2._sum_of_products(secret, sm2.G, 0, None)
    assert point is not None
    return EnclaveKey(point)


def sign(message: bytes, secret: int = SECRET) -> bytes:
    """Signs (GB/T 32918.2, section 6.1). The nonce comes from the message: for tests alone."""
    digest = int.from_bytes(sm3(sm2._identity(key_of(secret).point) + message), "big")
    k = int.from_bytes(hashlib.sha256(message).digest(), "big") % (sm2.N - 1) + 1
    point = sm2._sum_of_products(k, sm2.G, 0, None)
    assert point is not None
    r = (digest + point[0]) % sm2.N
    s = pow(1 + secret, -1, sm2.N) * (k - r * secret) % sm2.N
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def sign_json(kind: str, value: object, secret: int = SECRET) -> str:
    """A signature over ``value`` as docs/receipts.md asks for."""
    return sign(f"glovebox/{kind}/v1\n".encode() + canonical_json(value), secret).hex()


def tree(leaves: list[bytes]) -> bytes:
    """Root of the Merkle tree (RFC 9162, section 2.1.1)."""
    if len(leaves) == 1:
        return sm3(b"\0" + leaves[0])
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return sm3(b"\1" + tree(leaves[:split]) + tree(leaves[split:]))


def path(leaves: list[bytes], place: int) -> list[bytes]:
    """Inclusion proof (RFC 9162, section 2.1.3.1)."""
    if len(leaves) == 1:
        return []
    split = 1 << (len(leaves) - 1).bit_length() - 1
    if place < split:
        return [*path(leaves[:split], place), tree(leaves[split:])]
    return [*path(leaves[split:], place - split), tree(leaves[:split])]


def receipt(
    place: int = 2, size: int = 5, parameters: dict[str, Any] | None = None, without: tuple[str, ...] = ()
) -> dict[str, Any]:
    """A receipt of our own making for event ``place`` of ``size``, with other parameters, without some members."""
    made = golden()
    statement = {name: member for name, member in made["statement"].items() if name not in without}
    statement["enclave_fingerprint"] = key_of().fingerprint
    if parameters is not None:
        statement["parameters"] = parameters
    made["statement"] = statement
    made["signature"] = sign_json("statement", statement)
    made["event"]["sequence"] = place
    made["event"]["detail"]["statement_sm3"] = sm3(canonical_json(statement)).hex()
    leaves = [b"%d" % number for number in range(size)]
    leaves[place] = canonical_json(made["event"])
    hashes = [node.hex() for node in path(leaves, place)]
    made["inclusion"] = {"sequence": place, "size": size, "hashes": hashes}
    head = {"log_id": statement["log_id"], "size": size, "root": tree(leaves).hex(), "at": "2026-11-23T00:00:00.000Z"}
    made["head"] = {"head": head, "signature": sign_json("tree-head", head)}
    return made
