"""The log as it is written, for tests that read it."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from scoreboard.operations import logs


class Written:
    """What was logged since this was last asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.stream = io.StringIO()
        self._monkeypatch = monkeypatch

    def text(self) -> str:
        """All of it."""
        text = self.stream.getvalue()
        self.stream.seek(0)
        self.stream.truncate()
        return text

    def lines(self) -> list[dict[str, Any]]:
        """Its lines, which are JSON."""
        return [json.loads(line) for line in self.text().splitlines()]

    def named(self, event: str) -> list[dict[str, Any]]:
        """Those of one event."""
        return [line for line in self.lines() if line["event"] == event]

    def begin(self, level: str = "info", form: str = "json") -> None:
        """Set logging up, within the test: between fixtures and test pytest changes stderr."""
        self._monkeypatch.setattr(sys, "stderr", self.stream)
        logs.configure(level, form, "web-1")


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """Logging belongs to the process, and commands set it up: what a test sets is undone."""
    root = logging.getLogger()
    before, level, handlers = structlog.get_config(), root.level, root.handlers[:]
    yield
    structlog.configure(**before)
    root.setLevel(level)
    for handler in root.handlers[:]:
        if handler not in handlers and type(handler).__module__ == logs.__name__:
            root.removeHandler(handler)


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Written:
    return Written(monkeypatch)
