"""Calls: what is repeated, what is explained, what is never sent."""

import json
import socket
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

import documents
import glovebox as gb
from glovebox.access import Access
from glovebox.wire import Wire

ACCESS = Access("https://enclave.example:8443", Path("cert.pem"), Path("key.pem"), Path("ca.pem"))
Answer = httpx.Response | Exception


def scripted(*answers: Answer) -> tuple[Wire, list[httpx.Request]]:
    """A wire whose other end gives ``answers`` in order, and what was sent there."""
    left = list(answers)
    sent: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        given = left.pop(0)
        if isinstance(given, Exception):
            raise given
        return given

    return Wire(ACCESS, httpx.MockTransport(answer)), sent


def problem(status: int, headers: dict[str, str] | None = None, **changes: object) -> httpx.Response:
    headers = {"content-type": "application/problem+json", **(headers or {})}
    return httpx.Response(status, json=documents.problem(status, **changes), headers=headers)


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    found: list[float] = []
    monkeypatch.setattr(time, "sleep", found.append)
    return found


def test_paths_are_escaped_and_pages_followed() -> None:
    pages = [{"items": [1, 2], "next_cursor": "c/1"}, {"items": [3]}]
    wire, sent = scripted(*(httpx.Response(200, json=page) for page in pages))
    assert list(wire.items("data sets", "../x")) == [1, 2, 3]
    assert sent[0].url.raw_path == b"/v1/data%20sets/..%2Fx?limit=200"
    assert sent[1].url.params["cursor"] == "c/1"


@pytest.mark.parametrize(
    ("status", "kind"),
    [(403, gb.Refused), (404, gb.NotFound), (409, gb.Conflict), (422, gb.Invalid), (500, gb.ProblemError)],
)
def test_problems_explain_themselves(status: int, kind: type[gb.ProblemError]) -> None:
    wire, sent = scripted(problem(status))
    with pytest.raises(gb.ProblemError) as caught:
        wire.get("datasets")
    error = caught.value
    assert type(error) is kind
    assert len(sent) == 1
    assert error.code == "policy.field-not-granted"
    assert error.remedy == "propose a grant that opens the field"
    assert "at input person_id: a job reads granted fields only; propose a grant" in str(error)
    assert ("req-1" in str(error)) == (status == 500)
    assert "<td" in error._repr_html_()
    assert error._render_traceback_()[0].startswith(kind.__name__)


def test_a_problem_without_reasons_is_its_own_reason() -> None:
    wire, _ = scripted(problem(404, reasons=[], title="no job `x` that you may see", detail="list them"))
    with pytest.raises(gb.NotFound, match="no job `x` that you may see; list them"):
        wire.get("jobs", "x")


def test_busy_servers_are_asked_again_after_the_pause_they_ask_for(pauses: list[float]) -> None:
    busy = problem(429, {"retry-after": "3"})
    wire, sent = scripted(busy, problem(503, {"retry-after": "99"}), httpx.Response(200, json={"ok": 1}))
    assert wire.post("jobs", body={}) == {"ok": 1}
    assert pauses == [3.0, 10.0]
    assert len({request.headers["idempotency-key"] for request in sent}) == 1


def test_patience_ends(pauses: list[float]) -> None:
    wire, sent = scripted(*[problem(429, {"retry-after": "1"}) for _ in range(4)])
    with pytest.raises(gb.Busy):
        wire.get("jobs")
    assert len(sent) == 4
    assert len(pauses) == 3


def test_conflicts_without_a_time_are_final(pauses: list[float]) -> None:
    wire, sent = scripted(problem(409))
    with pytest.raises(gb.Conflict):
        wire.post("jobs", "job-1", "cancel", body={})
    assert (len(sent), pauses) == (1, [])


def test_writes_have_a_key_each_and_keep_it_over_broken_connections(pauses: list[float]) -> None:
    broken = httpx.ReadError("broken pipe")
    wire, sent = scripted(broken, httpx.Response(201, json=1), httpx.Response(201, json=2))
    assert [wire.post("modules", body=b"\0asm"), wire.post("modules", body=b"\0asm")] == [1, 2]
    keys = [request.headers["idempotency-key"] for request in sent]
    assert keys[0] == keys[1] != keys[2]
    assert {request.headers["content-type"] for request in sent} == {"application/wasm"}
    assert pauses == [0.1]


def test_a_dead_server_is_reported_with_what_to_check(pauses: list[float]) -> None:
    wire, _ = scripted(*[httpx.ConnectError("refused")] * 4)
    with pytest.raises(
        gb.ConnectionFailed, match=r"no answer from https://enclave.example:8443: refused\. Is it running"
    ):
        wire.get("whoami")


def test_other_servers_are_recognised() -> None:
    for answer in (
        httpx.Response(502, text="<html>"),
        httpx.Response(301, headers={"location": "https://elsewhere"}),
        httpx.Response(200, text="<html>"),
        httpx.Response(403, json={"title": "x"}, headers={"content-type": "application/problem+json"}),
        httpx.Response(403, json=[], headers={"content-type": "application/problem+json"}),
    ):
        wire, sent = scripted(answer)
        with pytest.raises(gb.UnexpectedAnswer):
            wire.get("whoami")
        assert len(sent) == 1


def test_numbers_that_json_can_not_write_are_not_sent() -> None:
    wire, sent = scripted()
    with pytest.raises(ValueError, match="JSON"):
        wire.post("jobs", body={"parameters": {"x": float("nan")}})
    assert sent == []


def serve_once(authority: Path, answer: bytes) -> tuple[int, Callable[[], bytes]]:
    """A server that wants a client certificate, answers one request, and tells what it got."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority / "cert.pem", authority / "key.pem")
    context.load_verify_locations(authority / "cert.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    listener = socket.create_server(("127.0.0.1", 0))
    got: list[bytes] = []

    def serve() -> None:
        with listener, listener.accept()[0] as plain:
            try:
                with context.wrap_socket(plain, server_side=True) as stream:
                    got.append(stream.recv(65536))
                    stream.sendall(answer)
            except (ssl.SSLError, OSError) as error:
                got.append(str(error).encode())

    thread = threading.Thread(target=serve)
    thread.start()

    def finish() -> bytes:
        thread.join(10)
        return b"".join(got)

    return listener.getsockname()[1], finish


def test_mutual_tls_for_real(authority: Path) -> None:
    body = json.dumps({"principal": "lin.wei", "organisation": "company-c", "roles": ["developer"]}).encode()
    answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%s"
    port, finish = serve_once(authority, answer % (len(body), body))
    files = (authority / "cert.pem", authority / "key.pem")
    with gb.connect(f"https://127.0.0.1:{port}", identity=files, ca=authority / "cert.pem") as box:
        assert box.whoami.roles == ("developer",)
        assert repr(box) == f"Box(https://127.0.0.1:{port} as lin.wei of company-c: developer)"
    request = finish()
    assert request.startswith(b"GET /v1/whoami HTTP/1.1\r\n")
    assert b"user-agent: glovebox-python/" in request.lower()


def test_a_server_of_another_authority_gets_no_request(
    authority: Path, tmp_path: Path, pauses: list[float], openssl_certificate: Callable[[Path], Path]
) -> None:
    stranger = openssl_certificate(tmp_path)
    port, finish = serve_once(stranger, b"")
    files = (authority / "cert.pem", authority / "key.pem")
    with pytest.raises(gb.ConnectionFailed, match="is not trusted: .*certificate verify failed"):
        gb.connect(f"https://127.0.0.1:{port}", identity=files, ca=authority / "cert.pem")
    assert b"GET" not in finish()
    assert pauses == []
