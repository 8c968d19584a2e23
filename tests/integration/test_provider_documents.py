"""What a provider publishes, fetched over real sockets: bounds, and where it may not be."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from scoreboard.providers import documents
from scoreboard.providers.documents import DOCUMENT_MAX_BYTES, DocumentRefused, fetch_key_set
from tests.identity_provider import IdentityProvider, serving
from tests.proxy import TcpProxy


@pytest.fixture
async def provider() -> AsyncIterator[IdentityProvider]:
    provider = IdentityProvider()
    async with serving(provider):
        yield provider


async def refusal(provider: IdentityProvider) -> str:
    with pytest.raises(DocumentRefused) as refused:
        await fetch_key_set(provider.issuer)
    return str(refused.value)


async def test_keys_are_found_by_the_description(provider: IdentityProvider) -> None:
    assert await fetch_key_set(provider.issuer) == provider.published


@pytest.mark.parametrize("name", ["https://else.example", "", None, ["x"]])
async def test_a_description_of_another_issuer_is_none(
    provider: IdentityProvider, name: Any
) -> None:
    provider.description = {"issuer": name}
    assert await refusal(provider) == "the description is another issuer's"
    assert not provider.asked


async def test_a_description_leads_to_nowhere_in_a_private_network(
    provider: IdentityProvider,
) -> None:
    """Not by a number, not by a name, not over TLS, not in another writing."""
    connected: list[object] = []
    server = await asyncio.start_server(lambda *_: connected.append(_), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        for address in (
            f"http://127.0.0.1:{port}/keys",
            f"https://127.0.0.1:{port}/keys",
            f"https://localhost:{port}/keys",
            f"https://[::1]:{port}/keys",
            f"https://[::ffff:127.0.0.1]:{port}/keys",
            f"https://2130706433:{port}/keys",
            f"https://0x7f.1:{port}/keys",
            "https://169.254.169.254/latest/meta-data",
            "file:///etc/passwd",
            "gopher://127.0.0.1",
            "https://user:password@93.184.216.34/keys",
            "https://[not an address/keys",
            "https:///keys",
            "/keys",
            "",
            "x" * 3000,
            7,
        ):
            provider.description = {"jwks_uri": address}
            await refusal(provider)
        provider.description = {"jwks_uri": "http://93.184.216.34/keys"}
        assert await refusal(provider) == "jwks_uri is not behind TLS"
    assert not connected
    assert not provider.asked


async def test_a_redirect_is_not_followed(provider: IdentityProvider) -> None:
    other = IdentityProvider()
    async with serving(other):
        provider.answer = web.Response(status=302, headers={"Location": f"{other.issuer}/keys"})
        assert await refusal(provider) == "status 302"
        assert not other.asked


async def test_an_answer_without_end_is_read_to_its_bound(provider: IdentityProvider) -> None:
    provider.answer = web.Response(body=b" " * (DOCUMENT_MAX_BYTES + 1))
    assert "more than 65536 bytes" in await refusal(provider)


async def test_a_packed_answer_is_not_unpacked(provider: IdentityProvider) -> None:
    packed = web.json_response({"keys": []})
    packed.enable_compression(web.ContentCoding.gzip)
    packed._compression_force = web.ContentCoding.gzip
    provider.answer = packed
    assert await refusal(provider) in ("the answer is packed", "JSONDecodeError")


@pytest.mark.parametrize("text", ["", "{", "[" * 60_000, '{"keys": NaN}', "\ud7ff"])
async def test_what_is_no_json_is_refused(provider: IdentityProvider, text: str) -> None:
    provider.answer = web.Response(text=text)
    assert await refusal(provider) == "JSONDecodeError"


async def test_a_provider_that_says_nothing_is_waited_for_as_long_as_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(documents, "TIMEOUT_SECONDS", 0.3)
    provider = IdentityProvider()
    async with serving(provider) as port, TcpProxy("127.0.0.1", port) as line:
        provider.issuer = f"http://127.0.0.1:{line.port}"
        line.black_hole()
        started = time.monotonic()
        assert await refusal(provider) == "TimeoutError"
        assert time.monotonic() - started >= 0.3
        await line.cut()
        assert "Connect" in await refusal(provider)
