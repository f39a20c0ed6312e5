"""Receipts: what the enclave states about a job, signed, and proven to stand in its log."""

import json
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from glovebox.access import StrPath
from glovebox.errors import VerificationError
from glovebox.html import Html, page, table
from glovebox.verification import EnclaveKey, Witnesses, parse_json, verify_output, verify_receipt

_SHOWN = (
    "outcome",
    "module",
    "grant",
    "dataset",
    "snapshot",
    "isolation",
    "separation",
    "mechanism",
    "disclosure_profile",
)
_SHOWN_AFTER = ("parameters", "cells_released", "cells_withheld", "ended_at", "output_sm3")


class Verification:
    """What verification found to hold. There is none of a receipt that does not verify: that raises."""

    def __init__(self, checks: list[str], key: EnclaveKey, is_key_pinned: bool) -> None:
        self.checks = tuple(checks)
        self.fingerprint = key.fingerprint
        self.is_key_pinned = is_key_pinned
        """Whether the key was given by the caller, rather than told by the server that sent the receipt."""

    @property
    def remark(self) -> str:
        """What is left to the reader."""
        if self.is_key_pinned:
            return "with the key that you gave"
        return (
            "with the key that the enclave's server told; compare its fingerprint with a published one: "
            f"{self.fingerprint}"
        )

    def __bool__(self) -> bool:
        """Always true."""
        return True

    def __repr__(self) -> str:
        """A line a check."""
        return "\n".join([f"the receipt verifies {self.remark}", *(f"  ✓ {check}" for check in self.checks)])

    def _repr_html_(self) -> str:
        rows = [(Html('<span style="color:#15803d">✓</span>'), check) for check in self.checks]
        return page(f"The receipt verifies {self.remark}", table(["", "checked"], rows), tone="good")


class Receipt:
    """A receipt. It can be kept as a file and verified years later, without the enclave."""

    def __init__(self, content: dict[str, Any], key: EnclaveKey | None = None) -> None:
        self._content = content
        self._key = key

    @classmethod
    def from_json(cls, text: str | bytes, key: EnclaveKey | None = None) -> "Receipt":
        """Reads a receipt; verification comes after."""
        try:
            content = parse_json(text)
        except ValueError as error:
            raise VerificationError(f"the receipt can't be read as JSON: {error}") from error
        if not isinstance(content, dict) or not isinstance(content.get("statement"), dict):
            raise VerificationError("the receipt can't be read: it has no statement")
        return cls(content, key)

    @classmethod
    def read(cls, path: StrPath) -> "Receipt":
        """Reads a receipt from a file."""
        return cls.from_json(Path(path).read_bytes())

    def save(self, path: StrPath) -> None:
        """Writes it to a file, for `glovebox receipt verify` and for :meth:`read`."""
        Path(path).write_text(self.to_json(), encoding="utf-8")

    def to_json(self) -> str:
        """What :meth:`save` writes."""
        return json.dumps(self._content, indent=2, ensure_ascii=False) + "\n"

    @property
    def statement(self) -> Mapping[str, Any]:
        """What is stated, as in docs/receipts.md. Believe it once it is verified."""
        statement: dict[str, Any] = self._content["statement"]
        return statement

    def verify(
        self,
        key: EnclaveKey | StrPath | None = None,
        *,
        fingerprint: str | None = None,
        witnesses: Witnesses | StrPath | None = None,
    ) -> Verification:
        """Checks the signatures, that the log records the statement, and that the log's head covers the record.

        ``key`` is the enclave's public key or its PEM file, from a source you trust; ``fingerprint`` is that of
        the key, and enough when the receipt came from a server. With neither, the key that the server told is
        used, which proves only that receipt and server are of one piece. ``witnesses`` is the enclave's file of
        witnesses: enough of them must have cosigned the log's head. Nothing is asked of the enclave.

        Raises :class:`glovebox.VerificationError` that says what is wrong.
        """
        chosen = self._key if key is None else key if isinstance(key, EnclaveKey) else EnclaveKey.read(key)
        if chosen is None:
            raise VerificationError("no key: give the enclave's public key, or the path of its PEM file")
        if fingerprint is not None and chosen.fingerprint != fingerprint.strip().lower():
            raise VerificationError(f"the key has fingerprint {chosen.fingerprint}, not {fingerprint}")
        known = Witnesses.read(str(witnesses)) if isinstance(witnesses, str | PathLike) else witnesses
        checks = verify_receipt(self._content, chosen, known)
        return Verification(checks, chosen, is_key_pinned=key is not None or fingerprint is not None)

    def verify_output(self, output: bytes) -> None:
        """Checks that ``output`` (:attr:`glovebox.Result.document`) is what left, byte for byte."""
        verify_output(self.statement, output)

    def __repr__(self) -> str:
        """One line."""
        stated = self.statement
        return f"Receipt(job {stated.get('job')}, {stated.get('outcome')}, not verified by being read)"

    def _repr_html_(self) -> str:
        rows = [(name.replace("_", " "), _shown(self.statement[name])) for name in _SHOWN if name in self.statement]
        rows += [
            (name.replace("_", " "), _shown(self.statement[name])) for name in _SHOWN_AFTER if name in self.statement
        ]
        return page("", table(["receipt of", self.statement.get("job", "")], rows))


def _shown(value: object) -> object:
    if isinstance(value, dict):
        return ", ".join(f"{name} = {number:g}" for name, number in value.items()) or "none"
    return value
