"""Results: what servers say that somebody reached, each under a receipt that is recorded once.

One transaction of two or more round trips, and never one with grants in it:

    BEGIN; record            the receipts, scores and entries; who reaches a board?
    write finals anew        only for what comes late, in a season that has ended
    lock; raise the version  only when somebody reaches a board
    COMMIT

What was recorded before is read after that, by a statement that sees what was waited for.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

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
from scoreboard.ledger import finals
from scoreboard.ledger.parts import InParts, SeasonsOver
from scoreboard.ledger.queries import SQL
from scoreboard.ledger.receipts import Recorded, Result
from scoreboard.ledger.recount import count_corrected
from scoreboard.ledger.transaction import Transaction, transaction
from scoreboard.ledger.verdicts import Settlement
from scoreboard.model import Board, BoardId

log = structlog.get_logger("scoreboard.ledger")

Verdict = Recorded | errors.ScoreboardError

_RECORD: Final = (SQL["prepare_hold_players"], SQL["prepare_record_results"])
_OUT_OF_RANGE: Final = "22003"
_FOREIGN_KEY: Final = "23503"
# JSON's numbers are exact up to here.
_SCORE_MAX: Final = 2**53 - 1
_REFUSALS: Final[Mapping[str, Callable[[], errors.ScoreboardError]]] = {
    "unknown_user": lambda: errors.UnknownUser(errors.NO_PLAYER),
    "banned": errors.Banned,
    "unknown_board": errors.UnknownBoard,
    "board_closed": errors.BoardClosed,
    "played_in_future": errors.PlayedInFuture,
    "no_season": errors.NoSeason,
    "season_closed": errors.SeasonClosed,
}

# A result, and its place in the batch.
_Placed = tuple[int, Result]


@dataclass(frozen=True, slots=True)
class _Line:
    """A row of `record_results`: what became of one result."""

    place: int
    refusal: str | None
    is_recorded: bool
    user_id: str
    board_id: BoardId
    season_id: int
    number: int
    value: int
    played_at: Any
    moment: Any
    value_min: int
    value_max: int
    version: int
    is_late: bool
    is_corrected: bool
    score: int | None
    is_reaching: bool
    is_due: bool
    is_unwritten: bool


class Results:
    """Records results and reads what was recorded. Everything here raises LedgerUnavailable."""

    def __init__(self, writers: Postgres, queries: Postgres) -> None:
        self._writers = writers
        self._queries = queries

    async def record(self, results: Sequence[Result]) -> tuple[list[Verdict], Settlement]:
        """Record what can be recorded, in as few transactions as possible. Answers a verdict for
        each, in order, and what changed by it. When this raises, no session could be had, and
        nothing was recorded.
        """
        async with self._writers.session() as session:
            batch = _Batch(session, self._writers)
            await batch.settle_parts(list(enumerate(results)))
        lacking = errors.LedgerUnavailable()
        return [batch.verdicts.get(at, lacking) for at in range(len(results))], batch.changes

    async def find(self, source: str, receipt: str) -> Recorded:
        """Read what was recorded under a receipt. Raises UnknownReceipt."""
        asked = {"sources": [source], "receipts": [receipt]}
        rows = await self._queries.read(SQL["read_results"], asked)
        if not rows:
            raise errors.UnknownReceipt
        return _recorded(rows[0])


class _Batch(InParts[_Placed]):
    """Results on their way through PostgreSQL, over `session`. `changes` has no verdicts."""

    def __init__(self, session: Session, writers: Postgres) -> None:
        super().__init__(session)
        self._writers = writers
        self.verdicts: dict[int, Verdict] = {}
        self.changes = Settlement({})

    async def _commit(self, part: list[_Placed]) -> None:
        """Record in one transaction. Raises StatementRefused, LedgerUnavailable, SeasonsOver."""
        async with transaction(self.session) as begun:
            rows = await begun.run(SQL["record_results"], _parameters(part), prepared=_RECORD)
            lines = [_Line(*row) for row in rows]
            if any(line.is_unwritten for line in lines):
                raise SeasonsOver
            corrected = {line.user_id for line in lines if line.is_recorded and line.is_corrected}
            counted = await count_corrected(begun, corrected)  # guard: result-counts-corrections
            # What was corrected is not what the statement says of it.
            scores = [line.score for line in lines if not line.is_corrected]
            scores += [score for _, _, score in counted]
            if any(score and abs(score) > _SCORE_MAX for score in scores):
                raise StatementRefused(_OUT_OF_RANGE, None)
            reaching = {(board_id, user_id) for board_id, user_id, _ in counted}
            boards, seen = await _followed(begun, lines, reaching)
        is_due = any(line.is_due for line in lines if line.is_recorded)
        self.changes |= Settlement({}, boards, seen, is_due)
        repeated: list[_Placed] = []
        for line in lines:
            place, result = part[line.place]
            if line.is_recorded:
                self.verdicts[place] = _fresh(result, line)
            elif line.refusal == "value_out_of_range":
                self.verdicts[place] = errors.ValueOutOfRange(line.value_min, line.value_max)
            elif line.refusal is not None and line.refusal in _REFUSALS:
                self.verdicts[place] = _REFUSALS[line.refusal]()
            else:
                repeated.append((place, result))
        await self._answer_repeated(repeated)

    async def _answer_repeated(self, repeated: list[_Placed]) -> None:
        """Answer what was recorded before: after COMMIT, so that its failure is not the batch's."""
        if not repeated:
            return
        asked = {
            "sources": [result.source for _, result in repeated],
            "receipts": [result.receipt for _, result in repeated],
        }
        try:
            rows = await self.session.run(SQL["read_results"], asked)
        except errors.LedgerUnavailable as error:
            self.verdicts |= {place: error for place, _ in repeated}
            return
        except Exception:
            log.exception("scoreboard.ledger.receipts_unread", results=len(repeated))
            self.verdicts |= {place: errors.LedgerUnavailable() for place, _ in repeated}
            return
        originals = {(row[0], row[1]): _recorded(row) for row in rows}
        # Who is told of what counts finds it on the board, whoever recorded it.
        # guard: repeated-result-shown
        self.changes |= Settlement({}, seen={row[3]: row[-1] for row in rows})
        for place, result in repeated:
            original = originals.get((result.source, result.receipt))
            if original is None:  # deleted since, with its user
                self.verdicts[place] = errors.LedgerUnavailable()
            elif original.is_of(result):
                self.verdicts[place] = original
            else:
                self.verdicts[place] = errors.ReceiptUsed(original)  # guard: receipt-used

    def _refuse(self, part: Sequence[_Placed], refusal: StatementRefused) -> None:
        self.verdicts |= {place: self._refused(refusal) for place, _ in part}

    def _fail(self, items: Sequence[_Placed], error: errors.LedgerUnavailable) -> None:
        self.verdicts |= {place: error for place, _ in items}

    def _turned(self, boards: Sequence[Board]) -> None:
        self.changes |= Settlement({}, {board.board_id: board for board in boards})

    @staticmethod
    def _user_of(item: _Placed) -> str:
        return item[1].user_id

    def _refused(self, refusal: StatementRefused) -> errors.ScoreboardError:
        """Say what a result is refused for that stands alone."""
        if isinstance(refusal, ConstraintRefused):
            return refusal
        if refusal.sqlstate == _OUT_OF_RANGE:
            return errors.ScoreOutOfRange(
                "This value would raise the score past the largest one that can be kept."
            )
        if refusal.sqlstate == _FOREIGN_KEY:  # deleted meanwhile
            return errors.UnknownUser(errors.NO_PLAYER)
        what = f"constraint {refusal.constraint}" if refusal.constraint else "refused"
        return self._writers.refused(PostgresRefused(refusal.sqlstate, what))


async def _followed(
    begun: Transaction, lines: Sequence[_Line], reaching: Collection[tuple[BoardId, str]]
) -> tuple[dict[BoardId, Board], dict[BoardId, int]]:
    """Write final boards anew and raise boards, those too that these users may be `reaching`.
    Answers the boards that changed, and the versions that there are now.
    """
    recorded = [line for line in lines if line.is_recorded]
    boards: dict[BoardId, Board] = {}
    seen = {line.board_id: line.version for line in recorded}
    own = {(line.board_id, line.user_id) for line in recorded if line.is_reaching}
    reaching = sorted(own.union(reaching))
    showing: set[BoardId] = set()
    late = {(line.season_id, line.board_id, line.number) for line in recorded if line.is_late}
    for _, board_id, number in sorted(late):
        showing.update(await finals.renew_season(begun, board_id, number))  # guard: late-result
    if showing:
        raised = await finals.raise_boards(begun, showing, reaching)
        boards = {board.board_id: board for board in raised}
        seen |= {board.board_id: board.version for board in raised}
    elif reaching:
        boards, now = await begun.raise_boards(reaching)
        seen |= now
    return boards, seen


def _parameters(part: Sequence[_Placed]) -> dict[str, Any]:
    results = [result for _, result in part]
    return {
        "sources": [result.source for result in results],
        "receipts": [result.receipt for result in results],
        "user_ids": [result.user_id for result in results],
        "board_ids": [result.board_id for result in results],
        "values": [result.value for result in results],
        "played": [result.played_at for result in results],
    }


def _fresh(result: Result, line: _Line) -> Recorded:
    return Recorded(
        receipt=result.receipt,
        user_id=result.user_id,
        board_id=line.board_id,
        season=line.number,
        value=line.value,
        played_at=line.played_at,
        recorded_at=line.moment,
    )


def _recorded(row: Row) -> Recorded:
    """Read a row of `read_results`."""
    _, *columns, _ = row
    receipt, user_id, board_id, season, value, played_at, recorded_at, revoked_at = columns
    return Recorded(
        receipt=receipt,
        user_id=user_id,
        board_id=board_id,
        season=season,
        value=value,
        played_at=played_at,
        recorded_at=recorded_at,
        revoked_at=revoked_at,
        is_repeated=True,
    )
