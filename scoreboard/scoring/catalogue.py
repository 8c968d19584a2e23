"""The catalogue: which actions there are and what each is worth. Operators maintain it.

No instance keeps any of it: a grant reads the actions of its batch in the call that grants. So
what is changed here holds for every submission that comes after, on every instance. An action is
given another id by the ledger (`Ledger.rename_action`), because its grants go along.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from scoreboard.action_ids import composed
from scoreboard.connections import statements
from scoreboard.connections.postgres import Postgres
from scoreboard.connections.session import StatementRefused

SQL: Final = statements.load("scoreboard.scoring", "catalogue.sql")

PAGE: Final = 1000
# Who may say that a user completed an action: any user of themselves, or a server that is trusted.
Claim = Literal["user", "server"]
_RESTRICTED: Final = frozenset({"23503", "23001"})  # the second one since PostgreSQL 18


class HasGrants(Exception):
    """The action has `count` grants, which explain scores, so it is not removed."""

    def __init__(self, count: int) -> None:
        self.count = count
        super().__init__(f"the ledger has {count} grants of it")


class IsListed(Exception):
    """The action is one of those that count on some boards, named by `board_ids`, so it is not
    removed.
    """

    def __init__(self, board_ids: Sequence[str]) -> None:
        self.board_ids = tuple(board_ids)
        super().__init__(", ".join(self.board_ids))


class FormerIds(Exception):
    """Former ids, each with the id that its action has now (`present`). No action is loaded under
    one, because it would count beside the action that it belongs to.
    """

    def __init__(self, present: Mapping[str, str]) -> None:
        self.present = dict(present)
        super().__init__(", ".join(sorted(self.present)))


@dataclass(frozen=True, slots=True)
class Action:
    """Something that can be completed; `points` is what the server grants for it, unless it is
    disabled. `claim` says who may claim it.
    """

    action_id: str
    points: int
    disabled_at: datetime | None = None
    claim: Claim = "user"


@dataclass(frozen=True, slots=True)
class Sought:
    """Which actions to list: with this part in the id, disabled (True), enabled (False) or both,
    with this claim or both.
    """

    part: str = ""
    disabled: bool | None = None
    claim: Claim | None = None


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a load changed."""

    added: int
    changed: int
    unchanged: int


class Catalogue:
    """Reads and changes actions. Everything here raises LedgerUnavailable."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    async def load(
        self,
        points: Mapping[str, int],
        disabled: Collection[str] = (),
        claims: Mapping[str, Claim] | None = None,
    ) -> Loaded:
        """Add or change actions, all or none. `points` are by action id. Grants made before keep
        the points that they were made with. Those in `disabled` are switched off; an action that is
        off already stays so. Of whom `claims` says nothing, a new one is `user`, and one that is
        there stays as it is.

        Raises FormerIds, StatementRefused when a value does not fit its column.
        """
        older = await self._spellings()
        action_ids = [older.get(action_id, action_id) for action_id in points]  # guard: no-action
        rows = await self._postgres.fetch(
            SQL["load_actions"],
            {
                "action_ids": action_ids,
                "points": list(points.values()),
                "disabled": [older.get(action_id, action_id) for action_id in disabled],
                "claims": [(claims or {}).get(action_id) for action_id in points],
            },
        )
        if not rows and (former := await self.present_ids(action_ids)):
            raise FormerIds(former)  # guard: no-action-loaded
        added = sum(is_new for (is_new,) in rows)
        return Loaded(added, len(rows) - added, len(points) - len(rows))

    async def list(self, sought: Sought, after: str = "", limit: int = PAGE) -> Sequence[Action]:
        """Read a page of the actions that are sought, in the order of ids, from behind `after`."""
        wanted = {**dataclasses.asdict(sought), "after": after, "limit": limit}
        rows = await self._postgres.read(SQL["list_actions"], wanted)
        return [Action(*row) for row in rows]

    async def find(self, action_id: str) -> Action | None:
        """Find the action that has this id, as it is spelled or else in another spelling."""
        looks = [("find_action", action_id)]
        if not action_id.isascii():
            looks += [(name, composed(action_id)) for name in ("find_action", "find_decomposed")]
        for name, spelling in looks:
            rows = await self._postgres.read(SQL[name], {"action_id": spelling})
            if rows:
                return Action(*rows[0])
        return None

    async def present_ids(self, action_ids: Iterable[str]) -> dict[str, str]:
        """Find which of these are former ids of another action, in whichever spelling, and give for
        each the id that the action has now.
        """
        asked = list(action_ids)
        rows = await self._postgres.read(SQL["present_ids"], {"action_ids": asked})
        present = {composed(former): action_id for former, action_id in rows} | dict(rows)
        return {each: present[each] for each in asked if present.get(each, each) != each}

    async def grants_of(self, action: Action) -> int:
        """Count the grants of an action."""
        [(count,)] = await self._postgres.read(SQL["count_grants"], {"action_id": action.action_id})
        return int(count)

    async def disable(self, action: Action) -> None:
        """Refuse what is submitted of this action from here on."""
        await self._postgres.fetch(SQL["disable_action"], {"action_id": action.action_id})

    async def enable(self, action: Action) -> None:
        """Grant it again."""
        await self._postgres.fetch(SQL["enable_action"], {"action_id": action.action_id})

    async def remove(self, action: Action) -> None:
        """Take an action out of the catalogue. Raises HasGrants, IsListed."""
        by_id = {"action_id": action.action_id}
        try:
            if await self._postgres.fetch(SQL["remove_action"], by_id):
                return
        except StatementRefused as refusal:
            if refusal.sqlstate not in _RESTRICTED:
                raise
        if not (grants := await self.grants_of(action)):
            rows = await self._postgres.read(SQL["boards_listing"], by_id)
            if rows:
                raise IsListed([board_id for (board_id,) in rows])  # guard: listed-action-removed
        raise HasGrants(grants)

    async def forget_former_id(self, former_id: str) -> bool:
        """Forget that an action had this id once, and say whether one had. The id is unknown from
        here on, and an action may be loaded under it.
        """
        return bool(await self._postgres.fetch(SQL["remove_former_id"], {"action_id": former_id}))

    async def _spellings(self) -> dict[str, str]:
        """Read which composed ids stand in the catalogue decomposed, from before ids were composed.
        Such an action gets the points: an action beside it that looks the same would be granted as
        well.
        """
        rows = await self._postgres.read(SQL["decomposed_actions"])
        return {composed(action_id): action_id for (action_id,) in rows}
