"""Differential privacy: what a job asks for, what it would cost and be worth, what is spent of a dataset's limit."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import pandas as pd

from glovebox.html import Html, bar, page, table
from glovebox.refusal import Refusals

# ε is counted in millionths.
_STEPS = 1_000_000


@dataclass(frozen=True)
class Privacy:
    """Noise that a job asks for, and what each round loses by it. :func:`laplace` and :func:`gaussian` make one."""

    mechanism: str
    epsilon: float | None = None
    rho: float | None = None

    def to_json(self) -> dict[str, Any]:
        """The form on the wire."""
        name, loss = ("epsilon", self.epsilon) if self.mechanism == "laplace" else ("rho", self.rho)
        return {"mechanism": self.mechanism, name: loss}

    @classmethod
    def from_json(cls, json: Mapping[str, Any]) -> "Privacy":
        """Reads the form on the wire."""
        return cls(json["mechanism"], json.get("epsilon"), json.get("rho"))

    def __str__(self) -> str:
        """In words."""
        loss = f"ε {self.epsilon}" if self.mechanism == "laplace" else f"ρ {self.rho}"
        return f"discrete {self.mechanism.capitalize()}, {loss} a round"


def laplace(epsilon: float) -> Privacy:
    """Discrete Laplace noise: pure differential privacy, ``epsilon`` a round, shared by all outputs."""
    return Privacy("laplace", epsilon=_positive(epsilon))


def gaussian(rho: float) -> Privacy:
    """Discrete Gaussian noise: zero-concentrated differential privacy, ``rho`` a round, shared by all outputs."""
    return Privacy("gaussian", rho=_positive(rho))


def _positive(loss: float) -> float:
    if not 0 < loss < float("inf"):
        raise ValueError(f"a privacy loss is a number above 0, not {loss}")
    return float(loss)


@dataclass(frozen=True)
class ExpectedError:
    """What to expect of one kind of figure in one round."""

    output: str
    reducer: str
    figure: str
    half_width_95: float
    """95 of 100 figures lie within this much of the one without noise."""
    share: float
    """Part of the round's loss that the output spends."""


@dataclass(frozen=True)
class Charge:
    """What a job would take from one account."""

    holder: str
    """``dataset``, ``grant`` or ``developer``."""
    epsilon_asked: float
    epsilon_after: float | None
    """With the job. None for the dataset: what others spend is not told."""
    epsilon_max: float
    fits: bool


class Explanation:
    """What a job with noise would cost and be worth. Nothing is spent by asking."""

    def __init__(self, content: dict[str, Any]) -> None:
        self.privacy = Privacy.from_json(content["privacy"])
        self.rounds_max: int = content["rounds_max"]
        names = [field.name for field in fields(ExpectedError)]
        self.errors = tuple(ExpectedError(**{name: error[name] for name in names}) for error in content["errors"])
        names = [field.name for field in fields(Charge)]
        self.charges = tuple(Charge(**{name: charge.get(name) for name in names}) for charge in content["charges"])
        self.reasons = Refusals.from_json(content.get("refusals", []))
        """Why the job would be refused, were it submitted now; empty when it would not."""

    def to_pandas(self) -> pd.DataFrame:
        """The expected errors, a row a kind of figure."""
        return pd.DataFrame([asdict(error) for error in self.errors])

    def __repr__(self) -> str:
        """As text."""
        charges = [f"{given.holder}: ε {given.epsilon_asked} of {given.epsilon_max}" for given in self.charges]
        errors = self.to_pandas().to_string(index=False)
        return "\n".join([self._headline(), errors, *charges, *map(str, self.reasons)])

    def _headline(self) -> str:
        return f"{self.privacy}, at most {self.rounds_max} rounds; nothing is spent by asking"

    def _repr_html_(self) -> str:
        errors = [
            (error.output, error.reducer, error.figure, f"± {error.half_width_95:.3g}", f"{100 * error.share:.0f} %")
            for error in self.errors
        ]
        charges = [
            (
                given.holder,
                _bar(given.epsilon_asked if given.epsilon_after is None else given.epsilon_after, 0, given.epsilon_max),
                given.epsilon_asked,
                given.epsilon_max,
                "fits" if given.fits else "does not fit",
            )
            for given in self.charges
        ]
        headings = ["output", "reducer", "figure", "95 of 100 lie within", "share of the loss"]
        body: list[str] = [table(headings, errors, number_columns={3, 4})]
        if charges:
            body.append(table(["account", "with this job", "asks for ε", "of", ""], charges, number_columns={2, 3}))
        if self.reasons:
            body.append(self.reasons.to_html("It would be refused"))
        return page(self._headline(), *body, tone="refusal" if self.reasons else "good")


@dataclass(frozen=True)
class LedgerEntry:
    """One account of a ledger; ε at the dataset's δ."""

    holder: str
    id: str
    epsilon_spent: float
    epsilon_held: float
    """With what running jobs hold."""
    epsilon_max: float
    epsilon_left: float


class Ledger:
    """What was spent of a dataset's privacy limit, as far as the caller may see it."""

    def __init__(self, content: dict[str, Any]) -> None:
        self.dataset: str = content["dataset"]
        self.limit: Mapping[str, float] | None = content.get("limit")
        """ε, δ, and perhaps ε for each developer; none: no release with noise may leave."""
        names = [field.name for field in fields(LedgerEntry) if field.name != "epsilon_max"]
        self.entries = tuple(
            LedgerEntry(**{name: entry[name] for name in names}, epsilon_max=entry["account"]["epsilon_max"])
            for entry in content["entries"]
        )

    def to_pandas(self) -> pd.DataFrame:
        """A row an account."""
        return pd.DataFrame([asdict(entry) for entry in self.entries])

    def __repr__(self) -> str:
        """As text."""
        return f"{self._headline()}\n{self.to_pandas().to_string(index=False)}"

    def _headline(self) -> str:
        if self.limit is None:
            return f"Privacy of {self.dataset}: no limit is filed, so no release with noise may leave"
        return f"Privacy of {self.dataset}: ε {self.limit['epsilon']} at δ {self.limit['delta']:g}"

    def _repr_html_(self) -> str:
        rows = [
            (
                entry.holder,
                entry.id,
                _bar(entry.epsilon_spent, entry.epsilon_held - entry.epsilon_spent, entry.epsilon_max),
                entry.epsilon_spent,
                entry.epsilon_max,
                entry.epsilon_left,
            )
            for entry in self.entries
        ]
        headings = ["account", "of", "", "ε spent", "of", "left"]
        return page(self._headline(), table(headings, rows, number_columns={3, 4, 5}) if rows else "")


def _bar(used: float, held: float, limit: float) -> Html:
    return bar(round(used * _STEPS), round(max(held, 0.0) * _STEPS), round(limit * _STEPS))
