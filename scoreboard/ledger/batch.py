"""A batch of submissions on its way through PostgreSQL, over one session.

One transaction of two or three round trips, if all goes well:

    BEGIN; grant             the ledger rows, scores and entries; who reaches a board?
    lock; raise the version  only when somebody does
    COMMIT
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
import structlog

from scoreboard import errors
from scoreboard.connections.postgres import Postgres
from scoreboard.connections.refusals import PostgresRefused
from scoreboard.connections.session import (
    ConstraintRefused,
    Row,
    Session,
    StatementRefused,
)
from scoreboard.ledger.parts import InParts, SeasonsOver
from scoreboard.ledger.queries import SQL
from scoreboard.ledger.recount import count_corrected
from scoreboard.ledger.transaction import Transaction, transaction
from scoreboard.ledger.verdicts import (
    Key,
    Settlement,
    Verdict,
    under_former_ids,
    verdict_of,
)
from scoreboard.model import MAIN, Board, BoardId

log = structlog.get_logger("scoreboard.ledger")

_GRANT: Final = (SQL["prepare_grant"],)
_GRANT_MAIN: Final = (SQL["prepare_grant_main"],)
# Columns of their rows.
_IS_SERVERS: Final = 5
_IS_CORRECTED: Final = 11
_IS_REFUSED: Final = -2
_OUT_OF_RANGE: Final = "22003"
_FOREIGN_KEY: Final = "23503"
_ACTION_KEY: Final = "ledger_action_id_fkey"
_LOOKS_MAX: Final = 5  # for an action that is renamed meanwhile, again and again


@dataclass
class Company:
    """Whether a batch has ever found a board beside `main`: with that guess the next one begins."""

    is_there: bool = False


class Batch(InParts[Key]):
    """Settles submissions over `session`, which `writers` have lent. Those that are `by_server` may
    claim every action.
    """

    def __init__(
        self,
        session: Session,
        writers: Postgres,
        company: Company,
        by_server: frozenset[Key] = frozenset(),
    ) -> None:
        super().__init__(session)
        self._settled = Settlement({})
        self._writers = writers
        self._company = company
        self._by_server = by_server

    async def settle(self, keys: list[Key]) -> Settlement:
        """Grant these, in parts if need be."""
        self._settled = Settlement({})
        await self.settle_parts(keys)
        return self._settled

    async def settle_renamed(self, found: Mapping[Key, Verdict]) -> Settlement:
        """Grant what was submitted under a former id of an action, as that action: also what was
        unknown because it is being renamed. It may be renamed on, or back, between our look and the
        grant, so it is looked for again.
        """
        settled, unknown = Settlement({}), _unknown(found)
        for _ in range(_LOOKS_MAX):
            if not unknown:
                return settled
            try:
                rows = await self.session.run(SQL["owners_of_ids"], _pairs(unknown))
            except errors.LedgerUnavailable as error:
                return settled | Settlement(dict.fromkeys(unknown, error))
            present: dict[str, str] = dict(rows)
            # guard: granted-under-former
            owned = {key: (key[0], present[key[1]]) for key in unknown if key[1] in present}
            self._by_server |= {key for former, key in owned.items() if former in self._by_server}
            again = await self.settle(list(dict.fromkeys(owned.values())))
            verdicts = under_former_ids(owned, again.verdicts)
            of_servers = {former for former, key in owned.items() if key in again.of_servers}
            settled |= dataclasses.replace(
                again, verdicts=verdicts, of_servers=frozenset(of_servers)
            )
            unknown = _unknown(verdicts)
        # There is such an action, but it is renamed faster than granted.
        # guard: action-renamed-meanwhile
        return settled | Settlement(dict.fromkeys(unknown, errors.LedgerUnavailable()))

    async def _commit(self, part: list[Key]) -> None:
        """Grant in one transaction. Raises StatementRefused, LedgerUnavailable, SeasonsOver."""
        async with transaction(self.session) as begun:
            by_server = [key in self._by_server for key in part]
            rows = await self._grant(begun, _pairs(part) | {"by_server": by_server})
            # guard: nothing-granted-board
            if not rows:  # one for each submission, unless the board that they join is gone
                raise self._writers.lacks("boards")
            *_, main_version, versions, is_refused, is_due = rows[0]
            if is_refused:
                raise SeasonsOver
            seen = {MAIN: main_version} | orjson.loads(versions or "{}")
            boards: dict[BoardId, Board] = {}
            corrected = {row[0] for row in rows if row[_IS_CORRECTED]}
            counted = await count_corrected(begun, corrected)  # guard: grant-counts-corrections
            reaching = _reaching(rows).union(
                (board_id, user_id) for board_id, user_id, _ in counted
            )
            if reaching:
                boards, now = await begun.raise_boards(sorted(reaching))
                seen |= now  # guard: grant-ties-tenth
            verdicts = {
                (row[0], row[1]): verdict_of(row, by_server=row[:2] in self._by_server)
                for row in rows
            }
            of_servers = frozenset((row[0], row[1]) for row in rows if row[_IS_SERVERS])
        # A disabled action may have been granted before as well: who submits it has to hear of it.
        # guard: grant-action-disabled
        repeated = [
            key
            for key, verdict in verdicts.items()
            if verdict is None or isinstance(verdict, errors.ActionDisabled)
        ]
        fresh = {key: verdict for key, verdict in verdicts.items() if verdict is not None}
        answered = fresh | await self._originals(repeated, fresh)
        self._settled |= Settlement(answered, boards, seen, is_due, of_servers)

    async def _grant(self, begun: Transaction, pairs: Mapping[str, Any]) -> list[Row]:
        """Run the statement for `main` alone as long as no other board was seen here, else the one
        for all boards, which is right in any case.
        """
        if not self._company.is_there:
            rows = await begun.run(SQL["grant_main"], pairs, prepared=_GRANT_MAIN)
            if not rows or not rows[0][_IS_REFUSED]:
                return rows
            self._company.is_there = True
        return await begun.run(SQL["grant"], pairs, prepared=_GRANT)

    async def _originals(
        self, refused: list[Key], otherwise: Mapping[Key, Verdict]
    ) -> dict[Key, Verdict]:
        """Answer the submissions that were granted before, and what they are `otherwise`: by a new
        statement, which sees what the grant waited for, and after COMMIT, so that its failure is
        not the batch's.
        """
        if not refused:
            return {}
        try:
            rows = await self.session.run(SQL["original_grants"], _pairs(refused))
        except errors.LedgerUnavailable as error:
            return dict.fromkeys(refused, error)
        except Exception:  # guard: refusal-behind-commit
            log.exception("scoreboard.ledger.originals_unread", submissions=len(refused))
            return dict.fromkeys(refused, errors.LedgerUnavailable())
        # Not found: disabled; or renamed since, or its user deleted, which `settle_renamed` tells.
        verdicts = {key: otherwise.get(key, errors.UnknownAction()) for key in refused}
        for user_id, action_id, points, granted_at in rows:
            verdicts[user_id, action_id] = errors.AlreadyGranted(action_id, points, granted_at)
        return verdicts

    def _refuse(self, part: Sequence[Key], refusal: StatementRefused) -> None:
        self._settled |= Settlement({key: self._refused(refusal) for key in part})

    def _fail(self, items: Sequence[Key], error: errors.LedgerUnavailable) -> None:
        self._settled |= Settlement(dict.fromkeys(items, error))

    def _turned(self, boards: Sequence[Board]) -> None:
        self._settled |= Settlement({}, {board.board_id: board for board in boards})

    @staticmethod
    def _user_of(item: Key) -> str:
        return item[0]

    def _refused(self, refusal: StatementRefused) -> errors.ScoreboardError:
        """Say what a submission is refused for that stands alone."""
        if isinstance(refusal, ConstraintRefused):
            return refusal
        if refusal.sqlstate == _OUT_OF_RANGE:
            return errors.ScoreOutOfRange()
        if refusal.sqlstate == _FOREIGN_KEY:  # deleted between our look and the constraint's
            is_action = refusal.constraint == _ACTION_KEY
            return errors.UnknownAction() if is_action else errors.UnknownUser()
        what = f"constraint {refusal.constraint}" if refusal.constraint else "refused"
        # guard: submission-nobody-foresee
        return self._writers.refused(PostgresRefused(refusal.sqlstate, what))


def _reaching(rows: list[Row]) -> set[tuple[BoardId, str]]:
    """The boards that a grant may change, each with the user who may be on it now."""
    reaching: set[tuple[BoardId, str]] = set()
    for user_id, *_, reaches_main, board_ids, _version, _versions, _is_refused, _is_due in rows:
        if reaches_main:
            reaching.add((MAIN, user_id))
        if board_ids is not None:
            reaching.update((board_id, user_id) for board_id in board_ids)
    return reaching


def _pairs(keys: Collection[Key]) -> dict[str, list[str]]:
    return {"user_ids": [user for user, _ in keys], "action_ids": [action for _, action in keys]}


def _unknown(verdicts: Mapping[Key, Verdict]) -> list[Key]:
    return [key for key, verdict in verdicts.items() if isinstance(verdict, errors.UnknownAction)]
