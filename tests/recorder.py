"""A recorder of spans that keeps them, for tests of who makes which."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from scoreboard.operations.tracing import Attributes, Kind, Span


class FakeSpan(Span):
    """A span that can be looked at."""

    def __init__(self, name: str, parent: str | None, kind: Kind, attributes: Attributes) -> None:
        self.name = name
        self.parent = parent
        self.kind = kind
        self.attributes: dict[str, Any] = dict(attributes)
        super().__init__(f"{(parent or '')[:36]}{id(self):016x}-01")
        self.failed = self.ended = False

    def note(self, attributes: Attributes) -> None:
        self.attributes |= attributes

    def fail(self, reason: str) -> None:
        self.failed = True

    def end(self) -> None:
        self.ended = True


class FakeRecorder:
    """Keeps every span that was begun."""

    def __init__(self) -> None:
        self.spans: list[FakeSpan] = []

    def span(
        self,
        name: str,
        parent: str | None,
        kind: Kind,
        links: Iterable[str],
        attributes: Attributes,
        began: float | None,
    ) -> FakeSpan:
        self.spans.append(FakeSpan(name, parent, kind, attributes))
        return self.spans[-1]

    async def close(self) -> None:
        pass
