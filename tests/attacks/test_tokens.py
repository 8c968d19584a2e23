"""Tokens that nobody gave out, and tokens that somebody took, through HTTP.

`tests/unit/test_access_tokens.py` has every claim and header by itself; here is what an attacker
gets for them.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import hmac
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest

from tests.attacks.conftest import Start
from tests.eventually import eventually
from tests.instances import SECRET, Instance
from tests.world import add_actions, add_users, grants, sql

PASSWORD = "a password for this test"
PUBLIC_KEY = (
    "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n-----END PUBLIC KEY-----"
)


def base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


@dataclass(frozen=True)
class Mint:
    """Makes tokens for a user, good ones unless told otherwise: ours, or of another issuer."""

    user: str
    issuer: str = "scoreboard"
    secret: str = SECRET

    def __call__(
        self,
        *,
        secret: str | None = None,
        digest: str = "sha256",
        header: dict[str, Any] | None = None,
        **claims: Any,
    ) -> str:
        now = int(time.time())
        good = {"userId": self.user, "iss": self.issuer, "aud": "scoreboard"}
        times = {"iat": now, "exp": now + 600}
        parts = ({"alg": "HS256"} | (header or {}), good | times | claims)
        text = ".".join(base64url(json.dumps(part).encode()) for part in parts)
        key = self.secret if secret is None else secret
        return f"{text}.{base64url(hmac.digest(key.encode(), text.encode(), digest))}"


def forgeries(mint: Mint, victim: str) -> dict[str, str]:
    user, now = mint.user, int(time.time())
    good = mint()
    head, claims, signature = good.split(".")
    theirs = base64url(json.dumps({"userId": victim, "exp": now + 600}).encode())
    jwk = {"kty": "oct", "k": base64url(b"mine")}
    return {
        "another user's claims": f"{head}.{theirs}.{signature}",
        "no signature": f"{head}.{claims}.",
        "no signature and no dot": f"{head}.{claims}",
        "a signature of nothing": f"{head}.{claims}.AA",
        "the first half of the signature": f"{head}.{claims}.{signature[:21]}",
        "alg none": mint(header={"alg": "none"}).rpartition(".")[0] + ".",
        "alg None": mint(header={"alg": "None"}),
        "alg nOnE, signed": mint(header={"alg": "nOnE"}),
        "another HMAC": mint(header={"alg": "HS512"}, digest="sha512"),
        "RS256 with the secret": mint(header={"alg": "RS256"}),
        "a public key for a secret": mint(secret=PUBLIC_KEY),
        "an empty secret": mint(secret=""),
        "the key's name for a secret": mint(
            secret=hashlib.sha256(mint.secret.encode()).hexdigest()[:16]
        ),
        "a key that the token brings": mint(secret="mine", header={"jwk": jwk}),
        "a key from elsewhere": mint(secret="mine", header={"jku": "http://127.0.0.1:9/jwks"}),
        "a certificate from elsewhere": mint(header={"x5u": "http://127.0.0.1:9/", "alg": "ES256"}),
        "a key named by a path": mint(secret="", header={"kid": "../../../../dev/null"}),
        "a key named by SQL": mint(secret="x", header={"kid": "' UNION SELECT 'x"}),
        "an extension that is critical": mint(header={"crit": ["exp"]}),
        "expired": mint(exp=now - 1),
        "never to expire": mint(exp=None),
        "expiring at infinity": mint(exp=float("inf")),
        "not yet valid": mint(nbf=now + 600),
        "issued in the future": mint(iat=now + 7200, exp=now + 9000),
        "of another issuer": mint(iss="elsewhere"),
        "for another audience": mint(aud="elsewhere"),
        "of two users": mint(sub=victim),
        "of nobody": mint(userId=None),
        "of a list of users": mint(userId=[user, victim]),
        "of an SQL expression": mint(userId=f"{user}' OR '1'='1"),
        "oversized": mint(filler="x" * 4096),
        "twice encrypted nonsense": ".".join([head, claims, signature, signature, signature]),
    }


async def submit(instance: Instance, token: str, scheme: str = "Bearer") -> tuple[int, str]:
    async with instance.client.post(
        "/api/actions",
        json={"actionId": "run"},
        headers={"Authorization": f"{scheme} {token}"},
    ) as response:
        return response.status, (await response.json()).get("code", "")


GAME, SHOP = "a-secret-of-the-game-0123456789abcdef", "a-secret-of-the-shop-0123456789abcdef"
EARLIER = "our-secret-of-yesterday-0123456789abcdef"
TRUSTING = {
    "jwt_previous_secrets": [EARLIER],
    "jwt_trusted_issuers": {"game": [GAME], "shop": [SHOP]},
}


@pytest.mark.parametrize(("issuer", "secret"), [("scoreboard", SECRET), ("game", GAME)])
async def test_no_forgery_submits_anything(
    start: Start, database_url: str, issuer: str, secret: str
) -> None:
    """Neither in our name nor in that of an issuer that is trusted beside us."""
    instance = await start(**TRUSTING)
    user, victim = add_users(database_url, 2)
    add_actions(database_url, {"run": 5})
    mint = Mint(user, issuer, secret)
    for what, token in forgeries(mint, victim).items():
        status, code = await submit(instance, token)
        expected = "expired_token" if what == "expired" else "invalid_token"
        assert (status, code) == (403, expected), what
    assert grants(database_url) == []
    # They fail for what is wrong with them: the same hand makes good ones.
    assert (await submit(instance, mint()))[0] == 200


async def test_who_has_the_key_of_one_issuer_speaks_for_no_other(
    start: Start, database_url: str
) -> None:
    instance = await start(**TRUSTING)
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 5})
    keys = {"scoreboard": [SECRET, EARLIER], "game": [GAME], "shop": [SHOP], "nobody": []}
    for secret in (SECRET, EARLIER, GAME, SHOP):
        for issuer, own in keys.items():
            for header in ({}, {"kid": hashlib.sha256(secret.encode()).hexdigest()[:16]}):
                if secret not in own:
                    token = Mint(user, issuer, secret)(header=header)
                    assert await submit(instance, token) == (403, "invalid_token")
    assert grants(database_url) == []


async def test_a_token_of_another_issuer_lives_no_longer_than_it_may(
    start: Start, database_url: str
) -> None:
    instance = await start(**TRUSTING, foreign_token_seconds=300)
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 5})
    mint, now = Mint(user, "game", GAME), int(time.time())
    for claims in (
        {"exp": now + 302},
        {"exp": now + 10**9},
        {"iat": now - 299, "exp": now + 60},
        {"iat": None},
        {"iat": now + 3600, "exp": now + 3700},
        {"iat": 0},
    ):
        assert await submit(instance, mint(**claims)) == (403, "invalid_token"), claims
    assert grants(database_url) == []
    assert (await submit(instance, mint(exp=now + 299)))[0] == 200


async def test_another_issuer_speaks_for_a_user_and_does_not_manage_the_account(
    start: Start, database_url: str
) -> None:
    """Not even with the password, and it ends no log-in."""
    instance = await start(**TRUSTING)
    owner, _ = await stolen([instance, instance])
    [(user,)] = sql(database_url, "SELECT user_id::text FROM users")
    bearer = {"Authorization": f"Bearer {Mint(user, 'game', GAME)()}"}
    passwords = {"currentPassword": PASSWORD, "newPassword": "another one, long enough"}
    for path, body in (("password", passwords), ("logout-all", None)):
        async with instance.client.post(f"/api/auth/{path}", json=body, headers=bearer) as response:
            assert (response.status, (await response.json())["code"]) == (403, "invalid_token")
    assert await owner.refresh() == 200


async def test_a_good_token_under_another_scheme_is_none(
    instance: Instance, database_url: str
) -> None:
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 5})
    for scheme in ("Basic", "Digest", "Token", "JWT", "Bearer Bearer", "Bearer,", "Bea rer"):
        assert (await submit(instance, Mint(user)(), scheme))[0] == 403, scheme
    assert grants(database_url) == []


async def test_a_token_of_somebody_who_is_not_here_writes_nothing(
    instance: Instance, database_url: str
) -> None:
    add_actions(database_url, {"run": 5})
    assert await submit(instance, Mint(str(uuid4()))()) == (403, "unknown_user")
    assert sql(database_url, "SELECT count(*) FROM scores") == [(0,)]


# Refresh tokens


class LogIn:
    """What one party holds, and what it may do with it on any instance."""

    def __init__(self, instance: Instance, token: str) -> None:
        self.instance = instance
        self.token = token
        self.access_token = ""

    async def refresh(self) -> int:
        """Exchange the refresh token for its successor, if that is granted."""
        async with self.instance.client.post(
            "/api/auth/refresh", json={"refreshToken": self.token}
        ) as response:
            if response.status == 200:
                document = await response.json()
                self.token, self.access_token = document["refreshToken"], document["accessToken"]
            return response.status


async def stolen(instances: Sequence[Instance]) -> tuple[LogIn, LogIn]:
    """Owner and thief with the same token, each on an instance of its own."""
    one, two = instances
    account = {"username": "ada", "email": "ada@example.org", "password": PASSWORD}
    async with one.client.post("/api/auth/register", json=account) as response:
        token = (await response.json())["refreshToken"]
    return LogIn(one, token), LogIn(two, token)


def time_passes(database_url: str, seconds: int) -> None:
    sql(
        database_url,
        "UPDATE refresh_tokens SET replaced_at = replaced_at - make_interval(secs => %s)",
        (seconds,),
    )


@pytest.fixture
async def instances(start: Start) -> list[Instance]:
    return [await start(), await start()]


def reuses(instances: Sequence[Instance]) -> float:
    return sum(instance.metric("refresh_reuse_total") for instance in instances)


async def test_a_thief_who_comes_second_gets_nothing_and_both_are_out(
    instances: list[Instance], database_url: str
) -> None:
    owner, thief = await stolen(instances)
    assert await owner.refresh() == 200
    time_passes(database_url, 61)
    assert await thief.refresh() == 401
    assert await owner.refresh() == 401
    assert reuses(instances) == 1


async def test_a_thief_who_comes_first_is_out_when_the_owner_comes(
    instances: list[Instance], database_url: str
) -> None:
    owner, thief = await stolen(instances)
    assert await thief.refresh() == 200
    time_passes(database_url, 61)
    assert await owner.refresh() == 401
    assert await thief.refresh() == 401


async def test_a_thief_who_follows_each_refresh_is_found_out_at_the_fourth(
    instances: list[Instance], database_url: str
) -> None:
    """Two seconds behind the owner, who notices nothing until then; nor does it help to lead."""
    owner, thief = await stolen(instances)
    for n in range(3):
        first, second = (owner, thief) if n % 2 else (thief, owner)
        assert await first.refresh() == 200
        time_passes(database_url, 2)
        assert await second.refresh() == 200
        assert owner.token == thief.token
    assert sum(each.metric("refresh_grace_total") for each in instances) == 3
    assert await owner.refresh() == 200
    time_passes(database_url, 2)
    assert await thief.refresh() == 401
    assert await owner.refresh() == 401
    assert reuses(instances) == 1


async def test_a_thief_who_asks_twice_is_found_out_at_once(instances: list[Instance]) -> None:
    owner, thief = await stolen(instances)
    token = thief.token
    assert await owner.refresh() == 200
    assert await thief.refresh() == 200
    thief.token = token
    assert await thief.refresh() == 401
    assert await owner.refresh() == 401


async def test_the_access_token_of_a_thief_who_was_found_out_is_good_nowhere(
    instances: list[Instance], database_url: str
) -> None:
    add_actions(database_url, {"run": 5})
    owner, thief = await stolen(instances)
    assert await thief.refresh() == 200
    time_passes(database_url, 61)
    assert await owner.refresh() == 401

    async def is_refused(instance: Instance) -> bool:
        return await submit(instance, thief.access_token) == (403, "revoked_token")

    for instance in instances:
        await eventually(functools.partial(is_refused, instance))


async def test_a_log_out_ends_what_a_thief_has_made_of_the_token(
    instances: list[Instance],
) -> None:
    owner, thief = await stolen(instances)
    assert await thief.refresh() == 200
    async with owner.instance.client.post(
        "/api/auth/logout", json={"refreshToken": owner.token}
    ) as response:
        assert response.status == 200
    assert await thief.refresh() == 401


async def test_a_copy_of_the_database_refreshes_nothing_and_ends_nothing(
    instances: list[Instance], database_url: str
) -> None:
    owner, thief = await stolen(instances)
    rows = sql(
        database_url,
        "SELECT token_hash FROM refresh_tokens UNION SELECT handle_hash FROM refresh_handles"
        " UNION SELECT uuid_send(family_id) FROM refresh_families",
    )
    for (stored,) in rows:
        for text in (
            bytes(stored).hex(),
            base64url(bytes(stored)),
            bytes(stored).decode("latin-1"),
            base64url(bytes(stored)[:12] + bytes(20)),
        ):
            thief.token = text
            assert await thief.refresh() in (400, 401)
    assert await owner.refresh() == 200
