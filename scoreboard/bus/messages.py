"""What travels on the bus: a board, with headers that lead back to its origin, and a signature.

Operators see these in the management UI, and other versions of this service read them while an
update is rolled out: a header may be added, and none may change its meaning.

Whoever may publish to the exchange can send anything, so a message is bounded before it is
verified, verified before it is parsed, and parsed strictly. Of what the signature does not cover
only the headers `board`, `version` and `board-version` are read, to pass over what is no news.

`main` is not named, because instances of earlier releases read and send that board: a message that
names no board is of `main`. Those know no other one, and would count a message of it as a fault. So
its header `version` says -1, which is no news to anybody, and instances of today read
`board-version`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from scoreboard.configuration.signatures import Signatures
from scoreboard.model import BOARD_BYTES_MAX, MAIN, MAIN_BYTES_MAX, Board, BoardId, Origin
from scoreboard.operations.counted import MessageFault
from scoreboard.operations.tracing import Attributes, is_valid

EXCHANGE: Final = "scoreboard.events"
EVENT_TYPE: Final = "score:update"
PROBE_TYPE: Final = "probe"
PURPOSE: Final = "scoreboard bus"
VERSION_HEADER: Final = "version"
BOARD_HEADER: Final = "board"
BOARD_VERSION_HEADER: Final = "board-version"
INSTANCE_HEADER: Final = "instance"
BEGAN_HEADER: Final = "began"
TRACE_HEADER: Final = "traceparent"
SIGNATURE_HEADER: Final = "signature"

_NO_NEWS: Final = -1
_WORD_CHARS_MAX: Final = 256


class Refused(Exception):
    """A message is no board of ours."""

    def __init__(self, fault: MessageFault) -> None:
        self.fault: MessageFault = fault
        super().__init__(fault)


@dataclass(frozen=True, slots=True)
class Message:
    """A message in RabbitMQ's terms. One that came in may hold values of any type: `kind` is its
    property `type`.
    """

    kind: Any
    message_id: Any
    headers: Mapping[str, Any]
    body: bytes


class Messages:
    """Writes the messages of this instance, and reads everybody's."""

    def __init__(self, signatures: Signatures, instance: str) -> None:
        self._signatures = signatures
        self.instance: Final = instance

    def write(self, board: Board, origin: Origin | None, trace: str | None) -> Message:
        """Make a message of a board; `trace` is the span that sends it."""
        headers: dict[str, Any] = {VERSION_HEADER: board.version, INSTANCE_HEADER: self.instance}
        message_id = f"board-{board.version}"
        if board.board_id != MAIN:
            headers[VERSION_HEADER] = _NO_NEWS  # guard: earlier-releases-pass
            headers |= {BOARD_HEADER: board.board_id, BOARD_VERSION_HEADER: board.version}
            message_id = f"board-{board.board_id}-{board.version}"
        if origin is not None:
            headers |= _headers_of(origin, trace)
        message = Message(EVENT_TYPE, message_id, headers, board.to_json())
        headers[SIGNATURE_HEADER] = self._signatures.of(_signed(message))
        return message

    def probe(self) -> Message:
        """Make a message of no board, which says itself that it is no news to anybody."""
        headers = {VERSION_HEADER: _NO_NEWS, INSTANCE_HEADER: self.instance}
        return Message(PROBE_TYPE, PROBE_TYPE, headers, b"")

    def read(self, message: Message) -> tuple[Board, Origin | None]:
        """Make a board of a message. Raises Refused."""
        most = BOARD_BYTES_MAX if BOARD_HEADER in message.headers else MAIN_BYTES_MAX
        if len(message.body) > most:  # guard: message-bounded-before
            raise Refused("size")
        signature = message.headers.get(SIGNATURE_HEADER)
        if signature is None:
            raise Refused("unsigned")
        # guard: message-believed-only
        if not isinstance(signature, str) or not self._signatures.verify(
            signature, _signed(message)
        ):
            raise Refused("signature")
        if message.kind != EVENT_TYPE:
            raise Refused("malformed")
        try:
            return Board.from_json(message.body), _origin_in(message.headers)
        except ValueError:
            raise Refused("malformed") from None


def announced(message: Message) -> tuple[BoardId, int] | None:
    """The board and the version that a message claims to bring, unverified; None if it claims none
    in the way in which instances do.
    """
    # guard: message-outdated-version
    board_id = message.headers.get(BOARD_HEADER, MAIN)
    names = BOARD_VERSION_HEADER if BOARD_HEADER in message.headers else VERSION_HEADER
    version = message.headers.get(names)
    if type(board_id) is not str or type(version) is not int:
        return None
    return BoardId(board_id), version


def attributes_of(board: Board) -> Attributes:
    """What the span of a publication says of it."""
    return {
        "messaging.system": "rabbitmq",
        "messaging.destination.name": EXCHANGE,
        "scoreboard.board": board.board_id,
        "scoreboard.version": board.version,
    }


def _signed(message: Message) -> bytes:
    """All that is read of a message, in one form. Raises Refused when it holds anything else than
    words and whole numbers, which we never send.
    """
    headers = (INSTANCE_HEADER, BEGAN_HEADER, TRACE_HEADER)
    # guard: read-message-signed
    values = [message.kind, message.message_id, *(message.headers.get(name) for name in headers)]
    if not all(map(_is_plain, values)):
        raise Refused("signature")
    return orjson.dumps(values) + b"\n" + message.body


def _is_plain(value: Any) -> bool:
    if type(value) is str:
        return len(value) <= _WORD_CHARS_MAX
    return value is None or (type(value) is int and -(2**63) <= value < 2**63)


def _headers_of(origin: Origin, trace: str | None) -> dict[str, str | int]:
    """Write when the way began by a clock that others have too: Unix time, in milliseconds."""
    began = time.time() - (time.monotonic() - origin.began)
    headers: dict[str, str | int] = {BEGAN_HEADER: round(began * 1000)}
    return headers if trace is None else headers | {TRACE_HEADER: trace}  # guard: trace-goes-along


def _origin_in(headers: Mapping[str, Any]) -> Origin | None:
    """Read the origin by our own clocks. If the sender's clock is ahead, its way began now."""
    began, trace = headers.get(BEGAN_HEADER), headers.get(TRACE_HEADER)
    if not isinstance(began, int):
        return None
    elapsed = max(0.0, time.time() - began / 1000)  # guard: sender-whose-clock
    # What is no traceparent would fail whoever records it.
    known = trace if isinstance(trace, str) and is_valid(trace) else None  # guard: trace-none-costs
    return Origin("bus", time.monotonic() - elapsed, known)
