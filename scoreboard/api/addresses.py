"""Who is calling, by address: trusted proxy hops only, IPv6 by /64.

aiohttp-remotes either trusts any peer or refuses requests without the header, health checks
included; so the few lines stand here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from aiohttp import web

Networks = Sequence[IPv4Network | IPv6Network]

# Some proxies write the port as well: 192.0.2.7:41000, [2001:db8::7]:41000.
_WITH_PORT: Final = re.compile(r"^(?:\[(?P<v6>[^\]]+)\](?::\d+)?|(?P<v4>[\d.]+):\d+)$")

_UNKNOWN: Final = "unknown"  # a peer without an address: a Unix socket


def client_address(request: web.Request, trusted: Networks) -> str:
    """The key that this client's requests are counted under.

    X-Forwarded-For is read from its right end, for as long as the hop that added to it is trusted:
    what stands further left is whatever the client wrote.
    """
    peer = request.remote or _UNKNOWN
    if trusted and (forwarded := request.headers.getall("X-Forwarded-For", None)):
        hops = [hop.strip() for hop in ",".join(forwarded).split(",")]
        while hops and _is_trusted(peer, tuple(trusted)):
            peer = hops.pop()
    return _key(peer)


@lru_cache(maxsize=4096)
def _is_trusted(address: str, trusted: tuple[IPv4Network | IPv6Network, ...]) -> bool:
    try:
        parsed = _parsed(address)
    except ValueError:
        return False
    return any(parsed in network for network in trusted)


@lru_cache(maxsize=4096)
def _key(address: str) -> str:
    """One household or host has a whole /64, so addresses within it are one client."""
    try:
        parsed = _parsed(address)
    except ValueError:
        return _UNKNOWN
    if isinstance(parsed, IPv6Address):
        return str(ip_network((parsed, 64), strict=False).network_address)
    return str(parsed)


def _parsed(address: str) -> IPv4Address | IPv6Address:
    """Without port and zone; an IPv4 peer of a dual-stack socket (::ffff:a.b.c.d) is IPv4."""
    if match := _WITH_PORT.match(address):
        address = match["v6"] or match["v4"]
    parsed = ip_address(address.partition("%")[0])
    return (isinstance(parsed, IPv6Address) and parsed.ipv4_mapped) or parsed
