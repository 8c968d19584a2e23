"""aiohttp-sse-client2 comes back by itself, some times; then a loop of one's own has to."""

import asyncio

import aiohttp
from aiohttp_sse_client2.client import EventSource
from told import HEADERS, SILENCE_SECONDS, URL, gone, heard, pause


async def follow() -> None:
    timeout = aiohttp.ClientTimeout(total=None, sock_read=SILENCE_SECONDS)
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        EventSource(URL, session=session, headers=dict(HEADERS)) as source,
    ):
        async for event in source:
            heard(event.type, event.last_event_id)


while True:
    try:
        asyncio.run(follow())
    except (aiohttp.ClientError, ConnectionError, TimeoutError) as error:
        gone(error)
    pause()
