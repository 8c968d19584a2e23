"""Users of identity providers and of games, who are made when they are first seen.

Their ids follow from their tokens, so two instances that see somebody at once make the same user,
once. Nobody gets a name or an address that somebody has: they get another name, and no address. Nor
does anybody get a refused name.
"""

from __future__ import annotations

from typing import Final

import structlog

from scoreboard.accounts import names, newcomers
from scoreboard.accounts.introductions import Introduction
from scoreboard.accounts.queries import SQL
from scoreboard.accounts.refused_names import RefusedNames
from scoreboard.accounts.users import NO_PASSWORD, no_address
from scoreboard.connections.postgres import Postgres
from scoreboard.connections.session import StatementRefused
from scoreboard.errors import AccountTaken, Banned, UnknownUser
from scoreboard.operations.metrics import Metrics

log = structlog.get_logger("scoreboard.accounts")

_ADDRESS_TAKEN: Final = "users_email_key"
_NAME_TAKEN: Final = frozenset(
    {"users_username_key", "idx_users_username_key", "idx_users_username_lower"}
)


class FirstSight:
    """Makes users of introductions. Raises LedgerUnavailable when PostgreSQL is away."""

    def __init__(self, postgres: Postgres, refused: RefusedNames, metrics: Metrics) -> None:
        self._postgres = postgres
        self._refused = refused
        self._metrics = metrics

    async def make(self, introduced: Introduction, only: str | None = None) -> bool:
        """Add the user unless they are here, and say whether they were added; with `only`, under
        that name or not at all. Raises Banned; UnknownUser for one who was deleted while tokens
        from before may be alive; AccountTaken where every name is somebody's.
        """
        await newcomers.give_keys(self._postgres)
        candidates = iter([only]) if only else introduced.usernames(self._is_refused)
        name, address = next(candidates, None), introduced.address()
        while name is not None:
            try:
                rows = await self._postgres.fetch(SQL["meet"], _row(introduced, name, address))
            except StatementRefused as refusal:
                if refusal.constraint == _ADDRESS_TAKEN and address is not None:
                    address = None
                elif refusal.constraint in _NAME_TAKEN:
                    name = next(candidates, None)
                else:
                    raise
                continue
            return self._told(introduced, rows[0][0], is_new=rows[0][1])
        raise AccountTaken

    def _is_refused(self, username: str) -> bool:
        return self._refused.pattern_for(username) is not None

    def _told(self, introduced: Introduction, obstacle: str, *, is_new: bool) -> bool:
        if obstacle == "banned":  # guard: banned-met
            raise Banned
        if obstacle:
            raise UnknownUser
        if is_new:
            self._metrics.users_first_seen.inc()
            log.info("scoreboard.accounts.first_seen", user_id=introduced.user_id)
        return is_new


def _row(introduced: Introduction, name: str, address: names.Email | None) -> dict[str, str | None]:
    return {
        "user_id": introduced.user_id,
        "username": name,
        "username_key": names.username_key(name),  # guard: first-name-one-key
        "email": no_address(introduced.user_id) if address is None else address.key,
        "email_given": None if address is None else address.given,
        "password_hash": NO_PASSWORD,
        "source": introduced.source,
    }
