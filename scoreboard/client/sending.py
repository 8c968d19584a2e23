"""Sends a call by httpx. Its errors end here: what was not answered is told, and not raised."""

from __future__ import annotations

from typing import Final

import httpx

from .flows import Call, Came
from .signing import NONCE

# More than any answer of a scoreboard has; of a longer one the rest is not read.
_ANSWER_BYTES_MAX: Final = 4_000_000
# What is said of the bytes that came, which are unpacked by then.
_OF_THE_BYTES: Final = ("Content-Encoding", "Content-Length", "Transfer-Encoding")


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
