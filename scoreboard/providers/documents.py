"""What a provider publishes: its description and its keys, fetched within bounds.

The operator names the issuer, the issuer's description names where its keys are. So somebody who
has a provider in hand could have us ask any address that we reach. Only the issuer's own origin may
lie in a private network, redirects are not followed, and the address is looked at when it is
connected to, which a name that changes in between cannot get round.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

import aiohttp
import orjson

DOCUMENT_MAX_BYTES: Final = 64 * 1024
# For the description and the keys together: so long may requests wait for them.
TIMEOUT_SECONDS: Final = 5.0
_WELL_KNOWN: Final = "/.well-known/openid-configuration"
_ADDRESS_CHARS_MAX: Final = 2048
# All that the registries have given out. Elsewhere are NAT64 and other forms of IPv4 addresses.
_UNICAST: Final = ip_network("2000::/3")
# Addresses that stand for an IPv4 address, maybe a private one: 6to4, Teredo.
_TRANSLATED: Final = (ip_network("2002::/16"), ip_network("2001::/32"))
# As `TCPConnector` calls it, with one of what getaddrinfo answers.
_MakeSocket = Callable[[Any], socket.socket]


class DocumentRefused(Exception):
    """A provider's answer cannot be used. The message says why, and holds nothing of it. `status`
    is that of the answer, if that is why.
    """

    def __init__(self, why: str, status: int = 0) -> None:
        super().__init__(why)
        self.status = status


async def fetch_key_set(issuer: str) -> Any:
    """Fetch the key set of an issuer, as JSON reads it. Raises DocumentRefused."""
    with _refusing():
        async with asyncio.timeout(TIMEOUT_SECONDS):
            description = await _describe(issuer)
            return await _fetch("GET", *_place(issuer, description, "jwks_uri"))


async def fetch_description(issuer: str) -> Mapping[str, Any]:
    """Fetch what an issuer says of itself. Raises DocumentRefused."""
    with _refusing():
        async with asyncio.timeout(TIMEOUT_SECONDS):
            return await _describe(issuer)


def place_of(issuer: str, description: Mapping[str, Any], member: str) -> str:
    """Where an issuer has what a member of its description names, for a browser to go there. Raises
    DocumentRefused.
    """
    with _refusing():
        return _place(issuer, description, member)[0]


async def post_form(
    issuer: str,
    description: Mapping[str, Any],
    member: str,
    form: Mapping[str, str],
    headers: Mapping[str, str],
) -> Any:
    """Send a form to the place that a member of the description names, and read the JSON that it
    answers with. Raises DocumentRefused.
    """
    with _refusing():
        async with asyncio.timeout(TIMEOUT_SECONDS):
            place = _place(issuer, description, member)
            return await _fetch("POST", *place, data=form, headers=headers)


@contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
        raise DocumentRefused(type(error).__name__) from error


async def _describe(issuer: str) -> Mapping[str, Any]:
    found = await _fetch("GET", issuer.rstrip("/") + _WELL_KNOWN, _make_socket)
    if not isinstance(found, dict) or found.get("issuer") != issuer:
        # guard: provider-names-itself
        raise DocumentRefused("the description is another issuer's")  # Discovery, 4.3
    return found


def _place(issuer: str, description: Mapping[str, Any], member: str) -> tuple[str, _MakeSocket]:
    """Where that is, and how it may be connected to. Raises DocumentRefused, ValueError."""
    address = description.get(member)
    if not isinstance(address, str) or len(address) > _ADDRESS_CHARS_MAX:
        raise DocumentRefused(f"the description names no {member}")
    home, place = urlsplit(issuer), urlsplit(address)
    if place.username is not None or place.password is not None or not place.hostname:
        raise DocumentRefused(f"{member} is no plain address")
    if _origin(home) == _origin(place):
        return address, _make_socket
    if place.scheme != "https":  # guard: provider-keys-https
        raise DocumentRefused(f"{member} is not behind TLS")
    return address, _make_public_socket


def _origin(parts: SplitResult) -> tuple[str, str | None, int | None]:
    port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    return parts.scheme, parts.hostname, port


async def _fetch(method: str, address: str, make_socket: _MakeSocket, **sent: Any) -> Any:
    """Fetch one document; `sent` are arguments of aiohttp's. Raises DocumentRefused, and what
    aiohttp and orjson raise.
    """
    connector = aiohttp.TCPConnector(socket_factory=make_socket, force_close=True)
    async with (
        aiohttp.ClientSession(
            connector=connector,
            auto_decompress=False,  # 64 KiB could become 64 MiB
            trust_env=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"Accept": "application/json", "Accept-Encoding": "identity"},
        ) as client,
        client.request(
            method,
            address,
            allow_redirects=False,
            **sent,  # guard: provider-leads-nowhere
        ) as response,
    ):
        if response.status != 200:
            raise DocumentRefused(f"status {response.status}", response.status)
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise DocumentRefused("the answer is packed")
        return orjson.loads(await _read(response.content))


async def _read(content: aiohttp.StreamReader) -> bytes:
    read = bytearray()
    async for piece in content.iter_any():
        read += piece
        if len(read) > DOCUMENT_MAX_BYTES:  # guard: provider-answers-bounded
            raise DocumentRefused(f"the answer has more than {DOCUMENT_MAX_BYTES} bytes")
    return bytes(read)


def _make_socket(found: Any) -> socket.socket:
    family, kind, protocol, *_ = found
    return socket.socket(family, kind, protocol)


def _make_public_socket(found: Any) -> socket.socket:
    """Make a socket for an address that everybody can reach. Raises OSError for others."""
    if not is_public(ip_address(found[4][0].partition("%")[0])):  # guard: provider-keys-public
        raise OSError("the place of the keys is in a private network")
    return _make_socket(found)


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether an address is in no private network, however it is written."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address not in _UNICAST or any(address in network for network in _TRANSLATED):
            return False
    return address.is_global and not address.is_multicast
