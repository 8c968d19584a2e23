"""Where a request comes from: trusted proxy hops only, and the networks of one customer.

An IPv4 address is one client. An IPv6 customer is given a network: a phone a /64, a household a
/56, a company a /48 (RIPE-690, 4.2). Nobody outside can tell which of them it is, so an IPv6
address is counted under all three (docs/decisions/0019).

aiohttp-remotes either trusts any peer or refuses requests without the header, health checks
included; so the few lines stand here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final, NamedTuple

from aiohttp import web

Trusted = Sequence[IPv4Network | IPv6Network]

# Some proxies write the port as well: 192.0.2.7:41000, [2001:db8::7]:41000.
_WITH_PORT: Final = re.compile(r"^(?:\[(?P<v6>[^\]]+)\](?::\d+)?|(?P<v4>[\d.]+):\d+)$")

# Prefix lengths of IPv6, each with its share. Two bits of quota for eight bits of network: four
# networks at full use within a household's /56, and four households within a /48. A customer who
# holds a whole /48 gets sixteen clients' limits, not those of its 65,536 networks.
_WIDTHS: Final = ((64, 1), (56, 4), (48, 16))  # guard: ipv6-customer-one
# IPv6 addresses whose last 32 bits are the IPv4 address of the client: IPv4-compatible (RFC 4291),
# IPv4-translated (RFC 2765) and NAT64 (RFC 6052).
_ENDS_IN_IPV4: Final = (
    IPv6Network("::/96"),
    IPv6Network("::ffff:0:0:0/96"),
    IPv6Network("64:ff9b::/96"),
)
_NOBODY: Final = (IPv6Address("::"), IPv6Address("::1"))  # within ::/96, and no IPv4 addresses
_ADDRESS_CHARS_MAX: Final = 64  # with brackets, port and zone; what is longer is no address
_HOPS_MAX: Final = 32  # no chain of proxies is longer; a field of 8 KiB has room for thousands


class Network(NamedTuple):
    """What a client's requests, streams and passwords are counted under.

    `share` is how many clients' limits hold for all who call from it.
    """

    key: str
    share: int


_UNKNOWN: Final = (Network("unknown", 1),)  # a peer without an address: a Unix socket


def client_address(request: web.Request, trusted: Trusted) -> str:
    """The address that this request came from, as text, for `networks_of`.

    X-Forwarded-For is read from its right end, for as long as the hop that added to it is trusted:
    what stands further left is whatever the client wrote.
    """
    peer = request.remote or ""
    if trusted and (forwarded := request.headers.getall("X-Forwarded-For", None)):
        hops = ",".join(forwarded).rsplit(",", _HOPS_MAX)[-_HOPS_MAX:]
        while hops and _is_trusted(peer, tuple(trusted)):  # guard: only-trusted-hops
            peer = hops.pop().strip()[:_ADDRESS_CHARS_MAX]
    return peer


@lru_cache(maxsize=8192)
def networks_of(address: str) -> tuple[Network, ...]:
    """The networks that an address belongs to, from the narrowest to the widest: one for an IPv4
    address, three for an IPv6 address, one called "unknown" for what is no address.
    """
    try:
        parsed = _parsed(address)
    except ValueError:
        return _UNKNOWN
    if isinstance(parsed, IPv6Address):
        parsed = _ipv4_within(parsed) or parsed  # guard: ipv4-customer-makes
    if isinstance(parsed, IPv4Address):
        return (Network(str(parsed), 1),)
    return tuple(Network(_prefix(int(parsed), length), share) for length, share in _WIDTHS)


def client_networks(request: web.Request, trusted: Trusted) -> tuple[Network, ...]:
    """The networks that this request came from, as `networks_of` has them."""
    return networks_of(client_address(request, trusted))


def peer_networks(peer: str, *, trusted: Trusted) -> tuple[Network, ...]:
    """The networks that a peer's connections are counted under; none for a trusted proxy, and for a
    peer without an address.
    """
    return () if not peer or _is_trusted(peer, tuple(trusted)) else networks_of(peer)


def is_direct(request: web.Request, trusted: Trusted) -> bool:
    """Whether the connection is its client's own, and not a trusted proxy's or a Unix socket's."""
    return bool(peer_networks(request.remote or "", trusted=trusted))


@lru_cache(maxsize=4096)
def _is_trusted(address: str, trusted: tuple[IPv4Network | IPv6Network, ...]) -> bool:
    try:
        parsed = _parsed(address)
    except ValueError:
        return False
    return any(parsed in network for network in trusted)  # guard: no-hop-trusted


def _parsed(address: str) -> IPv4Address | IPv6Address:
    """Without port and zone; an IPv4 peer of a dual-stack socket (::ffff:a.b.c.d) is IPv4."""
    if match := _WITH_PORT.match(address):
        address = match["v6"] or match["v4"]
    parsed = ip_address(address.partition("%")[0])
    return (isinstance(parsed, IPv6Address) and parsed.ipv4_mapped) or parsed


def _prefix(address: int, length: int) -> str:
    """As `ip_network` writes it, which takes four times as long: each request from a new address
    comes here before any limit.
    """
    host_bits = 128 - length
    return f"{IPv6Address(address >> host_bits << host_bits)}/{length}"


def _ipv4_within(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address of a client that is translated or tunnelled: a client that has one has 2^80
    addresses of 6to4 (RFC 3056) besides, and some of Teredo (RFC 4380), and is one client with all.

    Only for counting. A hop is not trusted for an address that is written into another one.
    """
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        _server, client = address.teredo
        return client
    if address not in _NOBODY and any(address in network for network in _ENDS_IN_IPV4):
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return None
