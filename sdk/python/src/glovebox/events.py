"""Server-sent events (WHATWG HTML, section 9.2), with a new connection when one breaks."""

import json
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from glovebox.errors import ConnectionFailed, ProblemError, UnexpectedAnswer
from glovebox.refusal import Problem
from glovebox.shown import shown
from glovebox.values import Json
from glovebox.wire import Wire

# Three of the server's signs of life.
_SILENCE_MAX_SECONDS = 45.0
_PAUSE_SECONDS = 1.0
_BREAKS_MAX = 30
_EVENT_MAX_CHARACTERS = 4 << 20


@dataclass(frozen=True)
class Message:
    """One event."""

    event: str
    data: str


def follow(wire: Wire, *path: str, event: str, is_last: Callable[[Json], bool]) -> Iterator[Json]:
    """What the server tells under ``path``, up to the last, without repetitions."""
    previous = None
    breaks = 0
    while True:
        try:
            with wire.stream(*path, silence_max_seconds=_SILENCE_MAX_SECONDS) as response:
                for message in messages(response.iter_text()):
                    value = _value(message, event)
                    if value is None:
                        continue
                    breaks = 0
                    # A new connection begins with the current state, which may have been told before the break.
                    if value != previous:
                        yield value
                    previous = value
                    if is_last(value):
                        return
            raise ConnectionFailed("the event stream ended early; ask for the job again")
        except ConnectionFailed:
            breaks += 1
            if breaks > _BREAKS_MAX:
                raise
            time.sleep(_PAUSE_SECONDS)


def _value(message: Message, event: str) -> Json:
    if message.event not in (event, "problem"):
        return None
    try:
        value = shown(json.loads(message.data))
        problem = Problem.from_json(value) if message.event == "problem" else None
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UnexpectedAnswer(f"can't read an event of the server: {error}") from error
    if problem is not None:
        raise ProblemError.of(problem)
    return value


def messages(chunks: Iterable[str]) -> Iterator[Message]:
    """Cuts text into events. One that is not ended by an empty line is dropped, as the standard asks."""
    name = ""
    data: list[str] = []
    size = 0
    for line in _lines(chunks):
        size += len(line)
        if size > _EVENT_MAX_CHARACTERS:
            raise UnexpectedAnswer("an event of the server is too long")
        if not line:
            if data:
                yield Message(name, "\n".join(data))
            name, data, size = "", [], 0
            continue
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            name = value
        elif field == "data":
            data.append(value)


def _lines(chunks: Iterable[str]) -> Iterator[str]:
    """Lines end with CR, LF or both; a chunk may end anywhere."""
    rest = ""
    after_return = False
    for chunk in filter(None, chunks):
        text = chunk[1:] if after_return and chunk.startswith("\n") else chunk
        after_return = text.endswith("\r")
        *whole, rest = (rest + text).replace("\r\n", "\n").replace("\r", "\n").split("\n")
        yield from whole
        if len(rest) > _EVENT_MAX_CHARACTERS:
            raise UnexpectedAnswer("an event of the server is too long")
