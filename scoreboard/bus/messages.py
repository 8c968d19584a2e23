"""What travels on the bus: boards, with headers that lead back to their origin, and a signature.

Operators see these in the management UI, and other versions of this service read them while an
update is rolled out: a header may be added, and none may change its meaning.

Whoever may publish to the exchange can send anything, so a message is bounded before it is
verified, verified before it is parsed, and parsed strictly. Of what the signature does not cover
only the headers `boards` and `version` are read, to pass over what is no news.

`main` has a message for itself and is not named there, because instances of earlier releases read
and send that board. All others that were committed together share a message, a line for each, and
its header `boards` has their ids and versions in the same order. Earlier releases know none of them
and would count that message as a fault. So its header `version` says -1, which is no news to
anybody.

Bounds: `BOARDS_MAX` boards and `BOARDS_BYTES_MAX` bytes; a message of `main` `MAIN_BYTES_MAX`.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Any, Final

import orjson

from scoreboard import board_json
from scoreboard.board_json import MAIN_BYTES_MAX
from scoreboard.configuration.signatures import Signatures
from scoreboard.model import MAIN, Board, BoardId, Origin
from scoreboard.operations.counted import MessageFault
from scoreboard.operations.tracing import Attributes, is_valid

EXCHANGE: Final = "scoreboard.events"
EVENT_TYPE: Final = "score:update"
PROBE_TYPE: Final = "probe"
PURPOSE: Final = "scoreboard bus"
VERSION_HEADER: Final = "version"
BOARDS_HEADER: Final = "boards"
INSTANCE_HEADER: Final = "instance"
BEGAN_HEADER: Final = "began"
TRACE_HEADER: Final = "traceparent"
SIGNATURE_HEADER: Final = "signature"

# A hundred boards that turn at one midnight are a few messages, not more than a queue has room for;
# the loop reads one of these in a few milliseconds.
BOARDS_MAX: Final = 64
BOARDS_BYTES_MAX: Final = 64 * 1024

_NO_NEWS: Final = -1
_WORD_CHARS_MAX: Final = 256
# An id has 50 letters at most, a version 16 digits.
_BOARDS_CHARS_MAX: Final = BOARDS_MAX * 68


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

    def write(
        self,
        boards: Sequence[Board],
        lines: Sequence[bytes],
        origin: Origin | None,
        trace: str | None,
    ) -> Message:
        """Make a message of `main`, or of other boards, that `fitting` encoded; `trace` is the span
        that sends it.
        """
        [first, *_] = boards
        headers: dict[str, Any] = {VERSION_HEADER: first.version, INSTANCE_HEADER: self.instance}
        message_id = f"board-{first.version}"
        if first.board_id != MAIN:
            headers[VERSION_HEADER] = _NO_NEWS  # guard: earlier-releases-pass
            headers[BOARDS_HEADER] = _words_of(boards)
            message_id = f"board-{first.board_id}-{first.version}"
        if origin is not None:
            headers |= _headers_of(origin, trace)
        message = Message(EVENT_TYPE, message_id, headers, b"\n".join(lines))
        headers[SIGNATURE_HEADER] = self._signatures.of(_signed(message))
        return message

    def probe(self) -> Message:
        """Make a message of no board, which says itself that it is no news to anybody."""
        headers = {VERSION_HEADER: _NO_NEWS, INSTANCE_HEADER: self.instance}
        return Message(PROBE_TYPE, PROBE_TYPE, headers, b"")

    def read(self, message: Message, are_news: Sequence[bool]) -> tuple[list[Board], Origin | None]:
        """Make boards of those lines of a message that are news. Raises Refused."""
        most = BOARDS_BYTES_MAX if BOARDS_HEADER in message.headers else MAIN_BYTES_MAX
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
        lines = message.body.split(b"\n")
        if message.kind != EVENT_TYPE or len(lines) != len(are_news):
            raise Refused("malformed")
        try:
            # guard: outdated-lines-unread
            boards = [board_json.decode(line) for line in compress(lines, are_news)]
            return boards, _origin_in(message.headers)
        except ValueError:
            raise Refused("malformed") from None


def fitting(boards: Iterable[Board]) -> list[bytes]:
    """Encode as many of these boards as one message has room for, from the first on."""
    lines: list[bytes] = []
    room = BOARDS_BYTES_MAX + 1  # no break after the last line
    for board in boards:
        line = board_json.encode(board)
        room -= len(line) + 1
        if lines and room < 0:  # guard: sent-messages-bounded
            break
        lines.append(line)
    return lines


def announced(message: Message) -> list[tuple[BoardId, int]] | None:
    """The boards, with their versions, that a message claims to bring, unverified, in the order of
    its lines; None if it claims none in the way in which instances do.
    """
    if BOARDS_HEADER not in message.headers:
        version = message.headers.get(VERSION_HEADER)
        return [(MAIN, version)] if type(version) is int else None
    words = message.headers[BOARDS_HEADER]
    if type(words) is not str or not 0 < len(words) <= _BOARDS_CHARS_MAX:
        return None
    claims = [word.rpartition(":") for word in words.split(" ")]
    try:
        # guard: message-outdated-version
        return [(BoardId(board_id), int(version)) for board_id, _, version in claims]
    except ValueError:
        return None


def attributes_of(boards: Sequence[Board]) -> Attributes:
    """What the span of a publication says of it."""
    attributes = {"messaging.system": "rabbitmq", "messaging.destination.name": EXCHANGE}
    if len(boards) > 1:
        return attributes | {"scoreboard.boards": _words_of(boards)}
    [board] = boards
    return {
        **attributes,
        "scoreboard.board": board.board_id,
        "scoreboard.version": board.version,
    }


def _words_of(boards: Sequence[Board]) -> str:
    return " ".join(f"{board.board_id}:{board.version}" for board in boards)


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
