"""Receipts: the golden one holds, and no change of it goes unnoticed."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import forger
from glovebox import EnclaveKey, Receipt, VerificationError
from glovebox.verification import canonical_json, sm3

KEY = forger.golden_key()


def verify(content: dict[str, Any], key: EnclaveKey = KEY) -> None:
    Receipt(content).verify(key)


def refused(content: dict[str, Any], why: str = "the", key: EnclaveKey = KEY) -> None:
    with pytest.raises(VerificationError, match=why):
        verify(content, key)


def test_the_golden_receipt_verifies() -> None:
    receipt = Receipt.read(forger.VECTORS / "receipt.json")
    found = receipt.verify(forger.VECTORS / "enclave.pem")
    assert found
    assert found.is_key_pinned
    assert found.fingerprint == KEY.fingerprint
    assert len(found.checks) == 4
    assert "event 5 of log log-1 records the statement" in found.checks
    # The digest that the enclave's own tests pin.
    assert sm3(canonical_json(receipt.statement)).hex().startswith("5461a5cc5840bf04")


def leaves(value: object, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict):
        for name, member in value.items():
            yield from leaves(member, (*path, name))
    elif isinstance(value, list):
        for at, member in enumerate(value):
            yield from leaves(member, (*path, at))
    else:
        yield path


def changed(content: dict[str, Any], path: tuple[Any, ...], value: object) -> dict[str, Any]:
    forged = copy.deepcopy(content)
    place: Any = forged
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return forged


def at(content: Any, path: tuple[Any, ...]) -> Any:  # noqa: ANN401
    for step in path:
        content = content[step]
    return content


# Cosignatures are the witnesses' to sign: without their keys nobody can tell.
PATHS = [path for path in leaves(forger.golden()) if path[0] != "cosignatures"]
COSIGNED = [path for path in leaves(forger.golden()) if path[0] == "cosignatures"]
WITNESSES = forger.VECTORS / "witnesses.toml"


def test_there_is_much_to_change() -> None:
    assert len(PATHS) > 45


@pytest.mark.parametrize("path", PATHS, ids=lambda path: ".".join(map(str, path)))
def test_every_changed_field_is_found(path: tuple[Any, ...]) -> None:
    golden = forger.golden()
    value = at(golden, path)
    if isinstance(value, str):
        swapped = value[:-1] + ("2" if value.endswith("1") else "1")
        others: list[object] = [
            swapped,
            value + "1",
            "",
            value.upper(),
            value.replace("2026", "2027"),
            1,
            True,
            None,
            [],
        ]
    else:
        others = [value + 1, value + 0.5, 0, -1, str(value), True, None, 2**64, 1e400, {}]
    for other in others:
        if other == value and not isinstance(other, bool):
            continue
        refused(changed(golden, path, other))


def test_enough_witnesses_cosigned() -> None:
    found = Receipt(forger.golden()).verify(KEY, witnesses=WITNESSES)
    assert found.checks[4:] == (
        "witness hospital-a cosigned that head at 2026-11-23T00:16:43.000Z",
        "witness hospital-b cosigned that head at 2026-11-23T00:16:43.000Z",
    )
    for kept, missing in ((1, "hospital-b, regulator"), (0, "hospital-a, hospital-b, regulator")):
        content = forger.golden()
        content["cosignatures"] = content["cosignatures"][:kept]
        verify(content)
        with pytest.raises(VerificationError, match=f"{kept} of the 2 witnesses .* missing: {missing}"):
            Receipt(content).verify(KEY, witnesses=WITNESSES)
    twice = forger.golden()
    twice["cosignatures"] = [twice["cosignatures"][0]] * 2
    with pytest.raises(VerificationError, match="the cosignature of witness `hospital-a`"):
        Receipt(twice).verify(KEY, witnesses=WITNESSES)


@pytest.mark.parametrize("path", COSIGNED, ids=lambda path: ".".join(map(str, path)))
def test_every_changed_cosignature_is_found(path: tuple[Any, ...]) -> None:
    value = at(forger.golden(), path)
    for other in (value[:-1] + ("2" if value.endswith("1") else "1"), value + "1", "", "regulator", 1, None):
        with pytest.raises(VerificationError):
            Receipt(changed(forger.golden(), path, other)).verify(KEY, witnesses=WITNESSES)


def test_fewer_than_half_are_no_witnesses(tmp_path: Path) -> None:
    text = WITNESSES.read_text()
    for wrong, why in (
        (text.replace("required = 2", "required = 1"), "more than half"),
        (text.replace("required = 2", "required = 4"), "no more than all"),
        (text.replace("regulator", "hospital-a"), "name of its own"),
        (text.replace("BEGIN PUBLIC", "BEGIN"), "not an SM2 public key"),
        ("required = 1", "is not a file of witnesses"),
        ("]", "is not a file of witnesses"),
    ):
        (tmp_path / "witnesses.toml").write_text(wrong)
        with pytest.raises(VerificationError, match=why):
            Receipt(forger.golden()).verify(KEY, witnesses=tmp_path / "witnesses.toml")


def test_one_parameter_has_many_spellings_and_one_meaning() -> None:
    assert forger.golden()["statement"]["parameters"]["age_min"] == 18.0
    verify(changed(forger.golden(), ("statement", "parameters", "age_min"), 18))
    # But a count is a whole number.
    refused(changed(forger.golden(), ("statement", "cells_released"), 12.0), "`cells_released` of the statement")


def test_changes_are_named() -> None:
    golden = forger.golden()
    refused(changed(golden, ("statement", "cells_withheld"), 0), "signature of the statement does not verify")
    refused(changed(golden, ("event", "resource"), "job/job-2"), "event 5 is not in the log of size 9")
    refused(changed(golden, ("event", "detail", "statement_sm3"), "0" * 64), "event 5 does not record the digest")
    refused(changed(golden, ("head", "head", "size"), 10), "signature of the tree head does not verify")
    refused(changed(golden, ("inclusion", "size"), 8), "for a tree of size 8, the tree head is of size 9")
    refused(changed(golden, ("statement", "receipt_version"), 2), "version 2, this verifier knows version 1")


def test_removed_and_added_members_are_found() -> None:
    golden = forger.golden()
    places: list[tuple[str, ...]] = [
        (),
        ("statement",),
        ("statement", "parameters"),
        ("statement", "meters"),
        ("event",),
    ]
    places += [("event", "actor"), ("event", "detail"), ("inclusion",), ("head",), ("head", "head")]
    for place in places:
        refused(changed(golden, (*place, "principal"), "1"))
        for name in at(golden, place).keys() - {"cosignatures"}:
            forged = copy.deepcopy(golden)
            del at(forged, place)[name]
            refused(forged)


def test_what_is_no_receipt_is_told() -> None:
    for text in ("", "[]", "{}", '{"statement": 1}', b"\xff", '{"statement": {}, "statement": {}}'):
        with pytest.raises(VerificationError, match="can't be read"):
            Receipt.from_json(text)
    contents: tuple[dict[str, Any], ...] = (
        {"statement": {}},
        {**forger.golden(), "event": []},
        {**forger.golden(), "signature": "ab"},
    )
    for content in contents:
        refused(content)


def test_another_key_is_another_enclave() -> None:
    other = forger.key_of()
    refused(forger.golden(), "the statement is of the enclave with key bdfdfd23", other)
    # Signed anew by the other key, while log and head are the first enclave's.
    mixed = forger.golden()
    mixed["statement"]["enclave_fingerprint"] = other.fingerprint
    mixed["signature"] = forger.sign_json("statement", mixed["statement"])
    refused(mixed, "event 5 does not record", other)
    mixed["event"]["detail"]["statement_sm3"] = sm3(canonical_json(mixed["statement"])).hex()
    refused(mixed, "signature of the tree head", other)


def test_receipts_of_logs_of_every_size() -> None:
    for size in (*range(1, 10), 16, 17, 31):
        for place in {0, size // 2, size - 1}:
            verify(forger.receipt(place, size), forger.key_of())


def test_proofs_that_do_not_hold() -> None:
    key = forger.key_of()
    made = forger.receipt(2, 5)
    hashes = made["inclusion"]["hashes"]
    for forged in (hashes[:-1], hashes[1:], [*hashes, hashes[0]], hashes[::-1], [], [hashes[0]] * len(hashes)):
        refused(changed(made, ("inclusion", "hashes"), forged), "event 2 is not in the log of size 5", key)
    moved = changed(made, ("inclusion", "sequence"), 3)
    refused(moved, "is not in the log", key)
    # A log that would be larger than any: signed, but no proof can be that long.
    huge = copy.deepcopy(made)
    huge["head"]["head"]["size"] = huge["inclusion"]["size"] = 1 << 60
    huge["head"]["signature"] = forger.sign_json("tree-head", huge["head"]["head"])
    refused(huge, "is not in the log", key)


def test_another_log_of_the_same_enclave_is_refused() -> None:
    made = forger.receipt()
    made["head"]["head"]["log_id"] = "log-2"
    made["head"]["signature"] = forger.sign_json("tree-head", made["head"]["head"])
    refused(made, "expected log `log-1`, found log `log-2`", forger.key_of())


def test_a_signature_of_one_kind_is_none_of_the_other() -> None:
    made = forger.receipt()
    made["signature"] = forger.sign_json("tree-head", made["statement"])
    refused(made, "signature of the statement", forger.key_of())


def test_numbers_that_json_writes_in_its_own_way() -> None:
    odd = {"tiny": 1e-7, "huge": 1e300, "whole": 2.0**60, "third": 1 / 3, "negative": -0.000123}
    verify(forger.receipt(parameters=odd), forger.key_of())
    refused(forger.receipt(parameters={"x": 10**400}), "`parameters` of the statement", forger.key_of())


def test_absent_and_null_are_one() -> None:
    made = forger.receipt(without=("release", "output_sm3"))
    verify(made, forger.key_of())
    made["statement"].update(release=None, output_sm3=None)
    verify(made, forger.key_of())


def test_the_output_is_the_one_stated() -> None:
    receipt = Receipt(forger.golden())
    receipt.verify_output(b"output")
    for other in (b"outpuT", b""):
        with pytest.raises(VerificationError, match="the output is not the one of the statement"):
            receipt.verify_output(other)
    content = forger.golden()
    del content["statement"]["output_sm3"]
    with pytest.raises(VerificationError, match="nothing was released"):
        Receipt(content).verify_output(b"")


def test_a_receipt_can_be_kept(tmp_path: Path) -> None:
    Receipt(forger.golden()).save(tmp_path / "receipt.json")
    kept = Receipt.read(tmp_path / "receipt.json")
    assert kept.statement["parameters"] == {"age_min": 18.0, "bmi_max": 39.5}
    kept.verify(KEY)
    assert json.loads((tmp_path / "receipt.json").read_text()) == forger.golden()


def test_whose_key_it_was_is_told() -> None:
    told = Receipt(forger.golden(), KEY).verify()
    assert not told.is_key_pinned
    assert KEY.fingerprint in told.remark
    assert Receipt(forger.golden(), KEY).verify(fingerprint=KEY.fingerprint.upper()).is_key_pinned
    with pytest.raises(VerificationError, match="has fingerprint bdfdfd23"):
        Receipt(forger.golden(), KEY).verify(fingerprint="00" * 32)
    with pytest.raises(VerificationError, match="no key"):
        Receipt(forger.golden()).verify()


def test_people_can_read_it() -> None:
    receipt = Receipt(forger.golden(), KEY)
    assert "age_min = 18, bmi_max = 39.5" in receipt._repr_html_()
    assert "not verified by being read" in repr(receipt)
    assert "✓" in receipt.verify()._repr_html_()
