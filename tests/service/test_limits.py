"""Rate limits through HTTP."""

from __future__ import annotations

import pytest
import redis.asyncio

from scoreboard.parts import PARTS
from tests.instances import Instance
from tests.service.conftest import Start
from tests.world import add_actions, add_users

PASSWORD = "correct horse battery staple"


async def statuses(instance: Instance, count: int, **kwargs: object) -> list[int]:
    found = []
    for _ in range(count):
        async with instance.client.get("/api/leaderboard", **kwargs) as response:  # type: ignore[arg-type]
            found.append(response.status)
    return found


async def test_an_address_is_limited_over_all_instances_together(start: Start) -> None:
    one = await start(rate_limit_per_ip="6/hour")
    two = await start(rate_limit_per_ip="6/hour")
    assert await statuses(one, 3) + await statuses(two, 3) == [200] * 6
    async with two.client.get("/api/leaderboard") as response:
        assert response.status == 429
        assert (await response.json())["code"] == "rate_limited"
        assert int(response.headers["Retry-After"]) > 0
        assert response.headers["RateLimit-Limit"] == "6"
        assert response.headers["RateLimit-Remaining"] == "0"
    assert await statuses(one, 1) == [429]


async def test_every_answer_to_one_client_alone_says_what_is_left(start: Start) -> None:
    instance = await start(rate_limit_per_ip="100/hour")
    remaining = []
    for path in ("/api/me", "/nothing", "/api/leaderboard/nothing"):
        async with instance.client.get(path) as response:
            remaining.append(int(response.headers["RateLimit-Remaining"]))
            assert response.headers["RateLimit-Policy"] == "100;w=3600"
            assert response.headers["RateLimit-Reset"]
    assert remaining == [99, 98, 97]


async def test_a_user_is_limited_whatever_the_address(start: Start, database_url: str) -> None:
    instance = await start(rate_limit_per_user="2/hour", trusted_proxies=["127.0.0.1"])
    ada, bob = add_users(database_url, 2)
    add_actions(database_url, {f"a{n}": 1 for n in range(5)})
    found = []
    for n in range(4):
        headers = instance.bearer(ada) | {"X-Forwarded-For": f"10.0.0.{n}"}
        async with instance.client.post(
            "/api/actions", json={"actionId": f"a{n}"}, headers=headers
        ) as response:
            found.append(response.status)
    assert found == [200, 200, 429, 429]
    assert (await instance.submit(bob, "a1"))[0] == 200


async def test_a_forged_forwarded_header_does_not_make_another_client(start: Start) -> None:
    instance = await start(rate_limit_per_ip="2/hour")
    forged = [{"X-Forwarded-For": f"10.0.0.{n}"} for n in range(4)]
    assert [(await statuses(instance, 1, headers=h))[0] for h in forged] == [200, 200, 429, 429]


async def test_only_what_a_trusted_hop_added_counts(start: Start) -> None:
    instance = await start(rate_limit_per_ip="2/hour", trusted_proxies=["127.0.0.1"])
    headers = [{"X-Forwarded-For": f"10.0.0.{n}, 192.0.2.7"} for n in range(4)]
    assert [(await statuses(instance, 1, headers=h))[0] for h in headers] == [200, 200, 429, 429]


async def test_a_request_that_one_limit_refuses_uses_up_nothing_of_the_others(
    start: Start, database_url: str
) -> None:
    instance = await start(
        rate_limit_per_ip="8/hour",
        rate_limit_per_user="2/hour",
        rate_limit_accounts_per_ip="4/hour",
        rate_limit_logins_per_user="1/hour",
    )
    ada, bob, cid, dan, eve = add_users(database_url, 5)
    assert [await asks_for_me(instance, ada) for _ in range(6)] == [404, 404, 429, 429, 429, 429]
    # Six are left to the users of the address.
    others = [await asks_for_me(instance, user) for user in (bob, bob, cid, cid, dan, dan, eve)]
    assert others == [404] * 6 + [429]
    # Three are spent on log-ins, of which the second is refused.
    assert [await logs_in(instance, name) for name in ("ada", "ada", "bob")] == [401, 429, 401]
    assert await statuses(instance, 6) == [200] * 5 + [429]
    assert await counts(instance, "limit:accounts:*") == 1


async def test_nobody_without_a_token_uses_up_what_the_users_of_an_address_have(
    start: Start, database_url: str
) -> None:
    """Without Redis as with it, and for those whose token this instance has not seen yet."""
    [ada] = add_users(database_url, 1)
    for servers in ({}, {"redis_url": "redis://127.0.0.1:1/0"}):
        one = await start(rate_limit_per_ip="3/hour", **servers)
        assert await statuses(one, 4) == [200] * 3 + [429]
        forged = {"Authorization": f"Bearer {one.token(ada)[:-8]}AAAAAAAA"}
        assert await statuses(one, 1, headers=forged) == [429]
        for _ in range(2):
            assert await asks_for_me(one, ada) == 404
            assert await statuses(one, 1) == [429]
        assert one.metric("rate_limited_total", limit="ip") == 4
        assert one.metric("rate_limited_total", limit="ip_users") == 0


async def test_the_users_of_an_address_together_are_limited_as_well(
    start: Start, database_url: str
) -> None:
    instance = await start(rate_limit_per_ip="3/hour", rate_limit_per_user="2/hour")
    users = add_users(database_url, 4)
    assert [await asks_for_me(instance, user) for user in users] == [404] * 3 + [429]
    assert instance.metric("rate_limited_total", limit="ip_users") == 1
    assert await statuses(instance, 1) == [200]


async def asks_for_me(instance: Instance, user_id: str) -> int:
    async with instance.client.put("/api/none", headers=instance.bearer(user_id)) as response:
        return response.status


# Accounts: what the body tells


async def logs_in(instance: Instance, login: str, password: str = "wrong-password") -> int:
    body = {"username": login, "password": password}
    async with instance.client.post("/api/auth/login", json=body) as response:
        return response.status


async def registers(instance: Instance, username: str) -> str:
    """Answer the refresh token."""
    body = {"username": username, "email": f"{username}@example.org", "password": PASSWORD}
    async with instance.client.post("/api/auth/register", json=body) as response:
        assert response.status == 201, await response.text()
        token: str = (await response.json())["refreshToken"]
        return token


async def sends(instance: Instance, what: str, token: str) -> tuple[int, str]:
    """Refresh or log out; the status, and the next refresh token if there is one."""
    async with instance.client.post(f"/api/auth/{what}", json={"refreshToken": token}) as response:
        return response.status, (await response.json()).get("refreshToken", "")


async def test_registrations_and_log_ins_of_an_address_have_a_tighter_limit(start: Start) -> None:
    instance = await start(rate_limit_accounts_per_ip="2/hour")
    await registers(instance, "ada")
    assert [await logs_in(instance, name) for name in ("ada", "bob")] == [401, 429]
    assert await statuses(instance, 1) == [200]


async def test_refreshes_and_log_outs_are_counted_by_family_and_not_by_address(
    start: Start,
) -> None:
    instance = await start(rate_limit_accounts_per_ip="2/hour", rate_limit_per_family="4/hour")
    ada, bob = await registers(instance, "ada"), await registers(instance, "bob")
    found = []
    for _ in range(5):
        status, successor = await sends(instance, "refresh", ada)
        found.append(status)
        ada = successor or ada
    assert found == [200] * 4 + [429]
    assert (await sends(instance, "logout", ada))[0] == 429  # the same family
    assert (await sends(instance, "refresh", bob))[0] == 200  # a neighbour's


async def test_tokens_of_nobody_cost_the_neighbours_nothing(start: Start) -> None:
    instance = await start(rate_limit_accounts_per_ip="3/hour", rate_limit_per_family="9/hour")
    ada = await registers(instance, "ada")
    # Of its shape, and hers but for the handle, which nobody else knows: neither is of our making.
    made_up = ["x", "A" * 43, "A" * 16 + ada[16:], "B" * 16 + ada[16:], "é" * 43]
    found = [(await sends(instance, "logout", token))[0] for token in made_up]
    assert found == [200] * 3 + [429] * 2
    assert (await sends(instance, "refresh", "C" * 43))[0] == 429

    assert (await sends(instance, "refresh", ada))[0] == 200
    assert await logs_in(instance, "ada", PASSWORD) == 200
    assert await counts(instance, "limit:family:*") == 1


async def test_a_token_of_the_release_before_counts_against_its_address_and_works(
    start: Start, database_url: str
) -> None:
    """Also one whose secret is kept no longer: nobody but the database knows these."""
    instance = await start(rate_limit_accounts_per_ip="2/hour")
    other = await start(jwt_secret="another secret of thirty-two bytes")
    tokens = [await registers(other, name) for name in ("ada", "bob", "cid")]
    found = [await sends(instance, "refresh", token) for token in tokens]
    assert [status for status, _ in found] == [200, 200, 429]
    # From here on they are known by sight.
    assert (await sends(instance, "refresh", found[0][1]))[0] == 200


async def counts(instance: Instance, pattern: str) -> int:
    """How many keys in Redis are like this."""
    url = instance.app[PARTS].settings.redis_url
    async with redis.asyncio.Redis.from_url(url) as admin:
        return len(await admin.keys(pattern))


async def test_garbage_under_the_keys_of_one_client_costs_nobody_anything(start: Start) -> None:
    instance = await start(rate_limit_per_ip="3/hour")
    async with redis.asyncio.Redis.from_url(instance.app[PARTS].settings.redis_url) as admin:
        await admin.lpush("limit:ip:127.0.0.1", "garbage")
        await admin.set("streams:address:127.0.0.1", "garbage")
    stream = await instance.open_stream()
    assert await statuses(instance, 3) == [200, 200, 429]
    stream.response.close()
    assert instance.metric("rate_limit_checks_local_total") == 0
    assert instance.metric("redis_malformed_total", what="limit") == 1
    assert instance.metric("redis_malformed_total", what="streams") == 1
    assert instance.metric("redis_failures_total", reason="no_answer") == 0


async def test_log_ins_are_limited_by_the_user_they_name(start: Start) -> None:
    instance = await start(rate_limit_logins_per_user="2/hour", trusted_proxies=["127.0.0.1"])
    found = []
    for n in range(3):
        async with instance.client.post(
            "/api/auth/login",
            json={"username": "Ada" if n % 2 else "ada", "password": "wrong-password"},
            headers={"X-Forwarded-For": f"10.0.{n}.1"},
        ) as response:
            found.append(response.status)
    assert found == [401, 401, 429]


async def test_probes_are_counted_apart_so_that_a_flood_cannot_fail_them(start: Start) -> None:
    instance = await start(rate_limit_per_ip="2/hour")
    assert await statuses(instance, 3) == [200, 200, 429]
    async with instance.client.get("/healthz") as response:
        assert response.status == 200


async def test_limits_go_on_per_instance_while_redis_is_away(start: Start) -> None:
    instance = await start(rate_limit_per_ip="2/hour", redis_url="redis://127.0.0.1:1/0")
    assert await statuses(instance, 3) == [200, 200, 429]
    assert instance.metric("rate_limit_checks_local_total") >= 3


@pytest.mark.parametrize(("trusted", "stays"), [([], False), (["127.0.0.1"], True)])
async def test_a_refusal_ends_the_connection_unless_it_is_a_proxys(
    start: Start, trusted: list[str], stays: bool
) -> None:
    """A client keeps no more connections busy than its limits let through. Others come by those of
    a proxy.
    """
    instance = await start(rate_limit_per_ip="1/hour", trusted_proxies=trusted)
    for status in (200, 429):
        async with instance.client.get("/api/leaderboard") as response:
            assert response.status == status
    assert (response.headers.get("Connection") != "close") == stays
