"""Pre-flight: which disclosure rules a module's declared outputs will meet, before anything is submitted."""

import json
from dataclasses import dataclass
from typing import Any

import pandas as pd

from glovebox.html import page, table
from glovebox.listing import Listing
from glovebox.model import Leakage
from glovebox.values import show_count

_SECTION = b"glovebox.job"
_HEADER_BYTES = 8
_CUSTOM = 0


@dataclass(frozen=True)
class Advice:
    """One thing to know before a job is submitted."""

    level: str
    """``refusal``: nothing can leave as declared; ``warning``: figures will be withheld or coarse; ``note``."""
    code: str
    rule: str
    place: str
    remedy: str


class Lint(Listing[Advice]):
    """Advice on a module, the gravest first."""

    def __init__(self, content: dict[str, Any]) -> None:
        names = ("level", "code", "rule", "place", "remedy")
        super().__init__(Advice(**{name: advice[name] for name in names}) for advice in content["advice"])
        self.profile: str = content["profile"]
        leakage = content.get("leakage")
        self.leakage = Leakage(leakage["bits"], leakage["bits_per_person"]) if leakage else None
        """What a job would reserve of its leakage budget, where the number of persons was given."""

    @property
    def is_hopeless(self) -> bool:
        """Whether nothing can leave as declared."""
        return any(advice.level == "refusal" for advice in self)

    def to_pandas(self) -> pd.DataFrame:
        """Columns ``level``, ``code``, ``rule``, ``place``, ``remedy``."""
        columns = ["level", "code", "rule", "place", "remedy"]
        return pd.DataFrame([[getattr(advice, column) for column in columns] for advice in self], columns=columns)

    def _repr_html_(self) -> str:
        rows = [(advice.level, advice.code, advice.rule, advice.place, advice.remedy) for advice in self]
        headings = ["", "code", "rule", "where", "what to do"]
        bits = f"; can carry at most {show_count(self.leakage.bits)} bits" if self.leakage else ""
        body = table(headings, rows, code_columns={1}) if rows else "no rule stands out"
        tone = "refusal" if self.is_hopeless else "plain" if rows else "good"
        return page(f"Under the rules `{self.profile}`{bits}", body, tone=tone)


def read_manifest(module: bytes) -> dict[str, Any]:
    """The manifest that a module or component holds in its custom section ``glovebox.job``."""
    if module[:4] != b"\0asm":
        raise ValueError("this is no WebAssembly module; give the .wasm file that the build made")
    at = _HEADER_BYTES
    while at < len(module):
        kind = module[at]
        size, at = _number(module, at + 1)
        end = at + size
        if kind == _CUSTOM:
            length, start = _number(module, at)
            if module[start : start + length] == _SECTION:
                manifest = json.loads(module[start + length : end])
                if isinstance(manifest, dict):
                    return manifest
        at = end
    raise ValueError("the module holds no manifest; build it with the guest SDK")


def _number(data: bytes, at: int) -> tuple[int, int]:
    """An unsigned LEB128 number, and where it ends."""
    value = shift = 0
    while at < len(data):
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if not byte & 0x80:
            return value, at
        shift += 7
    raise ValueError("the module ends in the middle of a number")
