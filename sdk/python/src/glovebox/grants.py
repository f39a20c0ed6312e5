"""Grants: who may compute what on which data, for which purpose, and how much of it; and what is used of that."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pandas as pd

from glovebox.filters import show_filter
from glovebox.html import Html, bar, page, table
from glovebox.listing import Listing
from glovebox.values import read_time, show_count, show_time

if TYPE_CHECKING:
    from glovebox.box import Box

# Name of the budget's limit, of the meter, and for people.
_METERS = (
    ("jobs_max", "jobs", "jobs"),
    ("releases_max", "releases", "releases"),
    ("cells_max", "cells", "cells that left"),
    ("claims_max", "claims", "sets of persons claimed"),
    ("bytes_out_max", "bytes_out", "bytes that left"),
    ("leakage_bits_max", "leakage_bits", "bits that could leave"),
    ("fuel_max_units", "fuel_units", "fuel units"),
    ("rows_max", "rows_read", "rows read"),
)

_COARSE = ("fuel_units", "rows_read")


@dataclass(frozen=True)
class Budget:
    """The budget of one grant and its use. A developer sees fuel and rows as a power of ten that use is at most."""

    grant: str
    limits: Mapping[str, int]
    committed: Mapping[str, int]
    reserved: Mapping[str, int]
    is_coarse: bool
    """Whether fuel and rows are such powers of ten."""

    @classmethod
    def from_json(cls, json: dict[str, Any], *, is_coarse: bool) -> "Budget":
        """Reads the form on the wire."""
        return cls(json["grant"], json["budget"], json["committed"], json["reserved"], is_coarse)

    def left(self, meter: str) -> int:
        """What is neither used up nor held by a running job, e.g. ``left("jobs")``; at least, where use is coarse."""
        limit = next(self.limits[name] for name, own, _ in _METERS if own == meter)
        return max(0, limit - self.committed.get(meter, 0) - self.reserved.get(meter, 0))

    def to_pandas(self) -> pd.DataFrame:
        """Indexed by meter: limit, used, held by running jobs, left."""
        rows = [
            (self.limits[name], self.committed.get(meter, 0), self.reserved.get(meter, 0), self.left(meter))
            for name, meter, _ in _METERS
        ]
        index = pd.Index([meter for _, meter, _ in _METERS], name="meter")
        return pd.DataFrame(rows, columns=["limit", "used", "held", "left"], index=index)

    def __repr__(self) -> str:
        """As text."""
        return f"Budget of {self.grant}\n{self.to_pandas().to_string()}"

    def bars(self) -> Html:
        """A bar a meter."""
        rows = []
        for name, meter, label in _METERS:
            used, held = self.committed.get(meter, 0), self.reserved.get(meter, 0)
            limit, at_most = self.limits[name], self.is_coarse and meter in _COARSE and used > 0
            shown = f"at most {show_count(used)}" if at_most else show_count(used)
            rows.append((label, bar(used, held, limit, at_most=at_most), shown, show_count(limit)))
        return table(["budget", "", "used", "of"], rows, number_columns={2, 3})

    def _repr_html_(self) -> str:
        return page(f"Budget of grant {self.grant}", self.bars())


class Budgets(Listing[Budget]):
    """Budgets of the grants that the caller may see."""

    def to_pandas(self) -> pd.DataFrame:
        """What is left, a row a grant."""
        rows = [[budget.grant, *(budget.left(meter) for _, meter, _ in _METERS)] for budget in self]
        return pd.DataFrame(rows, columns=["grant", *(f"{meter}_left" for _, meter, _ in _METERS)])

    def _repr_html_(self) -> str:
        return page("", *(budget._repr_html_() for budget in self)) if self else page("", "(none)")


@dataclass(frozen=True)
class Approval:
    """One decision on a grant."""

    principal: str
    organisation: str
    capacity: str
    approved: bool
    comment: str
    at: datetime


@dataclass(frozen=True)
class Grant:
    """A grant as it stood when it was read."""

    id: str
    title: str
    state: str
    """``proposed``, ``active``, ``refused``, ``suspended`` or ``revoked``."""
    purpose: str
    basis: str
    organisation: str
    fields: Mapping[str, tuple[str, ...]]
    """What it opens: fields by dataset."""
    filters: Mapping[str, Any]
    """Which rows it opens, for datasets of which it does not open all."""
    recipients: tuple[str, ...]
    valid_from: datetime
    valid_until: datetime
    limits: Mapping[str, int]
    disclosure_profile: str
    isolations: tuple[str, ...]
    """What jobs may see at once: ``row``, ``person``, ``block``, ``cohort``."""
    review_required: bool
    """Whether every release waits for two reviewers; those of isolation ``cohort`` always do."""
    suppliers: tuple[str, ...]
    approvals: tuple[Approval, ...]
    _box: "Box" = field(repr=False, compare=False)

    @classmethod
    def from_json(cls, json: dict[str, Any], box: "Box") -> "Grant":
        """Reads the form on the wire."""
        own = {name: json[name] for name in ("id", "title", "state", "purpose", "basis", "organisation")}
        approvals = (
            Approval(
                **{name: given[name] for name in ("principal", "organisation", "capacity", "approved")},
                comment=given.get("comment", ""),
                at=read_time(given["at"]),
            )
            for given in json["approvals"]
        )
        return cls(
            **own,
            fields={scope["dataset"]: tuple(sorted(scope["fields"])) for scope in json["scopes"]},
            filters={scope["dataset"]: scope["filter"] for scope in json["scopes"] if scope.get("filter")},
            recipients=tuple(recipient["organisation"] for recipient in json["recipients"]),
            valid_from=read_time(json["valid_from"]),
            valid_until=read_time(json["valid_until"]),
            limits=json["budget"],
            disclosure_profile=json["disclosure_profile"],
            isolations=tuple(json["isolations"]),
            review_required=json["review_required"],
            suppliers=tuple(json["suppliers"]),
            approvals=tuple(approvals),
            _box=box,
        )

    @property
    def is_active(self) -> bool:
        """Whether jobs may run under it now, by this machine's clock; the enclave goes by its own."""
        return self.state == "active" and self.valid_from <= datetime.now(UTC) < self.valid_until

    @property
    def budget(self) -> Budget:
        """Its budget and what is used of it now."""
        found = next((budget for budget in self._box.budgets if budget.grant == self.id), None)
        return found or Budget(self.id, self.limits, {}, {}, is_coarse=False)

    def approve(self, comment: str = "", capacity: str | None = None) -> "Grant":
        """Approves it, as ``supplier`` or ``reviewer``; the capacity may be left out by who has one of the two."""
        return self._decide("approve", comment, capacity)

    def refuse(self, comment: str, capacity: str | None = None) -> "Grant":
        """Refuses it, for good."""
        return self._decide("refuse", comment, capacity)

    def suspend(self, comment: str) -> "Grant":
        """Stops it for the time being."""
        return self._decide("suspend", comment)

    def resume(self, comment: str = "") -> "Grant":
        """Lifts a suspension."""
        return self._decide("resume", comment)

    def revoke(self, comment: str) -> "Grant":
        """Ends it for good."""
        return self._decide("revoke", comment)

    def _decide(self, action: str, comment: str, capacity: str | None = None) -> "Grant":
        query = {"capacity": capacity} if capacity else None
        answer = self._box.wire.post("grants", self.id, action, body={"comment": comment}, query=query)
        return self._box.read_grant(answer)

    def _privacy_loss(self) -> str:
        epsilon = self.limits.get("epsilon_max", 0)
        return f"ε at most {epsilon} of each dataset" if epsilon else "no release with noise"

    def _repr_html_(self) -> str:
        opened = [(f"opens of {dataset}", ", ".join(fields)) for dataset, fields in self.fields.items()]
        opened += [(f"rows of {dataset}", show_filter(rows)) for dataset, rows in self.filters.items()]
        decided = [
            (
                f"{given.capacity} {given.organisation}",
                f"{'approved' if given.approved else 'refused'}: {given.comment}",
            )
            for given in self.approvals
        ]
        rows = [
            ("state", self.state),
            ("purpose", f"{self.purpose}, on the basis of {self.basis}"),
            ("term", f"{show_time(self.valid_from)} to {show_time(self.valid_until)} UTC"),
            *opened,
            ("recipients", ", ".join(self.recipients)),
            ("disclosure rules", self.disclosure_profile),
            ("isolations", ", ".join(self.isolations)),
            ("privacy loss", self._privacy_loss()),
            ("review", "every release waits for two reviewers" if self.review_required else "cohort jobs only"),
            *decided,
        ]
        return page("", table([self.id, self.title], rows), self.budget.bars())


class Grants(Listing[Grant]):
    """Grants that the caller may see."""

    def active(self, dataset: str | None = None) -> "Grants":
        """Those under which jobs may run now, on ``dataset`` where one is given."""
        return Grants(grant for grant in self if grant.is_active and (dataset is None or dataset in grant.fields))

    def to_pandas(self) -> pd.DataFrame:
        """A row a grant."""
        columns = ["id", "title", "state", "purpose", "datasets", "organisation", "valid_until"]
        rows = [
            [
                *(grant.id, grant.title, grant.state, grant.purpose, ", ".join(grant.fields), grant.organisation),
                show_time(grant.valid_until),
            ]
            for grant in self
        ]
        return pd.DataFrame(rows, columns=columns)


def terms(
    *,
    title: str,
    purpose: str,
    fields: Mapping[str, Iterable[str]],
    valid_until: datetime,
    recipients: Mapping[str, str],
    budget: Mapping[str, float],
    agreement_sm3: str,
    basis: str = "consent",
    valid_from: datetime | None = None,
    filters: Mapping[str, Any] | None = None,
    disclosure_profile: str = "default",
    isolations: Iterable[str] = ("row", "person", "block"),
    review_required: bool = False,
) -> dict[str, Any]:
    """The terms of a grant in the form on the wire.

    ``fields`` by dataset; ``recipients`` maps organisations to the country in which they receive (ISO 3166). Releases
    with noise need ``epsilon_max`` in the ``budget``, and a privacy limit of the dataset. Isolation ``cohort``, and
    ``review_required``, need two reviewers of other organisations on file.
    """
    scopes = []
    for dataset, names in fields.items():
        scope: dict[str, Any] = {"dataset": dataset, "fields": sorted(names)}
        if filters and dataset in filters:
            scope["filter"] = filters[dataset]
        scopes.append(scope)
    return {
        "title": title,
        "purpose": purpose,
        "basis": basis,
        "scopes": scopes,
        "valid_from": _write_time(valid_from or datetime.now(UTC)),
        "valid_until": _write_time(valid_until),
        "recipients": [{"organisation": name, "jurisdiction": place} for name, place in recipients.items()],
        "budget": dict(budget),
        "disclosure_profile": disclosure_profile,
        "isolations": sorted(isolations),
        "review_required": review_required,
        "agreement_sm3": agreement_sm3,
    }


def _write_time(time: datetime) -> str:
    if time.tzinfo is None:
        raise ValueError("a time needs its zone, e.g. datetime(2027, 1, 1, tzinfo=UTC)")
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
