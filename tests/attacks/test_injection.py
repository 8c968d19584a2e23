"""Text that wants to be something else: a statement, a header field, a line of the log."""

from __future__ import annotations

import itertools
from typing import Any
from urllib.parse import quote

import pytest
from structlog.testing import capture_logs

from scoreboard.api.assets import Assets
from tests.attacks.conftest import Start
from tests.attacks.wire import connected
from tests.instances import Instance
from tests.world import add_actions, add_users, grants, sql

STATEMENTS = (
    "' OR '1'='1",
    "'; DROP TABLE users; --",
    "ada'--",
    "\\'; SELECT pg_sleep(30); --",
    "1; UPDATE scores SET score = 1000000",
    "$$; DROP TABLE ledger; $$",
    "%(user_ids)s %s %% %d",
    "{ada} {0.__class__} ${jndi:ldap://127.0.0.1:9/}",
    "\u02bc OR 1=1 \uff07",
    "*/ OR /*",
    "a' || (SELECT password_hash FROM users LIMIT 1) || '",
)
PASSWORD = "a password for this test"


@pytest.fixture
def instance(shared_instance: Instance) -> Instance:
    return shared_instance


@pytest.fixture
def database_url(shared_database_url: str) -> str:
    return shared_database_url


async def answer(instance: Instance, method: str, path: str, **kwargs: Any) -> int:
    async with instance.client.request(method, path, **kwargs) as response:
        text = await response.text()
        assert response.status < 500, f"{method} {path} {kwargs}: {text}"
        assert not any(word in text for word in ("psycopg", "syntax error", "argon2", "SELECT pg"))
        return response.status


async def test_sql_in_any_field_is_text(instance: Instance, database_url: str) -> None:
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 5})
    before = tables(database_url)
    for text in STATEMENTS:
        email = f'"{text}"@example.org'.replace("\\", "")
        for path, body in (
            ("register", {"username": text, "email": "x@example.org", "password": PASSWORD}),
            ("register", {"username": "x", "email": email, "password": "short"}),
            ("login", {"username": text, "password": text}),
            ("login", {"username": "player0", "password": text}),
            ("login", {"username": email, "password": text}),
            ("refresh", {"refreshToken": text}),
            ("logout", {"refreshToken": text}),
        ):
            status = await answer(instance, "POST", f"/api/auth/{path}", json=body)
            assert status in (400, 401) or path == "logout", (path, body)
        bearer = instance.bearer(user)
        assert (
            await answer(instance, "POST", "/api/actions", json={"actionId": text}, headers=bearer)
            == 400
        )
        for query in ({"after": text}, {"limit": text}, {text: text}):
            for path in ("actions", "boards", "boards/main/seasons", "boards/main/leaderboard"):
                await answer(instance, "GET", f"/api/{path}", params=query)
        for below in ("", "/seasons", "/leaderboard", "/stream"):
            path = f"/api/boards/{quote(text, safe='')}{below}"
            assert await answer(instance, "GET", path) == 404
        assert await answer(instance, "GET", f"/client/{text}") == 404
    assert tables(database_url) == before
    assert grants(database_url) == []


def tables(database_url: str) -> list[Any]:
    return sql(
        database_url,
        "SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM ledger), "
        "(SELECT count(*) FROM actions), (SELECT coalesce(sum(score), 0) FROM scores), "
        "(SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace)",
    )


async def test_what_is_refused_nowhere_is_kept_as_it_is(
    instance: Instance, database_url: str
) -> None:
    [user] = add_users(database_url, 1)
    add_actions(database_url, dict.fromkeys(STATEMENTS, 5))
    for text in STATEMENTS:
        assert (await instance.submit(user, text))[0] == 200, text
    assert [action for _, action in grants(database_url)] == list(STATEMENTS)
    password = "'; DROP TABLE users; --"
    account = {"username": "ada", "email": "ada@example.org", "password": password}
    assert await answer(instance, "POST", "/api/auth/register", json=account) == 201
    assert await answer(instance, "POST", "/api/auth/login", json=account) == 200


# Headers


async def test_no_field_of_a_request_makes_one_of_the_answer(start: Start) -> None:
    instance = await start(trusted_proxies=["127.0.0.1"], rate_limit_per_ip="100/hour")
    hostile = ("a\tb", "a b", "a,b", "\xe9", "<script>", "a;b", "=?utf-8?q?=0d=0aX:1?=", "x" * 65)
    names = ("X-Request-ID", "traceparent", "X-Forwarded-For", "Origin", "If-None-Match")
    for name, value in itertools.product(names, hostile):
        async with connected(instance) as wire:
            await wire.send(
                f"GET /api/me HTTP/1.1\r\nHost: test\r\n{name}: {value}\r\n\r\n".encode("latin-1")
            )
            reply = await wire.reply()
        assert reply.status == 403
        assert all(value not in field for field in reply.headers.values()), (name, value)


@pytest.mark.parametrize("path", ["/client/a%0d%0aSet-Cookie:%20a=b", "/%0d%0aX-Injected:%201"])
async def test_a_line_break_in_a_path_breaks_no_header(instance: Instance, path: str) -> None:
    async with connected(instance) as wire:
        await wire.send(f"GET {path} HTTP/1.1\r\nHost: test\r\n\r\n".encode())
        reply = await wire.reply()
    assert reply.status == 404
    assert not reply.headers.keys() & {"set-cookie", "x-injected"}


# Logs


async def test_a_line_break_in_a_path_makes_no_second_line_of_the_log(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For people the log is text, in which a forged line would look like any other."""

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Assets, "of_another_version", fail)
    path = "/assets/a%0a2026-01-01%20[info]%20scoreboard.accounts.logged_in%1b[31m"
    with capture_logs() as logs:
        async with connected(instance) as wire:
            await wire.send(f"GET {path} HTTP/1.1\r\nHost: test\r\n\r\n".encode())
            assert (await wire.reply()).status == 500
    [failed] = [entry for entry in logs if entry["event"] == "scoreboard.http.failed"]
    assert all(str(value).isprintable() for value in failed.values())
