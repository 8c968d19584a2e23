"""The demo's players: each has an account, and asks as any user does."""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from scoreboard.client import AsyncUserClient, Refused
from scoreboard.console.reports import CommandFailed
from scoreboard.demo.marks import Marks

_NAMES: Final = (
    *("ada", "alan", "barbara", "claire", "donald", "edsger", "frances", "grace", "hedy", "john"),
    *("katherine", "leslie", "linus", "margaret", "radia", "tim"),
)
_PAUSE_SECONDS: Final = 1.0
_OUR_FAULT: Final = 500  # and above: what the service says of itself

# Makes a client for another player.
NewClient = Callable[[], AsyncUserClient]


@dataclass
class Player:
    """Somebody with an account, who submits some of the actions, each once, in any order.

    Their number differs: were it all of them, the board would end as ten equal scores for ever.
    """

    username: str
    client: AsyncUserClient
    _left: list[str] = field(default_factory=list)

    @classmethod
    async def register(cls, new: NewClient, actions: Iterable[str], marks: Marks) -> Player:
        """Make an account, with an address by which it is known as the demo's. Raises CommandFailed
        when the service makes none.
        """
        known = list(actions)
        number = random.randint(len(known) // 3 + 1, len(known))  # noqa: S311 - only a game
        left = random.sample(known, number)
        while True:
            name = f"{random.choice(_NAMES)}-{secrets.token_hex(3)}"  # noqa: S311 - only a name
            client = new()
            try:
                await client.register(name, marks.address(), secrets.token_urlsafe(12))
            except Refused as refused:
                if is_passing(refused):
                    await asyncio.sleep(_PAUSE_SECONDS)
                elif refused.code != "account_taken":
                    raise CommandFailed(_why_none(refused)) from refused
            else:
                return cls(name, client, left)

    def next_action(self, known: Iterable[str]) -> str | None:
        """Take the next action that is still worth a try; None when nothing is left."""
        while self._left:
            action_id = self._left.pop()
            if action_id in known:
                return action_id
        return None


def is_passing(refused: Refused) -> bool:
    """Whether another attempt may fare better, as after an error of the service."""
    return refused.status >= _OUR_FAULT


def _why_none(refused: Refused) -> str:
    if refused.code == "not_a_scoreboard":
        return "The service answers without tokens: it is no Scoreboard."
    return f"The service makes no account: {refused.message}"
