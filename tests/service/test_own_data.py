"""One's own data through HTTP: who gets them, what is in them, and who may end an account."""

from __future__ import annotations

import functools
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import jwt
import pytest

from scoreboard.api.schemas.own_data import ExportSchema
from scoreboard.personal import export
from tests.eventually import eventually
from tests.identity_provider import AUDIENCE, IdentityProvider, serving
from tests.instances import Instance, Start
from tests.person import PASSWORD, Person, end_with, enter, only_hear, streams_of
from tests.world import add_actions, add_users, grants, sql

GAME = "game"
GAME_SECRET = "a-secret-of-the-game-0123456789abcdef"

# What is kept of two users, of one kind as of the other, and done by somebody.
KEPT = """
INSERT INTO ledger (user_id, action_id, points_granted)
    SELECT user_id, action_id, points FROM users, actions;
INSERT INTO results (source, receipt, user_id, board_id, season_id, value, played_at, recorded_at)
    SELECT 'arena', username || n, user_id, 'main', 1, n, now(), now()
    FROM users, generate_series(1, 5) AS n;
INSERT INTO season_entries (user_id, season_id, score, updated_at)
    SELECT user_id, 1, 7, now() FROM users;
INSERT INTO audit (made_by, act, user_id, reason)
    SELECT 'operator:grace', 'correct', user_id, 'because of ' || username FROM users;
INSERT INTO audit_names (audit_id, user_id, before, after)
    SELECT audit_id, user_id, 'was-' || username, username
    FROM audit JOIN users USING (user_id);
INSERT INTO corrections (user_id, season_id, points, made_at, audit_id)
    SELECT user_id, 1, -3, now(), audit_id FROM audit;
INSERT INTO invitations (code_hash, note, expires_at, user_id)
    SELECT username::bytea, 'for ' || username, now(), user_id FROM users;
INSERT INTO follows (user_id, followed_id)
    SELECT one.user_id, other.user_id FROM users AS one CROSS JOIN users AS other
    WHERE one.username <> other.username AND other.username <> 'bob0';
UPDATE seasons SET final = (
    SELECT jsonb_agg(jsonb_build_object(
        'userId', user_id, 'username', username, 'score', 7, 'reachedAt', '2024-12-09T14:30:45Z'
    ) ORDER BY username) FROM users
)
"""


@pytest.fixture
async def provider() -> AsyncIterator[IdentityProvider]:
    provider = IdentityProvider()
    async with serving(provider):
        yield provider


def trusting(provider: IdentityProvider, **members: Any) -> dict[str, Any]:
    return {"oidc_issuers": {provider.issuer: {"audience": AUDIENCE} | members}}


async def exported(instance: Instance, bearer: dict[str, str]) -> tuple[int, str]:
    async with instance.client.get("/api/me/export", headers=bearer) as response:
        assert response.headers["Cache-Control"] == "no-store"
        return response.status, await response.text()


async def deleted(instance: Instance, bearer: dict[str, str], **body: Any) -> tuple[int, str]:
    async with instance.client.delete("/api/me", json=body, headers=bearer) as response:
        return response.status, (await response.json()).get("code", "")


async def test_an_export_has_all_that_is_kept_of_one_and_nothing_of_another(
    start: Start, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "PAGE", 2)
    instance = await start()
    ada = await enter(instance, "register")
    add_actions(database_url, {"run": 5, "swim": 7, "walk": 1})
    [bob], [cleo] = add_users(database_url, 1, "bob"), add_users(database_url, 1, "cleo")
    sql(database_url, KEPT)
    status, text = await exported(instance, ada.bearer)
    document = json.loads(text)
    assert (status, ExportSchema().validate(document)) == (200, {})
    data = document["data"]
    assert data["account"]["userId"] == ada.user_id
    assert data["account"]["email"] == "ada@example.org"
    assert [grant["actionId"] for grant in data["grants"]] == ["run", "swim", "walk"]
    assert [result["receipt"] for result in data["results"]] == [f"ada{n}" for n in range(1, 6)]
    assert [entry["score"] for entry in data["entries"]] == [7]
    assert [(line["rank"], line["username"]) for line in data["finalBoards"]] == [(1, "ada")]
    [correction], [act] = data["corrections"], data["moderation"]
    assert (correction["points"], correction["reason"]) == (-3, "because of ada")
    assert (act["nameBefore"], act["nameAfter"]) == ("was-ada", "ada")
    assert len(data["logIns"]) == 1
    assert [each["note"] for each in data["invitations"]] == ["for ada"]
    assert [each["userId"] for each in data["follows"]] == [cleo]
    for another in (bob, "bob", "cleo0", "grace", ada.refresh_token, "argon2"):
        assert another not in text


async def test_every_table_that_says_something_of_a_user_is_in_the_export(
    instance: Instance, database_url: str
) -> None:
    """Whoever adds one adds a section. Bans repeat what `users` says."""
    tables = sql(
        database_url,
        "SELECT table_name FROM information_schema.columns"
        " WHERE column_name = 'user_id' AND table_schema = 'public'",
    )
    said = " ".join(export.SQL.values())
    assert {name for (name,) in tables if name not in said} == {"bans"}


async def test_others_speak_for_a_user_and_get_none_of_the_data(
    start: Start, provider: IdentityProvider, database_url: str
) -> None:
    """A trusted issuer with the same `sub`; a provider whose subjects are ids, also of others."""
    instance = await start(
        **trusting(provider, subject="uuid"), jwt_trusted_issuers={GAME: [GAME_SECRET]}
    )
    ada = await enter(instance, "register")
    now = int(time.time())
    claims = {"sub": ada.user_id, "iss": GAME, "aud": "scoreboard", "iat": now, "exp": now + 60}
    game = {"Authorization": f"Bearer {jwt.encode(claims, GAME_SECRET, 'HS256')}"}
    await eventually(lambda: provider.asked > 0)
    for bearer in (game, provider.bearer(ada.user_id)):
        async with instance.client.get("/api/me", headers=bearer) as response:
            assert response.status == 200  # it does speak for ada
        status, text = await exported(instance, bearer)
        assert (status, json.loads(text)["code"]) == (403, "invalid_token")
        assert await deleted(instance, bearer, password=PASSWORD) == (403, "invalid_token")
    assert sql(database_url, "SELECT username FROM users") == [("ada",)]


async def test_exports_are_counted_apart(start: Start) -> None:
    instance = await start(rate_limit_exports_per_user="2/hour")
    ada = await enter(instance, "register")
    statuses = [(await exported(instance, ada.bearer))[0] for _ in range(3)]
    assert statuses == [200, 200, 429]
    assert await ada.asks(instance, "GET", "/api/me") == "200"


async def test_who_deletes_their_account_is_gone_everywhere_and_name_and_address_are_free(
    start: Start, database_url: str
) -> None:
    closed = [await start(require_token_to_read=True) for _ in range(2)]
    add_actions(database_url, {"run": 5})
    ada = await enter(closed[0], "register")
    assert await ada.asks(closed[0], "POST", "/api/actions", {"actionId": "run"}) == "200"
    streams = await streams_of(ada, closed)
    assert await deleted(closed[0], ada.bearer) == (400, "invalid_payload")
    assert await deleted(closed[0], ada.bearer, password="a guess") == (401, "bad_credentials")
    assert await deleted(closed[0], ada.bearer, password=PASSWORD) == (200, "")
    await end_with(streams, "unknown_user")
    await only_hear(ada, closed, "unknown_user")
    assert not await ada.refreshes(closed[1])
    again = await enter(closed[1], "register")
    assert again.user_id != ada.user_id

    async def shows_nobody(instance: Instance) -> bool:
        path = "/api/leaderboard"
        async with instance.client.get(path, headers=again.bearer) as response:
            return (await response.json())["data"] == []

    for instance in closed:
        await eventually(functools.partial(shows_nobody, instance), within_seconds=2.0)
    [(owner, action)] = grants(database_url)  # it stays granted, to nobody who is known
    assert (owner != ada.user_id, action) == (True, "run")
    text = json.dumps(sql(database_url, "SELECT users::text FROM users"))
    assert ada.user_id not in text


async def test_guesses_at_a_password_are_counted_where_an_account_is_deleted(
    start: Start,
) -> None:
    instance = await start(rate_limit_logins_per_user="2/hour")
    ada = await enter(instance, "register")
    codes = [(await deleted(instance, ada.bearer, password="a guess"))[1] for _ in range(3)]
    assert codes == ["bad_credentials"] * 2 + ["rate_limited"]


async def test_without_a_password_only_a_fresh_token_of_the_own_provider_deletes(
    start: Start, provider: IdentityProvider, database_url: str
) -> None:
    instance = await start(**trusting(provider))
    now = int(time.time())
    bearer = provider.bearer("ada", preferred_username="ada")
    async with instance.client.get("/api/me", headers=bearer) as response:
        assert response.status == 200
    assert sql(database_url, "SELECT source FROM users") == [(provider.issuer,)]
    for old in ({"iat": now - 400}, {"auth_time": now - 400}):
        assert await deleted(instance, provider.bearer("ada", **old)) == (403, "not_fresh")
    assert (await exported(instance, provider.bearer("ada", iat=now - 400)))[0] == 200
    assert await deleted(instance, bearer) == (200, "")
    assert await deleted(instance, bearer) == (403, "unknown_user")
    async with instance.client.get("/api/me", headers=bearer) as response:
        assert (await response.json())["code"] == "unknown_user"  # and is not made again


async def test_a_refresh_makes_no_log_in_fresh(instance: Instance, database_url: str) -> None:
    """As of whom the page logs in by a provider: there is no password to ask for."""
    ada = await enter(instance, "register")
    sql(
        database_url,
        "UPDATE users SET password_hash = '-';"
        "UPDATE refresh_families SET created_at = now() - interval '1 hour'",
    )
    body = {"refreshToken": ada.refresh_token}
    async with instance.client.post("/api/auth/refresh", json=body) as response:
        refreshed = Person(await response.json())
    assert await deleted(instance, refreshed.bearer) == (403, "not_fresh")


async def test_a_banned_provider_user_is_not_brought_back_by_an_instance_that_does_not_know_yet(
    start: Start, provider: IdentityProvider, database_url: str
) -> None:
    """Erased or not: the ban is of the person, who comes with the same id for ever."""
    instance = await start(**trusting(provider), reconcile_seconds=60.0)
    bearer = provider.bearer("ada")
    async with instance.client.get("/api/me", headers=bearer) as response:
        assert response.status == 200
    sql(database_url, "UPDATE users SET banned_at = now()")
    sql(database_url, "DELETE FROM users")
    sql(database_url, "DELETE FROM revocations")  # long ago
    async with instance.client.get("/api/me", headers=bearer) as response:
        assert (await response.json())["code"] == "banned"
    assert sql(database_url, "SELECT count(*) FROM users") == [(0,)]
