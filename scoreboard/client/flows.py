"""What a call does, without doing it: a flow says what to send and how long to wait, and is told
what came. So each client and its asynchronous twin have one logic, and each only sends and sleeps.

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
import re
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, TypeVar
from urllib.parse import quote, urlencode

import httpx

from .errors import Refused, Unavailable
from .model import UNAVAILABLE
from .signing import new_nonce

# The most that the service takes of a batch.
BATCH_MAX: Final = 200
LATER: Final = frozenset({429, 502, 503, 504})
_FIRST_PAUSE_SECONDS: Final = 0.25
_PAUSE_SECONDS_MAX: Final = 10.0
# No wait is longer, whoever asks for it.
LONGEST_SECONDS: Final = 86_400.0
_SECONDS: Final = re.compile("[0-9]{1,9}")
_UNAVAILABLE: Final = 503
# What is said of a request that may have been done all the same: by a proxy that passed it on, and
# by a service that lost PostgreSQL as it committed.
_NOBODY_KNOWS: Final = frozenset({502, _UNAVAILABLE, 504})

Item = TypeVar("Item")
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Call:
    """A request to send. Whatever is sent with one `nonce` is one request."""

    method: str
    path: str
    nonce: str
    body: Mapping[str, Any] | None = None
    token: str | None = None
    more_headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def content(self) -> bytes:
        """The body as it is sent."""
        return b"" if self.body is None else json.dumps(self.body, allow_nan=False).encode()

    @property
    def headers(self) -> dict[str, str]:
        """The header fields that it needs."""
        found = {"Accept": "application/json", **self.more_headers}
        if self.body is not None:
            found["Content-Type"] = "application/json"
        if self.token is not None:
            found["Authorization"] = f"Bearer {self.token}"
        return found


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait for so long, and why: what was asked for at `path` was not answered, or with "later"."""

    seconds: float
    path: str
    why: str


@dataclass(frozen=True, slots=True)
class TokenWanted:
    """The user's access token is wanted, another one than the one that was `rejected`."""

    rejected: str | None = None


Step = Call | Pause | TokenWanted
Came = httpx.Response | httpx.RequestError | str | None
# Says what to send, for how long to wait (then None comes), or that a token is wanted (then that
# comes, or None where nobody is logged in).
Flow = Generator[Step, Came, Answer]


def call(
    method: str,
    *parts: str,
    body: Mapping[str, Any] | None = None,
    query: Mapping[str, Any] | None = None,
) -> Call:
    """A call of the path with these parts, and what is given of these parameters."""
    path = "/api/" + "/".join(quote(part, safe="") for part in parts)
    given = {name: value for name, value in (query or {}).items() if value is not None}
    return Call(method, f"{path}?{urlencode(given)}" if given else path, new_nonce(), body)


def ask(asked: Call, patience_seconds: float, read: Callable[[Any], Answer]) -> Flow[Answer]:
    """Send a call until it is answered, and read its data. Raises Refused, Unavailable."""
    document = yield from answer_to(asked, time.monotonic() + patience_seconds)
    return read(_member(document, "data"))


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
    for pause in pauses():
        for batch in _batched(waiting):
            body = {path: [members for _, members in batch]}
            try:
                document = yield from answer_to(call("POST", path, body=body), until)
                verdicts = _member(document, "data")
            except Unavailable as error:
                verdicts = [_unavailable(str(error))] * len(batch)
            said.update(zip((place for place, _ in batch), verdicts, strict=True))
        waiting = [each for each in waiting if said[each[0]]["verdict"] == UNAVAILABLE]
        if not waiting or time.monotonic() + pause > until:
            break
        yield Pause(pause, f"/api/{path}", "some could not be done now")
    return [read(item, said[place]) for place, item in enumerate(items)]


def answer_to(
    asked: Call, until: float, on_lost: Callable[[], None] = lambda: None
) -> Flow[Mapping[str, Any]]:
    """Send a call until it is answered or the monotonic clock shows `until`; the document of the
    answer, empty where there is none. `on_lost` is called whenever an answer may have been lost.
    Raises Refused, Unavailable.
    """
    for pause in pauses():
        came = yield asked
        if isinstance(came, httpx.Response) and came.status_code not in LATER:
            return document_of(came)
        if may_be_done(came):
            on_lost()
        wait = max(pause, asked_to_wait(came))
        if time.monotonic() + wait > until:
            raise Unavailable(f"{asked.method} {asked.path} was not answered in time: {_why(came)}")
        yield Pause(wait, asked.path, _why(came))
    raise AssertionError("pauses have no end")


def may_be_done(came: Came) -> bool:
    """Whether a request that was not answered may have reached the service all the same."""
    if isinstance(came, httpx.Response):
        return came.status_code in _NOBODY_KNOWS  # guard: unavailable-may-be-done
    return not isinstance(came, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)


def is_lost(came: Came) -> bool:
    """Whether an answer may have been lost on its way: a service that is away gave none."""
    is_away = isinstance(came, httpx.Response) and came.status_code == _UNAVAILABLE
    return not is_away and may_be_done(came)


def document_of(response: httpx.Response) -> Mapping[str, Any]:
    """The document of an answer. Raises Refused, also where it is none of a scoreboard."""
    if response.status_code == httpx.codes.NO_CONTENT:
        return {}
    try:
        said = response.json()
        if response.is_success and said["success"] is True:
            return {**said}
        code, message, errors = said["code"], said["message"], said.get("errors")
        refused = Refused(response.status_code, code, message, errors, said)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        refused = _no_scoreboard(response)
    raise refused


def read_with(read: Callable[[Mapping[str, Any]], Answer], document: Mapping[str, Any]) -> Answer:
    """What an answer says. Raises Refused where it has another form."""
    try:
        return read(document)
    except ValueError as error:
        message = f"the answer is of another form ({error}): look at the address"
        raise Refused(200, "not_a_scoreboard", message) from error


def asked_to_wait(came: Came) -> float:
    """For how many seconds an answer asks to wait; 0 if it does not."""
    if not isinstance(came, httpx.Response):
        return 0.0
    return retry_after_seconds(came.headers.get("Retry-After", ""))


def retry_after_seconds(value: str) -> float:
    """Read Retry-After (RFC 9110, 10.2.3): seconds, or a date. 0 if it is neither."""
    text = value.strip()
    if _SECONDS.fullmatch(text):
        return min(float(text), LONGEST_SECONDS)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    if moment.tzinfo is None:  # "-0000", which says of no zone
        moment = moment.replace(tzinfo=UTC)
    seconds = (moment - datetime.now(UTC)).total_seconds()
    return min(max(seconds, 0.0), LONGEST_SECONDS)


def pauses() -> Iterator[float]:
    """Twice as long each time, with jitter, so that clients do not come back in step."""
    for doubled in itertools.count():
        longest = min(_FIRST_PAUSE_SECONDS * 2 ** min(doubled, 10), _PAUSE_SECONDS_MAX)
        yield longest * random.uniform(0.5, 1.0)  # noqa: S311 - no secret


def _member(document: Mapping[str, Any], name: str) -> Any:
    if name not in document:
        raise Refused(200, "not_a_scoreboard", f"the answer has no {name}: look at the address")
    return document[name]


def _no_scoreboard(response: httpx.Response) -> Refused:
    text = f"no answer of a scoreboard, but {response.text[:200]!r}: look at the address"
    return Refused(response.status_code, "not_a_scoreboard", text)


def _why(came: Came) -> str:
    if not isinstance(came, httpx.Response):
        return f"no answer ({str(came) or type(came).__name__})"
    try:
        return f"{came.status_code} {document_of(came)}"
    except Refused as refused:
        return str(refused)


def _unavailable(why: str) -> dict[str, Any]:
    return {"verdict": UNAVAILABLE, "error": {"code": UNAVAILABLE, "message": why}}


def _batched(waiting: Sequence[Item]) -> Iterator[Sequence[Item]]:
    for start in range(0, len(waiting), BATCH_MAX):
        yield waiting[start : start + BATCH_MAX]
