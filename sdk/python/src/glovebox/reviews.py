"""Reviews: outputs that wait for two people who have no part in them, and what those people do."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import pandas as pd

from glovebox.html import Html, page, table, text
from glovebox.listing import Listing
from glovebox.result import Result, Table
from glovebox.values import read_time, show_count, show_time

if TYPE_CHECKING:
    from glovebox.box import Box

_FINAL = ("refused", "released", "expired", "withdrawn")


@dataclass(frozen=True)
class ReviewEntry:
    """One step of a review, for good."""

    at: datetime
    act: str
    """``submit``, ``claim``, ``comment``, ``return``, ``answer``, ``approve``, ``refuse``, ``release``, …"""
    principal: str | None
    """Who; none where the enclave acted by itself, or where you may not know yet."""
    organisation: str | None
    comment: str

    @property
    def who(self) -> str:
        """Person and organisation for people."""
        return " of ".join(filter(None, (self.principal, self.organisation)))

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "ReviewEntry":
        """Reads the form on the wire."""
        who = (content.get("principal"), content.get("organisation"))
        return cls(read_time(content["at"]), content["act"], *who, content.get("comment", ""))


@dataclass(frozen=True)
class Review:
    """A review as it stood when it was read."""

    id: str
    job: str
    state: str
    """``submitted``, ``in-review``, ``returned``, ``approved``, or final: ``refused``, ``released``, ``expired``,
    ``withdrawn``."""
    grant: str
    dataset: str
    module: str
    organisation: str
    """The developer's."""
    opened_at: datetime
    expires_at: datetime
    """Until when it can be decided."""
    leakage_bits: int | None
    """Upper bound on what the output can carry; developers learn it with the release."""
    release: str | None
    entries: tuple[ReviewEntry, ...]
    _box: "Box" = field(repr=False, compare=False)

    @classmethod
    def from_json(cls, content: dict[str, Any], box: "Box") -> "Review":
        """Reads the form on the wire."""
        names = ("id", "job", "state", "grant", "dataset", "module", "organisation")
        return cls(
            **{name: content[name] for name in names},
            opened_at=read_time(content["opened_at"]),
            expires_at=read_time(content["expires_at"]),
            leakage_bits=content.get("leakage_bits"),
            release=content.get("release"),
            entries=tuple(map(ReviewEntry.from_json, content["entries"])),
            _box=box,
        )

    @property
    def is_final(self) -> bool:
        """Whether it has ended."""
        return self.state in _FINAL

    def output(self) -> "ReviewOutput":
        """What waits, with everything that it is judged by. For reviewers; looking at it is recorded."""
        return ReviewOutput(self._box.wire.get("reviews", self.id, "output"))

    def claim(self) -> "Review":
        """Takes the output up; a reviewer does so before anything else."""
        return self._act("claim", "")

    def comment(self, comment: str) -> "Review":
        """Notes something for the other reviewers; the developer does not read it."""
        return self._act("comment", comment)

    def return_to_developer(self, question: str) -> "Review":
        """Asks the developer. What you write leaves the zone: name no figure of the output."""
        return self._act("return", question)

    def approve(self, comment: str = "") -> "Review":
        """Approves it; the second reviewer's approval lets the output leave."""
        return self._act("approve", comment)

    def refuse(self, reason: str) -> "Review":
        """Refuses it, for good. What you write leaves the zone: name no figure of the output."""
        return self._act("refuse", reason)

    def answer(self, answer: str) -> "Review":
        """Answers the reviewers' question, for the developer's organisation."""
        return self._act("answer", answer)

    def _act(self, act: str, comment: str) -> "Review":
        answer = self._box.wire.post("reviews", self.id, act, body={"comment": comment})
        return self._box.read_review(answer)

    def __repr__(self) -> str:
        """Its state, and what was said."""
        said = (f"  {entry.act}: {entry.comment}" for entry in self.entries if entry.comment)
        return "\n".join([f"Review({self.id} of {self.job}, {self.state})", *said])

    def _repr_html_(self) -> str:
        bound = "" if self.leakage_bits is None else f"{show_count(self.leakage_bits)} bits"
        rows = [
            ("state", self.state),
            ("job", f"{self.job} of {self.organisation}"),
            ("dataset", self.dataset),
            ("grant", self.grant),
            ("leakage bound", bound),
            ("to be decided until", "" if self.is_final else f"{show_time(self.expires_at)} UTC"),
            ("release", self.release or ""),
        ]
        history = [(show_time(entry.at), entry.act, entry.who, entry.comment) for entry in self.entries]
        tone = "good" if self.state == "released" else "refusal" if self.is_final else "plain"
        facts = table(["review", self.id], [row for row in rows if row[1]])
        return page("", facts, table(["at", "what", "who", "said"], history), tone=tone)


class Reviews(Listing[Review]):
    """Reviews that the caller may read of, the newest first."""

    def waiting(self) -> "Reviews":
        """Those that have not ended."""
        return Reviews(review for review in self if not review.is_final)

    def to_pandas(self) -> pd.DataFrame:
        """A row a review."""
        columns = ["id", "state", "job", "dataset", "organisation", "expires_at"]
        rows = [
            (found.id, found.state, found.job, found.dataset, found.organisation, show_time(found.expires_at))
            for found in self
        ]
        return pd.DataFrame(rows, columns=columns)


class ReviewOutput:
    """An output under review: its tables, what the rules found, its leakage bound, and how it differs from before."""

    def __init__(self, content: dict[str, Any]) -> None:
        self.review: str = content["review"]
        document = json.dumps(content["document"]).encode()
        self._result = Result(self.review, document, partial(_no_arrow, self.review))
        self.tables: Mapping[str, Table] = self._result.tables
        """The tables by output, as they would leave."""
        self.leakage = self._result.leakage
        """Upper bounds on what it can carry."""
        self.evidence: Mapping[str, Any] = content["evidence"]
        """What the receipt will state."""
        self._report = content["report"]
        self._differences = content["differences"]

    def table(self, output: str) -> Table:
        """The table of one output."""
        return self._result.table(output)

    @property
    def report(self) -> pd.DataFrame:
        """What the rules found: code, place, finding."""
        rows = [(found["code"], found["place"], found["finding"]) for found in self._report]
        return pd.DataFrame(rows, columns=["code", "place", "finding"])

    @property
    def differences(self) -> pd.DataFrame:
        """Figures that differ from earlier releases of the same module on the same dataset, a row a figure."""
        rows = [
            (earlier["release"], change["output"], ", ".join(change["keys"]), change.get("before"), change.get("now"))
            for earlier in self._differences
            for change in earlier["changes"]
        ]
        return pd.DataFrame(rows, columns=["release", "output", "keys", "before", "now"])

    def __repr__(self) -> str:
        """The tables and the report as text."""
        tables = "\n\n".join(map(repr, self.tables.values()))
        return f"{tables}\n\nleakage bound: {self._bound()}\n{self.report.to_string(index=False)}"

    def _bound(self) -> str:
        about_all, about_one = map(show_count, (self.leakage.bits, self.leakage.bits_per_person))
        return f"{about_all} bits in all, {about_one} about one person"

    def _repr_html_(self) -> str:
        found = [(row.code, row.place, row.finding) for row in self.report.itertuples()]
        earlier = [
            (
                f"{before['release']} to {before['organisation']}",
                show_count(before["figures_same"]),
                show_count(before["figures_changed"]),
            )
            for before in self._differences
        ]
        return page(
            f"Output under review {self.review}",
            Html(f"<p>Leakage bound: {text(self._bound())}</p>"),
            table(["rule", "place", "what was found"], found, code_columns={0}),
            *(Html(found._repr_html_()) for found in self.tables.values()),
            table(["earlier release", "figures the same", "that differ"], earlier, number_columns={1, 2}),
        )


def _no_arrow(review: str) -> bytes:
    raise ValueError(f"review {review} has no Arrow stream; an output has one once it was released")
