"""How the enclave says no: a stable code, the rule, the place and the remedy."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from glovebox.html import page, table
from glovebox.listing import Listing


@dataclass(frozen=True)
class Refusal:
    """One reason why something was refused, withheld or suppressed. It never holds the hidden value."""

    code: str
    rule: str
    place: str
    remedy: str

    @classmethod
    def from_json(cls, json: dict[str, Any]) -> "Refusal":
        """Reads the form on the wire."""
        return cls(json["code"], json["rule"], json["place"], json["remedy"])

    def __str__(self) -> str:
        """One line."""
        place = f" at {self.place}" if self.place else ""
        return f"{self.code}{place}: {self.rule}; {self.remedy}"


class Refusals(Listing[Refusal]):
    """Reasons, shown as a table that explains them."""

    @classmethod
    def from_json(cls, json: Iterable[dict[str, Any]]) -> "Refusals":
        """Reads the form on the wire."""
        return cls(Refusal.from_json(item) for item in json)

    def to_pandas(self) -> pd.DataFrame:
        """Columns ``code``, ``rule``, ``place``, ``remedy``."""
        rows = [(reason.code, reason.rule, reason.place, reason.remedy) for reason in self]
        return pd.DataFrame(rows, columns=["code", "rule", "place", "remedy"])

    def to_html(self, headline: str = "") -> str:
        """The table, under a line that says what it is about."""
        rows = [(reason.code, reason.rule, reason.place, reason.remedy) for reason in self]
        return page(headline, table(["code", "rule", "where", "what to do"], rows, code_columns={0}), tone="refusal")

    def _repr_html_(self) -> str:
        return self.to_html()


@dataclass(frozen=True)
class Problem:
    """A problem document (RFC 9457)."""

    title: str
    status: int
    detail: str
    code: str
    reasons: Refusals
    request_id: str

    @classmethod
    def from_json(cls, json: dict[str, Any]) -> "Problem":
        """Reads the form on the wire."""
        reasons = Refusals.from_json(json.get("reasons", []))
        request_id = json.get("request_id", "")
        return cls(json["title"], json["status"], json["detail"], json["code"], reasons, request_id)
