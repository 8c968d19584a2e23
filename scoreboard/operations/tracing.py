"""One trace from the request to the push on every instance, in spans of our own.

Tracing is off by default: nothing is recorded, and the recorder is not even imported. When it is
on, only a sampled trace costs anything. A trace travels as the text of a traceparent
(https://www.w3.org/TR/trace-context/), through our own parts as over the bus, so that nobody but
`operations.otlp` knows of OpenTelemetry. Why the spans are our own: docs/decisions/0014.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Final, Literal, Protocol, Self, TypeGuard

Kind = Literal["internal", "server", "client", "producer", "consumer"]
Attributes = Mapping[str, str | int | float | bool]

_VALID: Final = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})")
_NOTHING: Final[Attributes] = {}


def is_valid(trace: str) -> bool:
    """Whether this is a traceparent."""
    return _VALID.fullmatch(trace) is not None


def is_sampled(trace: str | None) -> TypeGuard[str]:
    """Whether the caller that began this trace wants it recorded: the lowest bit of the flags."""
    return trace is not None and int(trace[-2:], 16) & 1 == 1


def trace_id(trace: str) -> str:
    """The id that all spans of a trace share."""
    return trace[3:35]


class Span:
    """A stretch of a trace. This one is not recorded: it only hands on the trace that it was given.
    Those of `operations.otlp` are recorded.
    """

    __slots__ = ("trace",)

    def __init__(self, trace: str | None) -> None:
        self.trace = trace  # its traceparent

    def note(self, attributes: Attributes) -> None:
        """Say more about it."""

    def event(self, name: str) -> None:
        """Mark this moment."""

    def fail(self, reason: str) -> None:
        """Mark it as failed."""

    def end(self) -> None:
        """It is over."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None
    ) -> None:
        if error is not None:
            self.fail(type(error).__name__)  # not its text: that may quote what nobody should read
        self.end()


UNRECORDED: Final = Span(None)


class Recorder(Protocol):
    """Makes spans that are recorded, and sends them."""

    def span(
        self,
        name: str,
        parent: str | None,
        kind: Kind,
        links: Iterable[str],
        attributes: Attributes,
        began: float | None,
    ) -> Span:
        """Begin a span; without a parent it is the first of its trace."""

    async def close(self) -> None:
        """Send what was recorded, but do not wait long."""


class Tracing:
    """Makes spans. Without a recorder it makes none that costs anything."""

    def __init__(self, recorder: Recorder | None = None, sample_ratio: float = 0.0) -> None:
        self._recorder = recorder
        self._sample_ratio = sample_ratio

    @property
    def on(self) -> bool:
        """Whether anything is recorded."""
        return self._recorder is not None

    def first_span(self, name: str, given: str | None, attributes: Attributes = _NOTHING) -> Span:
        """The span of a request. The flag of `given`, the caller's traceparent, decides whether the
        trace is recorded; without one, chance does.
        """
        if self._recorder is None:
            return Span(given)
        # guard: caller-not-want
        if not is_sampled(given) and (given or random.random() >= self._sample_ratio):  # noqa: S311
            return Span(given)
        return self._recorder.span(name, given, "server", (), attributes, None)

    def span(
        self,
        name: str,
        parent: str | None,
        *,
        kind: Kind = "internal",
        links: Iterable[str] = (),
        attributes: Attributes = _NOTHING,
        began: float | None = None,
    ) -> Span:
        """A span below `parent`, recorded if that one was. `links` lead to other traces; `began` is
        a moment of the monotonic clock, None for now.
        """
        if self._recorder is None or not is_sampled(parent):
            return Span(parent)
        return self._recorder.span(name, parent, kind, links, attributes, began)

    async def close(self) -> None:
        """Send what was recorded, but do not wait long."""
        if self._recorder is not None:
            await self._recorder.close()


OFF: Final = Tracing()
