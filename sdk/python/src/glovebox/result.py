"""What left: the tables of a release, with every withheld cell shown as such."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from glovebox import derived
from glovebox.errors import UnexpectedAnswer
from glovebox.html import Html, mark, page, table
from glovebox.model import Leakage, Mechanism, Model
from glovebox.refusal import Refusal, Refusals
from glovebox.shown import shown
from glovebox.values import show_count, show_noisy

if TYPE_CHECKING:
    import polars as pl

# Stands for the total over a dimension: on the wire, and in tables for people.
TOTAL = "*"
ALL = "all"
WITHHELD = "withheld"
# Reducers whose rounding step says how far off a figure may be.
_ESTIMATES = ("mean", "sum", "variance", "ratio", "cross-product", "gradient")
_OWN_COLUMNS = ("output", "reducer", "value", "rounded_to", "half_width_95", "suppression")


@dataclass(frozen=True)
class Cell:
    """One cell or margin of a table."""

    keys: tuple[str, ...]
    value: float | None
    rounded_to: float | None
    suppression: Refusal | None
    half_width_95: float | None = None
    """With noise: the value without it lies within this much in 95 of 100 releases."""

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Cell":
        """Reads the form on the wire."""
        reason = content.get("suppression")
        value, rounded_to, half_width = (
            None if content.get(name) is None else float(content[name])
            for name in ("value", "rounded_to", "half_width_95")
        )
        suppression = Refusal.from_json(reason) if reason else None
        return cls(tuple(content["keys"]), value, rounded_to, suppression, half_width)

    def __str__(self) -> str:
        """The value with as many decimals as rounding or noise left, or that it was withheld."""
        if self.value is None:
            return WITHHELD
        if self.half_width_95 is not None:
            return show_noisy(self.value, self.half_width_95)
        exponent = Decimal(repr(self.rounded_to or self.value)).normalize().as_tuple().exponent
        return f"{self.value:,.{max(0, -exponent) if isinstance(exponent, int) else 0}f}"


class Table:
    """One output of a job: a figure for every combination of its keys, and margins under the key ``all``."""

    def __init__(self, content: dict[str, Any]) -> None:
        self.output: str = content["output"]
        self.reducer: str = content["reducer"]
        self.dimensions: dict[str, tuple[str, ...]] = {
            dimension["name"]: tuple(dimension["labels"]) for dimension in content["dimensions"]
        }
        self.cells = tuple(Cell.from_json(cell) for cell in content["cells"])
        self.margins = tuple(Cell.from_json(cell) for cell in content["margins"])
        self._by_keys = {cell.keys: cell for cell in (*self.cells, *self.margins)}
        if any(len(keys) != len(self.dimensions) for keys in self._by_keys):
            raise ValueError(f"a cell of `{self.output}` has another number of keys than the table has dimensions")

    def cell(self, *keys: str) -> Cell:
        """The cell under ``keys``, one for every dimension; ``all`` for a total."""
        found = self._by_keys.get(tuple(TOTAL if key == ALL else key for key in keys))
        if found is None:
            raise KeyError(f"`{self.output}` has no cell {keys}; its dimensions are {self.dimensions}")
        return found

    def to_pandas(self, *, margins: bool = False) -> pd.DataFrame:
        """The figures, pivoted: last key across, others down. Withheld ones are missing here: see `withheld`."""
        return self._pivot(margins, lambda cell: cell.value if cell else None).astype("Float64")

    def is_withheld(self, *, margins: bool = False) -> pd.DataFrame:
        """The same shape, true where a figure was withheld."""
        return self._pivot(margins, lambda cell: cell is not None and cell.value is None).astype(bool)

    @property
    def withheld(self) -> Refusals:
        """Why, for every withheld cell and margin, in order."""
        return Refusals(cell.suppression for cell in self._by_keys.values() if cell.suppression)

    def _pivot(self, margins: bool, value: Callable[[Cell | None], Any]) -> pd.DataFrame:
        names = list(self.dimensions)
        labels = [[*labels, TOTAL] if margins else list(labels) for labels in self.dimensions.values()]
        across = labels[-1] if labels else []
        down = [list(keys) for keys in product(*labels[:-1])]
        if len(labels) <= 1:
            # One dimension runs down, and the only column is the output.
            rows = [[key] for key in across] if labels else [[]]
            frame = pd.DataFrame({self.output: [value(self._by_keys.get(tuple(keys))) for keys in rows]}, dtype=object)
            frame.index = pd.Index([_people(keys[0]) for keys in rows], name=names[0]) if labels else pd.Index([ALL])
            return frame
        # Margins exist for totals over all dimensions but one: a line without any cell is left out.
        down = [keys for keys in down if any((*keys, key) in self._by_keys for key in across)]
        cells = [[value(self._by_keys.get((*keys, key))) for key in across] for keys in down]
        index = pd.MultiIndex.from_tuples([tuple(map(_people, keys)) for keys in down], names=names[:-1])
        columns = pd.Index(list(map(_people, across)), name=names[-1])
        frame = pd.DataFrame(cells, dtype=object, columns=columns, index=index)
        return frame.set_axis(index.get_level_values(0), axis=0) if len(names) == 2 else frame

    def _show(self, cell: Cell) -> str:
        """The figure; where few persons made the rounding coarse, with how far it may be off."""
        if cell.value is None or not cell.rounded_to or cell.half_width_95 is not None:
            return str(cell)
        if self.reducer not in _ESTIMATES:
            return str(cell)
        is_coarse = cell.rounded_to > abs(cell.value) / 10
        return f"{cell} ± {cell.rounded_to / 2:g}" if is_coarse else str(cell)

    def _html_cell(self, cell: Cell | None) -> object:
        if cell is None or cell.value is not None:
            return "" if cell is None else self._show(cell)
        reason = cell.suppression
        return mark(WITHHELD, f"{reason.code}: {reason.rule}. {reason.remedy}" if reason else "")

    def __repr__(self) -> str:
        """As text, with every withheld cell named."""
        shown = self._pivot(True, lambda cell: "" if cell is None else self._show(cell))
        reasons = [f"withheld: {reason.code}: {reason.rule}" for reason in _distinct(self.withheld)]
        return "\n".join([f"{self.output} ({self.reducer})", shown.to_string(), *reasons])

    def _repr_html_(self) -> str:
        shown = self._pivot(True, self._html_cell)
        depth = shown.index.nlevels
        headings = [name or "" for name in shown.index.names] + [str(name) for name in shown.columns]
        rows = [
            [*(keys if isinstance(keys, tuple) else (keys,)), *cells]
            for keys, cells in zip(shown.index, shown.itertuples(index=False), strict=True)
        ]
        body = table(headings, rows, number_columns=range(depth, len(headings)))
        notes = [(reason.code, reason.rule, reason.remedy) for reason in _distinct(self.withheld)]
        note = table(["withheld because of", "rule", "what to do"], notes, code_columns={0}) if notes else ""
        drawn = derived.draw(self) if self.reducer in derived.DRAWN else ""
        return page(f"{self.output} ({self.reducer})", body, drawn, note)

    def survival(self) -> pd.DataFrame:
        """Kaplan-Meier's estimate from a survival table: a row an interval, a column a combination of keys."""
        return derived.survival(self)

    def correlation(self, *keys: str) -> pd.DataFrame:
        """The correlations that a cross-product gives, under ``keys`` where it has some."""
        return derived.correlation(self, *keys)


def _people(key: str) -> str:
    return ALL if key == TOTAL else key


def _distinct(reasons: Refusals) -> Refusals:
    return Refusals({(reason.code, reason.rule): reason for reason in reasons}.values())


class Result:
    """A release. What is in it left the enclave, and may be shown."""

    def __init__(self, release: str, document: bytes, read_arrow: Callable[[], bytes]) -> None:
        self.release = release
        self.document = document
        """The release document byte for byte: what ``receipt.verify_output`` takes."""
        self._read_arrow = read_arrow
        try:
            content = shown(json.loads(document))
            self.tables: Mapping[str, Table] = {found.output: found for found in map(Table, content["tables"])}
            self.profile: str = content["profile"]
            self.cells_released: int = content["cells_released"]
            self.cells_withheld: int = content["cells_withheld"]
            self.mechanism = Mechanism.from_json(content)
            self.leakage = Leakage(**{name: content["leakage"][name] for name in ("bits", "bits_per_person")})
            self.model = Model.from_json(content["model"]) if content.get("model") else None
        except (ValueError, KeyError, TypeError) as error:
            raise UnexpectedAnswer(f"can't read release {release}: {error}") from error

    def table(self, output: str) -> Table:
        """The table of one output, by keys."""
        if output not in self.tables:
            raise KeyError(f"no output `{output}`; there are {', '.join(self.tables)}")
        return self.tables[output]

    @cached_property
    def _arrow(self) -> pa.Table:
        with pa.ipc.open_stream(self._read_arrow()) as stream:
            arrow = stream.read_all()
        # The receipt signs the document and not this form of it, so this form is held to the document.
        if arrow.to_pydict() != self._long_table():
            raise UnexpectedAnswer(f"the Arrow form of release {self.release} differs from its document")
        return arrow

    def to_arrow(self) -> pa.Table:
        """All tables as one, a row a cell: output, reducer, its keys, value, rounded_to, half_width_95, suppression."""
        return self._arrow

    def to_pandas(self) -> pd.DataFrame:
        """The same. ``suppression`` holds the code of what a value was withheld for."""
        frame: pd.DataFrame = self._arrow.to_pandas()
        return frame

    def to_polars(self) -> "pl.DataFrame":
        """The same, if polars is installed (``pip install glovebox[polars]``)."""
        import polars as pl

        frame = pl.from_arrow(self._arrow)
        assert isinstance(frame, pl.DataFrame)
        return frame

    @property
    def withheld(self) -> Refusals:
        """Why, for every withheld cell and margin."""
        return Refusals(reason for found in self.tables.values() for reason in found.withheld)

    def _long_table(self) -> dict[str, list[Any]]:
        """The document as the enclave flattens it."""
        names = list(dict.fromkeys(name for found in self.tables.values() for name in found.dimensions))
        columns = {name: f"key_{name}" if name in _OWN_COLUMNS else name for name in names}
        order = ["output", "reducer", *columns.values(), "value", "rounded_to", "half_width_95", "suppression"]
        long: dict[str, list[Any]] = {name: [] for name in order}
        for found in self.tables.values():
            for cell in (*found.cells, *found.margins):
                keys = dict(zip(found.dimensions, cell.keys, strict=True))
                code = cell.suppression.code if cell.suppression else None
                figures = (cell.value, cell.rounded_to, cell.half_width_95)
                row = [found.output, found.reducer, *map(keys.get, names), *figures, code]
                for name, value in zip(order, row, strict=True):
                    long[name].append(value)
        return long

    def __repr__(self) -> str:
        """Its tables as text."""
        model = [repr(self.model)] if self.model else []
        return "\n\n".join([self._headline(), *map(repr, self.tables.values()), *model])

    def _repr_html_(self) -> str:
        model = [Html(self.model._repr_html_())] if self.model else []
        return page(self._headline(), *(Html(found._repr_html_()) for found in self.tables.values()), *model)

    def _headline(self) -> str:
        return (
            f"Release {self.release}: {self.cells_released} figures left, {self.cells_withheld} were withheld "
            f"under the rules `{self.profile}`; {self.mechanism}; at most {show_count(self.leakage.bits)} bits in all"
        )
