"""A batch of submissions on its way through PostgreSQL, over one session.

One round trip, if all goes well: a function grants, raises the boards that somebody reaches, and
the statement that calls it is the transaction (`grant.sql`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple, TypeVar

import orjson
import structlog

from scoreboard import errors
from scoreboard.connections.postgres import Postgres
from scoreboard.connections.refusals import PostgresRefused
from scoreboard.connections.session import (
    ConnectionLost,
    ConstraintRefused,
    Session,
    StatementRefused,
)
from scoreboard.connections.statements import prepared
from scoreboard.ledger.parts import InParts, SeasonsOver
from scoreboard.ledger.queries import SQL
from scoreboard.ledger.shown import raised_of, row_of
from scoreboard.ledger.verdicts import Key, Settlement, Verdict, under_former_ids
from scoreboard.model import MAIN, Board, BoardId, Grant

log = structlog.get_logger("scoreboard.ledger")

Member = TypeVar("Member")

_GRANT: Final = prepared(
    "grant_batch",
    SQL["grant"],
    {"user_ids": "uuid[]", "action_ids": "text[]", "by_server": "boolean[]"},
)
# By the verdict of `grant`.
_REFUSALS: Final[Mapping[str, type[errors.ScoreboardError]]] = {
    error.code: error
    for error in (
        *(errors.UnknownUser, errors.Banned, errors.UnknownAction),
        *(errors.NotClaimable, errors.ActionDisabled, errors.ScoreOutOfRange),
    )
}
_OUT_OF_RANGE: Final = "22003"
_FOREIGN_KEY: Final = "23503"
_ACTION_KEY: Final = "ledger_action_id_fkey"
_LOOKS_MAX: Final = 5  # for an action that is renamed meanwhile, again and again


class _Said(NamedTuple):
    """What `grant` says of a part, in JSON; a list that has no member is None. Lists that stand
    together have a member each for the same thing, in an order of their own.
    """

    # The submissions of users who are there: the code of a refusal, or None, which means that it
    # was granted, now or before.
    users: list[str] | None
    actions: list[str] | None
    refusals: list[str | None] | None
    server_actions: list[str] | None  # those that only servers may claim
    # What was granted now.
    granted_at: str
    granted_users: list[str] | None
    granted_actions: list[str] | None
    granted_points: list[int] | None
    # The scores of those users.
    raised_users: list[str] | None
    raised_scores: list[int] | None
    main_version: int
    others: dict[BoardId, int] | None  # the versions of the other boards that the part counts on
    is_refused: bool
    is_due: bool
    raised: list[dict[str, Any]] | None  # the rows of `raise_boards`


class Batch(InParts[Key]):
    """Settles submissions over `session`, which `writers` have lent. Those that are `by_server` may
    claim every action.
    """

    def __init__(
        self,
        session: Session,
        writers: Postgres,
        by_server: frozenset[Key] = frozenset(),
    ) -> None:
        super().__init__(session)
        self._settled = Settlement({})
        self._writers = writers
        self._by_server = by_server
        # What may have been granted by a connection that was lost before its answer.
        self._in_doubt: set[Key] = set()

    async def settle(self, keys: list[Key]) -> Settlement:
        """Grant these, in parts if need be."""
        self._settled = Settlement({})
        await self.settle_parts(keys)
        return self._settled

    async def settle_renamed(self, settled: Settlement) -> Settlement:
        """Grant what was submitted under a former id of an action, as that action: also what was
        unknown because it is being renamed. It may be renamed on, or back, between our look and the
        grant, so it is looked for again. Returns the whole settlement.
        """
        unknown = _unknown(settled.verdicts)
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
            # guard: doubt-under-former
            self._in_doubt |= {key for former, key in owned.items() if former in self._in_doubt}
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
        by_server = ("t" if key in self._by_server else "f" for key in part)
        asked = _pairs(part) | {"by_server": _array(by_server)}
        try:
            rows = await self.session.run_and_commit(
                _GRANT.execute, asked, prepared=(_GRANT.prepare,)
            )
        except ConnectionLost:
            self._in_doubt.update(part)  # guard: resets-batch-whose
            raise
        [(text,)] = rows
        # guard: nothing-granted-board
        if text is None:  # `main` is gone, which every batch counts on
            raise self._writers.lacks("boards")
        said = _Said(**orjson.loads(text))
        if said.is_refused:
            raise SeasonsOver
        seen = {MAIN: said.main_version} | (said.others or {})
        boards: dict[BoardId, Board] = {}
        if said.raised is not None:
            boards, now = raised_of([row_of(each) for each in said.raised])
            seen |= now  # guard: grant-ties-tenth
        answered, repeated = _verdicts(part, said, self._in_doubt)
        answered |= await self._originals(repeated, answered)
        server_actions = frozenset(said.server_actions or ())
        of_servers = frozenset(key for key in part if key[1] in server_actions)
        self._settled |= Settlement(answered, boards, seen, said.is_due, of_servers)

    async def _originals(
        self, refused: list[Key], otherwise: Mapping[Key, Verdict]
    ) -> dict[Key, Verdict]:
        """Answer the submissions that were granted before, and what they are `otherwise`: by a new
        statement, which sees what the grant waited for, and once that is committed, so that its
        failure is not the batch's.
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
            key = user_id, action_id
            # Whoever got no answer may have been granted this just now, by this very batch.
            verdicts[key] = (
                errors.LedgerUnavailable()
                if key in self._in_doubt
                else errors.AlreadyGranted(action_id, points, granted_at)
            )
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


def _verdicts(
    part: Sequence[Key], said: _Said, in_doubt: Collection[Key]
) -> tuple[dict[Key, Verdict], list[Key]]:
    """What became of each submission, and those that may have been granted before."""
    answered: dict[Key, Verdict] = {}
    repeated: list[Key] = []
    refusals = _by_key(said.users, said.actions, said.refusals)
    points = _by_key(said.granted_users, said.granted_actions, said.granted_points)
    scores = dict(zip(said.raised_users or (), said.raised_scores or (), strict=True))
    granted_at = datetime.fromisoformat(said.granted_at)
    for key in part:
        if key in points:
            answered[key] = Grant(key[1], points[key], granted_at, scores[key[0]])
            continue
        code = refusals.get(key, errors.UnknownUser.code)
        if code is not None:
            answered[key] = _REFUSALS[code]()
        # A disabled action may have been granted before too: who submits it has to hear of it.
        # guard: grant-action-disabled
        may_be_granted = code is None or code == errors.ActionDisabled.code
        # And what is in doubt, whatever has become of the user or the action since.
        if may_be_granted or key in in_doubt:  # guard: doubt-is-no-refusal
            repeated.append(key)
    return answered, repeated


def _by_key(
    users: list[str] | None, actions: list[str] | None, members: list[Member] | None
) -> dict[Key, Member]:
    """Find the members of a list by user and action."""
    keys = zip(users or (), actions or (), strict=True)
    return dict(zip(keys, members or (), strict=True))


def _pairs(keys: Collection[Key]) -> dict[str, str]:
    return {
        "user_ids": _array(user for user, _ in keys),
        "action_ids": _array(action for _, action in keys),
    }


def _array(members: Iterable[str]) -> str:
    """Write an array as PostgreSQL does, which reads it as one constant. psycopg2 would make an
    expression of a list, with a constant for each member.
    """
    quoted = (member.replace("\\", "\\\\").replace('"', '\\"') for member in members)
    return "{" + ",".join([f'"{member}"' for member in quoted]) + "}"


def _unknown(verdicts: Mapping[Key, Verdict]) -> list[Key]:
    return [key for key, verdict in verdicts.items() if isinstance(verdict, errors.UnknownAction)]
