"""What a message on the bus says beside its board: names, and headers that lead back to the origin.

Operators see these in the management UI, and other versions of this service read them while an
update is rolled out: a header may be added, and none may change its meaning.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

from scoreboard.operations.tracing import Attributes, is_valid
from scoreboard.scoring.model import Board, Origin

EXCHANGE: Final = "scoreboard.events"
EVENT_TYPE: Final = "score:update"
BEGAN_HEADER: Final = "began"
TRACE_HEADER: Final = "traceparent"


def attributes_of(board: Board) -> Attributes:
    """What the span of a publication says of it."""
    return {
        "messaging.system": "rabbitmq",
        "messaging.destination.name": EXCHANGE,
        "scoreboard.version": board.version,
    }


def headers_of(origin: Origin, trace: str | None) -> dict[str, str | int]:
    """Write down when its way began on a clock that others have too: Unix time, in milliseconds."""
    began = time.time() - (time.monotonic() - origin.began)
    headers: dict[str, str | int] = {BEGAN_HEADER: round(began * 1000)}
    return headers if trace is None else headers | {TRACE_HEADER: trace}


def origin_in(headers: Mapping[str, Any]) -> Origin | None:
    """Read it by our own clocks; a sender whose clock is ahead sent it no earlier than now."""
    began, trace = headers.get(BEGAN_HEADER), headers.get(TRACE_HEADER)
    if not isinstance(began, int):
        return None
    elapsed = max(0.0, time.time() - began / 1000)
    # What is no traceparent would fail whoever records it.
    known = trace if isinstance(trace, str) and is_valid(trace) else None
    return Origin("bus", time.monotonic() - elapsed, known)
