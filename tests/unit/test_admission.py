"""How many connections may be open."""

from __future__ import annotations

import resource

import pytest

from scoreboard.api.http.admission import FILES_KEPT, Admission, connections_max

ADA, BOB, PROXY = "192.0.2.1", "192.0.2.2", "192.0.2.9"
PHONE, TABLET = "2001:db8::1", "2001:db8:0:1::1"


def networks(peer: str) -> list[tuple[str, int]]:
    """Two networks of one household; a proxy that is trusted."""
    if peer == PROXY:
        return []
    return [(peer, 1), ("2001:db8::/56", 2)] if ":" in peer else [(peer, 1)]


def admission(per_address: int = 2, most: int = 1000) -> Admission:
    return Admission(per_address=per_address, most=most, networks_of=networks)


def test_an_address_may_hold_so_many_and_no_more() -> None:
    doors = admission()
    assert [doors.enter(ADA) for _ in range(3)] == [None, None, "address"]
    assert doors.enter(BOB) is None
    assert len(doors) == 3


def test_whoever_leaves_makes_room() -> None:
    doors = admission(per_address=1)
    for _ in range(3):
        assert doors.enter(ADA) is None
        assert doors.enter(ADA) == "address"
        doors.leave(ADA)
    assert len(doors) == 0
    assert doors._open == {}  # nothing is kept of who is gone


def test_a_refused_connection_counts_under_no_network() -> None:
    doors = admission(per_address=1)
    assert [doors.enter(peer) for peer in (PHONE, PHONE, PHONE, TABLET)] == [
        None,
        "address",
        "address",
        None,
    ]


def test_networks_of_one_household_share_what_it_may_hold() -> None:
    doors = admission(per_address=1)
    third = "2001:db8:0:2::1"
    assert [doors.enter(peer) for peer in (PHONE, TABLET, third)] == [None, None, "address"]
    doors.leave(TABLET)
    assert doors.enter(third) is None


def test_a_trusted_proxy_may_hold_as_many_as_there_are() -> None:
    doors = admission(per_address=1, most=5)
    assert [doors.enter(PROXY) for _ in range(6)] == [None] * 5 + ["process"]


def test_no_address_keeps_all_others_out() -> None:
    doors = admission(per_address=1_000_000, most=300)
    assert [doors.enter(ADA) for _ in range(201)] == [None] * 200 + ["address"]
    assert doors.enter(BOB) is None
    doors = admission(per_address=150, most=300)  # a household may hold as many as two clients
    found = [doors.enter(f"2001:db8::{n % 4:x}") for n in range(201)]
    assert found == [None] * 200 + ["address"]


def test_some_files_are_kept_for_our_own_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    def files(most: int) -> None:
        monkeypatch.setattr(resource, "getrlimit", lambda _: (most, most))

    files(1024)
    assert connections_max(16_000) == 1024 - FILES_KEPT
    files(100_000)
    assert connections_max(16_000) == 16_000
    files(64)
    assert connections_max(16_000) > 0
    files(resource.RLIM_INFINITY)
    assert connections_max(16_000) == 16_000
