"""Which address a request is counted under, and what a client cannot forge."""

from __future__ import annotations

import time
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address, ip_network
from itertools import pairwise

import pytest
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from scoreboard.api.http.addresses import (
    Trusted,
    client_address,
    client_networks,
    networks_of,
    peer_networks,
)
from tests.properties.strategies import examples

PROXIES = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


def seen(peer: str | None, *forwarded: str, trusted: Trusted = PROXIES) -> str:
    """The narrowest network that a request is counted under."""
    headers = CIMultiDict([("X-Forwarded-For", value) for value in forwarded])
    request = make_mocked_request("GET", "/", headers=headers)
    # clone() takes None for "as before".
    request = request.clone(remote="" if peer is None else peer)
    return client_networks(request, trusted)[0].key


def keys(address: str) -> list[str]:
    return [network.key for network in networks_of(address)]


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("192.0.2.1", [], "192.0.2.1"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["192.0.2.1"], "192.0.2.1"),
        ("10.0.0.1", ["192.0.2.1, 10.0.0.2"], "192.0.2.1"),
        ("10.0.0.1", ["192.0.2.1", "10.0.0.2 , 10.0.0.3"], "192.0.2.1"),
        ("fd00::1", ["192.0.2.1"], "192.0.2.1"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1", ["192.0.2.1:41000"], "192.0.2.1"),
        ("10.0.0.1", ["[2001:db8::7]:41000"], "2001:db8::/64"),
        ("10.0.0.1", ["[2001:db8::7]"], "2001:db8::/64"),
        ("10.0.0.1", [""], "unknown"),
    ],
)
def test_the_client_is_the_nearest_hop_that_is_not_ours(
    peer: str, forwarded: list[str], address: str
) -> None:
    assert seen(peer, *forwarded) == address


def test_without_trusted_proxies_the_header_is_not_read() -> None:
    assert seen("192.0.2.1", "198.51.100.7", trusted=()) == "192.0.2.1"
    assert seen("10.0.0.1", "198.51.100.7", trusted=()) == "10.0.0.1"


def test_a_peer_that_is_not_trusted_cannot_speak_for_another() -> None:
    assert seen("192.0.2.1", "198.51.100.7") == "192.0.2.1"


@examples(100)
@given(
    st.lists(
        st.text(st.characters(exclude_characters="\r\n\0", codec="utf-8"), max_size=40), max_size=5
    )
)
def test_whatever_the_client_writes_into_the_header_changes_nothing(forged: list[str]) -> None:
    """The proxy appends the true address on the right: what stands left of it is the client's."""
    assert seen("10.0.0.1", *forged, "192.0.2.1, 10.0.0.2") == "192.0.2.1"
    assert seen("192.0.2.1", *forged) == "192.0.2.1"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff"),
        ("2001:db8::", "2001:0DB8:0:0::1"),
        ("fe80::1", "fe80::2%eth0"),
        ("192.0.2.1", "::ffff:192.0.2.1"),
        ("192.0.2.1", "::ffff:c000:201"),
    ],
)
def test_one_client_in_different_spellings_is_one_client(one: str, other: str) -> None:
    assert seen(one) == seen(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:3::1"),
        ("192.0.2.1", "192.0.2.2"),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2"),
    ],
)
def test_different_clients_are_counted_apart(one: str, other: str) -> None:
    assert seen(one) != seen(other)


def test_a_proxy_is_trusted_on_a_dual_stack_socket_too() -> None:
    """Such a socket sees ::ffff:10.0.0.1; without this all clients of the proxy were one."""
    assert seen("::ffff:10.0.0.1", "192.0.2.1") == "192.0.2.1"


@pytest.mark.parametrize("peer", [None, "", "@socket", "1.2.3", "localhost", "192.0.2.1" * 50])
def test_a_peer_without_an_address_is_unknown(peer: str | None) -> None:
    assert seen(peer) == "unknown"


def test_a_chain_of_hops_without_end_is_followed_as_far_as_chains_go() -> None:
    """Only clients in a trusted network can write one; it costs what its bytes cost."""
    assert seen("10.0.0.1", "192.0.2.1," * 5000 + ",".join(["10.0.0.2"] * 31)) == "192.0.2.1"
    assert seen("10.0.0.1", "192.0.2.1," * 5000 + ",".join(["10.0.0.2"] * 32)) == "10.0.0.2"


# One customer


def test_an_ipv6_address_is_counted_under_the_networks_that_a_customer_may_hold() -> None:
    assert networks_of("2001:db8:1:2345::7") == (
        ("2001:db8:1:2345::/64", 1),
        ("2001:db8:1:2300::/56", 4),
        ("2001:db8:1::/48", 16),
    )


def test_an_ipv4_address_is_one_client() -> None:
    assert networks_of("192.0.2.1") == (("192.0.2.1", 1),)


@pytest.mark.parametrize(
    "address",
    [
        "::ffff:192.0.2.1",  # of a dual-stack socket
        "::192.0.2.1",  # compatible
        "::ffff:0:192.0.2.1",  # translated
        "64:ff9b::192.0.2.1",  # NAT64
        "2002:c000:201::",  # 6to4, of which an IPv4 address has 2^80
        "2002:c000:201:ffff:1:2:3:4",
        "2001:0:cb00:7101:8000:63bf:3fff:fdfe",  # Teredo, the address inverted, by two servers
        "2001:0:cb00:7199:0:1234:3fff:fdfe",
    ],
)
def test_who_has_an_ipv4_address_makes_no_further_clients_of_it(address: str) -> None:
    assert keys(address) == ["192.0.2.1"]


@pytest.mark.parametrize("address", ["::1", "::", "64:ff9b:1::192.0.2.1", "fe80::5efe:192.0.2.1"])
def test_what_only_looks_like_an_ipv4_address_is_ipv6(address: str) -> None:
    assert len(keys(address)) == 3


@pytest.mark.parametrize("peer", ["2002:a00:1::1", "::10.0.0.1", "64:ff9b::10.0.0.1"])
def test_no_hop_is_trusted_for_an_address_that_is_written_into_its_own(peer: str) -> None:
    assert seen(peer, "198.51.100.7") == "10.0.0.1"
    headers = {"X-Forwarded-For": "198.51.100.7"}
    request = make_mocked_request("GET", "/", headers=headers).clone(remote=peer)
    assert client_address(request, PROXIES) == peer


@examples(100)
@given(st.ip_addresses(v=6))
def test_wider_networks_hold_the_narrower_ones_and_more_clients(address: IPv6Address) -> None:
    found = networks_of(str(address))
    for (inner, fewer), (outer, more) in pairwise(found):
        assert ip_network(inner).subnet_of(ip_network(outer))  # type: ignore[arg-type]
        assert fewer < more


@examples(100)
@given(st.ip_addresses(v=6).filter(lambda address: len(keys(str(address))) == 3))
def test_networks_are_written_as_everybody_writes_them(address: IPv6Address) -> None:
    expected = [str(ip_network((address, length), strict=False)) for length in (64, 56, 48)]
    assert keys(str(address)) == expected


def test_an_address_that_was_never_seen_costs_little_before_any_limit_is_asked() -> None:
    """Whoever holds a network can call from another address each time."""
    addresses = [f"2001:db8:1:{n:x}:1:2:3:4" for n in range(500)]

    def cost_us(work: Callable[[str], object]) -> float:
        networks_of.cache_clear()
        began = time.process_time_ns()
        for address in addresses:
            work(address)
        return (time.process_time_ns() - began) / 1000 / len(addresses)

    taken = min(cost_us(networks_of) for _ in range(5))
    parsing = min(cost_us(ip_address) for _ in range(5))
    assert taken < 9 * parsing


def test_a_peers_connections_are_counted_by_network_and_those_of_a_trusted_proxy_are_not() -> None:
    trusted = (ip_network("192.0.2.0/24"),)
    assert [network.key for network in peer_networks("198.51.100.7", trusted=trusted)] == [
        "198.51.100.7"
    ]
    assert [network.key for network in peer_networks("2001:db8:1:2::3", trusted=trusted)] == [
        "2001:db8:1:2::/64",
        "2001:db8:1::/56",
        "2001:db8:1::/48",
    ]
    for peer in ("192.0.2.9", "::ffff:192.0.2.9", ""):
        assert peer_networks(peer, trusted=trusted) == ()
