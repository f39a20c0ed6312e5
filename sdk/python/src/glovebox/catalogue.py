"""The catalogue: datasets, their fields, and how sensitive each is."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from glovebox.html import Html, page, table
from glovebox.listing import Listing
from glovebox.values import show_count


@dataclass(frozen=True)
class Field:
    """One field of a dataset."""

    name: str
    type: str
    values: str
    """What ingestion holds every value to: bounds, or the codes."""
    unit: str
    nullable: bool
    grade: int
    """Sensitivity from 1 (may be public) to 5 (most harmful if disclosed)."""
    identifiability: str
    category: str
    description: str
    codes: dict[str, str]
    """Label of each code, for fields of type ``code``."""

    @classmethod
    def from_json(cls, json: dict[str, Any]) -> "Field":
        """Reads the form on the wire."""
        codes = {code["value"]: code["label"] for code in json.get("codes", [])}
        return cls(
            name=json["name"],
            type=json["type"],
            values=", ".join(codes) or _bounds(json.get("min"), json.get("max")),
            unit=json.get("unit") or "",
            nullable=json.get("nullable", False),
            grade=json["grade"],
            identifiability=json["identifiability"],
            category=json["category"],
            description=json["description"],
            codes=codes,
        )


def _bounds(low: float | None, high: float | None) -> str:
    if low is None and high is None:
        return ""
    return f"{'' if low is None else show_count(low)} … {'' if high is None else show_count(high)}".strip()


@dataclass(frozen=True)
class Dataset:
    """A dataset as its supplier filed it. There is no way to its rows but a job under a grant."""

    id: str
    title: str
    supplier: str
    category: str
    grade: int
    sharing: str
    conditions: str
    description: str
    source: str
    licence: str
    person_key: str
    """The field that tells persons apart; it is never granted."""
    fields: tuple[Field, ...]
    privacy: Mapping[str, float] | None
    """What releases with noise may lose in all: ε, δ, perhaps ε for each developer. None: none may leave."""

    @classmethod
    def from_json(cls, json: dict[str, Any]) -> "Dataset":
        """Reads the form on the wire."""
        own = {name: json[name] for name in ("id", "title", "supplier", "category", "grade", "sharing", "description")}
        return cls(
            **own,
            conditions=json.get("conditions", ""),
            source=json["source"],
            licence=json["licence"],
            person_key=json["schema"]["person_key"],
            fields=tuple(Field.from_json(field) for field in json["schema"]["fields"]),
            privacy=json.get("privacy"),
        )

    @property
    def schema(self) -> pd.DataFrame:
        """The fields, indexed by name: type, values, unit, nullable, grade, identifiability, description."""
        columns = ["type", "values", "unit", "nullable", "grade", "identifiability", "description"]
        rows = [[getattr(field, column) for column in columns] for field in self.fields]
        names = pd.Index([field.name for field in self.fields], name="field")
        return pd.DataFrame(rows, columns=columns, index=names)

    def __repr__(self) -> str:
        """One line."""
        return f"Dataset({self.id!r}, {len(self.fields)} fields, grade {self.grade}, supplied by {self.supplier})"

    def _repr_html_(self) -> str:
        rows = [(name, getattr(self, name)) for name in ("supplier", "category", "grade", "sharing", "conditions")]
        rows += [("fields", len(self.fields)), ("source", self.source), ("licence", self.licence)]
        if self.privacy:
            rows.append(("privacy limit", f"ε {self.privacy['epsilon']} at δ {self.privacy['delta']:g}"))
        headline = Html(table([self.id, self.title], [(name, value) for name, value in rows if value != ""]))
        return page("", headline)


class Datasets(Listing[Dataset]):
    """Datasets that the caller may see."""

    def to_pandas(self) -> pd.DataFrame:
        """A row a dataset."""
        columns = ["id", "title", "supplier", "category", "grade", "sharing"]
        rows = [[getattr(dataset, column) for column in columns] + [len(dataset.fields)] for dataset in self]
        return pd.DataFrame(rows, columns=[*columns, "fields"])
