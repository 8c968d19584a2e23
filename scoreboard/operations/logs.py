"""Structured logs: an event's name under `scoreboard.`, then its facts. For people on a terminal,
JSON otherwise.

Tracebacks come without local variables: these hold passwords and tokens.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

import orjson
import structlog
from structlog.tracebacks import ExceptionDictTransformer


def configure(level: str, form: str, instance: str) -> None:
    """Set logging up for the process; `form` is auto, console or json."""
    for_people = form == "console" or (form == "auto" and sys.stderr.isatty())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    if for_people:
        console = structlog.dev.ConsoleRenderer(
            pad_event_to=32, exception_formatter=structlog.dev.plain_traceback
        )
        renderer: list[Any] = [console]
    else:
        tracebacks = ExceptionDictTransformer(show_locals=False)
        renderer = [
            structlog.processors.ExceptionRenderer(tracebacks),
            structlog.processors.JSONRenderer(_dumps),
        ]
        structlog.contextvars.bind_contextvars(instance=instance)
    structlog.configure(
        processors=[*shared, *renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    # Libraries say what is worth saying at warning; aiormq's and aiopg's reconnects are ours to
    # report.
    logging.basicConfig(
        stream=sys.stderr, level=logging.WARNING, format="%(name)s %(levelname)s %(message)s"
    )
    logging.getLogger("aiormq").setLevel(logging.CRITICAL)
    logging.getLogger("aio_pika").setLevel(logging.CRITICAL)


def _dumps(event: Any, **_: Any) -> str:
    return orjson.dumps(event, default=str).decode()
