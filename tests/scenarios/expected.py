"""Computes what the scenarios with a release expect, from the tables and docs/disclosure.md alone.

    python3 tests/scenarios/expected.py          # compares with what is committed
    python3 tests/scenarios/expected.py write    # writes expected.json anew

Written from the words of docs/disclosure.md, in exact fractions, for jobs of one contribution per person. Plain
Python 3.11 and nothing else.
"""

import csv
import itertools
import json
import math
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

HERE = Path(__file__).parent
DATA = HERE.parent.parent / "examples" / "data"

BELOW, NK, COMPLEMENTARY = "gate.cell-below-threshold", "gate.dominance-nk", "gate.complementary"
Shown = list[float] | str
Keys = tuple[str, ...]


def to_five(count: int) -> int:
    """Rounds to the nearest multiple of five."""
    return (count + 2) // 5 * 5


def measure(value: Fraction, step: Fraction) -> list[float]:
    """Rounds to a multiple of the step, itself rounded up to one significant digit."""
    power = Fraction(10) ** math.floor(math.log10(step))
    step = math.ceil(step / power) * power
    return [float(math.floor(value / step + Fraction(1, 2)) * step), float(step)]


class Output:
    """One output: a cell of values for each combination of keys; the value of a count is none."""

    def __init__(
        self, keys: list[list[str]], bounds: tuple[int, int] | None = None, bins: list[float] | None = None
    ) -> None:
        """Keys by dimension; `bounds` make a mean, `bins` a histogram, neither a count."""
        self.bounds, self.bins = bounds, bins
        if bins:
            keys = [*keys, [f"[{lower:g}, {upper:g})" for lower, upper in itertools.pairwise(bins)]]
        self.keys = keys
        self.cells: dict[Keys, list[Fraction]] = {cell: [] for cell in itertools.product(*keys)}

    def add(self, *keys: str, value: str | float | Fraction = 0) -> None:
        """Adds the one contribution of a person."""
        number = Fraction(value)
        if self.bins:
            place = sum(number >= Fraction(str(edge)) for edge in self.bins[1:-1])
            keys = (*keys, self.keys[-1][place])
        if self.bounds:
            number = min(max(number, Fraction(self.bounds[0])), Fraction(self.bounds[1]))
        self.cells[keys].append(number)

    def judge(self, values: list[Fraction]) -> str | None:
        """Why a cell is suppressed for its own sake."""
        if len(values) < (11 if self.bounds else 10):
            return BELOW
        return NK if self.bounds and self.dominated(values) else None

    def dominated(self, values: list[Fraction]) -> bool:
        """Whether the two largest make up nine tenths."""
        magnitudes = sorted((abs(value) for value in values), reverse=True)
        return 10 * sum(magnitudes[:2]) >= 9 * sum(magnitudes)

    def figure(self, values: list[Fraction]) -> list[float]:
        """What a cell shows."""
        if not self.bounds:
            return [to_five(len(values)), 5]
        width = Fraction(self.bounds[1] - self.bounds[0])
        step = max(5 * width / max(to_five(len(values)), 10), width / 1000)
        return measure(sum(values) / len(values), min(step, width))

    def total(self, line: list[Keys]) -> list[float]:
        """The total of a line: counts from the rounded cells, a mean from all contributions."""
        if not self.bounds:
            return [sum(to_five(len(self.cells[cell])) for cell in line), 5]
        return self.figure([value for cell in line for value in self.cells[cell]])

    def is_safe(self, hidden: dict[Keys, str]) -> bool:
        """Whether a total over these hidden cells tells nothing of one of them."""
        if not hidden:
            return True
        values = [value for cell in hidden for value in self.cells[cell]]
        small = [cell for cell, why in hidden.items() if why == BELOW]
        passing = [cell for cell, why in hidden.items() if why == COMPLEMENTARY]
        if len(hidden) < 2 or len(values) < (11 if self.bounds else 10):
            return False
        if not self.bounds:
            together = sum(to_five(len(self.cells[cell])) for cell in hidden)
            if passing:
                # A small cell shows as 0 to 10, a passing one as 10 at least.
                return together >= 10 + 10 * len(passing)
            certain = together - 2 * len(hidden) >= 10
            return 10 <= together <= 10 * (len(small) - 1) and certain
        if len(values) < 21 or self.dominated(values):
            return False
        lower, upper = self.bounds
        room = 2 * Fraction(upper - lower)

        def free(distance: Callable[[Fraction], Fraction]) -> bool:
            together = sum(distance(value) for value in values)
            own = (
                sum(distance(value) for value in self.cells[cell]) for cell in hidden if hidden[cell] != COMPLEMENTARY
            )
            return all(together >= max(2 * distances, room) for distances in own)

        return free(lambda value: value - lower) and free(lambda value: upper - value)

    def shown(self) -> dict[str, Shown]:
        """Cells and margins by their keys."""
        why = {cell: code for cell, values in self.cells.items() if (code := self.judge(values))}
        everything = list(self.cells)
        lines = [
            [[cell for cell in everything if cell[at] == key] for key in keys] for at, keys in enumerate(self.keys)
        ]
        outermost = [everything] if len(self.keys) == 1 else lines[0]
        for line in outermost:
            first = next((at for at, cell in enumerate(line) if cell in why), None)
            if first is not None:
                passing = (cell for cell in line[first:] + line[:first] if cell not in why)
                if (one := next(passing, None)) is not None:
                    why[one] = COMPLEMENTARY
        out: dict[str, Shown] = {}
        for cell, values in self.cells.items():
            out[" / ".join(cell)] = why.get(cell) or self.figure(values)
        out |= self.margins(why, lines, everything)
        return out

    def margins(self, why: dict[Keys, str], lines: list[list[list[Keys]]], everything: list[Keys]) -> dict[str, Shown]:
        """Totals by their keys."""
        hidden = lambda line: {cell: why[cell] for cell in line if cell in why}  # noqa: E731
        if len(self.keys) == 1:
            return {"*": self.total(everything) if self.is_safe(hidden(everything)) else COMPLEMENTARY}
        out: dict[str, Shown] = {}
        for at, keys in enumerate(self.keys):
            for key, line in zip(keys, lines[at], strict=True):
                safe = self.is_safe(hidden(line)) if at == 0 else not hidden(line)
                place = " / ".join(key if other == at else "*" for other in range(len(self.keys)))
                out[place] = self.total(line) if safe else COMPLEMENTARY
        outermost_shown = all(self.is_safe(hidden(line)) for line in lines[0])
        safe = outermost_shown and (not self.bounds or self.is_safe(hidden(everything)))
        out[" / ".join("*" for _ in self.keys)] = self.total(everything) if safe else COMPLEMENTARY
        return out


def rows(table: str) -> Iterator[dict[str, str]]:
    """Rows of an example table."""
    with (DATA / table / f"{table}.csv").open(newline="") as file:
        yield from csv.DictReader(file)


def bands(edges: list[int]) -> list[str]:
    """Labels of half-open bands."""
    return [f"[{lower}, {upper})" for lower, upper in itertools.pairwise(edges)]


def band(edges: list[int], value: int) -> str | None:
    """The band of a value."""
    found = (f"[{lower}, {upper})" for lower, upper in itertools.pairwise(edges) if lower <= value < upper)
    return next(found, None)


def bmi(obese_from: str = "30", keep: Callable[[dict[str, str]], bool] = lambda row: True) -> dict[str, Output]:
    """examples/jobs/bmi-by-age-sex."""
    edges, sexes = [18, 30, 40, 50, 60, 70, 81], ["male", "female"]
    out = {
        "persons": Output([sexes, bands(edges)]),
        "mean_bmi": Output([sexes, bands(edges)], bounds=(10, 80)),
        "obese": Output([sexes, bands(edges)]),
        "bmi_classes": Output([sexes], bins=[10, 18.5, 25, 30, 35, 40, 100]),
    }
    for row in rows("nhanes-2017"):
        age = band(edges, int(row["age_years"]))
        if age is None or not row["bmi"] or not keep(row):
            continue
        out["persons"].add(row["sex"], age)
        out["mean_bmi"].add(row["sex"], age, value=row["bmi"])
        if Decimal(row["bmi"]) >= Decimal(obese_from):
            out["obese"].add(row["sex"], age)
        out["bmi_classes"].add(row["sex"], value=row["bmi"])
    return out


def hypertension() -> dict[str, Output]:
    """examples/jobs/hypertension."""
    edges, sexes = [18, 35, 45, 55, 65, 75, 81], ["male", "female"]
    out = {
        "measured": Output([sexes, bands(edges)]),
        "raised": Output([sexes, bands(edges)]),
        "mean_systolic": Output([sexes, bands(edges)], bounds=(60, 260)),
        "systolic_classes": Output([bands(edges)], bins=[50, 120, 130, 140, 160, 180, 260]),
    }
    for row in rows("nhanes-2017"):
        age = band(edges, int(row["age_years"]))
        systolic, diastolic = row["systolic_mmhg"], row["diastolic_mmhg"]
        if age is None or not systolic or not diastolic:
            continue
        out["measured"].add(row["sex"], age)
        if Decimal(systolic) >= 140 or Decimal(diastolic) >= 90:
            out["raised"].add(row["sex"], age)
        out["mean_systolic"].add(row["sex"], age, value=systolic)
        out["systolic_classes"].add(age, value=systolic)
    return out


def visits() -> dict[str, Output]:
    """examples/jobs/visits-per-person."""
    plans = {"0": "nothing", "25": "25 %", "50": "50 %", "95": "95 %", "100": "everything"}
    healths = ["excellent", "good", "fair", "poor"]
    paid = list(plans.values())
    out = {
        "persons": Output([paid, healths]),
        "visits_per_year": Output([paid], bins=[0, 0.5, 1, 2, 4, 8, 16, 366]),
        "mean_visits": Output([paid, healths], bounds=(0, 50)),
        "mean_outpatient_usd": Output([paid], bounds=(0, 2000)),
        "ever_without_visit": Output([paid]),
    }
    persons: dict[str, list[dict[str, str]]] = {}
    for row in rows("rand-hie"):
        persons.setdefault(row["person_id"], []).append(row)
    for own in persons.values():
        plan, health = plans[own[0]["coinsurance"]], own[0]["self_rated_health"]
        years = sum(Fraction(row["participation"]) for row in own)
        if years < Fraction(1, 2):
            continue
        visited = [int(row["physician_visits"]) for row in own]
        out["persons"].add(plan, health)
        out["visits_per_year"].add(plan, value=sum(visited) / years)
        out["mean_visits"].add(plan, health, value=sum(visited) / years)
        out["mean_outpatient_usd"].add(plan, value=sum(Fraction(row["outpatient_usd"]) for row in own) / len(own))
        if 0 in visited:
            out["ever_without_visit"].add(plan)
    return out


def main() -> int:
    """Writes or compares."""
    scenarios = {
        "bmi-by-age-sex": bmi(),
        "bmi-with-parameter": bmi(obese_from="35"),
        "row-filter": bmi(keep=lambda row: row["sex"] == "female" and int(row["age_years"]) >= 40),
        "hypertension": hypertension(),
        "visits-per-person": visits(),
    }
    different = 0
    for name, outputs in scenarios.items():
        path = HERE / name / "expected.json"
        tables = {output: shown.shown() for output, shown in outputs.items()}
        text = json.dumps({"state": "released", "tables": tables}, indent=1) + "\n"
        if sys.argv[1:] == ["write"]:
            path.write_text(text)
        elif path.read_text() != text:
            print(f"{path} is not what the tables give")
            different += 1
    return different


if __name__ == "__main__":
    sys.exit(main())
