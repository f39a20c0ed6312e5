"""A job's progress: one line that changes in a notebook or terminal, one line a state elsewhere."""

import sys
import time
from typing import Any, Protocol

from glovebox.html import page, text

_FINAL_TONES = {
    "released": "good",
    "withheld": "refusal",
    "refused": "refusal",
    "failed": "refusal",
    "killed": "refusal",
}


class Progress(Protocol):
    """Shows states as they come."""

    def show(self, state: str, queue_position: int | None) -> None:
        """Shows ``state`` in place of the one before."""


def choose(job: str, wanted: bool) -> Progress:
    """What suits where we run."""
    if not wanted:
        return Silent()
    return NotebookProgress(job) if _is_notebook() else TextProgress(job)


class Silent:
    """Shows nothing."""

    def show(self, state: str, queue_position: int | None) -> None:
        """Shows nothing."""


class Line:
    """The states so far, with the time that each took as seen from here."""

    def __init__(self, job: str) -> None:
        self._job = job
        self._states: list[tuple[str, float]] = []

    def add(self, state: str, queue_position: int | None) -> str:
        """The line with one more state; a changed place in the queue is no new state."""
        label = f"queued, {queue_position} ahead" if state == "queued" and queue_position else state
        if self._states and self._states[-1][0].split(",")[0] == state:
            self._states[-1] = (label, self._states[-1][1])
        else:
            self._states.append((label, time.monotonic()))
        ends = [at for _, at in self._states[1:]]
        spent = [f"{name} {end - at:.1f} s" for (name, at), end in zip(self._states, ends, strict=False)]
        return f"job {self._job}: " + " → ".join([*spent, label])


class TextProgress:
    """In a terminal the line is written over; in a file every state has its own."""

    def __init__(self, job: str) -> None:
        self._line = Line(job)
        self._width = 0

    def show(self, state: str, queue_position: int | None) -> None:
        """Writes the line to standard error, which keeps standard output for results."""
        line = self._line.add(state, queue_position)
        is_terminal = sys.stderr.isatty()
        end = "" if is_terminal and state in ("queued", "running") else "\n"
        print(("\r" if is_terminal else "") + line.ljust(self._width), end=end, file=sys.stderr, flush=True)
        self._width = len(line)


class NotebookProgress:
    """One output that is updated."""

    def __init__(self, job: str) -> None:
        self._line = Line(job)
        self._handle: Any = None

    def show(self, state: str, queue_position: int | None) -> None:
        """Displays the line, or replaces the one displayed."""
        from IPython.display import HTML, display

        line = self._line.add(state, queue_position)
        tone = _FINAL_TONES.get(state, "plain")
        shown = HTML(page("", f'<span style="font-variant-numeric:tabular-nums">{text(line)}</span>', tone=tone))
        if self._handle is None:
            self._handle = display(shown, display_id=True)
        else:
            self._handle.update(shown)


def _is_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell is not None and hasattr(shell, "kernel")
