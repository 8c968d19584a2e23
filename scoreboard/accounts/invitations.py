"""Invitations: codes with which one person each may register.

A code has 128 bits by chance, so that nobody guesses one, and the database keeps a hash of it. A
hash without salt and work is enough: there is nothing to try but all 2^128 codes.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal, get_args

from scoreboard.accounts.queries import SQL
from scoreboard.connections.postgres import Postgres
from scoreboard.errors import InvitationNotValid

CODE_CHARS_MAX: Final = 64  # 26, and whatever stood around them where they were copied
NOTE_CHARS_MAX: Final = 200  # as the column is wide
AT_ONCE_MAX: Final = 1000
DAYS_MAX: Final = 3650

State = Literal["open", "used", "expired", "revoked"]
STATES: Final[tuple[State, ...]] = get_args(State)

_CODE_BYTES: Final = 16
_CODE: Final = re.compile("[a-z2-7]{26}")
_PAGE: Final = 1000


@dataclass(frozen=True, slots=True)
class NewInvitation:
    """An invitation with its code, which is known in this moment only."""

    invitation_id: int
    code: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Invitation:
    """An invitation as operators see it. `user_id` is that of who used it, unless deleted since."""

    invitation_id: int
    state: State
    note: str
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    used_at: datetime | None
    user_id: str | None


def hash_of(code: str) -> bytes:
    """Return what is kept of a code, in whatever case it is typed. Raises InvitationNotValid."""
    plain = code.strip().lower()
    if not _CODE.fullmatch(plain):
        raise InvitationNotValid
    return hashlib.sha256(plain.encode()).digest()


async def require(postgres: Postgres, code: str) -> bytes:
    """Return the hash of the code of an invitation that can be used now. Raises InvitationNotValid,
    LedgerUnavailable.

    It may be used by somebody else in the next moment: the statement that registers looks again.
    This spares the work on a password that will not be kept.
    """
    code_hash = hash_of(code)
    if not await postgres.read(SQL["find_invitation"], {"code_hash": code_hash}):
        raise InvitationNotValid
    return code_hash


async def add(postgres: Postgres, count: int, days: int, note: str) -> list[NewInvitation]:
    """Make so many invitations, which expire after so many days. Raises LedgerUnavailable."""
    codes = [_new_code() for _ in range(count)]
    by_hash = {hash_of(code): code for code in codes}
    parameters = {"code_hashes": list(by_hash), "days": days, "note": note}
    rows = await postgres.fetch(SQL["add_invitations"], parameters)
    made = [NewInvitation(row[0], by_hash[bytes(row[1])], row[2]) for row in rows]
    return sorted(made, key=lambda one: one.invitation_id)


async def listed(
    postgres: Postgres, state: State | None, after: int, limit: int | None
) -> list[Invitation]:
    """Read one page, in the order in which they were made. Raises LedgerUnavailable."""
    parameters = {"state": state, "after": after, "limit": min(limit or _PAGE, _PAGE)}
    rows = await postgres.read(SQL["list_invitations"], parameters)
    return [Invitation(*row) for row in rows]


async def revoke(postgres: Postgres, invitation_ids: list[int]) -> list[int]:
    """End those of these that can be used, and return their ids. Raises LedgerUnavailable."""
    parameters = {"invitation_ids": invitation_ids}
    rows = await postgres.fetch(SQL["revoke_invitations"], parameters)
    return sorted(invitation_id for (invitation_id,) in rows)


def _new_code() -> str:
    """Make a code of letters and digits that nobody has to spell: 0, 1, 8 and 9 are not in it."""
    return base64.b32encode(secrets.token_bytes(_CODE_BYTES)).decode().rstrip("=").lower()
