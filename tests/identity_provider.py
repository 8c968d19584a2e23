"""An identity provider of the tests: it publishes keys over HTTP, and signs whatever it is told."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import get_default_algorithms

AUDIENCE = "scoreboard"
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


def base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


@dataclass(frozen=True)
class SigningKey:
    """A pair of keys under a name."""

    name: str
    algorithm: str
    private: PrivateKey

    @classmethod
    def make(cls, name: str, algorithm: str = "ES256", *, rsa_bits: int = 2048) -> SigningKey:
        made: PrivateKey
        if algorithm == "RS256":
            made = rsa.generate_private_key(65_537, rsa_bits)
        elif algorithm == "EdDSA":
            made = ed25519.Ed25519PrivateKey.generate()
        else:
            made = ec.generate_private_key(ec.SECP256R1())
        return cls(name, algorithm, made)

    def published(self, **members: Any) -> dict[str, Any]:
        """The public half, as a provider publishes it."""
        algorithm: Any = get_default_algorithms()[self.algorithm]
        described = json.loads(algorithm.to_jwk(self.private.public_key()))
        described.pop("key_ops", None)
        return described | {"kid": self.name, "use": "sig", "alg": self.algorithm} | members

    @property
    def public_pem(self) -> bytes:
        """The public half, as it stands in files."""
        public = self.private.public_key()
        return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def sign(self, header: Mapping[str, Any], claims: Mapping[str, Any]) -> str:
        """Sign what it is given, as it is."""
        text = ".".join(base64url(json.dumps(part).encode()) for part in (header, claims))
        algorithm: Any = get_default_algorithms()[self.algorithm]
        return f"{text}.{base64url(algorithm.sign(text.encode(), self.private))}"


@dataclass
class IdentityProvider:
    """What it publishes, which a test may change, and how often it was asked for its keys."""

    issuer: str = "https://id.example"
    keys: list[SigningKey] = field(default_factory=lambda: [SigningKey.make("one")])
    key_set: Any = None  # instead of the keys
    description: dict[str, Any] = field(default_factory=dict)
    answer: web.StreamResponse | None = None  # instead of the key set
    asked: int = 0
    described: int = 0
    codes: dict[str, tuple[str, str]] = field(default_factory=dict)  # challenge and ID token
    checks_pkce: bool = True
    forms: list[dict[str, str]] = field(default_factory=list)  # that came for tokens

    def claims(self, subject: str = "ada", **claims: Any) -> dict[str, Any]:
        """Good claims, unless told otherwise."""
        now = int(time.time())
        good = {"iss": self.issuer, "sub": subject, "aud": AUDIENCE, "iat": now, "exp": now + 600}
        return good | claims

    def token(
        self,
        subject: str = "ada",
        *,
        key: SigningKey | None = None,
        header: Mapping[str, Any] | None = None,
        without: str = "",
        **claims: Any,
    ) -> str:
        """A good token, unless told otherwise."""
        key = key or self.keys[0]
        head = {"alg": key.algorithm, "kid": key.name, "typ": "JWT"} | dict(header or {})
        said = self.claims(subject, **claims)
        said.pop(without, None)
        return key.sign(head, said)

    def bearer(self, *args: Any, **kwargs: Any) -> dict[str, str]:
        """The header with such a token."""
        return {"Authorization": f"Bearer {self.token(*args, **kwargs)}"}

    @property
    def published(self) -> Any:
        """The set of its keys."""
        return (
            self.key_set
            if self.key_set is not None
            else {"keys": [key.published() for key in self.keys]}
        )

    async def fetch(self, issuer: str) -> Any:
        """Answer like `documents.fetch_key_set`, without a network."""
        assert issuer == self.issuer
        self.asked += 1
        return self.published

    def vouch(self, asked: Mapping[str, str], subject: str = "ada", **claims: Any) -> str:
        """Log somebody in at what a browser was sent here with, and give the code for it."""
        code = f"code-{len(self.codes)}-{subject}"
        good = {"aud": asked["client_id"], "nonce": asked["nonce"]}
        self.codes[code] = asked["code_challenge"], self.token(subject, **(good | claims))
        return code

    async def _describe(self, request: web.Request) -> web.StreamResponse:
        self.described += 1
        here = f"{request.scheme}://{request.host}"
        places = {
            "jwks_uri": f"{here}/keys",
            "authorization_endpoint": f"{here}/authorize",
            "token_endpoint": f"{here}/token",
        }
        return web.json_response({"issuer": self.issuer} | places | self.description)

    async def _exchange(self, request: web.Request) -> web.StreamResponse:
        form = {name: str(value) for name, value in (await request.post()).items()}
        self.forms.append(form)
        challenge, token = self.codes.pop(form["code"], ("", ""))
        digest = base64url(hashlib.sha256(form["code_verifier"].encode()).digest())
        if not token or (self.checks_pkce and digest != challenge):
            return web.json_response({"error": "invalid_grant"}, status=400)
        return web.json_response({"id_token": token, "token_type": "Bearer"})

    async def _publish(self, _: web.Request) -> web.StreamResponse:
        self.asked += 1
        return self.answer or web.json_response(self.published)


@asynccontextmanager
async def serving(provider: IdentityProvider) -> AsyncIterator[int]:
    """Serve on a free port of this machine, which becomes its issuer; lends the port."""
    app = web.Application()
    app.router.add_get("/.well-known/openid-configuration", provider._describe)
    app.router.add_get("/keys", provider._publish)
    app.router.add_post("/token", provider._exchange)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port: int = runner.addresses[0][1]
    provider.issuer = f"http://127.0.0.1:{port}"
    try:
        yield port
    finally:
        await runner.cleanup()


def unsigned(header: Mapping[str, Any], claims: Mapping[str, Any], signature: bytes = b"") -> str:
    """A token with any signature, or none."""
    text = ".".join(base64url(json.dumps(part).encode()) for part in (header, claims))
    return f"{text}.{base64url(signature)}"


def decoded(token: str) -> dict[str, Any]:
    """What a token says."""
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims
