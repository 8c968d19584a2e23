"""A game's own players: users without a password, whom its servers bring and name.

They belong to the source of the key that brought them. No other source names them, and none of them
becomes a user who is here already: names are taken or free, as for everybody.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from scoreboard.accounts import ids
from scoreboard.accounts.first_sight import FirstSight
from scoreboard.accounts.introductions import Introduction
from scoreboard.accounts.names import username_key
from scoreboard.accounts.queries import SQL
from scoreboard.accounts.refused_names import RefusedNames
from scoreboard.accounts.users import good_username, refusing_taken
from scoreboard.connections.postgres import Postgres
from scoreboard.errors import AccountTaken, KeyLacksUser, UnknownUser
from scoreboard.keys.answered import Answered, Asked
from scoreboard.ledger.moderation import Order
from scoreboard.scoring.orders import Orders

_REASON: Final = "The game gave its player this name."
_ELSES: Final = (
    "This UUID is of version 5, so it may be computed from somebody else's id: no player is made "
    "of it. Send your game's own id of this player, or put a letter before the UUID."
)
_DELETED: Final = (
    "This player was deleted. The id can be brought back as somebody new, once no access token of "
    "the one before can be alive."
)


@dataclass(frozen=True, slots=True)
class Player:
    """A player as they are now. `is_new`: this request has made them."""

    user_id: str
    username: str
    is_new: bool


class Players:
    """Brings players and names them. Everything here raises LedgerUnavailable."""

    def __init__(
        self,
        queries: Postgres,
        first_sight: FirstSight,
        refused: RefusedNames,
        orders: Orders,
        answered: Answered,
    ) -> None:
        self._queries = queries
        self._first_sight = first_sight
        self._refused = refused
        self._orders = orders
        self._answered = answered

    async def put(
        self, user_id: str, username: str, asked: Asked, *, is_own: bool, suffix: bool
    ) -> Player:
        """Let there be a player of this name, made or renamed if need be. `is_own` tells that the
        id was computed from one of the game's own. With `suffix` another name is given where this
        one is somebody's or refused: it with digits of the id behind it.

        Raises InvalidPayload, RefusedName, AccountTaken, KeyLacksUser, Banned, Overloaded;
        UnknownUser for one who was deleted while tokens from before may be alive.
        """
        introduced = Introduction(user_id, asked.source, good_username(username))
        if await self._answered.has(asked):  # guard: name-of-before
            return Player(user_id, await self._name(introduced), is_new=False)
        is_new = await self._bring(introduced, is_own=is_own, suffix=suffix)
        if not is_new:
            await self._rename(introduced, asked, suffix=suffix)
        name = await self._name(introduced)
        await self._answered.note(asked)
        return Player(user_id, name, is_new)

    async def _bring(self, introduced: Introduction, *, is_own: bool, suffix: bool) -> bool:
        """Make the player unless they are here, and say whether they were made. Not of an id that
        is another game's or a provider's for somebody who has not come yet: it would be ours then.
        """
        if await self._find(introduced) is not None:
            return False
        if not is_own and ids.is_computed(introduced.user_id):  # guard: player-id-own
            raise KeyLacksUser(_ELSES)
        if not suffix:
            self._refused.check(introduced.name)  # guard: player-name-refused
        try:
            return await self._first_sight.make(introduced, None if suffix else introduced.name)
        except AccountTaken:
            if await self._find(introduced) is None:
                raise
            return False  # another request has made this player meanwhile, under that name
        except UnknownUser:
            raise UnknownUser(_DELETED) from None

    async def _rename(self, introduced: Introduction, asked: Asked, *, suffix: bool) -> None:
        """Give a player who is here the name, unless they have it; with `suffix`, or one of those
        that it can become.
        """
        present, wanted = await self._name(introduced), introduced.name
        if present == wanted:
            return
        names = [wanted]
        if suffix:
            names = list(
                introduced.usernames(lambda name: self._refused.pattern_for(name) is not None)
            )
            if present in names:
                return
        else:
            self._refused.check(wanted)  # guard: player-renamed-refused
        order = Order(asked.key_id, _REASON, asked.request_id)
        for name in names:
            if await self._give(introduced.user_id, name, order):
                return
        raise AccountTaken

    async def _give(self, user_id: str, name: str, order: Order) -> bool:
        """Give a name, unless it is somebody else's."""
        try:
            with refusing_taken():
                await self._orders.carry_out(
                    lambda moderation: moderation.rename(user_id, name, username_key(name), order)
                )
        except AccountTaken:
            return False
        except UnknownUser:
            raise UnknownUser(_DELETED) from None
        return True

    async def _name(self, introduced: Introduction) -> str:
        name = await self._find(introduced)
        if name is None:
            raise UnknownUser(_DELETED)
        return name

    async def _find(self, introduced: Introduction) -> str | None:
        """The name of a player who is here. Raises KeyLacksUser for a user of somebody else's."""
        found = await self._queries.read(SQL["find_player"], {"user_id": introduced.user_id})
        if not found:
            return None
        [(username, source)] = found
        if source != introduced.source:  # guard: players-of-source
            raise KeyLacksUser
        return str(username)
