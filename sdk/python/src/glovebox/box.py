"""An enclave as one caller sees it: :func:`connect` gives a :class:`Box`, and the rest hangs on that."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from operator import itemgetter
from pathlib import Path
from types import TracebackType
from typing import Any

from glovebox.access import Access, StrPath
from glovebox.catalogue import Dataset, Datasets
from glovebox.errors import UnexpectedAnswer
from glovebox.grants import Budget, Budgets, Grant, Grants
from glovebox.html import page, table
from glovebox.jobs import Job, Jobs, Module, Modules
from glovebox.lint import Lint, read_manifest
from glovebox.privacy import Explanation, Ledger, Privacy
from glovebox.reviews import Review, Reviews
from glovebox.values import Json
from glovebox.verification import EnclaveKey
from glovebox.wire import Wire, understood

_SEES_FIGURES = {"supplier", "operator", "regulator"}


def connect(
    server: str | None = None,
    *,
    identity: StrPath | tuple[StrPath, StrPath] | None = None,
    ca: StrPath | None = None,
    profile: str | None = None,
) -> "Box":
    """Connects to an enclave over mutual TLS.

    ``identity`` is a folder with ``cert.pem`` and ``key.pem``, one file with both, or a pair of files; ``ca`` the
    certificate of the zone's authority, ``ca.pem`` beside the identity unless given. What is left out comes from
    GLOVEBOX_SERVER, GLOVEBOX_IDENTITY, GLOVEBOX_CA and GLOVEBOX_PROFILE, then from the profile file, as for the command
    line. Asks the enclave who it takes you for, so that a wrong certificate shows here.
    """
    box = Box(Wire(Access.find(server, identity, ca, profile)))
    try:
        _ = box.whoami
    except BaseException:
        box.close()
        raise
    return box


@dataclass(frozen=True)
class WhoAmI:
    """Who the enclave takes the caller for."""

    principal: str
    organisation: str
    roles: tuple[str, ...]

    @classmethod
    def from_json(cls, json: dict[str, Any]) -> "WhoAmI":
        """Reads the form on the wire."""
        return cls(json["principal"], json["organisation"], tuple(json["roles"]))

    def _repr_html_(self) -> str:
        rows = [("organisation", self.organisation), ("roles", ", ".join(self.roles))]
        return page("", table(["you are", self.principal], rows))


class Box:
    """A connection to an enclave. Lists are asked for anew each time."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        """The REST interface, for what this class has no name for."""

    @cached_property
    def whoami(self) -> WhoAmI:
        """Who the enclave takes you for."""
        return understood(WhoAmI.from_json, self.wire.get("whoami"))

    @cached_property
    def key(self) -> EnclaveKey:
        """The enclave's public key, as the server tells it; compare its fingerprint with one published elsewhere."""
        pem, fingerprint = understood(itemgetter("public_key_pem", "fingerprint_sm3"), self.wire.get("key"))
        key = EnclaveKey.from_pem(pem)
        if key.fingerprint != fingerprint:
            raise UnexpectedAnswer(f"the enclave's key has fingerprint {key.fingerprint}, not the one stated")
        return key

    @property
    def datasets(self) -> Datasets:
        """The catalogue."""
        return Datasets(understood(Dataset.from_json, item) for item in self.wire.items("datasets"))

    def dataset(self, name: str) -> Dataset:
        """One dataset with its schema."""
        return understood(Dataset.from_json, self.wire.get("datasets", name))

    @property
    def grants(self) -> Grants:
        """Grants that you may see."""
        return Grants(map(self.read_grant, self.wire.items("grants")))

    def grant(self, name: str) -> Grant:
        """One grant."""
        return self.read_grant(self.wire.get("grants", name))

    def propose_grant(self, terms: Mapping[str, Any]) -> Grant:
        """Proposes a grant to your organisation; :func:`glovebox.terms` writes the terms."""
        return self.read_grant(self.wire.post("grants", body=dict(terms)))

    def read_grant(self, answer: Json) -> Grant:
        """A grant of this box from its form on the wire."""
        return understood(partial(Grant.from_json, box=self), answer)

    @property
    def budgets(self) -> Budgets:
        """Budgets of the grants that you may see, and what is used of them."""
        # What the enclave rounds depends on who asks.
        is_coarse = not _SEES_FIGURES & set(self.whoami.roles)
        read = partial(Budget.from_json, is_coarse=is_coarse)
        return Budgets(understood(read, item) for item in self.wire.items("meters"))

    @property
    def modules(self) -> Modules:
        """Modules that you may see."""
        return Modules(understood(Module, item) for item in self.wire.items("modules"))

    def submit_module(self, module: StrPath | bytes) -> Module:
        """Submits a module, given as a file or as bytes. It is inspected, and kept when it may run."""
        content = module if isinstance(module, bytes) else Path(os.fspath(module)).expanduser().read_bytes()
        return understood(Module, self.wire.post("modules", body=content))

    @property
    def jobs(self) -> Jobs:
        """Jobs that you may see."""
        return Jobs(map(self._read_job, self.wire.items("jobs")))

    def job(self, name: str) -> Job:
        """One job."""
        return self._read_job(self.wire.get("jobs", name))

    def _read_job(self, answer: Json) -> Job:
        return understood(partial(Job, box=self), answer)

    @property
    def reviews(self) -> Reviews:
        """Reviews that you may read of, the newest first."""
        return Reviews(map(self.read_review, self.wire.items("reviews")))

    def review(self, name: str) -> Review:
        """One review."""
        return self.read_review(self.wire.get("reviews", name))

    def read_review(self, answer: Json) -> Review:
        """A review of this box from its form on the wire."""
        return understood(partial(Review.from_json, box=self), answer)

    def run(
        self,
        module: Module | str,
        *,
        grant: Grant | str,
        dataset: Dataset | str,
        parameters: Mapping[str, float] | None = None,
        privacy: Privacy | None = None,
        wait: bool = True,
        progress: bool = True,
    ) -> Job:
        """Runs a module on a dataset under a grant, and waits for the end while showing the progress.

        With ``privacy``, :func:`glovebox.laplace` or :func:`glovebox.gaussian`, figures get noise; without, they are
        exact under the grant's disclosure rules. A job that is withheld, refused or fails is given back like any other;
        :meth:`Job.result` then raises.
        """
        request = _request(module, grant, dataset, parameters, privacy)
        job = self._read_job(self.wire.post("jobs", body=request))
        return job.wait(progress_shown=progress) if wait else job

    def explain(
        self,
        module: Module | str,
        *,
        grant: Grant | str,
        dataset: Dataset | str,
        privacy: Privacy,
        parameters: Mapping[str, float] | None = None,
    ) -> Explanation:
        """What such a job would cost and be worth: expected error, loss, what is left. Nothing is spent."""
        request = _request(module, grant, dataset, parameters, privacy)
        return understood(Explanation, self.wire.post("jobs", "explain", body=request))

    def lint(
        self,
        module: Module | StrPath | bytes,
        *,
        persons: int | None = None,
        profile: str = "default",
        privacy: Privacy | None = None,
    ) -> Lint:
        """Which disclosure rules a module's declared outputs will meet; ``module`` may be a file that is not submitted.

        ``persons`` is how many the view may hold, as far as you know: the enclave does not tell.
        """
        request: dict[str, Any] = {"manifest": _manifest(module), "profile": profile}
        if persons is not None:
            request["persons"] = persons
        if privacy is not None:
            request["privacy"] = privacy.to_json()
        return understood(Lint, self.wire.post("modules", "lint", body=request))

    def privacy(self, dataset: Dataset | str) -> Ledger:
        """What was spent of a dataset's privacy limit, as far as you may see it."""
        name = dataset.id if isinstance(dataset, Dataset) else dataset
        return understood(Ledger, self.wire.get("datasets", name, "privacy"))

    def close(self) -> None:
        """Closes the connections."""
        self.wire.close()

    def __enter__(self) -> "Box":
        """For ``with``."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes the connections."""
        self.close()

    def __repr__(self) -> str:
        """One line."""
        who = self.whoami
        return f"Box({self.wire.server} as {who.principal} of {who.organisation}: {', '.join(who.roles)})"


def _request(
    module: Module | str,
    grant: Grant | str,
    dataset: Dataset | str,
    parameters: Mapping[str, float] | None,
    privacy: Privacy | None,
) -> dict[str, Any]:
    """A job in the form on the wire."""
    request: dict[str, Any] = {
        "module": module.id if isinstance(module, Module) else module,
        "grant": grant.id if isinstance(grant, Grant) else grant,
        "dataset": dataset.id if isinstance(dataset, Dataset) else dataset,
        "parameters": {name: float(value) for name, value in (parameters or {}).items()},
    }
    return request | ({"privacy": privacy.to_json()} if privacy else {})


def _manifest(module: Module | StrPath | bytes) -> Mapping[str, Any]:
    if isinstance(module, Module):
        return module.manifest
    return read_manifest(module if isinstance(module, bytes) else Path(os.fspath(module)).expanduser().read_bytes())
