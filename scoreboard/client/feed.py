"""What a stream, and polls while there is none, make of a connection: states, and how long to wait.
It does no I/O: `following` opens, reads, polls and sleeps, and tells what became of it. Its words
are those of the JavaScript client (docs/client.md).

    stream ended ─▶ polled meanwhile, and opened again after `retry:`, Retry-After or longer
    silence, or no first event ─▶ given up, as one that ended
    closing with expired_token or revoked_token ─▶ opened again at once, with another token
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

import httpx

from .flows import LONGEST_SECONDS, retry_after_seconds

Status = Literal["idle", "connecting", "live", "polling", "offline"]
Reason = Literal["", "unreachable", "unavailable", "limited", "forbidden", "unknown"]

_SILENCE_FLOOR_SECONDS: Final = 2.0
_SILENCE_CEILING_SECONDS: Final = 300.0
# The codes of `closing` after which another stream can be opened at once, with another token.
_TOKEN_ENDED: Final = ("expired_token", "revoked_token")
_REASONS: Final[dict[int, Reason]] = {
    401: "forbidden",
    403: "forbidden",
    404: "unknown",
    429: "limited",
}
_REFUSED: Final = 400
_NOT_MODIFIED: Final = 304


@dataclass(frozen=True, slots=True)
class Timing:
    """How long to wait, in seconds: between polls (± 20 %); for a byte of the stream, until the
    service's habit is known; for the first event; for an answer; before the first attempt to come
    back, until the service sends `retry:`; and at most, unless the service asks for more.
    """

    poll_seconds: float = 3.0
    silence_seconds: float = 37.5
    open_seconds: float = 8.0
    request_seconds: float = 10.0
    retry_seconds: float = 2.0
    retry_max_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class State:
    """How the connection is. `reason` is why it is `offline`."""

    status: Status
    reason: Reason = ""


@dataclass(frozen=True, slots=True)
class Wait:
    """How long to wait, and how much of that not even `refresh` takes away."""

    seconds: float
    at_least_seconds: float = 0.0


class Feed:
    """The state of a stream and its polls."""

    def __init__(
        self,
        timing: Timing,
        on_state: Callable[[State], None],
        clock: Callable[[], float] = time.monotonic,
        dice: Callable[[], float] = random.random,
    ) -> None:
        self.silence_seconds = timing.silence_seconds
        self.state = State("idle")
        self.is_live = False
        self._timing = timing
        self._on_state = on_state
        self._clock = clock
        self._dice = dice
        self._retry_seconds = timing.retry_seconds
        self._confirmed_at: float | None = None
        self._stream_tried = False
        self._poll_worked: bool | None = None  # None until one was answered or given up
        self._reason: Reason = ""
        self._stream_failures = self._poll_failures = 0
        self._stream = _Stream(0.0)

    @property
    def age_seconds(self) -> float | None:
        """For how long nobody has confirmed what is known; None if nobody ever has."""
        return None if self._confirmed_at is None else self._clock() - self._confirmed_at

    def start(self) -> None:
        """Nothing has answered yet."""
        self._settle(State("connecting"))

    def stop(self) -> None:
        """Nothing is followed any more."""
        self.is_live = False
        self._settle(State("idle"))

    # The stream

    def opens(self) -> None:
        """A stream is being opened."""
        self._stream = _Stream(self._clock())

    def opened(self, answer: httpx.Response) -> bool:
        """Whether what answers is a stream."""
        self._stream.asked_to_wait = self.judge(answer)
        kind = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        return answer.is_success and kind == "text/event-stream"

    def came(self, *, heartbeat: bool) -> None:
        """Bytes came."""
        if heartbeat:
            learned = self._stream.note_heartbeat(self._clock())
            self.silence_seconds = learned or self.silence_seconds
        if self.is_live:
            self._confirm(State("live"))

    def heard(self, name: str, code: str | None, *, is_asked: bool | None) -> bool:
        """An event came, and `is_asked` says whether what it told was what was asked for (None: it
        told nothing). Returns whether the stream goes on.
        """
        if name == "closing":
            self._stream.token_ended = code in _TOKEN_ENDED
            return False
        if name == "connected":
            self.is_live = True
        if is_asked is not None:
            self.is_live = is_asked
            if not is_asked:
                self._reason = "unavailable"
                return False
        if self.is_live:
            self._confirm(State("live"))
        return True

    def retry(self, milliseconds: int) -> None:
        """The service says when to come back."""
        self._retry_seconds = min(max(milliseconds, 0) / 1000, LONGEST_SECONDS)

    @property
    def token_ended(self) -> bool:
        """Whether the service closed the newest stream because of its token."""
        return self._stream.token_ended

    def ended(self, *, timed_out: bool) -> Wait | None:
        """The stream has ended, or was not to be had: how long to wait before the next one, None if
        it can be opened at once.
        """
        was_live, self.is_live = self.is_live, False
        if was_live and timed_out:  # a longer silence may be this service's habit
            self.silence_seconds = min(2 * self.silence_seconds, _SILENCE_CEILING_SECONDS)
        self._stream_tried = True
        if was_live:
            self._poll_worked = None
        self._settle(self._now())
        # A stream that opens only to end again is a failure, too.
        lasted = self._clock() - self._stream.opened_at > self._retry_seconds
        self._stream_failures = 0 if was_live and lasted else self._stream_failures + 1
        if self._stream.token_ended and self._stream_failures <= 1:
            return None
        return self._delay(self._stream_failures, self._stream.asked_to_wait)

    # Polls

    def judge(self, answer: httpx.Response) -> float:
        """Note why an answer is a refusal. Returns the seconds that it asks to wait."""
        if answer.status_code >= _REFUSED:
            self._reason = _REASONS.get(answer.status_code, "unavailable")
        return retry_after_seconds(answer.headers.get("Retry-After", ""))

    def polled(self, answer: httpx.Response | None, *, is_asked: bool) -> Wait:
        """A poll was answered (None: it was not); `is_asked`: by what was asked for. How long to
        wait before the next one.
        """
        ok, asked = False, 0.0
        if answer is None:
            self._reason = "unreachable"
        else:
            asked = self.judge(answer)
            ok = answer.is_success or answer.status_code == _NOT_MODIFIED
            if ok and not is_asked:
                ok, self._reason = False, "unavailable"
        self._poll_failures = 0 if ok else self._poll_failures + 1
        if not self.is_live:
            self._poll_worked = ok
            if ok:
                self._reason = ""
                self._confirm(self._now())
            else:
                self._settle(self._now())
        if ok:
            return Wait(self._timing.poll_seconds * (0.8 + 0.4 * self._dice()))
        return self._delay(self._poll_failures, asked)

    def _delay(self, failures: int, asked: float) -> Wait:
        most = max(self._timing.retry_max_seconds, self._retry_seconds)
        backoff = min(self._retry_seconds * 2 ** min(max(0, failures - 1), 30), most)
        # Only ever longer than asked for: clients that were sent away together return apart.
        jitter = 1 + self._dice() / 2
        return Wait(max(backoff, asked) * jitter, asked)

    def _now(self) -> State:
        if self.is_live:
            return State("live")
        if self._poll_worked is False:
            return State("offline", self._reason or "unavailable")
        return State("polling" if self._poll_worked and self._stream_tried else "connecting")

    def _confirm(self, state: State) -> None:
        self._confirmed_at = self._clock()
        self._settle(state)

    def _settle(self, state: State) -> None:
        if state != self.state:
            self.state = state
            self._on_state(state)


class _Stream:
    """One stream, and how often it speaks: its heartbeat is a setting that nobody announces."""

    def __init__(self, opened_at: float) -> None:
        self.opened_at = opened_at
        self.asked_to_wait = 0.0
        self.token_ended = False
        self._heartbeats = 0
        self._last_at = opened_at
        self._longest_seconds = 0.0

    def note_heartbeat(self, now: float) -> float | None:
        """The silence to allow, once two intervals are known."""
        interval, self._last_at = now - self._last_at, now
        self._heartbeats += 1
        if self._heartbeats > 1:
            self._longest_seconds = max(self._longest_seconds, interval)
        if self._heartbeats <= 2:  # two intervals have three ends
            return None
        learned = max(2.5 * self._longest_seconds, _SILENCE_FLOOR_SECONDS)
        return min(learned, _SILENCE_CEILING_SECONDS)
