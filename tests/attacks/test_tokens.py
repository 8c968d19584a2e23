"""Tokens that nobody gave out, and tokens that somebody took, through HTTP.

`tests/unit/test_access_tokens.py` has every claim and header by itself; here is what an attacker
gets for them.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from tests.attacks.conftest import Start
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
    """Makes tokens for a user, good ones unless told otherwise."""

    user: str

    def __call__(
        self,
        *,
        secret: str = SECRET,
        digest: str = "sha256",
        header: dict[str, Any] | None = None,
        **claims: Any,
    ) -> str:
        now = int(time.time())
        good = {"userId": self.user, "iss": "scoreboard", "aud": "scoreboard", "exp": now + 600}
        parts = ({"alg": "HS256"} | (header or {}), good | claims)
        text = ".".join(base64url(json.dumps(part).encode()) for part in parts)
        return f"{text}.{base64url(hmac.digest(secret.encode(), text.encode(), digest))}"


def forgeries(user: str, victim: str) -> dict[str, str]:
    mint, now = Mint(user), int(time.time())
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
        "RS256 with our secret": mint(header={"alg": "RS256"}),
        "a public key for a secret": mint(secret=PUBLIC_KEY),
        "an empty secret": mint(secret=""),
        "the key's name for a secret": mint(
            secret=hashlib.sha256(SECRET.encode()).hexdigest()[:16]
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


async def test_no_forgery_submits_anything(instance: Instance, database_url: str) -> None:
    user, victim = add_users(database_url, 2)
    add_actions(database_url, {"run": 5})
    for what, token in forgeries(user, victim).items():
        status, code = await submit(instance, token)
        expected = "expired_token" if what == "expired" else "invalid_token"
        assert (status, code) == (403, expected), what
    assert grants(database_url) == []
    # They fail for what is wrong with them: the same hand makes good ones.
    assert (await submit(instance, Mint(user)()))[0] == 200


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

    async def refresh(self) -> int:
        """Exchange the refresh token for its successor, if that is granted."""
        async with self.instance.client.post(
            "/api/auth/refresh", json={"refreshToken": self.token}
        ) as response:
            if response.status == 200:
                self.token = (await response.json())["refreshToken"]
            return response.status


async def stolen(start: Start, database_url: str) -> tuple[LogIn, LogIn]:
    """Owner and thief with the same token, each on an instance of its own."""
    one, two = await start(refresh_grace_seconds=1), await start(refresh_grace_seconds=1)
    account = {"username": "ada", "email": "ada@example.org", "password": PASSWORD}
    async with one.client.post("/api/auth/register", json=account) as response:
        token = (await response.json())["refreshToken"]
    return LogIn(one, token), LogIn(two, token)


def grace_ends(database_url: str) -> None:
    sql(database_url, "UPDATE refresh_tokens SET replaced_at = replaced_at - interval '1 hour'")


async def test_a_thief_who_comes_second_gets_nothing_and_both_are_out(
    start: Start, database_url: str
) -> None:
    owner, thief = await stolen(start, database_url)
    assert await owner.refresh() == 200
    grace_ends(database_url)
    assert await thief.refresh() == 401
    assert await owner.refresh() == 401


async def test_a_thief_who_comes_first_is_out_when_the_owner_comes(
    start: Start, database_url: str
) -> None:
    owner, thief = await stolen(start, database_url)
    assert await thief.refresh() == 200
    grace_ends(database_url)
    assert await owner.refresh() == 401
    assert await thief.refresh() == 401


async def test_a_log_out_ends_what_a_thief_has_made_of_the_token(
    start: Start, database_url: str
) -> None:
    owner, thief = await stolen(start, database_url)
    assert await thief.refresh() == 200
    async with owner.instance.client.post(
        "/api/auth/logout", json={"refreshToken": owner.token}
    ) as response:
        assert response.status == 200
    assert await thief.refresh() == 401


async def test_a_copy_of_the_database_refreshes_nothing(start: Start, database_url: str) -> None:
    owner, thief = await stolen(start, database_url)
    rows = sql(database_url, "SELECT token_hash FROM refresh_tokens")
    for (stored,) in rows:
        for text in (
            bytes(stored).hex(),
            base64url(bytes(stored)),
            bytes(stored).decode("latin-1"),
        ):
            thief.token = text
            assert await thief.refresh() in (400, 401)
    assert await owner.refresh() == 200
