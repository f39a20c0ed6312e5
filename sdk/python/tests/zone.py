"""A zone to test against: a real server, its people and their certificates.

The server is the one that `$GLOVEBOX_BIN demo --keep` leaves running; `make test` sets GLOVEBOX_BIN. Without it there
is none, and the tests that need one say so.
"""

import atexit
import functools
import os
import queue
import re
import signal
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import glovebox as gb

REPOSITORY = Path(__file__).parents[3]
JOBS = REPOSITORY / "examples/jobs"
# A first start derives keys slowly on purpose, and machines of continuous integration are slow without purpose.
_START_MAX_SECONDS = 180
_MARK = re.compile(r"GLOVEBOX_SERVER=(https://\S+)")


@dataclass(frozen=True)
class Zone:
    """A running zone."""

    server: str
    folder: Path
    binary: Path

    def identity(self, person: str) -> Path:
        """The folder with a person's certificate."""
        return self.folder / "pki/identities" / person

    def connect(self, person: str) -> gb.Box:
        """The enclave as ``person`` sees it."""
        return gb.connect(self.server, identity=self.identity(person))

    def new_grant(self, *, jobs_max: int = 20) -> gb.Grant:
        """A grant of the developer's on NHANES, approved by who must; every test may have its own budget."""
        terms = gb.terms(
            title="Body mass, from the notebook",
            purpose="research",
            basis="public-or-anonymised",
            fields={"nhanes-2017": ["sex", "age_years", "bmi"]},
            valid_from=datetime.now(UTC) - timedelta(minutes=1),
            valid_until=datetime.now(UTC) + timedelta(days=1),
            recipients={"company-c": "CN"},
            budget={
                "jobs_max": jobs_max,
                "releases_max": 20,
                "cells_max": 2000,
                "bytes_out_max": 10 << 20,
                "fuel_max_units": 10**12,
                "rows_max": 10**6,
                "leakage_bits_max": 10**6,
                "epsilon_max": 1,
            },
            agreement_sm3="ab" * 32,
        )
        with self.connect("lin.wei") as developer:
            proposed = developer.propose_grant(terms)
        for person in ("chen.jing", "li.na"):
            with self.connect(person) as approver:
                approved = approver.grant(proposed.id).approve("as agreed")
        assert approved.state == "active"
        return approved


def started() -> Zone:
    """The zone, started once for all tests of a run."""
    binary = os.environ.get("GLOVEBOX_BIN")
    if not binary:
        pytest.skip("no server: set GLOVEBOX_BIN to the binary `glovebox` (`make test-python` does)")
    return _start(Path(binary))


@functools.cache
def _start(binary: Path) -> Zone:
    root = tempfile.TemporaryDirectory(prefix="glovebox-test-")
    folder = Path(root.name) / "zone"
    log = (Path(root.name) / "stderr").open("w+")
    process = subprocess.Popen(
        [binary, "demo", "--keep", "--folder", folder],
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
    )

    def stop() -> None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        log.close()
        root.cleanup()

    atexit.register(stop)
    return Zone(_address(process, Path(root.name) / "stderr"), folder, binary)


def _address(process: "subprocess.Popen[str]", log: Path) -> str:
    """Where the server is, as the demo says at its end. Goes on reading, so that the demo is never stuck at a pipe."""
    lines: queue.Queue[str | None] = queue.Queue()

    def read() -> None:
        assert process.stdout is not None
        with process.stdout as output:
            for line in output:
                lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    told: list[str] = []
    end = time.monotonic() + _START_MAX_SECONDS
    while True:
        try:
            line = lines.get(timeout=max(0.0, end - time.monotonic()))
        except queue.Empty:
            line = None
        if line is None:
            raise RuntimeError(f"the demo did not come up:\n{''.join(told)}\n{log.read_text()}")
        told.append(line)
        if found := _MARK.search(line):
            return found[1]
