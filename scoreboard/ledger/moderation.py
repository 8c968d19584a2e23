"""What operators do to users, scores and receipts, each with a reason and a row of the audit.

Whoever asks twice with one `request_id` is answered what was done, and nothing is done again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from scoreboard.connections.postgres import Postgres
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


class Moderation:
    """Each of these writes its row of the audit in the transaction of what it does, and raises
    UnknownUser where there is no such user, and LedgerUnavailable.
    """

    def __init__(self, writers: Postgres) -> None:
        self._writers = writers

    async def hide(self, user_id: str, order: Order) -> Done:
        """Show the user nowhere; what they do counts all the same."""
        raise NotImplementedError

    async def show(self, user_id: str, order: Order) -> Done:
        """Show a user again who was hidden."""
        raise NotImplementedError

    async def ban(self, user_id: str, order: Order) -> Done:
        """Show the user nowhere, and refuse what they send, until they are unbanned."""
        raise NotImplementedError

    async def unban(self, user_id: str, order: Order) -> Done:
        """Take a ban back. Who was hidden as well stays hidden."""
        raise NotImplementedError

    async def rename(self, user_id: str, username: str, username_key: str, order: Order) -> Done:
        """Give the user another name. Raises StatementRefused when somebody has it."""
        raise NotImplementedError

    async def correct(
        self,
        user_id: str,
        board_id: BoardId,
        points: int,
        order: Order,
        season: int | None = None,
    ) -> Done:
        """Add points to the user's score in a season of a board, or take some (negative); without a
        number, the season that the board shows. Raises UnknownBoard, UnknownSeason;
        ScoreOutOfRange where the score would leave its range.
        """
        raise NotImplementedError

    async def revoke_grant(self, user_id: str, action_id: str, order: Order) -> Done:
        """Take a grant back, wherever it counts. The action stays granted: it is not granted again.
        Raises UnknownAction, NotGranted, AlreadyRevoked.
        """
        raise NotImplementedError

    async def revoke_result(self, source: str, receipt: str, order: Order) -> Done:
        """Take a result back. The receipt stays used. Raises UnknownReceipt, AlreadyRevoked."""
        raise NotImplementedError

    async def erase(self, user_id: str, order: Order) -> Done:
        """Delete the user with all that is personal. Ledger, results and corrections stay, under a
        neutral name, and so do lines of final boards; lines of boards that run vanish.
        """
        raise NotImplementedError
