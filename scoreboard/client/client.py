"""The two clients. Their methods say the same; one waits, the other is awaited."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from . import model
from .flows import Call, Came, Flow, Pause, Step, ask, call, settle
from .model import (
    Act,
    Grant,
    GrantVerdict,
    Kept,
    Moderated,
    Result,
    ResultVerdict,
    User,
)
from .sending import PATIENCE_SECONDS, TIMEOUT_SECONDS, run, run_async, send, send_async
from .signing import Signature

Answer = TypeVar("Answer")


class _Calls:
    """What can be asked for, as flows."""

    def __init__(self, patience_seconds: float) -> None:
        self._patience_seconds = patience_seconds

    def grant(self, grants: Iterable[Grant]) -> Flow[list[GrantVerdict]]:
        return settle(
            "grants", list(grants), Grant.as_json, model.grant_verdict, self._patience_seconds
        )

    def record(self, results: Iterable[Result]) -> Flow[list[ResultVerdict]]:
        return settle(
            "results", list(results), Result.as_json, model.result_verdict, self._patience_seconds
        )

    def result(self, receipt: str) -> Flow[Kept]:
        return ask(call("GET", "results", receipt), self._patience_seconds, model.kept_result)

    def put_user(self, user_id: str, username: str, suffix: bool) -> Flow[User]:
        asked = call("PUT", "users", user_id, body={"username": username, "suffix": suffix})
        return ask(asked, self._patience_seconds, model.user)

    def moderate(self, act: Act, reason: str, **members: Any) -> Flow[Moderated]:
        given = {name: value for name, value in members.items() if value is not None}
        asked = call("POST", "moderation", body={"act": act, "reason": reason, **given})
        return ask(asked, self._patience_seconds, model.moderated)


class Client:
    """Asks a scoreboard with a server key. `address` is that of the service, such as
    `https://scores.example`; `secret` is what `scoreboard keys add` has shown, `whsec_…`.

    A request that is not answered is sent again until `patience_seconds` are over; each attempt has
    `timeout_seconds`. `http` is a client of httpx to send by, with its proxies or certificates: who
    brings it closes it.
    """

    def __init__(
        self,
        address: str,
        key_id: str,
        secret: str,
        *,
        timeout_seconds: float = TIMEOUT_SECONDS,
        patience_seconds: float = PATIENCE_SECONDS,
        http: httpx.Client | None = None,
    ) -> None:
        self._address = address.rstrip("/")
        self._signature = Signature(key_id, secret)
        self._calls = _Calls(patience_seconds)
        self._is_own = http is None
        self._http = http or httpx.Client(timeout=timeout_seconds)

    def grant(self, grants: Iterable[Grant]) -> list[GrantVerdict]:
        """Grant actions, any number of them; a verdict on each, in their order. Raises Refused."""
        return self._run(self._calls.grant(grants))

    def record(self, results: Iterable[Result]) -> list[ResultVerdict]:
        """Record results, any number of them; a verdict on each, in their order. Raises Refused."""
        return self._run(self._calls.record(results))

    def result(self, receipt: str) -> Kept:
        """Read a result by its receipt. Raises Refused (`unknown_receipt`), Unavailable."""
        return self._run(self._calls.result(receipt))

    def put_user(self, user_id: str, username: str, *, suffix: bool = False) -> User:
        """Add a player of the game's own, or give one another name: with `suffix` the name with
        digits behind it, if somebody has that name. Raises Refused, Unavailable.
        """
        return self._run(self._calls.put_user(user_id, username, suffix))

    def moderate(self, act: Act, reason: str, **members: Any) -> Moderated:
        """Do what an operator can. `members` are those of `POST /api/moderation`, by their names
        there, such as `userId`. Raises Refused, Unavailable.
        """
        return self._run(self._calls.moderate(act, reason, **members))

    def close(self) -> None:
        """Close the connections that are its own."""
        if self._is_own:
            self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _run(self, flow: Flow[Answer]) -> Answer:
        return run(flow, self._done)

    def _done(self, step: Step) -> Came:
        if isinstance(step, Call):
            return send(self._http, self._address, step, self._signature)
        if isinstance(step, Pause):
            time.sleep(step.seconds)
        return None


class AsyncClient:
    """The same as `Client`, for asyncio."""

    def __init__(
        self,
        address: str,
        key_id: str,
        secret: str,
        *,
        timeout_seconds: float = TIMEOUT_SECONDS,
        patience_seconds: float = PATIENCE_SECONDS,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        self._address = address.rstrip("/")
        self._signature = Signature(key_id, secret)
        self._calls = _Calls(patience_seconds)
        self._is_own = http is None
        self._http = http or httpx.AsyncClient(timeout=timeout_seconds)

    async def grant(self, grants: Iterable[Grant]) -> list[GrantVerdict]:
        """Grant actions, any number of them; a verdict on each, in their order. Raises Refused."""
        return await self._run(self._calls.grant(grants))

    async def record(self, results: Iterable[Result]) -> list[ResultVerdict]:
        """Record results, any number of them; a verdict on each, in their order. Raises Refused."""
        return await self._run(self._calls.record(results))

    async def result(self, receipt: str) -> Kept:
        """Read a result by its receipt. Raises Refused (`unknown_receipt`), Unavailable."""
        return await self._run(self._calls.result(receipt))

    async def put_user(self, user_id: str, username: str, *, suffix: bool = False) -> User:
        """Add a player of the game's own, or give one another name: with `suffix` the name with
        digits behind it, if somebody has that name. Raises Refused, Unavailable.
        """
        return await self._run(self._calls.put_user(user_id, username, suffix))

    async def moderate(self, act: Act, reason: str, **members: Any) -> Moderated:
        """Do what an operator can. `members` are those of `POST /api/moderation`, by their names
        there, such as `userId`. Raises Refused, Unavailable.
        """
        return await self._run(self._calls.moderate(act, reason, **members))

    async def close(self) -> None:
        """Close the connections that are its own."""
        if self._is_own:
            await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def _run(self, flow: Flow[Answer]) -> Answer:
        return await run_async(flow, self._done)

    async def _done(self, step: Step) -> Came:
        if isinstance(step, Call):
            return await send_async(self._http, self._address, step, self._signature)
        if isinstance(step, Pause):
            await asyncio.sleep(step.seconds)
        return None
