"""One server key: what it may do, how often, and with which secrets it signs."""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Literal, get_args

from scoreboard.configuration.kinds import Rate
from scoreboard.errors import ExpiredKey, KeyLacksBoard, KeyLacksScope
from scoreboard.limits.checks import Check, check_of
from scoreboard.model import BoardId

Scope = Literal["grants", "results", "users", "boards", "moderation"]
SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)
# What these do shows on every board, so a key of some boards has none of them: a grant counts
# wherever its action counts, and a name stands wherever its user does.
OF_ALL_BOARDS: Final[frozenset[Scope]] = frozenset({"grants", "users"})

KEY_ID: Final = re.compile(r"key_[0-9a-f]{20}", re.ASCII)
# Also a part of receipts and of users' ids, where it never changes.
SOURCE: Final = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*", re.ASCII)
SOURCE_CHARS_MAX: Final = 50
TITLE_CHARS_MAX: Final = 100
# 256 bits; the form of Standard Webhooks allows 24 to 64 bytes.
_SECRET_BYTES: Final = 32
_PREFIX: Final = "whsec_"
# The name of the limit that holds for each key.
LIMIT: Final = "server_key"


@dataclass(frozen=True, slots=True)
class ServerKey:
    """A key that is not revoked. `source` names whoever holds it, the same for all its keys;
    `board_ids` is None for every board. Times are seconds since 1970.

    `secrets` are today's, then the one before it, which is good until `previous_until`. Without any
    this instance cannot read them.
    """

    key_id: str
    source: str
    scopes: frozenset[str]
    board_ids: frozenset[BoardId] | None
    rate: Rate
    expires_at: float | None = None
    previous_until: float = 0.0
    secrets: tuple[bytes, ...] = field(default=(), repr=False)

    def secrets_at(self, now: float) -> tuple[bytes, ...]:
        """The secrets that are good at this time."""
        return self.secrets if now < self.previous_until else self.secrets[:1]

    def require_alive(self, now: float) -> None:
        """Raises ExpiredKey."""
        if self.expires_at is not None and now >= self.expires_at:
            raise ExpiredKey

    def require_scope(self, scope: Scope) -> None:
        """Raises KeyLacksScope, and KeyLacksBoard where that is about every board."""
        if scope not in self.scopes:
            raise KeyLacksScope(scope)
        if self.board_ids is not None and scope in OF_ALL_BOARDS:  # guard: scope-of-all-boards
            raise KeyLacksBoard

    def require_boards(self, board_ids: Iterable[str]) -> None:
        """Hold what a request names to the boards of the key. Raises KeyLacksBoard, which repeats
        nothing of the request: who signs may be told of boards that the key cannot touch.
        """
        if not all(map(self.may_touch, board_ids)):
            raise KeyLacksBoard

    def may_touch(self, board_id: str) -> bool:
        """Whether this board is one of the key's."""
        return self.board_ids is None or board_id in self.board_ids

    @property
    def check(self) -> Check:
        """What the limiter is asked for one request of this key."""
        return check_of(LIMIT, self.key_id, self.rate)


def new_key_id() -> str:
    """Name a key, by 80 random bits: it is no secret, and nobody finds one by trying."""
    return f"key_{secrets.token_hex(10)}"


def new_secret() -> bytes:
    """Make a secret."""
    return secrets.token_bytes(_SECRET_BYTES)


def shown(secret: bytes) -> str:
    """The form in which a secret is shown, once, and which libraries take: `whsec_…`."""
    return _PREFIX + base64.b64encode(secret).decode()
