"""The demo's players, and the API as they use it."""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp

from scoreboard.console.reports import CommandFailed
from scoreboard.demo.marks import Marks
from scoreboard.demo.service import document_of

_NAMES: Final = (
    *("ada", "alan", "barbara", "claire", "donald", "edsger", "frances", "grace", "hedy", "john"),
    *("katherine", "leslie", "linus", "margaret", "radia", "tim"),
)
_PAUSE_SECONDS: Final = 1.0
_SECONDS: Final = re.compile("[0-9]{1,5}")
_TIMEOUT: Final = aiohttp.ClientTimeout(total=15)
_ANSWERS_LATER: Final = frozenset({429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Answer:
    """What the service answered."""

    status: int
    document: dict[str, Any]

    @property
    def code(self) -> str:
        """Why it refused, for programs."""
        return str(self.document.get("code", ""))

    @property
    def message(self) -> str:
        """Why it refused, for people."""
        return str(self.document.get("message", f"status {self.status}"))

    @property
    def tokens(self) -> tuple[str, str]:
        """The access token and the refresh token. Raises CommandFailed when there are none."""
        found = [self.document.get(name) for name in ("accessToken", "refreshToken")]
        if not all(isinstance(token, str) and token.isascii() for token in found):
            raise CommandFailed("The service answers without tokens: it is no Scoreboard.")
        return str(found[0]), str(found[1])


class Api:
    """The public API on its own terms: it waits when it is told to, and `tell` says for what."""

    def __init__(
        self, session: aiohttp.ClientSession, url: str, tell: Callable[[str], None]
    ) -> None:
        self._session = session
        self._url = url
        self._tell = tell

    async def post(self, path: str, document: dict[str, str], token: str = "") -> Answer:
        """Ask until there is an answer: a limit, an outage or a restart are waited out."""
        while True:
            why, seconds = f"{self._url} does not answer.", _PAUSE_SECONDS
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                async with self._session.post(
                    self._url + path,
                    json=document,
                    headers={"Authorization": f"Bearer {token}"} if token else {},
                    timeout=_TIMEOUT,
                    allow_redirects=False,  # which would make a GET of it
                ) as response:
                    answer = Answer(response.status, await document_of(response))
                    if answer.status not in _ANSWERS_LATER:
                        return answer
                    seconds = retry_after_seconds(response.headers.get("Retry-After", ""))
                    why = answer.message
            self._tell(f"{path} waits {seconds:g} s: {why}")
            await asyncio.sleep(seconds)


def retry_after_seconds(header: str) -> float:
    """Read Retry-After in its form of seconds, the only one that the service sends."""
    if not _SECONDS.fullmatch(header):
        return _PAUSE_SECONDS
    return max(float(header), _PAUSE_SECONDS)


@dataclass
class Player:
    """Somebody with an account, who submits some of the actions, each once, in any order.

    Their number differs: were it all of them, the board would end as ten equal scores for ever.
    """

    username: str
    access_token: str
    refresh_token: str
    _left: list[str] = field(default_factory=list)

    @classmethod
    async def register(cls, api: Api, actions: Iterable[str], marks: Marks) -> Player:
        """Make an account, with an address by which it is known as the demo's. Raises CommandFailed
        when the service makes none.
        """
        known = list(actions)
        number = random.randint(len(known) // 3 + 1, len(known))  # noqa: S311 - only a game
        left = random.sample(known, number)
        while True:
            name = f"{random.choice(_NAMES)}-{secrets.token_hex(3)}"  # noqa: S311 - only a name
            password = secrets.token_urlsafe(12)
            account = {"username": name, "email": marks.address(), "password": password}
            answer = await api.post("/api/auth/register", account)
            if answer.status == 201:
                return cls(name, *answer.tokens, left)
            if answer.code != "account_taken":
                raise CommandFailed(f"The service makes no account: {answer.message}")

    def next_action(self, known: Iterable[str]) -> str | None:
        """Take the next action that is still worth a try; None when nothing is left."""
        while self._left:
            action_id = self._left.pop()
            if action_id in known:
                return action_id
        return None

    async def submit(self, api: Api, action_id: str) -> Answer:
        """Submit an action; an access token that has expired is replaced on the way."""
        answer = await self._submit_once(api, action_id)
        if answer.code == "expired_token" and await self._refresh(api):
            answer = await self._submit_once(api, action_id)
        return answer

    async def _submit_once(self, api: Api, action_id: str) -> Answer:
        return await api.post("/api/actions", {"actionId": action_id}, self.access_token)

    async def _refresh(self, api: Api) -> bool:
        answer = await api.post("/api/auth/refresh", {"refreshToken": self.refresh_token})
        if answer.status != 200:
            return False
        self.access_token, self.refresh_token = answer.tokens
        return True
