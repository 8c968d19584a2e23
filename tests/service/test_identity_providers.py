"""Tokens of identity providers through HTTP: users made at first sight, new keys, an outage."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from scoreboard.parts import PARTS
from scoreboard.providers.issuer import RENEWED_AT_MOST_EVERY_SECONDS
from tests.eventually import eventually
from tests.identity_provider import AUDIENCE, IdentityProvider, SigningKey, serving
from tests.instances import PATIENCE, Instance, Start, starting_instances
from tests.operator import Operator
from tests.proxy import TcpProxy
from tests.world import add_actions, add_users, grants, sql

PROFILE = {"email_verified": True, "email": "ada@example.org", "preferred_username": "Ada Lovelace"}


@pytest.fixture
async def provider() -> AsyncIterator[IdentityProvider]:
    provider = IdentityProvider()
    async with serving(provider):
        yield provider


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_provider() -> AsyncIterator[IdentityProvider]:
    provider = IdentityProvider()
    async with serving(provider):
        yield provider


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(
    shared_database_url: str,
    shared_redis_url: str,
    shared_amqp_url: str,
    shared_provider: IdentityProvider,
) -> AsyncIterator[Instance]:
    async with starting_instances(
        shared_database_url, shared_redis_url, shared_amqp_url, **PATIENCE
    ) as start_one:
        yield await start_one(**trusting(shared_provider))


def trusting(*providers: IdentityProvider, **members: Any) -> dict[str, Any]:
    return {"oidc_issuers": {each.issuer: {"audience": AUDIENCE} | members for each in providers}}


async def me(instance: Instance, bearer: dict[str, str]) -> tuple[int, dict[str, Any]]:
    async with instance.client.get("/api/me", headers=bearer) as response:
        document = await response.json()
        return response.status, document.get("data") or {"code": document.get("code")}


async def submit(instance: Instance, bearer: dict[str, str]) -> tuple[int, str]:
    async with instance.client.post(
        "/api/actions", json={"actionId": "run"}, headers=bearer
    ) as response:
        return response.status, (await response.json()).get("code", "")


def time_passes(instance: Instance, provider: IdentityProvider) -> None:
    """The provider may be asked again."""
    issuer = instance.app[PARTS].access.providers._issuers[provider.issuer]
    assert issuer._asked_at is not None
    issuer._asked_at -= RENEWED_AT_MOST_EVERY_SECONDS


async def test_a_user_is_made_at_first_sight_once_on_all_instances(
    start: Start, provider: IdentityProvider, database_url: str
) -> None:
    """By reading and by writing, at the same moment."""
    instances = [await start(**trusting(provider)) for _ in range(2)]
    add_actions(database_url, {"run": 5})
    bearer = provider.bearer("ada", **PROFILE)
    answers = await asyncio.gather(
        *(me(each, bearer) for each in instances * 5), *(submit(each, bearer) for each in instances)
    )
    assert sorted(status for status, _ in answers) == [200] * 11 + [400], answers
    rows = sql(database_url, "SELECT user_id::text, username, email, password_hash FROM users")
    [(user_id, username, email, password_hash)] = rows
    assert (username, email, password_hash) == ("Ada_Lovelace", "ada@example.org", "-")
    assert grants(database_url) == [(user_id, "run")]
    made = sum(each.metric("users_first_seen_total") for each in instances)
    assert made == 1


async def test_nobody_gets_a_name_or_an_address_that_somebody_has(
    start: Start, provider: IdentityProvider, database_url: str
) -> None:
    instance = await start(**trusting(provider))
    account = {
        "username": "paypal",
        "email": "ada@example.org",
        "password": "a long password, this",
    }
    async with instance.client.post("/api/auth/register", json=account) as response:
        assert response.status == 201
    names = {
        "same": "paypal",
        "case": "PayPal",
        "wide": "\uff50aypal",
        "spaces": "  paypal  ",
        "unseen": "pay\u200bpal",
        "signs": "<pay>pal!",
    }
    seen = {}
    for subject, name in names.items():
        bearer = provider.bearer(subject, **PROFILE | {"preferred_username": name})
        status, found = await me(instance, bearer)
        assert status == 200, (subject, found)
        seen[subject] = found["username"]
    assert {name.casefold()[:-4] for name in seen.values()} == {"paypal-"}, seen
    assert len(set(seen.values())) == len(names)
    rows = sql(database_url, "SELECT email, email_given FROM users WHERE username <> 'paypal'")
    assert all(email.endswith("@users.invalid") and given is None for email, given in rows)
    keys = sql(database_url, "SELECT count(DISTINCT username_key), count(*) FROM users")
    assert keys == [(7, 7)]
    add_users(database_url, 1, "masse")
    bearer = provider.bearer("sharp", preferred_username="Ma\u00dfe0")
    assert (await me(instance, bearer))[1]["username"].startswith("Ma\u00dfe0-")


async def test_whose_name_is_refused_gets_a_neutral_one(
    start: Start, provider: IdentityProvider, operator: Operator
) -> None:
    """All that begins with `play` is refused here: a neutral name is ours, and never is."""
    assert (await operator("names", "refuse", "admin", "*support*", "play*", "eve-*")).code == 0
    instance = await start(**trusting(provider))
    refused = ("Admin", "\u0430dmin", "Game_Support_1", "player-one", "eve-1")
    for subject, name in enumerate(refused):
        status, found = await me(instance, provider.bearer(str(subject), preferred_username=name))
        assert status == 200, (name, found)
        assert found["username"] == f"player-{found['userId'][-4:]}", name
    _, first = await me(instance, provider.bearer("first", preferred_username="eve"))
    _, second = await me(instance, provider.bearer("second", preferred_username="eve"))
    # With a suffix it would be a name that is refused.
    assert [first["username"], second["username"]] == ["eve", f"player-{second['userId'][-4:]}"]


async def test_whose_names_are_all_taken_on_purpose_is_here_nevertheless(
    start: Start, provider: IdentityProvider, database_url: str
) -> None:
    instance = await start(**trusting(provider))
    bearer = provider.bearer("ada")
    await eventually(lambda: instance.metric("provider_keys", issuer=provider.issuer) == 1)
    user_id = instance.app[PARTS].access.verify(bearer["Authorization"].split()[1]).user_id
    for digits in (4, 8, 12):
        name = f"player-{user_id[-digits:]}"
        row = (name, name, f"{digits}@example.org")
        statement = "INSERT INTO users (username, username_key, email, password_hash) VALUES"
        sql(database_url, f"{statement} (%s, %s, %s, '-')", row)
    status, found = await me(instance, bearer)
    assert (status, found["userId"]) == (200, user_id)


@pytest.mark.parametrize(
    ("claims", "name"),
    [
        ({}, "player-"),
        ({"preferred_username": 7}, "player-"),
        ({"preferred_username": ""}, "player-"),
        ({"preferred_username": "ada@example.org"}, "player-"),
        ({"preferred_username": "---"}, "player-"),
        ({"preferred_username": "a\0da"}, "player-"),
        ({"preferred_username": "x" * 1000}, "player-"),
        ({"preferred_username": "0190c1c4-9d3b-4a1e-8c55-0123456789ab"}, "0190c1c4-"),
        ({"preferred_username": "<script>Ada"}, "scriptAda"),
        ({"preferred_username": "-Ada\u202e"}, "Ada"),
        ({"preferred_username": "\u0301Ada"}, "player-"),
        ({"preferred_username": "Żółw " * 20}, "Żółw_Żółw"),
    ],
)
@pytest.mark.asyncio(loop_scope="module")
async def test_a_name_is_made_acceptable(
    shared: Instance, shared_provider: IdentityProvider, claims: dict[str, Any], name: str
) -> None:
    subject = f"somebody {hash(str(claims))}"
    status, found = await me(shared, shared_provider.bearer(subject, **claims))
    assert status == 200
    assert found["username"].startswith(name), found


async def test_only_a_verified_address_is_kept(
    start: Start, provider: IdentityProvider, database_url: str
) -> None:
    instance = await start(**trusting(provider))
    told: list[dict[str, Any]] = [
        {"email": "ada@example.org"},
        {"email": "ada@example.org", "email_verified": False},
        {"email": "ada@example.org", "email_verified": "yes"},
        {"email": "no address", "email_verified": True},
        {"email": ["ada@example.org"], "email_verified": True},
        {"email": "somebody@users.invalid", "email_verified": True},
    ]
    for number, claims in enumerate(told):
        assert (await me(instance, provider.bearer(f"user {number}", **claims)))[0] == 200
    rows = sql(database_url, "SELECT email = user_id || '@users.invalid', email_given FROM users")
    assert rows == [(True, None)] * 6
    [(user_id,)] = sql(database_url, "SELECT user_id::text FROM users LIMIT 1")
    account = await instance.app[PARTS].accounts.users.known(f"id:{user_id}")
    assert account.email == ""


async def test_nobody_registers_in_the_place_of_somebody_without_an_address(
    start: Start, provider: IdentityProvider
) -> None:
    instance = await start(**trusting(provider))
    account = {"username": "eve", "email": "x@users.invalid", "password": "a long password, this"}
    async with instance.client.post("/api/auth/register", json=account) as response:
        assert response.status == 400


async def test_whom_operators_deleted_is_not_brought_back_by_an_instance_that_does_not_know_it_yet(
    start: Start, provider: IdentityProvider, database_url: str
) -> None:
    instance = await start(**trusting(provider), reconcile_seconds=60.0)
    bearer = provider.bearer("ada")
    assert (await me(instance, bearer))[0] == 200
    sql(database_url, "DELETE FROM users")  # a trigger revokes
    assert await me(instance, bearer) == (403, {"code": "unknown_user"})
    assert sql(database_url, "SELECT count(*) FROM users") == [(0,)]


async def test_only_an_identity_provider_introduces_users(start: Start) -> None:
    secret = "a-secret-of-the-game-0123456789abcdef"
    instance = await start(jwt_trusted_issuers={"game": [secret]})
    bearer = instance.bearer("0190c1c4-9d3b-4a1e-8c55-0123456789ab")
    assert await me(instance, bearer) == (403, {"code": "unknown_user"})


async def test_a_provider_does_not_manage_accounts(
    start: Start, provider: IdentityProvider, database_url: str
) -> None:
    """Not even of a user whose id it may name."""
    instance = await start(**trusting(provider, subject="uuid"))
    [user] = add_users(database_url, 1)
    bearer = provider.bearer(user)
    assert (await me(instance, bearer))[1]["username"] == "player0"
    passwords = {"currentPassword": "one two three four", "newPassword": "another, long enough"}
    for path, body in (("password", passwords), ("logout-all", None)):
        async with instance.client.post(f"/api/auth/{path}", json=body, headers=bearer) as response:
            assert (response.status, (await response.json())["code"]) == (403, "invalid_token")


async def test_a_new_key_is_good_with_the_first_request_that_names_it(
    start: Start, provider: IdentityProvider
) -> None:
    instance = await start(**trusting(provider))
    await eventually(lambda: provider.asked == 1)
    new = SigningKey.make("new", "EdDSA")
    provider.keys.insert(0, new)
    time_passes(instance, provider)
    answers = await asyncio.gather(*(me(instance, provider.bearer(str(n))) for n in range(20)))
    assert {status for status, _ in answers} == {200}
    assert provider.asked == 2


async def test_strangers_who_make_up_names_of_keys_are_counted_before_anybody_asks(
    start: Start, provider: IdentityProvider
) -> None:
    instance = await start(**trusting(provider), rate_limit_per_ip="2/hour")
    await eventually(lambda: provider.asked == 1)

    async def made_up(name: str) -> int:
        bearer = provider.bearer(header={"kid": name})
        return (await me(instance, bearer))[0]

    assert [await made_up(f"{n}") for n in range(4)] == [403, 403, 429, 429]
    time_passes(instance, provider)
    assert await made_up("another") == 429
    assert provider.asked == 1


async def test_tokens_are_good_while_the_provider_is_away(start: Start) -> None:
    """And where no key was ever read, no token is called bad."""
    provider = IdentityProvider()
    async with serving(provider) as port, TcpProxy("127.0.0.1", port) as line:
        provider.issuer = f"http://127.0.0.1:{line.port}"
        instance = await start(**trusting(provider))
        await eventually(lambda: provider.asked == 1)
        assert (await me(instance, provider.bearer()))[0] == 200
        await line.cut()
        time_passes(instance, provider)
        new = SigningKey.make("new")
        unknown = provider.bearer(key=new)
        assert await me(instance, unknown) == (403, {"code": "invalid_token"})
        assert (await me(instance, provider.bearer("eve")))[0] == 200
        assert instance.metric("provider_reads_failed_total", issuer=provider.issuer) == 1

        newcomer = await start(**trusting(provider))
        assert await me(newcomer, provider.bearer()) == (503, {"code": "provider_unavailable"})
        async with newcomer.client.get("/api/leaderboard", headers=provider.bearer()) as response:
            assert response.status == 200
        assert (await newcomer.board())["success"]


async def test_where_accounts_are_off_nobody_registers_or_logs_in(
    start: Start, provider: IdentityProvider
) -> None:
    """Who was logged in stays so; who has an account elsewhere plays."""
    before = await start(**trusting(provider))
    account = {"username": "ada", "email": "ada@example.org", "password": "a long password, this"}
    async with before.client.post("/api/auth/register", json=account) as response:
        refresh = (await response.json())["refreshToken"]
    instance = await start(**trusting(provider), accounts="off")
    for path, body in (("register", account | {"username": "eve"}), ("login", account)):
        async with instance.client.post(f"/api/auth/{path}", json=body) as response:
            assert (response.status, (await response.json())["code"]) == (403, "accounts_off")
    async with instance.client.post(
        "/api/auth/refresh", json={"refreshToken": refresh}
    ) as response:
        assert response.status == 200
    assert (await me(instance, provider.bearer("grace")))[0] == 200
