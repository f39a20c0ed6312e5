"""What a release says of itself: how privacy was kept, what it can carry, the model that an iterative job fitted."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from glovebox.html import page, table

_ROUNDS_SHOWN = 5


@dataclass(frozen=True)
class Leakage:
    """Upper bounds on what a release can carry, whatever the module is."""

    bits: int
    """About everything that the module saw."""
    bits_per_person: int
    """About any one person."""


@dataclass(frozen=True)
class Mechanism:
    """How privacy was kept."""

    name: str
    """``disclosure-rules``, ``laplace``, ``gaussian`` or ``reviewed``."""
    epsilon: float | None
    """Loss in all, of Laplace noise."""
    rho: float | None
    """Loss in all, of Gaussian noise (zero-concentrated)."""

    @classmethod
    def from_json(cls, json: dict[str, Any]) -> "Mechanism":
        """Reads the form on the wire."""
        return cls(json["mechanism"], json.get("epsilon"), json.get("rho"))

    def __str__(self) -> str:
        """In words."""
        return {
            "disclosure-rules": "exact figures",
            "laplace": f"discrete Laplace noise, ε {self.epsilon} in all",
            "gaussian": f"discrete Gaussian noise, ρ {self.rho} in all",
            "reviewed": "let go by reviewers",
        }.get(self.name, self.name)


@dataclass(frozen=True)
class Model:
    """What an iterative job fitted: a function of what was released of each round, and of nothing else."""

    rounds: int
    stopped: bool
    """Whether the job stopped by itself, rather than the rounds running out."""
    states: pd.DataFrame
    """A row a round, a column a variable of the state."""

    @classmethod
    def from_json(cls, json: dict[str, Any]) -> "Model":
        """Reads the form on the wire."""
        index = pd.RangeIndex(1, len(json["states"]) + 1, name="round")
        states = pd.DataFrame(json["states"], columns=json["names"], index=index, dtype=float)
        return cls(json["rounds"], json["stopped"], states)

    @property
    def state(self) -> "pd.Series[float]":
        """The last state: the fitted model."""
        return self.states.iloc[-1].rename("state")

    def _headline(self) -> str:
        return f"model: {self.rounds} rounds, {'stopped by itself' if self.stopped else 'ran out of rounds'}"

    def __repr__(self) -> str:
        """The last rounds as text."""
        return f"{self._headline()}\n{self.states.tail(_ROUNDS_SHOWN).to_string()}"

    def _repr_html_(self) -> str:
        last = self.states.tail(_ROUNDS_SHOWN)
        states = zip(last.index, last.to_numpy().tolist(), strict=True)
        rows = [(number, *(f"{value:.6g}" for value in state)) for number, state in states]
        headings = ["round", *self.states.columns]
        return page(self._headline(), table(headings, rows, number_columns=range(len(headings))))
