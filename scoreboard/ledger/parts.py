"""A batch on its way through PostgreSQL, part by part: as few transactions as possible, and nothing
in it that fails because of something else in it.
"""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import Final, Generic, TypeVar

import structlog

from scoreboard.connections.session import (
    ConnectionLost,
    Session,
    StatementRefused,
    TransactionAborted,
)
from scoreboard.errors import LedgerUnavailable
from scoreboard.ledger.queries import SQL
from scoreboard.ledger.transaction import RolledBack
from scoreboard.ledger.turn import turn
from scoreboard.model import Board

log = structlog.get_logger("scoreboard.ledger")

Item = TypeVar("Item")


class SeasonsOver(RolledBack, LedgerUnavailable):
    """The written seasons of a board are over, so nothing was granted or recorded."""


# After these a part may be committed at a second attempt: nothing of it stayed, or, where the whole
# of it is one statement, whoever commits it knows what is in doubt.
# guard: resets-batch-not
_REPEATED: Final = (ConnectionLost, TransactionAborted, SeasonsOver)


class InParts(abc.ABC, Generic[Item]):
    """Settles items over a session. Each item ends in exactly one of `_commit`, `_refuse` and
    `_fail`.
    """

    def __init__(self, session: Session) -> None:
        self.session = session

    async def settle_parts(self, items: list[Item]) -> None:
        """Settle these. A part that PostgreSQL refuses is halved until the item that it refuses
        stands alone. What it rolled back, and what a lost connection left without an answer, is
        tried once more; `_commit` grants or records nothing twice.

        When PostgreSQL is lost, what was committed stays so, and the rest hear of it at once
        instead of waiting out the same silence part by part.
        """
        parts: list[tuple[list[Item], LedgerUnavailable | None]] = [(items, None)]
        while parts:
            part, undone_by = parts.pop()
            try:
                if isinstance(undone_by, TransactionAborted):
                    log.warning("scoreboard.ledger.aborted", reason=str(undone_by), items=len(part))
                    part = await self._without_locked(part)
                if isinstance(undone_by, SeasonsOver):  # nobody was here to write the next ones
                    self._turned(await turn(self.session))
                if part:  # guard: action-nobody-knows
                    await self._commit(part)
            except StatementRefused as refusal:
                if len(part) == 1:  # guard: bad-row-fails
                    self._refuse(part, refusal)
                else:
                    half = len(part) // 2
                    parts += [(part[half:], None), (part[:half], None)]
            except LedgerUnavailable as error:
                if undone_by is None and isinstance(error, _REPEATED):
                    parts.append((part, error))
                    continue
                rest = [*part, *(item for waiting, _ in parts for item in waiting)]
                self._fail(rest, error)  # guard: half-batch
                return

    async def _without_locked(self, part: list[Item]) -> list[Item]:
        """Leave out those whose user somebody else holds: after a roll-back the others would wait
        for that one in vain again. Raises LedgerUnavailable.
        """
        users = {"user_ids": [self._user_of(item) for item in part]}
        locked = {user for (user,) in await self.session.run(SQL["locked_users"], users)}
        left_out = [item for item in part if self._user_of(item) in locked]
        self._fail(left_out, LedgerUnavailable())
        return [item for item in part if self._user_of(item) not in locked]

    @abc.abstractmethod
    async def _commit(self, part: list[Item]) -> None:
        """Settle a part in one transaction. Raises StatementRefused, LedgerUnavailable,
        SeasonsOver.
        """

    @abc.abstractmethod
    def _refuse(self, part: Sequence[Item], refusal: StatementRefused) -> None:
        """Say why PostgreSQL refuses the one item of this part."""

    @abc.abstractmethod
    def _fail(self, items: Sequence[Item], error: LedgerUnavailable) -> None:
        """Say that nothing of these was committed, or that nobody knows."""

    @abc.abstractmethod
    def _turned(self, boards: Sequence[Board]) -> None:
        """Keep the boards that a turn of seasons has changed."""

    @staticmethod
    @abc.abstractmethod
    def _user_of(item: Item) -> str:
        """The user whom an item is about."""
