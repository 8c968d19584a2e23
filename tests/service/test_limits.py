"""Rate limits through HTTP."""

from __future__ import annotations

from tests.instances import Instance
from tests.service.conftest import Start
from tests.world import add_actions, add_users


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


async def test_accounts_have_a_tighter_limit_of_their_own(start: Start) -> None:
    instance = await start(rate_limit_accounts_per_ip="2/hour")
    found = []
    for _ in range(3):
        async with instance.client.post(
            "/api/auth/refresh", json={"refreshToken": "x"}
        ) as response:
            found.append(response.status)
    assert found == [401, 401, 429]
    assert await statuses(instance, 1) == [200]


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
