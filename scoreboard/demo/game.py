"""The demo as a whole: players come, play and leave while somebody watches."""

from __future__ import annotations

import asyncio
import contextlib
import random
import ssl
from collections.abc import Callable, Coroutine
from dataclasses import KW_ONLY, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import aiohttp
import httpx

from scoreboard.client import AsyncUserClient, Pause, Refused, Unavailable
from scoreboard.console.reports import CommandFailed
from scoreboard.console.screen import Screen
from scoreboard.demo import service
from scoreboard.demo.marks import Marks
from scoreboard.demo.players import NewClient, Player, is_passing
from scoreboard.demo.spectator import watch
from scoreboard.operations.endings import ending_signals

# The service lets an address make 20 accounts at once and then one every 3 s. Three begin; one more
# a second leaves some of that to whoever tries the API by hand from the same address.
_FIRST_PLAYERS: Final = 3
_GROWTH_SECONDS: Final = 1.0
_ANSWER_SECONDS: Final = 15.0
_THE_WAY_BACK: Final = "The players stay; `scoreboard users delete-demo` deletes them."


@dataclass
class Game:
    """Players who submit actions to the service at `url`, one submission every interval."""

    url: str
    actions: set[str]  # those that the service may still grant
    actions_file: Path
    screen: Screen
    _: KW_ONLY
    places: int  # for so many players at once
    interval_seconds: float
    marks: Marks
    trust: ssl.SSLContext
    beside: Callable[[], Coroutine[Any, Any, None]]  # runs while people play, and does not end
    _playing: list[Player] = field(default_factory=list, init=False)
    _joined: int = field(default=0, init=False)
    _granted: int = field(default=0, init=False)
    _refused: int = field(default=0, init=False)

    async def run(self, seconds: float | None) -> None:
        """Play until Ctrl-C, SIGTERM or the time is over. Raises CommandFailed, also when nothing
        that is a Scoreboard answers: then there is nothing to wait for.
        """
        connector = aiohttp.TCPConnector(ssl=self.trust)
        async with aiohttp.ClientSession(connector=connector) as session:
            url = await service.found_at(session, self.url)
        if url != self.url:
            self.screen.tell(f"{self.url} redirects to {url}, which is played against")
        # One pool for all players; each stream of the spectator holds a connection of it.
        async with httpx.AsyncClient(
            verify=self.trust, timeout=_ANSWER_SECONDS, trust_env=False
        ) as http:
            await _first_of(
                seconds,
                _asked_to_stop(),
                self._recruit(partial(self._new_client, url, http)),
                self._play(),
                watch(http, url, self.screen, self._any_token),
                self.beside(),
            )
        self.screen.end(f"{self._tally}. {_THE_WAY_BACK}")

    @property
    def _tally(self) -> str:
        return f"{self._joined} players, {self._granted} actions granted, {self._refused} refused"

    def _new_client(self, url: str, http: httpx.AsyncClient) -> AsyncUserClient:
        """For a player, who waits out every limit, outage and restart, and says for what."""
        return AsyncUserClient(
            url, patience_seconds=float("inf"), on_pause=self._tell_pause, http=http
        )

    def _tell_pause(self, pause: Pause) -> None:
        self.screen.tell(f"{pause.path} waits {pause.seconds:.1f} s: {pause.why}")

    async def _recruit(self, new: NewClient) -> None:
        """Fill the places: a few at once, then one by one; who has no action left gives one up."""
        while True:
            has_place = len(self._playing) < self.places
            if has_place:
                self._playing.append(await Player.register(new, self.actions, self.marks))
                self._joined += 1
            if not has_place or self._joined >= _FIRST_PLAYERS:
                await asyncio.sleep(_GROWTH_SECONDS)

    async def _play(self) -> None:
        clock = asyncio.get_running_loop().time
        due = clock()
        while True:
            if self._playing:
                await self._move(random.choice(self._playing))  # noqa: S311 - only a game
                self.screen.count(self._tally)
            # What was missed while waiting is not made up for: a rate is a promise to the service.
            due = max(due + self.interval_seconds, clock())
            await asyncio.sleep(due - clock())

    async def _move(self, player: Player) -> None:
        action_id = player.next_action(self.actions)
        if action_id is None:
            self._playing.remove(player)
            return
        try:
            await player.client.submit(action_id)
        except Refused as refused:
            self._refused += 1
            self._note(refused, player, action_id)
        except Unavailable as error:  # the log-in could not be renewed
            self.screen.tell(str(error))
        else:
            self._granted += 1
            self.screen.tell("")

    def _note(self, refused: Refused, player: Player, action_id: str) -> None:
        """Go on without what is refused for good. Raises CommandFailed where all of it is."""
        if refused.code in ("unknown_action", "action_disabled", "not_claimable"):
            self.actions.discard(action_id)
            if not self.actions:
                raise CommandFailed(
                    f"The service grants none of the actions in {self.actions_file}. "
                    f"Load them there: scoreboard actions load {self.actions_file}"
                )
        elif refused.status in (401, 403):  # the account is gone, or its log-in was ended
            self._playing.remove(player)
        elif is_passing(refused):
            self.screen.tell(refused.message)
        elif refused.code != "already_granted":
            raise CommandFailed(f"The service refuses submissions: {refused.message}")

    async def _any_token(self, rejected: str | None) -> str | None:
        """A token for a board that is closed to strangers."""
        return await self._playing[0].client.token(rejected) if self._playing else None


async def _first_of(seconds: float | None, *works: Coroutine[Any, Any, None]) -> None:
    """Run all until one ends or fails or the time is over; end the others, raise the error."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


async def _asked_to_stop() -> None:
    """Return on Ctrl-C, SIGTERM or the end of the terminal."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    numbers = ending_signals()
    for number in numbers:
        loop.add_signal_handler(number, stop.set)
    try:
        await stop.wait()
    finally:
        for number in numbers:
            with contextlib.suppress(ValueError):
                loop.remove_signal_handler(number)
