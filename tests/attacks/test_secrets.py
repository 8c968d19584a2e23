"""An instance that logs all it can is made to succeed and to fail in every way that handles a
secret; then everything that came out of it is searched for each secret that went in.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import aiohttp
import jwt
import pytest
import redis

import scoreboard
from tests.collector import collecting
from tests.eventually import eventually
from tests.proxy import TcpProxy
from tests.servers.ports import ReservedPort
from tests.world import add_actions, sql

ROOT = Path(scoreboard.__file__).parent.parent
JWT_SECRET = "the-secret-of-today-0123456789abcdef0123"
GAME_SECRET = "the-secret-of-the-game-0123456789abcdef01"
EARLIER_SECRET = "the-secret-of-yesterday-0123456789abcdef"
POSTGRES_PASSWORD = "postgres-password-of-the-test"
REDIS_PASSWORD = "redis-password-of-the-test"
AMQP_PASSWORD = "rabbit-password-of-the-test"
PASSWORD = "a password of this test only"
OTHER_PASSWORD = "another password of this test"
WRONG = "a wrong one of this test only"
EMAIL = "ada.lovelace@analytical.example"
# What is refused is quoted, as PostgreSQL does.
SABOTAGE = """
CREATE FUNCTION sabotage() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'not this: %', NEW USING ERRCODE = 'invalid_text_representation'; END $$;
CREATE TRIGGER sabotage BEFORE INSERT ON users
    FOR EACH ROW WHEN (NEW.username = 'doomed') EXECUTE FUNCTION sabotage();
CREATE TRIGGER sabotage BEFORE INSERT ON refresh_tokens
    FOR EACH ROW EXECUTE FUNCTION sabotage()
"""


@dataclass
class Said:
    """All that the instance said, and all that it should not have."""

    texts: list[str] = field(default_factory=list)
    secrets: set[str] = field(default_factory=set)

    def leaks(self) -> list[str]:
        """Each line with a secret in it."""
        lines = "\n".join(self.texts).splitlines()
        return [line for line in lines if any(secret in line for secret in self.secrets)]

    def learn(self, document: dict[str, Any]) -> None:
        """Take the tokens of an answer for secrets; of an access token its signature."""
        self.secrets |= {document["accessToken"].rpartition(".")[2], document["refreshToken"]}


def with_password(url: str, user: str, password: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{user}:{password}@{parts.hostname}:{parts.port}"))


@asynccontextmanager
async def serving(said: Said, **variables: str) -> AsyncIterator[str]:
    """Run an instance as a process of its own; its address."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("SCOREBOARD_")}
    named = {f"SCOREBOARD_{key.upper()}": value for key, value in variables.items()}
    port = ReservedPort()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "scoreboard", "serve", "--port", str(port.number)),
        env=clean | named | {"PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output = asyncio.create_task(process.communicate())
    try:
        yield f"http://127.0.0.1:{port.number}"
    finally:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        said.texts.append((await output)[0].decode())
        port.release()


class Client:
    """Sends requests; what is answered is said, but for the answers that are there to tell."""

    def __init__(self, session: aiohttp.ClientSession, said: Said) -> None:
        self.session = session
        self.said = said

    async def __call__(self, method: str, path: str, **kwargs: Any) -> tuple[int, Any]:
        async with self.session.request(method, path, **kwargs) as response:
            text = await response.text()
            is_json = response.content_type == "application/json"
            document = await response.json() if is_json else {}
            if path.startswith("/api/me") and response.status == 200:
                text = text.replace(EMAIL, "")  # the one answer that has it, for its owner
        if "accessToken" in document:
            self.said.learn(document)
        else:
            self.said.texts.append(f"{response.headers} {text}")
        return response.status, document

    async def auth(self, what: str, **body: str) -> tuple[int, Any]:
        return await self("POST", f"/api/auth/{what}", json=body)


async def go_through_an_account(client: Client) -> None:
    ada = {"username": "ada", "email": EMAIL, "password": PASSWORD}
    assert (await client.auth("register", **ada))[0] == 201
    assert (await client.auth("register", **ada))[0] == 409
    assert (await client.auth("register", **ada | {"email": "x", "password": WRONG}))[0] == 400
    for login in ("ada", EMAIL, "nobody"):
        assert (await client.auth("login", username=login, password=WRONG))[0] == 401
    status, tokens = await client.auth("login", username=EMAIL, password=PASSWORD)
    assert status == 200
    status, newer = await client.auth("refresh", refreshToken=tokens["refreshToken"])
    assert status == 200
    await asyncio.sleep(1.1)  # past the grace of a second
    status, _ = await client.auth("refresh", refreshToken=tokens["refreshToken"])
    assert status == 401
    assert (await client.auth("logout", refreshToken=newer["refreshToken"]))[0] == 200
    _, tokens = await client.auth("login", username=EMAIL, password=PASSWORD)
    for current, new, expected in (
        (WRONG, PASSWORD, 401),
        (PASSWORD, EMAIL, 400),
        (PASSWORD, OTHER_PASSWORD, 200),
        (OTHER_PASSWORD, PASSWORD, 200),
    ):
        status, document = await client(
            "POST",
            "/api/auth/password",
            json={"currentPassword": current, "newPassword": new},
            headers={"Authorization": f"Bearer {tokens['accessToken']}"},
        )
        assert status == expected
        tokens = document if status == 200 else tokens
    await use_a_token(client, tokens["accessToken"])
    bearer = {"Authorization": f"Bearer {tokens['accessToken']}"}
    assert (await client("POST", "/api/auth/logout-all", headers=bearer))[0] == 200
    assert (await client("GET", "/api/me", headers=bearer))[0] == 403


async def use_a_token(client: Client, token: str) -> None:
    bearer = {"Authorization": f"Bearer {token}"}
    claims = jwt.decode(token, options={"verify_signature": False})
    forged = {"Authorization": f"Bearer {jwt.encode(claims, EARLIER_SECRET)}"}
    client.said.secrets.add(forged["Authorization"].rpartition(".")[2])
    for headers in (bearer, forged, {"Authorization": f"{token}"}):
        for path in ("/api/me", "/api/me?token=" + token, f"/nothing/{token}"):
            await client("GET", path, headers=headers)
        for action in ("run", "run", "fly", PASSWORD):
            await client("POST", "/api/actions", json={"actionId": action}, headers=headers)
        odd = {"Content-Type": "application/json"}
        for body in (b"{", b'{"actionId": ["' + PASSWORD.encode() + b'"]}', b"\xff"):
            await client("POST", "/api/actions", data=body, headers=headers | odd)
    with suppress(TimeoutError):
        await client(
            "GET",
            "/api/leaderboard/stream",
            headers=bearer,
            timeout=aiohttp.ClientTimeout(total=0.5),
        )


async def send_what_is_not_http(url: str, said: Said) -> None:
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    writer.write(f"GET / HTTP/1.1\r\nAuthorization: {PASSWORD}\x01\r\n\r\n".encode())
    said.texts.append((await reader.read()).decode())
    writer.close()


async def fail_inside(client: Client, database_url: str) -> None:
    """Failures that nobody expects, while passwords and tokens are in local variables."""
    _, tokens = await client.auth("login", username="ada", password=PASSWORD)
    sql(database_url, SABOTAGE)
    doomed = {"username": "doomed", "email": f"doomed+{EMAIL}", "password": PASSWORD}
    assert (await client.auth("register", **doomed))[0] == 500
    assert (await client.auth("login", username="ada", password=PASSWORD))[0] == 500
    assert (await client.auth("refresh", refreshToken=tokens["refreshToken"]))[0] == 500


async def look_around(client: Client) -> None:
    for path in ("/", "/docs", "/docs/openapi.json", "/healthz", "/readyz", "/metrics"):
        await client("GET", path)
    for path in ("/api/leaderboard", "/api/actions"):
        await client("GET", path)


@pytest.fixture
def hushed() -> Said:
    """Nothing said yet, and what must not be said."""
    keys = {JWT_SECRET, EARLIER_SECRET, GAME_SECRET}
    secrets = keys | {POSTGRES_PASSWORD, REDIS_PASSWORD, AMQP_PASSWORD}
    return Said(secrets=secrets | {PASSWORD, OTHER_PASSWORD, WRONG, EMAIL, "$argon2"})


@pytest.mark.slow
@pytest.mark.parametrize("log_format", ["json", "console"])
async def test_no_secret_is_in_any_output(
    hushed: Said, database_url: str, redis_url: str, amqp_url: str, log_format: str
) -> None:
    add_actions(database_url, {"run": 5})
    database = urlsplit(database_url)
    assert database.hostname is not None
    assert database.port is not None
    async with TcpProxy(database.hostname, database.port) as proxy, collecting() as collector:
        through = database._replace(netloc=f"{database.username}@{database.hostname}:{proxy.port}")
        variables = {
            "database_url": with_password(
                urlunsplit(through), database.username or "", POSTGRES_PASSWORD
            ),
            "redis_url": with_password(redis_url, "default", REDIS_PASSWORD),
            "amqp_url": with_password(amqp_url, "guest", AMQP_PASSWORD),
            "jwt_secret": JWT_SECRET,
            "jwt_previous_secrets": EARLIER_SECRET,
            "jwt_trusted_issuers": json.dumps({"game": GAME_SECRET}),
            "refresh_grace_seconds": "1",
            "otlp_endpoint": collector.url,
            "trace_sample_ratio": "1",
            "log_level": "debug",
            "log_format": log_format,
        }
        async with serving(hushed, **variables) as url, aiohttp.ClientSession(url) as session:
            client = Client(session, hushed)
            await eventually(lambda: _sees_postgresql(session, True), within_seconds=30)
            await go_through_an_account(client)
            await send_what_is_not_http(url, hushed)
            await fail_inside(client, database_url)
            await look_around(client)
            with closing(redis.Redis.from_url(redis_url)) as store:
                hushed.texts += [str(key) for key in store.scan_iter()]
            await proxy.cut()
            await client.auth("login", username="ada", password=PASSWORD)
            await eventually(lambda: _sees_postgresql(session, False), within_seconds=30)
            await look_around(client)

    output = hushed.texts[-1]
    assert any(span.failed for span in collector.spans)
    hushed.texts += [message.decode("latin-1") for message in collector.messages]
    for expected in ("http.failed", "bus.lost", "health.away", "accounts.refresh_reuse"):
        assert f"scoreboard.{expected}" in output, output
    assert len(hushed.secrets) > 12
    assert hushed.leaks() == []


async def _sees_postgresql(session: aiohttp.ClientSession, up: bool) -> bool:
    with suppress(aiohttp.ClientError):
        async with session.get("/readyz") as response:
            parts = (await response.json())["parts"]
            return any(part["name"] == "postgresql" and part["up"] is up for part in parts)
    return False
