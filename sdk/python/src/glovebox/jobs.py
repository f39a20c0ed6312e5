"""Modules and jobs: code goes in, a job runs beside the data, a release comes out or an explanation."""

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import pandas as pd

from glovebox import events, progress
from glovebox.errors import JobEnded, JobInReview, UnexpectedAnswer
from glovebox.html import Html, page, table, text
from glovebox.listing import Listing
from glovebox.privacy import Privacy
from glovebox.receipt import Receipt
from glovebox.refusal import Refusals
from glovebox.result import Result
from glovebox.values import read_time, show_count, show_time

if TYPE_CHECKING:
    from glovebox.box import Box
    from glovebox.reviews import Review

_ARROW = "application/vnd.apache.arrow.stream"
_ONGOING = ("queued", "running")
_IN_REVIEW = "in-review"
_SEEN = {
    "row": "one row",
    "person": "the rows of one person",
    "block": "the rows of a disjoint block of persons",
    "cohort": "everything; its tables leave after review only",
}
_TIMES = {"minute": "up to a minute", "ten-minutes": "up to ten minutes", "longer": "more than ten minutes"}


class Module:
    """A submitted module that passed inspection."""

    def __init__(self, content: dict[str, Any]) -> None:
        self.id: str = content["id"]
        """SM3 of its bytes."""
        self.sha256: str = content["sha256"]
        self.size_bytes: int = content["size_bytes"]
        self.door: str = content["door"]
        self.manifest: Mapping[str, Any] = content["manifest"]
        self.name: str = self.manifest["name"]
        self.isolation: str = self.manifest["isolation"]
        """What the module sees between two resets: ``row``, ``person``, ``block`` or ``cohort``."""
        self.inputs = tuple(column["name"] for column in self.manifest["inputs"])
        self.outputs = tuple(output["name"] for output in self.manifest["outputs"])

    @property
    def parameters(self) -> pd.DataFrame:
        """What a job may set, indexed by name: default, min, max."""
        given = self.manifest.get("parameters", [])
        rows = [(parameter["default"], parameter["min"], parameter["max"]) for parameter in given]
        names = pd.Index([parameter["name"] for parameter in given], name="parameter", dtype=object)
        return pd.DataFrame(rows, columns=["default", "min", "max"], index=names)

    def __repr__(self) -> str:
        """One line."""
        return f"Module({self.name} {self.manifest['version']}, isolation {self.isolation}, id {self.id[:12]}…)"

    def _repr_html_(self) -> str:
        keys = {output["name"]: ", ".join(output.get("keys", [])) for output in self.manifest["outputs"]}
        outputs = [
            f"{output['name']}: {output['reducer']}" + (f" by {keys[output['name']]}" if keys[output["name"]] else "")
            for output in self.manifest["outputs"]
        ]
        settable = [
            f"{row.Index} = {row.default:g} ({row.min:g} to {row.max:g})" for row in self.parameters.itertuples()
        ]
        rows = [
            ("computes", self.manifest["description"]),
            ("reads", ", ".join(self.inputs)),
            ("gives", Html("<br>".join(map(text, outputs)))),
            ("parameters", ", ".join(settable) or "none"),
            (
                "sees at once",
                _SEEN.get(self.isolation, self.isolation),
            ),
            ("size", f"{show_count(self.size_bytes)} bytes"),
            ("SM3", self.id),
        ]
        return page("", table(["module", f"{self.name} {self.manifest['version']}"], rows))


class Modules(Listing[Module]):
    """Modules that the caller may see."""

    def to_pandas(self) -> pd.DataFrame:
        """A row a module."""
        rows = [(found.name, found.manifest["version"], found.isolation, found.size_bytes, found.id) for found in self]
        return pd.DataFrame(rows, columns=["name", "version", "isolation", "size_bytes", "id"])


class Job:
    """A job: its state as last heard, and what came of it."""

    def __init__(self, content: dict[str, Any], box: "Box") -> None:
        self._box = box
        self._content = content
        self._result: Result | None = None

        self.id: str = content["id"]
        self.module: str = content["module"]
        self.grant: str = content["grant"]
        self.dataset: str = content["dataset"]

    @property
    def state(self) -> str:
        """Where it stands: ``queued``, ``running``, ``in-review``, or how it ended, e.g. ``released``, ``withheld``."""
        return str(self._content["state"])

    @property
    def is_final(self) -> bool:
        """Whether it has ended."""
        return self.state not in (*_ONGOING, _IN_REVIEW)

    @property
    def review(self) -> "Review | None":
        """The review of its output, if reviewers were asked."""
        name = self._content.get("review")
        return None if name is None else self._box.review(name)

    @property
    def parameters(self) -> Mapping[str, float]:
        """Parameters that were set; the module's defaults stand for the rest."""
        parameters: Mapping[str, float] = self._content.get("parameters", {})
        return parameters

    @property
    def privacy(self) -> Privacy | None:
        """The noise that was asked for; None for exact figures under the grant's disclosure rules."""
        asked = self._content.get("privacy")
        return Privacy.from_json(asked) if asked else None

    @property
    def reasons(self) -> Refusals:
        """Why it was withheld, refused, or failed."""
        return Refusals.from_json(self._content.get("reasons", []))

    @property
    def submitted_at(self) -> datetime:
        """When it was submitted."""
        return read_time(self._content["submitted_at"])

    def refresh(self) -> "Job":
        """Asks the enclave how it stands."""
        self._content = self._box.wire.get("jobs", self.id)
        return self

    def wait(self, *, progress_shown: bool = True) -> "Job":
        """Waits until it has ended, or waits for reviewers itself. An interrupt ends the waiting, not the job."""
        line = progress.choose(self.id, progress_shown)
        for event in events.follow(self._box.wire, "jobs", self.id, "events", event="state", is_last=_is_last):
            line.show(event["state"], event.get("queue_position"))
        return self.refresh()

    def cancel(self) -> "Job":
        """Cancels it. What it used up stays used up."""
        self._content = self._box.wire.post("jobs", self.id, "cancel", body={})
        return self

    def result(self) -> Result:
        """The release, waited for if need be.

        Raises :class:`glovebox.JobWithheld`, :class:`glovebox.JobRefused` or :class:`glovebox.JobFailed` with the
        reasons when nothing left.
        """
        if self._result is None:
            if not self.is_final:
                self.wait()
            if self.state == _IN_REVIEW:
                raise JobInReview(self.id, str(self._content.get("review")))
            if self.state != "released":
                raise JobEnded.of(self.id, self.state, self.reasons)
            release = self._content.get("release")
            if not isinstance(release, str):
                raise UnexpectedAnswer(f"job {self.id} is released, but the server names no release")
            document = self._box.wire.get_bytes("releases", release)
            read_arrow = partial(self._box.wire.get_bytes, "releases", release, accept=_ARROW)
            self._result = Result(release, document, read_arrow)
        return self._result

    def receipt(self) -> Receipt:
        """The signed receipt of the ended job."""
        return Receipt.from_json(self._box.wire.get_bytes("jobs", self.id, "receipt"), self._box.key)

    def __repr__(self) -> str:
        """Its state, and the reasons where there are some."""
        return "\n".join([f"Job({self.id}, {self.state})", *(f"  {reason}" for reason in self.reasons)])

    def _repr_html_(self) -> str:
        content = self._content
        rows = [
            ("state", self.state),
            ("dataset", self.dataset),
            ("grant", self.grant),
            ("parameters", ", ".join(f"{name} = {value:g}" for name, value in self.parameters.items()) or "defaults"),
            ("noise", str(self.privacy) if self.privacy else "none: exact figures under disclosure rules"),
            ("submitted", f"{show_time(self.submitted_at)} UTC"),
        ]
        if "time" in content:
            rows.append(("time", _TIMES.get(content["time"], content["time"])))
        if "fuel" in content:
            rows.append(("fuel", Html(f"at most 10<sup>{int(content['fuel']['at_most_ten_to_the'])}</sup> units")))
        tone = "plain" if not self.is_final else "good" if self.state == "released" else "refusal"
        reasons = self.reasons.to_html("Why") if self.reasons else ""
        return page("", table(["job", self.id], rows), reasons, tone=tone)


def _is_last(event: dict[str, Any]) -> bool:
    return event["state"] not in _ONGOING


class Jobs(Listing[Job]):
    """Jobs that the caller may see."""

    def to_pandas(self) -> pd.DataFrame:
        """A row a job."""
        rows = [
            (
                job.id,
                job.state,
                job.dataset,
                job.grant,
                show_time(job.submitted_at),
                ", ".join(r.code for r in job.reasons),
            )
            for job in self
        ]
        return pd.DataFrame(rows, columns=["id", "state", "dataset", "grant", "submitted_at", "reasons"])
