"""What a call does, without doing it: a flow says what to send and how long to wait, and is told
what came. So `Client` and `AsyncClient` have one logic, and each only sends and sleeps.

    a request goes out ─▶ answered: read it
                       ─▶ not, or "later" (429, 502, 503, 504): wait, longer each time, and again
                       ─▶ patience has ended: Unavailable

A request that is sent again has the same id, so the service does once what it asks for. Of a batch,
what the service could not do now is sent again; what was done is not.
"""

from __future__ import annotations

import itertools
import json
import random
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from urllib.parse import quote

import httpx

from scoreboard.client.errors import Refused, Unavailable
from scoreboard.client.model import UNAVAILABLE
from scoreboard.client.signing import new_nonce

# The most that the service takes of a batch.
BATCH_MAX: Final = 200
_LATER: Final = frozenset({429, 502, 503, 504})
_FIRST_PAUSE_SECONDS: Final = 0.25
_PAUSE_SECONDS_MAX: Final = 10.0

Item = TypeVar("Item")
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Call:
    """A request to send. Whatever is sent with one `nonce` is one request."""

    method: str
    path: str
    nonce: str
    body: Mapping[str, Any] | None = None

    @property
    def content(self) -> bytes:
        """The body as it is sent."""
        return b"" if self.body is None else json.dumps(self.body, allow_nan=False).encode()


Came = httpx.Response | httpx.TransportError | None
# Says what to send, or for how many seconds to wait (then None comes).
Flow = Generator[Call | float, Came, Answer]


def call(method: str, *parts: str, body: Mapping[str, Any] | None = None) -> Call:
    """A call of the path with these parts."""
    path = "/api/" + "/".join(quote(part, safe="") for part in parts)
    return Call(method, path, new_nonce(), body)


def ask(asked: Call, patience_seconds: float, read: Callable[[Any], Answer]) -> Flow[Answer]:
    """Send a call until it is answered, and read what it says. Raises Refused, Unavailable."""
    return read((yield from _data(asked, time.monotonic() + patience_seconds)))


def settle(
    path: str,
    items: Sequence[Item],
    as_json: Callable[[Item], Mapping[str, Any]],
    read: Callable[[Item, Mapping[str, Any]], Answer],
    patience_seconds: float,
) -> Flow[list[Answer]]:
    """Send items, as many at once as the service takes, and read a verdict on each, in their order.
    Whatever could not be done in time has the verdict `unavailable`. Raises Refused.
    """
    until = time.monotonic() + patience_seconds
    said: dict[int, Mapping[str, Any]] = {}
    waiting = [(place, as_json(item)) for place, item in enumerate(items)]
    for pause in _pauses():
        for batch in _batched(waiting):
            body = {path: [members for _, members in batch]}
            try:
                verdicts = yield from _data(call("POST", path, body=body), until)
            except Unavailable as error:
                verdicts = [_unavailable(str(error))] * len(batch)
            said.update(zip((place for place, _ in batch), verdicts, strict=True))
        waiting = [each for each in waiting if said[each[0]]["verdict"] == UNAVAILABLE]
        if not waiting or time.monotonic() + pause > until:
            break
        yield pause
    return [read(item, said[place]) for place, item in enumerate(items)]


def _data(asked: Call, until: float) -> Flow[Any]:
    for pause in _pauses():
        came = yield asked
        if isinstance(came, httpx.Response) and came.status_code not in _LATER:
            return _data_of(came)
        wait = max(pause, _asked_to_wait(came))
        if time.monotonic() + wait > until:
            raise Unavailable(_why(asked, came))
        yield wait
    raise AssertionError("pauses have no end")


def _data_of(response: httpx.Response) -> Any:
    try:
        said = response.json()
        if response.is_success:
            return said["data"]
        refused = Refused(response.status_code, said["code"], said["message"])
    except (ValueError, KeyError, TypeError):
        text = f"no answer of a scoreboard, but {response.text[:200]!r}: look at the address"
        refused = Refused(response.status_code, "not_a_scoreboard", text)
    raise refused


def _asked_to_wait(came: Came) -> float:
    after = came.headers.get("Retry-After", "") if isinstance(came, httpx.Response) else ""
    return float(after) if after.isdecimal() else 0.0


def _why(asked: Call, came: Came) -> str:
    what = came.status_code if isinstance(came, httpx.Response) else repr(came)
    return f"{asked.method} {asked.path} was not answered in time; the last was {what}"


def _unavailable(why: str) -> dict[str, Any]:
    return {"verdict": UNAVAILABLE, "error": {"code": UNAVAILABLE, "message": why}}


def _batched(waiting: Sequence[Item]) -> Iterator[Sequence[Item]]:
    for start in range(0, len(waiting), BATCH_MAX):
        yield waiting[start : start + BATCH_MAX]


def _pauses() -> Iterator[float]:
    """Twice as long each time, with jitter, so that servers do not come back in step."""
    for doubled in itertools.count():
        longest = min(_FIRST_PAUSE_SECONDS * 2 ** min(doubled, 10), _PAUSE_SECONDS_MAX)
        yield longest * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
