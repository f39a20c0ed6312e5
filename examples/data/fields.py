"""Fields of the example tables: how each is read from the source, and how the catalogue describes it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

Row = Mapping[str, str]


@dataclass(frozen=True)
class Field:
    """One column of an extract. `read` turns a source row into the text of the cell; empty text means missing."""

    name: str
    description: str
    kind: str
    read: Callable[[Row], str]
    grade: int
    category: str = "health-status"
    identifiability: str = "sensitive"
    unit: str | None = None
    low: float | None = None
    high: float | None = None
    codes: Mapping[str, str] = field(default_factory=dict)
    nullable: bool = True

    def json(self) -> dict[str, object]:
        """The field as the catalogue files it."""
        entry: dict[str, object] = {"name": self.name, "description": self.description}
        if self.unit is not None:
            entry["unit"] = self.unit
        entry["type"] = self.kind
        if self.low is not None:
            entry["min"] = self.low
        if self.high is not None:
            entry["max"] = self.high
        if self.codes:
            entry["codes"] = [{"value": value, "label": label} for value, label in self.codes.items()]
        return entry | {
            "nullable": self.nullable,
            "grade": self.grade,
            "category": self.category,
            "identifiability": self.identifiability,
        }

    def dictionary_line(self) -> str:
        """The field as a row of the README's table."""
        if self.codes:
            values = ", ".join(f"`{value}`" for value in self.codes)
        elif self.low is not None:
            values = f"{self.low} to {self.high}"
        else:
            values = "`true`, `false`" if self.kind == "boolean" else ""
        missing = "yes" if self.nullable else "no"
        unit = self.unit or ""
        return f"| `{self.name}` | {self.kind} | {unit} | {values} | {missing} | {self.grade} | {self.description} |"


def whole(column: str) -> Callable[[Row], str]:
    """A whole number."""
    return lambda row: "" if row[column] == "" else str(round(float(row[column])))


def decimal(column: str, digits: int) -> Callable[[Row], str]:
    """A number rounded to `digits` decimals. SAS transport files write zero as 5.4e-79; rounding restores it."""
    return lambda row: "" if row[column] == "" else f"{float(row[column]):.{digits}f}"


def truth(column: str) -> Callable[[Row], str]:
    """A 0/1 column; anything between is an imputed value and counts as missing."""
    return lambda row: {"0": "false", "0.0": "false", "1": "true", "1.0": "true"}.get(row[column], "")


def code(column: str, codes: Mapping[str, str]) -> Callable[[Row], str]:
    """A column of labels, recoded; labels that are not listed (`Don't Know`) count as missing."""
    return lambda row: codes.get(row[column], "")
