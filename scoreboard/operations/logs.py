"""Logs of events: each has a name under `scoreboard.` and its facts, in words on a terminal and as
JSON otherwise.

Tracebacks come without local variables: these hold passwords and tokens.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextvars import ContextVar
from typing import Any, Final, TextIO

import orjson
import structlog
from structlog.tracebacks import ExceptionDictTransformer

from scoreboard.unicode import escaped

log = structlog.get_logger("scoreboard.library")

# Answers the facts of what the current task works for, such as the id of its request. It is called
# only when something is logged, so a task that logs nothing pays next to nothing.
SUBJECT: Final[ContextVar[Callable[[], Mapping[str, str]] | None]] = ContextVar(
    "subject", default=None
)


@contextlib.contextmanager
def about(facts: Callable[[], Mapping[str, str]]) -> Iterator[None]:
    """Put these facts onto every event that is logged within."""
    token = SUBJECT.set(facts)
    try:
        yield
    finally:
        SUBJECT.reset(token)


class Seldom:
    """Lets each of a few things be said once in a while, however often it happens: a stranger who
    sends garbage does not fill our log. The caller counts what is left out.
    """

    def __init__(self, every_seconds: float = 60.0) -> None:
        self._every_seconds = every_seconds
        self._next: dict[str, float] = {}

    def due(self, what: str) -> bool:
        """Whether it is to be said now. `what` is one of a few words of ours."""
        now = time.monotonic()
        if now < self._next.get(what, now):
            return False
        self._next[what] = now + self._every_seconds
        return True


def configure(level: str, form: str, instance: str) -> None:
    """Set logging up for the process; `form` is auto, console or json."""
    for_people = form == "console" or (form == "auto" and sys.stderr.isatty())
    shared: list[Any] = [
        _with_subject,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    if for_people:
        console = structlog.dev.ConsoleRenderer(
            pad_event_to=32,
            colors=sys.stderr.isatty() and not os.environ.get("NO_COLOR"),
            exception_formatter=structlog.dev.plain_traceback,  # guard: tracebacks-people-hold
        )
        renderer: list[Any] = [_without_escapes, console]
    else:
        tracebacks = ExceptionDictTransformer(show_locals=False)  # guard: tracebacks-json-hold
        renderer = [
            structlog.processors.ExceptionRenderer(tracebacks),
            structlog.processors.JSONRenderer(_dumps),
        ]
        shared.append(lambda _, __, event: {"instance": instance, **event})
    structlog.configure(
        processors=[*shared, *renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=_Lines(sys.stderr),
        cache_logger_on_first_use=False,
    )
    # Libraries say what is worth saying at warning; aiormq's and aiopg's reconnects are ours to
    # report.
    root = logging.getLogger()
    root.setLevel(logging.WARNING)
    if not any(isinstance(handler, _OfLibraries) for handler in root.handlers):
        root.addHandler(_OfLibraries())
    logging.getLogger("aiormq").setLevel(logging.CRITICAL)
    logging.getLogger("aio_pika").setLevel(logging.CRITICAL)


def lines_dropped() -> int:
    """How many lines could not be written since the process began to log."""
    lines = structlog.get_config()["logger_factory"]
    return lines.dropped if isinstance(lines, _Lines) else 0


class _Lines(structlog.PrintLogger):
    """Writes lines; structlog calls it for the logger of each, which it is itself. A line that
    cannot be written (the disk is full, the reader of the pipe has gone) is dropped and counted,
    because work goes on after it, sometimes right after a COMMIT.
    """

    def __init__(self, file: TextIO) -> None:
        super().__init__(file)
        self.dropped = 0

    def __call__(self, *_: Any) -> _Lines:
        return self

    def msg(self, message: str) -> None:
        """Write a line."""
        try:
            super().msg(message)
        # guard: log-cannot-written
        except (OSError, ValueError):  # ValueError: it was closed, or has no such letter
            self.dropped += 1

    debug = info = warning = error = critical = exception = msg


class _OfLibraries(logging.Handler):
    """Makes an event of ours of what a library logs, so that every line has one form."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log it again."""
        try:
            message = record.getMessage()
        except Exception:  # the library's mistake, and no reason to end what it was about
            message = str(record.msg)
        facts = {"library": record.name, "message": message}
        if record.levelno >= logging.ERROR:
            log.error("scoreboard.library.failed", exc_info=record.exc_info, **facts)
        else:
            log.warning("scoreboard.library.warned", exc_info=record.exc_info, **facts)


_Event = MutableMapping[str, Any]


def _with_subject(_: Any, __: str, event: _Event) -> _Event:
    facts = SUBJECT.get()
    if facts is not None:
        for key, value in facts().items():
            event.setdefault(key, value)
    return event


def _without_escapes(_: Any, __: str, event: _Event) -> _Event:
    """Escape what others wrote: a library may quote what it was sent."""
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = escaped(value)
    return event


def _dumps(event: Any, **_: Any) -> str:
    return escaped(orjson.dumps(event, default=str).decode())
