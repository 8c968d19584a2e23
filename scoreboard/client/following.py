"""Follows a source: keeps a stream open, and polls while there is none. How long it waits, and what
that makes of the connection, is `feed`'s to say; here is only what takes time.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, Final, cast

import httpx
from httpx_sse import EventSource, ServerSentEvent

from .errors import ClientError, Refused
from .feed import Feed, Timing, Wait
from .flows import LONGEST_SECONDS, Call
from .listening import Bytes, EventTooLong
from .sending import send_async
from .signing import new_nonce
from .sources import Poll, Question, Source, parsed

# Answers an access token that is good now, and another one than the service has just rejected.
GetToken = Callable[[str | None], Awaitable[str | None]]

_UNAUTHORIZED: Final = (401, 403)


class Follower:
    """Follows until it is cancelled."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        address: str,
        source: Source,
        feed: Feed,
        timing: Timing,
        get_token: GetToken | None,
    ) -> None:
        self._http = http
        self._address = address
        self._source = source
        self._feed = feed
        self._timing = timing
        self._get_token = get_token
        self._token: str | None = None
        self._rejected: str | None = None
        self._stream_pause, self._poll_pause = Pausing(), Pausing()
        self._learned = asyncio.Event()

    async def run(self) -> None:
        """Follow until cancelled."""
        tasks: tuple[Coroutine[Any, Any, None], ...] = (
            self._keep_streaming(),
            self._keep_polling(),
            self._keep_asking(),
        )
        async with asyncio.TaskGroup() as following:
            for task in tasks:
                following.create_task(task)

    def wake(self) -> None:
        """Ask now; what the service asked to wait for is waited for."""
        self._stream_pause.wake()
        self._poll_pause.wake()

    async def _keep_streaming(self) -> None:
        while True:
            wait = self._feed.ended(timed_out=await self._stream_once())
            if self._feed.token_ended:
                self._rejected = self._token
            self._poll_pause.wake()
            if wait is not None:
                await self._stream_pause.sleep(wait)

    async def _stream_once(self) -> bool:
        """Follow one stream to its end. Returns whether it fell silent."""
        self._feed.opens()
        try:
            # Until the first event: a proxy that buffers sends headers and no more.
            async with asyncio.timeout(self._timing.open_seconds) as deadline:
                await self._read_stream(deadline)
        except TimeoutError:
            return True
        except (httpx.HTTPError, EventTooLong, ValueError, ClientError):
            pass  # cut, refused, no stream of a scoreboard, or there is no token
        return False

    async def _read_stream(self, deadline: asyncio.Timeout) -> None:
        def came(heartbeat: bool) -> None:
            self._feed.came(heartbeat=heartbeat)
            if self._feed.is_live:
                deadline.reschedule(asyncio.get_running_loop().time() + self._feed.silence_seconds)

        accepted = {"Accept": "text/event-stream", "Accept-Encoding": "identity"}
        headers = {**accepted, **await self._bearer()}
        forever = httpx.Timeout(self._timing.open_seconds, read=None)
        async with self._http.stream(
            "GET", self._address + self._source.stream, headers=headers, timeout=forever, auth=None
        ) as response:
            self._note(response)
            if not self._feed.opened(response):
                return
            response.stream = Bytes(cast(httpx.AsyncByteStream, response.stream), came)
            async with contextlib.aclosing(EventSource(response).aiter_sse()) as events:
                async for event in events:
                    if not self._hear(event):
                        return
                    came(heartbeat=False)

    def _hear(self, event: ServerSentEvent) -> bool:
        """Returns whether the stream goes on."""
        if event.retry is not None:
            self._feed.retry(event.retry)
        document = parsed(event.data)
        code = document.get("code") if isinstance(document, dict) else None
        try:
            is_asked = self._source.hear(event.event, document, event.id)
        except ValueError:
            is_asked = False
        self._tell_learned()
        return self._feed.heard(event.event, code, is_asked=is_asked)

    async def _keep_polling(self) -> None:
        while True:
            if self._feed.is_live:
                await self._poll_pause.sleep(Wait(LONGEST_SECONDS))
                continue
            wait = await self._poll_once()
            if not self._feed.is_live:
                await self._poll_pause.sleep(wait)

    async def _poll_once(self) -> Wait:
        poll, answer, is_asked = self._source.poll(), None, True
        try:
            question = next(poll)
            while True:
                answer = await self._ask(question)
                if answer is None:
                    break
                question = poll.send(answer)
        except StopIteration as end:
            is_asked = end.value
        except (ValueError, RecursionError):
            is_asked = False
        self._tell_learned()
        return self._feed.polled(answer, is_asked=is_asked)

    async def _keep_asking(self) -> None:
        """Ask for what is owed because of what was learned, while the rest goes on."""
        while True:
            await self._learned.wait()
            self._learned.clear()
            while (owed := self._source.owed()) is not None:
                await self._ask_all(owed)

    async def _ask_all(self, owed: Poll) -> None:
        with contextlib.suppress(StopIteration):
            question = next(owed)
            while True:
                question = owed.send(await self._ask(question))

    async def _ask(self, question: Question) -> httpx.Response | None:
        """Ask with the caller's token; None if nobody answers, or there is no token."""
        try:
            token = await self._next_token()
        except ClientError as error:
            return _as_answer(error)
        nonce = new_nonce()
        asked = Call("GET", question.path, nonce, token=token, more_headers=question.headers)
        try:
            async with asyncio.timeout(self._timing.request_seconds):
                came = await send_async(self._http, self._address, asked)
        except TimeoutError:
            return None
        if not isinstance(came, httpx.Response):
            return None
        self._note(came)
        return came

    async def _bearer(self) -> Mapping[str, str]:
        token = await self._next_token()
        return {} if token is None else {"Authorization": f"Bearer {token}"}

    async def _next_token(self) -> str | None:
        if self._get_token is not None:
            self._token = await self._get_token(self._rejected)
        return self._token

    def _note(self, answer: httpx.Response) -> None:
        """A token that was rejected is shown to who gives them, to be renewed."""
        self._rejected = self._token if answer.status_code in _UNAUTHORIZED else None

    def _tell_learned(self) -> None:
        self._learned.set()


class Pausing:
    """A wait that others can cut short, though not below what the service asked for."""

    def __init__(self) -> None:
        self._woken = asyncio.Event()

    async def sleep(self, wait: Wait) -> None:
        """Wait for so long."""
        earliest = time.monotonic() + wait.at_least_seconds
        self._woken.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait.seconds):
                await self._woken.wait()
        left = earliest - time.monotonic()
        if left > 0:
            await asyncio.sleep(left)

    def wake(self) -> None:
        """End the wait, if somebody waits."""
        self._woken.set()


def _as_answer(error: ClientError) -> httpx.Response | None:
    """A log-in that has ended counts as what the service said of it."""
    return httpx.Response(error.status) if isinstance(error, Refused) else None
