"""What stands in paths and heads of requests: each parameter once, as handlers read it and as the
OpenAPI document shows it. Those of queries are the members of the queries' schemas.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, Literal, TypeVar

from marshmallow import ValidationError

from scoreboard.accounts import ids
from scoreboard.api.schemas.members import (
    EXAMPLE_USER_ID,
    OWN_ID_CHARS_MAX,
    PRINTABLE_PATTERN,
    user_id_member,
)
from scoreboard.ledger.receipts import RECEIPT
from scoreboard.model import BOARD_ID, MAIN, BoardId

T = TypeVar("T")
_TEXT: Final = {"type": "string"}


@dataclass(frozen=True, slots=True, eq=False)
class Parameter(Generic[T]):
    """A parameter of a path or of the head. `read` makes of its text what handlers want, and raises
    ValidationError where that is none. `component` is its name among those of the document.
    """

    component: str
    name: str
    where: Literal["path", "header"]
    description: str
    schema: Mapping[str, Any]
    read: Callable[[str], T]
    # Fields of the head are without examples, which Swagger UI would send: a 304, or everybody in
    # one trace.
    example: str | None = None

    def described(self) -> dict[str, Any]:
        """The parameter object of the document."""
        described: dict[str, Any] = {
            "name": self.name,
            "in": self.where,
            "description": self.description,
            "schema": dict(self.schema),
        }
        if self.where == "path":
            described["required"] = True
        if self.example is not None:
            described["example"] = self.example
        return described


def _board_id(text: str) -> BoardId:
    if not BOARD_ID.fullmatch(text):
        raise ValidationError("No board has such an id: lower-case letters, digits, hyphens.")
    return BoardId(text)


def _receipt(text: str) -> str:
    if not RECEIPT.fullmatch(text):  # guard: receipt-in-path
        raise ValidationError("Must be 1 to 100 of A-Z a-z 0-9 . _ : and -.")
    return text


def _user_id(text: str) -> str:
    found = ids.canonical(text)
    if found is None:
        raise ValidationError("Must be a UUID.")
    return found


def _header(name: str, description: str) -> Parameter[str]:
    return Parameter(name, name, "header", description, _TEXT, str)


BOARD: Final = Parameter(
    "board",
    "board",
    "path",
    "The id of a board: lower-case letters, digits and hyphens.",
    _TEXT | {"pattern": f"^{BOARD_ID.pattern}$"},
    _board_id,
    MAIN,
)
RECEIPT_ID: Final = Parameter(
    "receipt",
    "receipt",
    "path",
    "The receipt of a result.",
    _TEXT | {"pattern": f"^{RECEIPT.pattern}$"},
    _receipt,
    "match-4711",
)
PROVIDER: Final = Parameter(
    "provider",
    "provider",
    "path",
    "The name of an identity provider, as the settings have it.",
    _TEXT,
    str,
    "id.example.org",
)
# The one of boards, and the one that servers may choose.
USER_ID: Final = Parameter(
    "userUuid",
    "userId",
    "path",
    "A user's id, a UUID.",
    _TEXT | {"format": "uuid"},
    _user_id,
    EXAMPLE_USER_ID,
)
PLAYER_ID: Final[Parameter[str]] = Parameter(
    "userId",
    "userId",
    "path",
    "A UUID, or your game's own id of somebody, of 1 to 100 characters.",
    _TEXT | {"minLength": 1, "maxLength": OWN_ID_CHARS_MAX, "pattern": PRINTABLE_PATTERN},
    user_id_member().deserialize,
    "player-4711",
)
IF_NONE_MATCH: Final = _header(
    "If-None-Match", 'The ETag of the answer that you have, as `"42"`: 304 while it is the newest.'
)
IF_MATCH: Final = _header(
    "If-Match", "The ETag of the only answer that you want: 412 where it is another one."
)
TRACEPARENT: Final = _header(
    "traceparent",
    "The trace to carry on (W3C Trace Context); it goes with the event to every instance.",
)
