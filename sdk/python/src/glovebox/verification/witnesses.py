"""Cosignatures of witnesses: what they say of the log's head (docs/witnesses.md)."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glovebox.errors import VerificationError
from glovebox.verification.canonical import canonical_json
from glovebox.verification.key import EnclaveKey

_CONTEXT = b"glovebox/cosignature/v1\n"


@dataclass(frozen=True)
class Witnesses:
    """The witnesses of an enclave by name, and how many of them must have cosigned: more than half."""

    required: int
    keys: Mapping[str, EnclaveKey]

    def __post_init__(self) -> None:
        """Refuses a choice that protects nothing."""
        if not len(self.keys) / 2 < self.required <= len(self.keys):
            raise VerificationError("`required` is more than half of the witnesses and no more than all")
        if len({key.fingerprint for key in self.keys.values()}) != len(self.keys):
            raise VerificationError("each witness has a key of its own: one of them counts once")

    @classmethod
    def read(cls, path: str | Path) -> "Witnesses":
        """Reads the file that the enclave has, too."""
        try:
            content = tomllib.loads(Path(path).read_text(encoding="utf-8"))
            named = [(str(one["name"]), EnclaveKey.from_pem(one["public_key"])) for one in content["witness"]]
            required = int(content["required"])
        except (KeyError, TypeError, ValueError) as error:
            raise VerificationError(f"`{path}` is not a file of witnesses: {error}") from error
        if len(dict(named)) != len(named):
            raise VerificationError("each witness has a name of its own: one of them counts once")
        return cls(required, dict(named))

    def verify(self, head: Mapping[str, Any], cosignatures: list[dict[str, Any]]) -> list[str]:
        """Checks that enough of them cosigned ``head``; gives those that did, in words. Others are not looked at."""
        found: dict[str, str] = {}
        for one in cosignatures:
            name = one["witness"]
            key = self.keys.get(name)
            if key is None:
                continue
            seen = {member: head[member] for member in ("log_id", "root", "size")} | {"at": one["at"], "witness": name}
            message, signature = _CONTEXT + canonical_json(seen), bytes.fromhex(one["signature"])
            if name in found or one["key_sm3"] != key.fingerprint or not key.verify(message, signature):
                raise VerificationError(f"the cosignature of witness `{name}` does not verify with its key")
            found[name] = one["at"]
        if len(found) < self.required:
            missing = ", ".join(sorted(self.keys.keys() - found.keys()))
            raise VerificationError(
                f"{len(found)} of the {self.required} witnesses that are needed cosigned this head; missing: {missing}"
            )
        return [f"witness {name} cosigned that head at {at}" for name, at in sorted(found.items())]
