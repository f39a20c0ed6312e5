"""The checks of docs/receipts.md, in its order. The first that fails raises, and says what is wrong."""

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from glovebox.errors import VerificationError
from glovebox.verification.canonical import canonical_json
from glovebox.verification.key import EnclaveKey
from glovebox.verification.sm3 import sm3
from glovebox.verification.witnesses import Witnesses

RECEIPT_VERSION = 1
# Far above any log; beyond it a proof is a forger's.
_SIZE_MAX = 1 << 48

Check = Callable[[object], bool]


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_digest(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value, re.ASCII) is not None


def _is_signature(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch("[0-9a-f]{128}", value, re.ASCII) is not None


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 64


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(float(value))
    except OverflowError:
        return False


def _map_of(check: Check) -> Check:
    return lambda value: isinstance(value, dict) and all(map(check, value.values()))


_STATEMENT: dict[str, Check] = {
    "receipt_version": _is_whole,
    "enclave_fingerprint": _is_digest,
    **dict.fromkeys(["log_id", "job", "outcome", "developer", "organisation", "grant"], _is_text),
    **dict.fromkeys(["disclosure_profile", "dataset", "module", "module_sha256"], _is_text),
    **dict.fromkeys(["isolation", "separation", "mechanism", "started_at", "ended_at"], _is_text),
    **dict.fromkeys(["grant_terms_sm3", "policy_sm3", "disclosure_profile_sm3", "snapshot_sm3"], _is_digest),
    **dict.fromkeys(["snapshot", "cells_released", "cells_withheld"], _is_whole),
    "parameters": _map_of(_is_number),
    "meters": _map_of(_is_whole),
}
_STATEMENT_OPTIONAL: dict[str, Check] = {"release": _is_text, "output_sm3": _is_digest}
_ACTOR_OPTIONAL: dict[str, Check] = dict.fromkeys(["principal", "organisation", "address"], _is_text)
_EVENT: dict[str, Check] = {
    "sequence": _is_whole,
    "actor": lambda value: isinstance(value, dict),
    **dict.fromkeys(["at", "action", "resource", "outcome"], _is_text),
    "detail": _map_of(_is_text),
}
_EVENT_OPTIONAL: dict[str, Check] = {"code": _is_text}
_INCLUSION: dict[str, Check] = {
    "sequence": _is_whole,
    "size": _is_whole,
    "hashes": lambda value: isinstance(value, list) and all(map(_is_digest, value)),
}
_HEAD: dict[str, Check] = {"log_id": _is_text, "size": _is_whole, "root": _is_digest, "at": _is_text}
_SIGNED_HEAD: dict[str, Check] = {"head": lambda value: isinstance(value, dict), "signature": _is_signature}
_RECEIPT: dict[str, Check] = {
    **dict.fromkeys(["statement", "event", "inclusion", "head"], lambda value: isinstance(value, dict)),
    "signature": _is_signature,
}
_RECEIPT_OPTIONAL: dict[str, Check] = {"cosignatures": lambda value: isinstance(value, list)}
_COSIGNATURE: dict[str, Check] = {
    **dict.fromkeys(["witness", "at"], _is_text),
    "key_sm3": _is_digest,
    "signature": _is_signature,
}


def verify_receipt(receipt: object, key: EnclaveKey, witnesses: Witnesses | None = None) -> list[str]:
    """Checks a receipt in its JSON form; gives the checks that it passed, in words."""
    parts = _shaped("receipt", receipt, _RECEIPT, _RECEIPT_OPTIONAL)
    cosignatures = [_shaped("cosignature", one, _COSIGNATURE) for one in parts.get("cosignatures", [])]
    event = _shaped("event", parts["event"], _EVENT, _EVENT_OPTIONAL)
    event["actor"] = _shaped("actor", event["actor"], {}, _ACTOR_OPTIONAL)
    proof = _shaped("inclusion proof", parts["inclusion"], _INCLUSION)
    signed_head = _shaped("signed tree head", parts["head"], _SIGNED_HEAD)
    head = _shaped("tree head", signed_head["head"], _HEAD)
    statement, canonical = _statement(parts["statement"], key)
    _signed("statement", canonical, parts["signature"], key)
    if event["detail"].get("statement_sm3") != sm3(canonical).hex():
        raise VerificationError(f"event {event['sequence']} does not record the digest of this statement")
    _signed("tree head", _canonical("tree head", head), signed_head["signature"], key)
    if head["log_id"] != statement["log_id"]:
        raise VerificationError(f"expected log `{statement['log_id']}`, found log `{head['log_id']}`")
    _verify_inclusion(event, proof, head)
    cosigned = [] if witnesses is None else witnesses.verify(head, cosignatures)
    return [
        f"the statement is signed by the enclave {key.fingerprint[:16]}…",
        f"event {event['sequence']} of log {head['log_id']} records the statement",
        f"the enclave signed the log's head of size {head['size']} at {head['at']}",
        f"the event is in the log under that head ({len(proof['hashes'])} hashes)",
        *cosigned,
    ]


def verify_output(statement: Mapping[str, Any], output: bytes) -> None:
    """Checks that ``output`` is what left, byte for byte."""
    if statement.get("output_sm3") != sm3(output).hex():
        raise VerificationError(
            "the output is not the one of the statement: its SM3 digest is another, or nothing was released"
        )


def _statement(value: object, key: EnclaveKey) -> tuple[dict[str, Any], bytes]:
    version = value.get("receipt_version") if isinstance(value, dict) else None
    if _is_whole(version) and version != RECEIPT_VERSION:
        raise VerificationError(
            f"the receipt has version {version}, this verifier knows version {RECEIPT_VERSION}; use a newer verifier"
        )
    statement = _shaped("statement", value, _STATEMENT, _STATEMENT_OPTIONAL)
    if statement["enclave_fingerprint"] != key.fingerprint:
        raise VerificationError(
            f"the statement is of the enclave with key {statement['enclave_fingerprint']}, "
            f"but the key given is {key.fingerprint}"
        )
    # 18 and 18.0 are one parameter.
    statement["parameters"] = {name: float(number) for name, number in statement["parameters"].items()}
    return statement, _canonical("statement", statement)


def _canonical(what: str, value: object) -> bytes:
    try:
        return canonical_json(value)
    except (ValueError, RecursionError) as error:
        raise VerificationError(f"the {what} can't be written as JSON: {error}") from error


def _shaped(
    what: str, value: object, members: Mapping[str, Check], optional: Mapping[str, Check] | None = None
) -> dict[str, Any]:
    """A copy of ``value`` with the members that it must have, those that it may have, and no others."""
    if not isinstance(value, dict):
        raise VerificationError(f"the {what} is not a JSON object")
    shaped = {name: member for name, member in value.items() if member is not None or name not in (optional or {})}
    checks = {**members, **(optional or {})}
    if missing := members.keys() - shaped.keys():
        raise VerificationError(f"the {what} lacks `{min(missing)}`")
    if unknown := shaped.keys() - checks.keys():
        raise VerificationError(f"the {what} has a member `{min(unknown)}` that it must not have")
    for name, member in shaped.items():
        if not checks[name](member):
            raise VerificationError(f"`{name}` of the {what} is not of its type")
    return shaped


def _signed(what: str, canonical: bytes, signature: str, key: EnclaveKey) -> None:
    context = f"glovebox/{what.replace(' ', '-')}/v1\n".encode()
    if not key.verify(context + canonical, bytes.fromhex(signature)):
        raise VerificationError(
            f"the signature of the {what} does not verify with this key: it was changed, or signed by another key"
        )


def _verify_inclusion(event: dict[str, Any], proof: dict[str, Any], head: dict[str, Any]) -> None:
    """RFC 9162, section 2.1.3.2."""
    if proof["size"] != head["size"]:
        raise VerificationError(
            f"the proof is for a tree of size {proof['size']}, the tree head is of size {head['size']}"
        )
    place, last = proof["sequence"], proof["size"] - 1
    holds = place == event["sequence"] and place <= last < _SIZE_MAX
    node = sm3(b"\0" + _canonical("event", event))
    for sibling in map(bytes.fromhex, proof["hashes"]):
        if not holds or last == 0:
            holds = False
            break
        if place & 1 or place == last:
            node = sm3(b"\1" + sibling + node)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            node = sm3(b"\1" + node + sibling)
        place, last = place >> 1, last >> 1
    if not holds or last != 0 or node.hex() != head["root"]:
        raise VerificationError(
            f"event {event['sequence']} is not in the log of size {head['size']} under this tree head"
        )
