"""Does what flows say, and sends their calls by httpx. Its errors end here: what was not answered
is told, and not raised.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import httpx

from .flows import Call, Came, Flow, Step
from .signing import NONCE

Answer = TypeVar("Answer")

# Of a client that is told nothing else: for an attempt, and for all attempts of one request.
TIMEOUT_SECONDS: Final = 10.0
PATIENCE_SECONDS: Final = 30.0
# More than any answer of a scoreboard has; of a longer one the rest is not read.
_ANSWER_BYTES_MAX: Final = 4_000_000
# What is said of the bytes that came, which are unpacked by then.
_OF_THE_BYTES: Final = ("Content-Encoding", "Content-Length", "Transfer-Encoding")


def run(flow: Flow[Answer], do: Callable[[Step], Came]) -> Answer:
    """Do what a flow says, step by step, and answer what it does. Raises as it does."""
    came: Came = None
    while True:
        try:
            step = flow.send(came)
        except StopIteration as end:
            answer: Answer = end.value
            return answer
        came = do(step)


async def run_async(flow: Flow[Answer], do: Callable[[Step], Awaitable[Came]]) -> Answer:
    """The same, awaited."""
    came: Came = None
    while True:
        try:
            step = flow.send(came)
        except StopIteration as end:
            answer: Answer = end.value
            return answer
        came = await do(step)


def send(http: httpx.Client, address: str, asked: Call, auth: httpx.Auth | None = None) -> Came:
    """Send a call, and wait for what comes."""
    try:
        response = http.send(_request(http, address, asked), auth=auth, stream=True)
        try:
            content = bytearray()
            for piece in response.iter_bytes():
                content += piece
                if len(content) > _ANSWER_BYTES_MAX:
                    break
            return _answer(response, content)
        finally:
            response.close()
    except httpx.RequestError as error:
        return error


async def send_async(
    http: httpx.AsyncClient, address: str, asked: Call, auth: httpx.Auth | None = None
) -> Came:
    """The same, awaited."""
    try:
        response = await http.send(_request(http, address, asked), auth=auth, stream=True)
        try:
            content = bytearray()
            async for piece in response.aiter_bytes():
                content += piece
                if len(content) > _ANSWER_BYTES_MAX:
                    break
            return _answer(response, content)
        finally:
            await response.aclose()
    except httpx.RequestError as error:
        return error


def _request(http: httpx.Client | httpx.AsyncClient, address: str, asked: Call) -> httpx.Request:
    return http.build_request(
        asked.method,
        address + asked.path,
        content=asked.content,
        headers=asked.headers,
        extensions={NONCE: asked.nonce},
    )


def _answer(response: httpx.Response, content: bytearray) -> httpx.Response:
    headers = httpx.Headers(response.headers)
    for name in _OF_THE_BYTES:
        headers.pop(name, None)
    return httpx.Response(response.status_code, headers=headers, content=bytes(content))
