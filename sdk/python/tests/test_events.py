"""Server-sent events: however they are cut, whatever breaks."""

import json
import random
import time
from pathlib import Path

import httpx
import pytest

import documents
import glovebox as gb
from glovebox import events
from glovebox.access import Access
from glovebox.events import Message, follow, messages
from glovebox.wire import Wire

STREAM = (
    'retry: 1000\n\n: alive\n\nevent: state\r\ndata: {"a":\r\ndata:1}\r\n\r\nevent:state\ndata:x\rid: 7\r\rdata: ä\n\n'
    "\n\nevent: nothing\n\nevent: state\ndata: unfinished"
)
EXPECTED = [Message("state", '{"a":\n1}'), Message("state", "x"), Message("", "ä")]


def test_events_are_read_however_they_are_cut() -> None:
    assert list(messages([STREAM])) == EXPECTED
    assert list(messages(list(STREAM))) == EXPECTED
    cuts = random.Random(4)
    for _ in range(200):
        chunks = []
        rest = STREAM
        while rest:
            length = cuts.randrange(0, 9)
            chunks.append(rest[:length])
            rest = rest[length:]
        assert list(messages(chunks)) == EXPECTED


def test_an_endless_event_does_not_fill_our_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "_EVENT_MAX_CHARACTERS", 1000)
    for endless in (["data: " + "x" * 99] * 11, ["data: x\n"] * 200):
        with pytest.raises(gb.UnexpectedAnswer, match="too long"):
            list(messages(endless))


def states(*names: str) -> str:
    lines = [
        json.dumps({"job": "job-1", "state": name, "at": f"2026-11-23T00:00:0{at}Z"}) for at, name in enumerate(names)
    ]
    return "retry: 1000\n\n" + "".join(f"event: state\ndata: {line}\n\n" for line in lines)


def wire(*streams: str | Exception) -> Wire:
    left = list(streams)

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.path == "/v1/jobs/job-1/events"
        given = left.pop(0)
        if isinstance(given, Exception):
            raise given
        status, kind = (200, "text/event-stream") if given[0] != "{" else (403, "application/problem+json")
        return httpx.Response(status, text=given, headers={"content-type": kind})

    return Wire(Access("https://a:1", *[Path()] * 3), httpx.MockTransport(answer))


def seen(*streams: str | Exception) -> list[str]:
    is_last = ("released", "killed").__contains__
    found = follow(
        wire(*streams), "jobs", "job-1", "events", event="state", is_last=lambda value: is_last(value["state"])
    )
    return [value["state"] for value in found]


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)


def test_states_come_up_to_the_last() -> None:
    assert seen(states("queued", "running", "released", "queued")) == ["queued", "running", "released"]


def test_a_broken_stream_is_taken_up_again_without_repetitions() -> None:
    first = states("queued", "running")
    again = first.split("\n\n")[2] + "\n\n" + states("queued", "queued", "released").split("\n\n", 3)[3]
    assert seen(first, httpx.ReadError("broken"), again) == ["queued", "running", "released"]


def test_patience_with_broken_streams_ends() -> None:
    with pytest.raises(gb.ConnectionFailed):
        seen(*[httpx.ConnectError("refused")] * 40)
    with pytest.raises(gb.ConnectionFailed, match="ended early"):
        seen(*["retry: 1\n\n"] * 40)


def test_problems_end_the_stream_at_once() -> None:
    problem = json.dumps(documents.problem())
    with pytest.raises(gb.Refused, match="policy.field-not-granted"):
        seen(states("queued") + f"event: problem\ndata: {problem}\n\n")
    with pytest.raises(gb.Refused, match="policy.field-not-granted"):
        seen(problem)


def test_events_that_are_no_json_are_told() -> None:
    for data in ("{", "x"):
        with pytest.raises(gb.UnexpectedAnswer, match="can't read an event"):
            seen(f"event: state\ndata: {data}\n\n")
    with pytest.raises(gb.UnexpectedAnswer, match="can't read an event"):
        seen("event: problem\ndata: []\n\n")
