"""Which address a request is counted under, and what a client cannot forge."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from scoreboard.api.addresses import Networks, client_address
from tests.properties.strategies import examples

PROXIES = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


def seen(peer: str | None, *forwarded: str, trusted: Networks = PROXIES) -> str:
    headers = CIMultiDict([("X-Forwarded-For", value) for value in forwarded])
    request = make_mocked_request("GET", "/", headers=headers)
    # clone() takes None for "as before".
    request = request.clone(remote="" if peer is None else peer)
    return client_address(request, trusted)


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
        ("10.0.0.1", ["[2001:db8::7]:41000"], "2001:db8::"),
        ("10.0.0.1", ["[2001:db8::7]"], "2001:db8::"),
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


@pytest.mark.parametrize("peer", [None, "", "@socket", "1.2.3", "localhost"])
def test_a_peer_without_an_address_is_unknown(peer: str | None) -> None:
    assert seen(peer) == "unknown"
