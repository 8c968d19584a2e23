"""Ways around the rate limits: other addresses, other spellings of a path, other ways to send."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

import aiohttp

from scoreboard.accounts.access import AccessTokens
from scoreboard.parts import PARTS
from tests.attacks.conftest import Start
from tests.attacks.wire import connected, exchange
from tests.instances import Instance
from tests.world import add_users


def request(path: str, method: str = "GET", fields: Sequence[str] = ()) -> bytes:
    return "\r\n".join((f"{method} {path} HTTP/1.1", "Host: test", *fields, "", "")).encode()


async def statuses(instance: Instance, *requests: bytes) -> list[int]:
    """The answers to requests that are sent one after another, on one connection while it lasts."""
    found: list[int] = []
    while len(found) < len(requests):
        async with connected(instance) as wire:
            with suppress(EOFError):
                for one in requests[len(found) :]:
                    await wire.send(one)
                    found.append((await wire.reply()).status)
    return found


# Other addresses

NAMING_AN_ADDRESS = (
    "X-Forwarded-For: 10.0.0.{n}",
    "X-Forwarded-For: 10.0.0.{n}, 127.0.0.1",
    "Forwarded: for=10.0.0.{n}",
    "X-Real-IP: 10.0.0.{n}",
    "X-Client-IP: 10.0.0.{n}",
    "True-Client-IP: 10.0.0.{n}",
    "CF-Connecting-IP: 10.0.0.{n}",
    "Via: 1.1 10.0.0.{n}",
)


async def test_no_header_field_makes_a_direct_client_another(start: Start) -> None:
    instance = await start(rate_limit_per_ip="3/hour")
    fields = [field.format(n=n) for n, field in enumerate(NAMING_AN_ADDRESS)]
    found = await statuses(instance, *(request("/api/leaderboard", fields=[f]) for f in fields))
    assert found == [200] * 3 + [429] * (len(fields) - 3)


WRITTEN_BY_A_CLIENT = (
    "10.0.0.{n}",
    "10.0.0.{n}, 10.1.0.{n}",
    "127.0.0.1, 10.0.0.{n}",
    "::ffff:127.0.0.1, 10.0.0.{n}",
    "unknown, [::1]:{n}",
    ",,,,{n}",
    "127.0.0.1:{n}",
)


async def test_what_a_client_writes_left_of_the_proxys_own_entry_counts_for_nothing(
    start: Start,
) -> None:
    """The proxy appends the peer it sees, 192.0.2.7, to whatever the client wrote."""
    instance = await start(rate_limit_per_ip="3/hour", trusted_proxies=["127.0.0.1"])
    written = [text.format(n=n) for n, text in enumerate(WRITTEN_BY_A_CLIENT)]
    fields = [f"X-Forwarded-For: {text}, 192.0.2.7" for text in written]
    found = await statuses(instance, *(request("/api/leaderboard", fields=[f]) for f in fields))
    assert found == [200] * 3 + [429] * (len(fields) - 3)


async def test_an_ipv6_host_cannot_rotate_through_its_network(start: Start) -> None:
    instance = await start(rate_limit_per_ip="2/hour", trusted_proxies=["127.0.0.1"])
    spellings = ("2001:db8::1", "2001:DB8::2", "[2001:db8::3]:4711", "2001:db8:0:0:ffff::4%eth0")
    fields = [f"X-Forwarded-For: {address}" for address in spellings]
    found = await statuses(instance, *(request("/api/leaderboard", fields=[f]) for f in fields))
    assert found == [200, 200, 429, 429]


async def from_addresses(instance: Instance, addresses: Sequence[str]) -> list[int]:
    fields = [f"X-Forwarded-For: {address}" for address in addresses]
    return await statuses(instance, *(request("/api/leaderboard", fields=[f]) for f in fields))


async def test_an_ipv6_customer_cannot_rotate_through_its_networks(start: Start) -> None:
    """A household has 256 networks and the quota of 4, a company 65,536 and that of 16."""
    instance = await start(rate_limit_per_ip="2/hour", trusted_proxies=["127.0.0.1"])
    household = await from_addresses(instance, [f"2001:db8:0:{n:x}::1" for n in range(12)])
    assert household == [200] * 8 + [429] * 4
    company = await from_addresses(instance, [f"2001:db8:0:{n:x}00::1" for n in range(1, 32)])
    assert company == [200] * 24 + [429] * 7  # and the 8 of the household within
    assert await from_addresses(instance, ["2001:db8:1::1"]) == [200]


async def test_what_one_network_is_refused_is_not_counted_against_the_wider_ones(
    start: Start,
) -> None:
    """Else one customer of a mobile network would use up what its neighbours have together."""
    instance = await start(rate_limit_per_ip="2/hour", trusted_proxies=["127.0.0.1"])
    found = await from_addresses(instance, ["2001:db8::1"] * 60)
    assert found == [200] * 2 + [429] * 58
    assert await from_addresses(instance, ["2001:db8:0:1::1"] * 3) == [200, 200, 429]


async def test_an_ipv6_customer_holds_no_streams_without_end(start: Start) -> None:
    instance = await start(streams_per_ip=1, trusted_proxies=["127.0.0.1"])

    opened: list[aiohttp.ClientResponse] = []

    async def opens(address: str) -> int:
        headers = {"X-Forwarded-For": address}
        opened.append(await instance.client.get("/api/leaderboard/stream", headers=headers))
        return opened[-1].status

    household = [await opens(f"2001:db8:0:{n:x}::1") for n in range(6)]
    assert household == [200] * 4 + [429] * 2
    company = [await opens(f"2001:db8:0:{n:x}00::1") for n in range(1, 15)]
    assert company == [200] * 12 + [429] * 2
    assert await opens("2001:db8:1::1") == 200
    for response in opened:
        response.close()
    await asyncio.sleep(0)


async def test_an_ipv4_customer_makes_no_ipv6_clients_of_its_address(start: Start) -> None:
    instance = await start(rate_limit_per_ip="2/hour", trusted_proxies=["127.0.0.1"])
    addresses = [
        "192.0.2.1",
        "2002:c000:201::1",  # 6to4
        "2002:c000:201:ffff::1",
        "2001:0:cb00:7101:8000:63bf:3fff:fdfe",  # Teredo
        "64:ff9b::192.0.2.1",  # NAT64
        "::ffff:192.0.2.1",
    ]
    assert await from_addresses(instance, addresses) == [200] * 2 + [429] * 4


async def test_the_networks_of_a_customer_count_together_while_redis_is_away(start: Start) -> None:
    instance = await start(
        rate_limit_per_ip="2/hour",
        trusted_proxies=["127.0.0.1"],
        redis_url="redis://127.0.0.1:1/0",
    )
    found = await from_addresses(instance, [f"2001:db8:0:{n:x}::1" for n in range(12)])
    assert found == [200] * 8 + [429] * 4


# Other spellings of a path

SPELLINGS = (
    "/api/auth/refresh",
    "/api/auth/%72efresh",
    "/%61pi/auth/refresh",
    "/api/auth/refresh?again",
    "/api/auth/refresh#again",
    "http://elsewhere.example/api/auth/refresh",
    "//elsewhere.example/api/auth/refresh",
    "//api/auth/refresh",
    "/api//auth/refresh",
    "/api/auth//refresh",
    "/API/AUTH/REFRESH",
    "/api/auth/refresh/",
    "/api/auth/refresh.",
    "/api/auth/refresh%20",
    "/api/auth/refresh%00",
    "/api/auth/refresh;a=b",
    "/api/auth/../auth/refresh",
    "/x/../api/auth/refresh",
    "/api/./auth/refresh",
    "/%2e/api/auth/refresh",
    "/api%2Fauth%2Frefresh",
    "/api/auth%2frefresh",
    "/api/auth/%2572efresh",
    "/api\\auth\\refresh",
)


async def test_a_path_that_reaches_an_account_counts_as_one_however_it_is_spelt(
    start: Start,
) -> None:
    """Each spelling is tried by a client of its own, who may do it once."""
    instance = await start(rate_limit_accounts_per_ip="1/hour", trusted_proxies=["127.0.0.1"])
    body = b'{"refreshToken":"x"}'
    about_body = ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    reached = []
    for n, path in enumerate(SPELLINGS):
        one = request(path, "POST", [f"X-Forwarded-For: 10.0.0.{n}", *about_body]) + body
        first, second = await statuses(instance, one, one)
        assert first in (401, 404), path
        assert second in (404, 429), path
        if first == 401:
            reached.append(path)
            assert second == 429, path
    assert "/api/auth/%72efresh" in reached


async def test_a_probes_path_leads_nowhere_but_to_the_probe(start: Start) -> None:
    """Probes are counted apart, so their paths must open nothing else."""
    instance = await start(rate_limit_per_ip="1/hour")
    paths = ["/api/leaderboard", "/healthz", "/healthz/", "/healthz/../api/leaderboard"]
    assert await statuses(instance, *map(request, paths)) == [200, 200, 429, 429]


# Other ways to send


async def test_pipelined_requests_are_counted_one_by_one(start: Start) -> None:
    instance = await start(rate_limit_per_ip="5/hour")
    replies = await exchange(instance, request("/api/leaderboard") * 12)
    assert [reply.status for reply in replies] == [200] * 5 + [429]


async def test_every_method_counts(start: Start) -> None:
    instance = await start(rate_limit_per_ip="4/hour")
    methods = ("OPTIONS", "TRACE", "PUT", "PROPFIND", "GET")
    requests = [request("/api/actions", method) for method in methods]
    assert await statuses(instance, *requests) == [405, 405, 405, 405, 429]


async def test_bad_tokens_do_not_dodge_the_limit_of_the_address(start: Start) -> None:
    instance = await start(rate_limit_per_ip="2/hour")
    fields = [f"Authorization: Bearer {n}.{n}.{n}" for n in range(3)]
    found = await statuses(instance, *(request("/api/me", fields=[f]) for f in fields))
    assert found == [403, 403, 429]


async def test_one_user_with_many_tokens_is_one_user(start: Start, database_url: str) -> None:
    """A log-in on every device; all of them are the user's."""
    instance = await start(rate_limit_per_user="2/hour")
    [user] = add_users(database_url, 1)
    other = AccessTokens(replace(instance.app[PARTS].settings, access_token_seconds=60))
    fields = [f"Authorization: Bearer {t.issue(user)}" for t in (instance.app[PARTS].access, other)]
    found = await statuses(instance, *(request("/api/me", fields=[f]) for f in fields * 2))
    assert found == [200, 200, 429, 429]
