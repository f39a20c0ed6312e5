"""One call: request, repetition, answer. Reads are repeated, and so are writes, under an idempotency key each."""

import json
import secrets
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from typing import TypeVar
from urllib.parse import quote

import httpx

from glovebox.access import Access
from glovebox.errors import ConnectionFailed, ProblemError, UnexpectedAnswer
from glovebox.refusal import Problem
from glovebox.shown import shown
from glovebox.values import Json

PROBLEM_TYPE = "application/problem+json"
_REPEATS_MAX = 3
_PAUSE_MAX_SECONDS = 10.0
# Conflicts count only with Retry-After: another moment may then do, where otherwise it takes another state.
_WORTH_REPEATING = {409, 429, 503}

Query = Mapping[str, str]
T = TypeVar("T")


class Wire:
    """A connection to an enclave, as one caller."""

    def __init__(self, access: Access, transport: httpx.BaseTransport | None = None) -> None:
        # Connections are kept for less than the server's 30 s, so that none is used in the moment it is closed.
        limits = httpx.Limits(keepalive_expiry=20.0)
        self.server = access.server
        self._http = httpx.Client(
            base_url=f"{access.server}/v1/",
            verify=access.tls() if transport is None else True,
            transport=transport,
            trust_env=False,
            follow_redirects=False,
            timeout=httpx.Timeout(60.0, connect=10.0),
            limits=limits,
            headers={"user-agent": f"glovebox-python/{version('glovebox')}"},
        )

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def get(self, *path: str, query: Query | None = None) -> Json:
        """Reads JSON under ``path`` below ``/v1``."""
        return read_json(self._repeat("GET", path, query, {}, None))

    def get_bytes(self, *path: str, accept: str = "application/json") -> bytes:
        """Reads a body, byte for byte."""
        return self._repeat("GET", path, None, {"accept": accept}, None).content

    def items(self, *path: str) -> Iterator[Json]:
        """Every item of a list, page by page."""
        query = {"limit": "200"}
        while True:
            items, cursor = understood(_page, self.get(*path, query=query))
            yield from items
            if not cursor:
                return
            query["cursor"] = cursor

    def post(self, *path: str, body: Json, query: Query | None = None) -> Json:
        """Writes JSON. It happens once, however often it has to be sent."""
        content = body if isinstance(body, bytes) else json.dumps(body, allow_nan=False).encode()
        media_type = "application/wasm" if isinstance(body, bytes) else "application/json"
        headers = {"content-type": media_type, "idempotency-key": secrets.token_hex(16)}
        return read_json(self._repeat("POST", path, query, headers, content))

    @contextmanager
    def stream(self, *path: str, silence_max_seconds: float) -> Iterator[httpx.Response]:
        """Reads a body as it comes. Not repeated here."""
        timeout = httpx.Timeout(silence_max_seconds, connect=10.0)
        headers = {"accept": "text/event-stream"}
        try:
            with self._http.stream("GET", _path(path), headers=headers, timeout=timeout) as response:
                if not response.is_success:
                    response.read()
                yield _checked(response)
        except httpx.TransportError as error:
            raise _connection_failed(self.server, error) from error

    def _repeat(
        self, method: str, path: tuple[str, ...], query: Query | None, headers: Mapping[str, str], content: bytes | None
    ) -> httpx.Response:
        pause = 0.1
        for left in range(_REPEATS_MAX, -1, -1):
            try:
                answer = self._http.request(method, _path(path), params=query, headers=headers, content=content)
            except httpx.TransportError as error:
                if left == 0 or _is_distrust(error):
                    raise _connection_failed(self.server, error) from error
            else:
                asked = _retry_after_seconds(answer)
                if asked is None or answer.status_code not in _WORTH_REPEATING or left == 0:
                    return _checked(answer)
                pause = max(pause, asked)
            time.sleep(min(pause, _PAUSE_MAX_SECONDS))
            pause *= 2
        raise AssertionError("unreachable: the last round returns or raises")


def read_json(answer: httpx.Response) -> Json:
    """The JSON of an answer."""
    try:
        return shown(answer.json())
    except ValueError as error:
        raise UnexpectedAnswer(f"can't read the server's answer (status {answer.status_code}): {error}") from error


def understood(read: Callable[[Json], T], answer: Json) -> T:
    """What ``read`` makes of an answer. One of another shape is told as such."""
    try:
        return read(answer)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UnexpectedAnswer(
            f"can't read the server's answer ({error!r}); its version may differ from this package's"
        ) from error


def _page(answer: Json) -> tuple[list[Json], str | None]:
    return answer["items"], answer.get("next_cursor")


def _path(parts: tuple[str, ...]) -> str:
    return "/".join(quote(part, safe="") for part in parts)


def _checked(answer: httpx.Response) -> httpx.Response:
    """The answer, or the problem that it carries."""
    if answer.is_success:
        return answer
    if answer.headers.get("content-type", "").split(";")[0] != PROBLEM_TYPE:
        raise UnexpectedAnswer(
            f"the server answered status {answer.status_code} without a problem document; is {answer.url} a Glovebox?"
        )
    try:
        problem = Problem.from_json(read_json(answer))
    except (AttributeError, KeyError, TypeError) as error:
        raise UnexpectedAnswer(f"can't read the problem document of status {answer.status_code}") from error
    raise ProblemError.of(problem)


def _retry_after_seconds(answer: httpx.Response) -> float | None:
    text = answer.headers.get("retry-after", "")
    return float(text) if text.isascii() and text.isdigit() else None


def _is_distrust(error: BaseException | None) -> bool:
    """Whether the server's certificate did not pass: another try would not change it."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _connection_failed(server: str, error: Exception) -> ConnectionFailed:
    detail = str(error) or type(error).__name__
    if _is_distrust(error):
        return ConnectionFailed(
            f"{server} is not trusted: {detail}. Its certificate must be of the authority given as `ca`, and name the "
            "address that you gave"
        )
    return ConnectionFailed(
        f"no answer from {server}: {detail}. Is it running, is the address right, and was your certificate issued by "
        "its authority and not revoked?"
    )
