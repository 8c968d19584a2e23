"""An order to change what is in the ledger's care, and the row of the audit that is written of it,
in the same transaction: there is neither without the other.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal

import orjson

from scoreboard.ledger.queries import SQL
from scoreboard.ledger.transaction import RolledBack, Transaction
from scoreboard.model import Board, BoardId
from scoreboard.timestamps import timestamp

REASON_CHARS_MAX: Final = 500
# What one correction adds or takes at most: numbers in JavaScript are exact up to there.
POINTS_MAX: Final = 2**53 - 1

Act = Literal[
    "hide",
    "show",
    "ban",
    "unban",
    "rename",
    "correct",
    "revoke_grant",
    "revoke_result",
    "erase",
]


@dataclass(frozen=True, slots=True)
class Order:
    """Who asks, and why. `made_by` is "operator:<login name>", the id of a server key, or "user"
    for one's own deletion; `reason` has 1 to 500 characters. Of a signed request there is the
    `request_id`, which counts once for each `made_by`.
    """

    made_by: str
    reason: str
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """What was done, by its row of the audit, and the boards that show something else since: they
    are to be announced. `is_repeated`: it was done before, by the same request, and there are none.
    """

    audit_id: int
    act: str
    user_id: str
    at: datetime
    boards: tuple[Board, ...] = ()
    is_repeated: bool = False

    def as_json(self) -> dict[str, Any]:
        """What was done, as clients and operators see it."""
        return {
            "auditId": self.audit_id,
            "act": self.act,
            "userId": self.user_id,
            "at": timestamp(self.at),
            "isRepeated": self.is_repeated,
        }


@dataclass(frozen=True, slots=True)
class About:
    """What a row of the audit says beside who and why. No personal data is in `details`."""

    act: Act
    user_id: str
    board_id: BoardId | None = None
    season: int | None = None
    details: dict[str, Any] = field(default_factory=dict)


class Repeated(RolledBack):
    """The same request was answered while this one was on its way: nothing is done again."""


async def audited(begun: Transaction, about: About, order: Order) -> Done:
    """Write down what is done. From here until COMMIT others who write down something wait. Raises
    Repeated, LedgerUnavailable.
    """
    row = {
        "made_by": order.made_by,
        "act": about.act,
        "user_id": about.user_id,
        "board_id": about.board_id,
        "season": about.season,
        "details": orjson.dumps(about.details).decode(),
        "reason": order.reason,
        "request_id": order.request_id,
    }
    rows = await begun.run(SQL["write_audit"], row)
    if not rows:
        raise Repeated
    [(audit_id, at)] = rows
    return Done(audit_id, about.act, about.user_id, at)
