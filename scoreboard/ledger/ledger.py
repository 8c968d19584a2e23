"""The ledger: the truth, and the only place that says BEGIN.

`grant` commits a batch of submissions in one transaction of two or three round trips:

    BEGIN; grant             the ledger rows and the scores; who reaches the board?
    lock; raise the version  only when somebody does
    COMMIT
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any, Final

import structlog

from scoreboard.connections import statements
from scoreboard.connections.postgres import Postgres
from scoreboard.connections.refusals import PostgresRefused
from scoreboard.connections.session import (
    ConnectionLost,
    ConstraintRefused,
    Row,
    Session,
    StatementRefused,
    TransactionAborted,
)
from scoreboard.errors import (
    AlreadyGranted,
    LedgerUnavailable,
    ScoreboardError,
    ScoreOutOfRange,
    UnknownAction,
    UnknownUser,
)
from scoreboard.ledger.verdicts import (
    Key,
    Settlement,
    Verdict,
    may_be_granted_before,
    under_former_ids,
    verdict_of,
)
from scoreboard.model import LEAP_MAX, MAIN, Board, Entry, Submission

log = structlog.get_logger("scoreboard.ledger")

SQL: Final = statements.load("scoreboard.ledger")

_OUT_OF_RANGE: Final = "22003"
_FOREIGN_KEY: Final = "23503"
_ACTION_KEY: Final = "ledger_action_id_fkey"
_LOOKS_MAX: Final = 5  # for an action that is renamed meanwhile, again and again


class Ledger:
    """Grants, and reads the truth. `writers` are connections of its own, so that no query delays a
    grant.
    """

    def __init__(self, writers: Postgres, queries: Postgres) -> None:
        self._writers = writers
        self._queries = queries

    async def grant(self, submissions: Sequence[Submission]) -> Settlement:
        """Grant what can be granted, in as few transactions as possible, and say what became of
        each.

        A submission that stands twice in the batch has one verdict; `submit` tells the second
        apart. Raises LedgerUnavailable when PostgreSQL does not answer: the outcome of the whole
        batch is then unknown, and submitting again is safe.
        """
        async with self._writers.session() as session:
            settled = await self._settle(session, list(dict.fromkeys(s.key for s in submissions)))
            return settled | await self._grant_renamed(session, settled.verdicts)

    async def version(self) -> int:
        """Read the board's version. Raises LedgerUnavailable."""
        [(version,)] = self._kept(await self._queries.read(SQL["read_version"]))
        return int(version)

    async def board(self) -> Board:
        """Read the board as of now, version and entries from one snapshot. Raises
        LedgerUnavailable.
        """
        return _board(self._kept(await self._queries.read(SQL["read_board"])))

    async def lift(self, above: int) -> Board:
        """Raise the board's version above one that was shown, unless it is above it already, and
        return the board. Raises LedgerUnavailable.

        For a ledger that went back: it was restored from a backup, or a promotion lost commits.
        Then what it commits next would bear versions that were used, and everybody who holds one of
        those would take it for old.
        """
        await self._queries.fetch(SQL["lift_board"], {"above": above})
        return await self.board()

    async def rebuild(self, above: int = 0, *, renumber: bool = False) -> tuple[int, Board]:
        """Set every score to the sum of its ledger rows, and renew the board.

        Returns how many scores were wrong, and the board under a version higher than its own and
        than `above` (the highest one that a copy is known to hold: after a restore from a backup
        the copies may be ahead of the truth). With `renumber` a version that leapt comes down
        first to what play could have reached. Raises LedgerUnavailable.
        """
        async with self._alone() as session:
            [(corrected,)] = await session.run(SQL["correct_scores"])
            if renumber:
                await session.run(SQL["renumber_board"], {"leap": LEAP_MAX})
            await session.run(SQL["renew_board"], {"above": above})
            return corrected, _board(self._kept(await session.run(SQL["read_board"])))

    async def rename_user(
        self, user_id: str, username: str, username_key: str
    ) -> tuple[bool, Board | None]:
        """Give a user another name. Returns whether there is such a user, and the board under its
        next version if they are on it, because every copy of the board holds names.

        Raises StatementRefused when somebody has the name, LedgerUnavailable.
        """
        change = {"user_id": user_id, "username": username, "username_key": username_key}
        async with self._writers.session() as session, _transaction(session) as begin:
            rows = await session.run(f"{begin}; {SQL['rename_user']}", change)
            board = await _raise_board(session, [user_id]) if rows else []
            return bool(rows), _board_if_raised(board)

    async def remove_user(self, user_id: str) -> Board | None:
        """Delete a user with score and ledger rows, and renew the board; None if there was no such
        user.
        """
        return (await self._remove("delete_user", {"user_id": user_id}))[1]

    async def remove_users(self, user_ids: Sequence[str]) -> tuple[int, Board | None]:
        """The same for several at once; says as well how many there were."""
        return await self._remove("delete_users", {"user_ids": list(user_ids)})

    async def _remove(self, name: str, whom: Mapping[str, Any]) -> tuple[int, Board | None]:
        async with self._alone() as session:
            removed = await session.run(SQL[name], whom)
            if not removed:
                return 0, None
            await session.run(SQL["renew_board"], {"above": 0})
            return len(removed), _board(self._kept(await session.run(SQL["read_board"])))

    async def rename_action(self, action_id: str, new_id: str) -> int | None:
        """Give an action another id, with its ledger rows, and keep the id that it had as a former
        one; says how many rows there were, and None if there was no such action.

        Grants of this action wait meanwhile, and so does what shares a batch with one. Raises
        StatementRefused when another action has the new id, LedgerUnavailable.
        """
        ids = {"action_id": action_id, "new_id": new_id}
        async with self._writers.session() as session, _transaction(session) as begin:
            if not await session.run(f"{begin}; {SQL['hold_action']}", ids):
                return None
            [(moved,)] = await session.run(SQL["give_action_id"], ids)
            await session.run(SQL["leave_action_id"], ids)
            return int(moved)

    async def differences(self) -> list[str]:
        """Compare scores and the kept tenth score with the ledger; a sentence for each
        difference.
        """
        rows = await self._queries.read(SQL["compare_scores"])
        found = [f"user {row[1]}: score {row[2]}, ledger {row[3]}" for row in rows]
        if rows and rows[0][0] > len(rows):
            found.append(
                f"and {rows[0][0] - len(rows)} more users whose score is not the sum of the ledger"
            )
        [(kept, actual)] = self._kept(await self._queries.read(SQL["compare_tenth"]))
        if kept != actual:
            found.append(f"tenth score: kept {kept}, ranking {actual}")
        return found

    @contextlib.asynccontextmanager
    async def _alone(self) -> AsyncIterator[Session]:
        """A transaction in which no grant is under way: scores may fall in it."""
        async with self._writers.session() as session, _transaction(session) as begin:
            await session.run(f"{begin}; {SQL['lock_scores']}")
            yield session

    async def _settle(self, session: Session, keys: list[Key]) -> Settlement:
        """Grant these; when PostgreSQL refuses one that nobody could foresee, halve the batch until
        that one stands alone.

        When PostgreSQL is lost on the way, what was granted stays granted, and the rest hear of it
        at once instead of waiting out the same silence part by part.
        """
        settled = Settlement({})
        parts = [keys]
        while parts:
            part = parts.pop()
            try:
                settled |= await self._grant_again_if_undone(session, part)
            except StatementRefused as refusal:
                if len(part) == 1:
                    settled |= Settlement({part[0]: self._refused(refusal)})
                else:
                    half = len(part) // 2
                    parts += [part[half:], part[:half]]
            except LedgerUnavailable as error:
                rest = [key for lost in (part, *parts) for key in lost]
                return settled | Settlement(dict.fromkeys(rest, error))
        return settled

    async def _grant_renamed(self, session: Session, found: Mapping[Key, Verdict]) -> Settlement:
        """Grant what was submitted under a former id of an action, as that action.

        Whoever submits while an action is renamed may be refused as unknown as well: the ledger row
        that was there is under the new id. The action may be renamed on, or back, between our look
        and the grant, so it is looked for again.
        """
        settled, unknown = Settlement({}), _unknown(found)
        for _ in range(_LOOKS_MAX):
            if not unknown:
                return settled
            try:
                rows = await session.run(SQL["owners_of_ids"], _pairs(unknown))
            except LedgerUnavailable as error:
                return settled | Settlement(dict.fromkeys(unknown, error))
            present: dict[str, str] = dict(rows)
            owned = {key: (key[0], present[key[1]]) for key in unknown if key[1] in present}
            again = await self._settle(session, list(dict.fromkeys(owned.values())))
            verdicts = under_former_ids(owned, again.verdicts)
            settled |= Settlement(verdicts, again.board, again.seen)
            unknown = _unknown(verdicts)
        # There is such an action, but it is renamed faster than granted.
        return settled | Settlement(dict.fromkeys(unknown, LedgerUnavailable()))

    def _refused(self, refusal: StatementRefused) -> ScoreboardError:
        """What a submission is refused for that stands alone."""
        if isinstance(refusal, ConstraintRefused):
            return refusal
        if refusal.sqlstate == _OUT_OF_RANGE:
            return ScoreOutOfRange()
        if refusal.sqlstate == _FOREIGN_KEY:  # deleted between our look and the constraint's
            return UnknownAction() if refusal.constraint == _ACTION_KEY else UnknownUser()
        what = f"constraint {refusal.constraint}" if refusal.constraint else "refused"
        return self._writers.refused(PostgresRefused(refusal.sqlstate, what))

    async def _grant_again_if_undone(self, session: Session, keys: list[Key]) -> Settlement:
        """Grant these; when PostgreSQL rolled them back, or the connection ended before COMMIT was
        sent, once more, which is safe. After a roll-back without those whose user somebody else
        holds: the others would wait for that one in vain again.
        """
        try:
            return await self._grant_once(session, keys)
        except ConnectionLost:
            return await self._grant_once(session, keys)
        except TransactionAborted as aborted:
            log.warning("scoreboard.ledger.aborted", reason=str(aborted), submissions=len(keys))
        rows = await session.run(SQL["locked_users"], {"user_ids": [user for user, _ in keys]})
        locked = {user for (user,) in rows}
        left_out = [key for key in keys if key[0] in locked]
        settled = Settlement(dict.fromkeys(left_out, LedgerUnavailable()))
        if free := [key for key in keys if key[0] not in locked]:
            settled |= await self._grant_once(session, free)
        return settled

    async def _grant_once(self, session: Session, keys: list[Key]) -> Settlement:
        raised: list[Row] = []
        async with _transaction(session) as begin:
            rows = await session.run(
                f"{begin}; {SQL['grant']}", _pairs(keys), prepared=SQL["prepare_grant"]
            )
            if not rows:  # one for each submission, unless the board that they join is gone
                raise self._writers.lacks("board")
            if reaching := sorted({user for user, *_, reaches_board in rows if reaches_board}):
                raised = await _raise_board(session, reaching)
            verdicts = {(row[0], row[1]): verdict_of(row) for row in rows}
        repeated = [key for key, verdict in verdicts.items() if may_be_granted_before(verdict)]
        fresh = {key: verdict for key, verdict in verdicts.items() if verdict is not None}
        return Settlement(
            fresh | await self._originals(session, repeated, fresh),
            _board_if_raised(raised),
            seen=raised[0][0] if raised else rows[0][-2],
        )

    def _kept(self, rows: list[Row]) -> list[Row]:
        """Rows that are read of the board, which always has one. Raises PostgresRefused."""
        if not rows:
            raise self._queries.lacks("board")
        return rows

    async def _originals(
        self, session: Session, refused: list[Key], otherwise: Mapping[Key, Verdict]
    ) -> dict[Key, Verdict]:
        """Answer the submissions that were granted before, and what they are `otherwise`. A new
        statement, because it must see what the grant waited for; after COMMIT, so its failure is
        not the batch's, whatever it is.
        """
        if not refused:
            return {}
        try:
            rows = await session.run(SQL["original_grants"], _pairs(refused))
        except LedgerUnavailable as error:
            return dict.fromkeys(refused, error)
        except Exception:
            log.exception("scoreboard.ledger.originals_unread", submissions=len(refused))
            return dict.fromkeys(refused, LedgerUnavailable())
        # What is not found is an action that is disabled, or one that was renamed since, or it
        # belonged to a user who was deleted: a second look tells (`_grant_renamed`).
        verdicts = {key: otherwise.get(key, UnknownAction()) for key in refused}
        for user_id, action_id, points, granted_at in rows:
            verdicts[user_id, action_id] = AlreadyGranted(action_id, points, granted_at)
        return verdicts


@contextlib.asynccontextmanager
async def _transaction(session: Session) -> AsyncIterator[str]:
    """Commit at the end, roll back on an error. Yields the BEGIN, to go with the first statement:
    one round trip less.
    """
    if not session.is_open:  # it was lost, and this is the second attempt
        await session.connect()
    with session.pinned():
        try:
            yield "BEGIN"
        except (StatementRefused, TransactionAborted, PostgresRefused):
            await session.roll_back()
            raise  # any other error leaves the transaction open, and the session is closed for it
        await session.commit()


def _pairs(keys: Iterable[Key]) -> dict[str, list[str]]:
    keys = list(keys)
    return {"user_ids": [user for user, _ in keys], "action_ids": [action for _, action in keys]}


def _unknown(verdicts: Mapping[Key, Verdict]) -> list[Key]:
    return [key for key, verdict in verdicts.items() if isinstance(verdict, UnknownAction)]


async def _raise_board(session: Session, user_ids: Sequence[str]) -> list[Row]:
    """The board, raised if one of these users is on it; no row while nobody has a score."""
    return await session.run(SQL["raise_board"], {"user_ids": user_ids})


def _board_if_raised(rows: list[Row]) -> Board | None:
    return _board(rows) if rows and rows[0][-1] else None


def _board(rows: list[Row]) -> Board:
    version, changed_at = rows[0][:2]
    entries = tuple(Entry(row[2], row[3], row[4]) for row in rows if row[2] is not None)
    return Board(MAIN, version, changed_at, entries)
