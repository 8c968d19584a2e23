"""Users of identity providers, who are made by the first request that needs them to be here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from aiohttp import web

from scoreboard.accounts.access import Identity
from scoreboard.errors import UnknownUser
from scoreboard.parts import PARTS

Answer = TypeVar("Answer")


async def as_user(
    request: web.Request, user: Identity, act: Callable[[], Awaitable[Answer]]
) -> Answer:
    """Do what only a registered user can. Whom an identity provider introduces is made, and then it
    is done. Raises what `act` raises; UnknownUser for all others who are not here.
    """
    try:
        return await act()
    except UnknownUser:
        if user.introduced is None:
            raise
    await request.app[PARTS].first_sight.make(user.introduced)
    return await act()
