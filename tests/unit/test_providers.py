"""Tokens of identity providers: which are good, by which keys, and what asking for keys costs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial
from ipaddress import ip_address
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

import jwt
import pytest

from scoreboard.accounts.access import AccessTokens, Identity
from scoreboard.configuration.sources import load
from scoreboard.errors import ExpiredToken, InvalidToken, ProviderUnavailable
from scoreboard.operations.metrics import Metrics
from scoreboard.providers.documents import DocumentRefused, is_public
from scoreboard.providers.issuer import RENEWED_AT_MOST_EVERY_SECONDS, Issuer
from scoreboard.providers.providers import Providers, UnknownKey
from tests.identity_provider import (
    AUDIENCE,
    IdentityProvider,
    SigningKey,
    base64url,
    unsigned,
)

SECRET = "a secret of today that is long enough"
RSA = SigningKey.make("rsa", "RS256")
EDWARDS = SigningKey.make("edwards", "EdDSA")
ELLIPTIC = SigningKey.make("elliptic", "ES256")
WEAK = SigningKey.make("weak", "RS256", rsa_bits=1024)


class World:
    """Access tokens that trust providers of the tests, which answer without a network."""

    def __init__(self, *providers: IdentityProvider, **members: Any) -> None:
        self.by_issuer = {provider.issuer: provider for provider in providers}
        issuers = {issuer: {"audience": AUDIENCE} | members for issuer in self.by_issuer}
        settings = load({}, jwt_secret=SECRET, oidc_issuers=issuers)
        self.metrics = Metrics()
        self.providers = Providers(settings.oidc_issuers, self.metrics, fetch=self.fetch)
        self.tokens = AccessTokens(settings, self.metrics, providers=self.providers)

    async def fetch(self, issuer: str) -> Any:
        return await self.by_issuer[issuer].fetch(issuer)

    async def begun(self) -> World:
        for issuer in self.by_issuer:
            await self.providers.renew(issuer)
        return self

    def verify(self, token: str) -> Identity:
        return self.tokens.verify(token)

    def refuses(self, token: str) -> bool:
        try:
            self.verify(token)
        except InvalidToken:
            return True
        return False

    def faults(self, reason: str) -> float:
        name = "scoreboard_provider_keys_refused_total"
        return self.metrics.registry.get_sample_value(name, {"reason": reason}) or 0


@pytest.fixture
def provider() -> IdentityProvider:
    return IdentityProvider(keys=[RSA, EDWARDS, ELLIPTIC])


@pytest.fixture
async def world(provider: IdentityProvider) -> World:
    return await World(provider).begun()


@pytest.mark.parametrize("key", [RSA, EDWARDS, ELLIPTIC], ids=lambda key: key.algorithm)
async def test_a_token_of_each_algorithm_speaks_for_its_subject(
    world: World, provider: IdentityProvider, key: SigningKey
) -> None:
    found = world.verify(provider.token(key=key))
    assert found.user_id == str(uuid5(uuid5(NAMESPACE_URL, provider.issuer), "ada"))
    assert found.foreign


async def test_a_subject_is_another_user_at_another_issuer() -> None:
    one, two = IdentityProvider("https://one.example"), IdentityProvider("https://two.example")
    world = await World(one, two).begun()
    assert world.verify(one.token()).user_id != world.verify(two.token()).user_id


async def test_a_subject_that_is_a_uuid_is_taken_as_it_is_where_the_setting_says_so() -> None:
    provider = IdentityProvider()
    world = await World(provider, subject="uuid").begun()
    user = UUID("0190c1c4-9d3b-4a1e-8c55-0123456789ab")
    assert world.verify(provider.token(user.hex.upper())).user_id == str(user)
    assert world.refuses(provider.token("ada"))


@pytest.mark.parametrize("subject", ["", "a" * 256, "ada\ud800", "ädä", None, 7, ["ada"]])
async def test_what_cannot_be_a_subject_speaks_for_nobody(
    world: World, provider: IdentityProvider, subject: Any
) -> None:
    assert world.refuses(provider.token(subject))


async def test_an_audience_is_one_of_those_that_are_set(provider: IdentityProvider) -> None:
    world = await World(provider, audience=["one", "two"]).begun()
    for good in ("one", "two", ["else", "two"]):
        world.verify(provider.token(aud=good))
    for bad in ("else", ["else"], [], "", None, 7, {"one": 1}):
        assert world.refuses(provider.token(aud=bad))
    assert world.refuses(provider.token(without="aud"))


async def test_times_have_the_bounds_that_every_foreign_token_has(
    world: World, provider: IdentityProvider
) -> None:
    now = int(time.time())
    world.verify(provider.token(iat=now + 5))  # clocks differ
    for claims in (
        {"iat": now + 60},
        {"nbf": now + 60},
        {"exp": now + 3700},
        {"exp": float("inf")},
        {"iat": None},
        {"exp": None},
    ):
        assert world.refuses(provider.token(**claims)), claims
    for missing in ("iat", "exp", "sub"):
        assert world.refuses(provider.token(without=missing))
    with pytest.raises(ExpiredToken):
        world.verify(provider.token(iat=now - 600, exp=now - 1))


def forgeries(provider: IdentityProvider, mine: SigningKey) -> dict[str, str]:
    """What somebody makes who knows all that is public, and has a key of their own."""
    claims, good = provider.claims(), provider.token(key=RSA)
    head, payload, signature = good.split(".")
    hidden = base64url(b"\0" * 64)
    return {
        "none": unsigned({"alg": "none", "kid": "rsa"}, claims),
        "nOnE": unsigned({"alg": "nOnE", "kid": "rsa"}, claims),
        "none, and no name of a key": unsigned({"alg": "none"}, claims),
        "no signature": f"{head}.{payload}.",
        "half a signature": f"{head}.{payload}.{signature[:100]}",
        "a signature of nothing": f"{head}.{payload}.{base64url(bytes(256))}",
        "zeros on the curve": unsigned({"alg": "ES256", "kid": "elliptic"}, claims, bytes(64)),
        "zeros of Edwards": unsigned({"alg": "EdDSA", "kid": "edwards"}, claims, bytes(64)),
        "another's claims": f"{head}.{base64url(b'{}')}.{signature}",
        "another key under this name": provider.token(key=mine, header={"kid": "elliptic"}),
        "a key that the token brings": provider.token(
            key=mine, header={"jwk": mine.published(), "kid": "elliptic"}
        ),
        "a good key that the token brings": provider.token(
            key=RSA, header={"jwk": RSA.published()}
        ),
        "keys from elsewhere": provider.token(key=RSA, header={"jku": "https://evil.example"}),
        "a certificate from elsewhere": provider.token(
            key=RSA, header={"x5u": "https://e.example"}
        ),
        "an extension that is critical": provider.token(key=RSA, header={"crit": ["exp"]}),
        "another algorithm of the key": provider.token(key=RSA, header={"alg": "PS256"}),
        "another kind of key": provider.token(key=RSA, header={"alg": "ES256"}),
        "another key's name": provider.token(key=RSA, header={"kid": "elliptic"}),
        "another signature's length": f"{head}.{payload}.{hidden}",
        "a log-out token": provider.token(key=RSA, header={"typ": "logout+jwt"}),
        "a list for a type": provider.token(key=RSA, header={"typ": ["JWT"]}),
        "a list for a name": provider.token(key=RSA, header={"kid": ["rsa"]}),
        "another issuer": provider.token(key=RSA, iss="https://else.example"),
        "a list of issuers": provider.token(key=RSA, iss=[provider.issuer]),
        "a second spelling": f"{head}.{payload}.{signature}==",
        "a third spelling": f"{head}.{payload}.{signature[:-1]}!{signature[-1]}",
        "a fourth spelling": good[:-1] + chr(ord(good[-1]) + 1),  # the same bytes
        "a header that is no object": f"{base64url(b'[]')}.{payload}.{signature}",
        "a header that is no text": f"{base64url(bytes([255]))}.{payload}.{signature}",
    }


async def test_no_forgery_is_good(world: World, provider: IdentityProvider) -> None:
    for what, token in forgeries(provider, SigningKey.make("mine")).items():
        assert world.refuses(token), what
    world.verify(provider.token(key=RSA))


async def test_a_public_key_is_never_taken_for_a_secret(
    world: World, provider: IdentityProvider
) -> None:
    """In no form in which it is published, and in no name: not the provider's, not ours."""
    secrets = [RSA.public_pem, RSA.public_pem.strip(), RSA.published()["n"].encode()]
    for secret in secrets:
        for issuer in (provider.issuer, "scoreboard"):
            for kid in ("rsa", "elliptic", "unknown"):
                text = unsigned(
                    {"alg": "HS256", "kid": kid}, provider.claims(iss=issuer, userId="x")
                ).rpartition(".")[0]
                digest = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
                token = f"{text}.{base64url(digest.sign(text.encode(), secret))}"
                assert world.refuses(token)


async def test_our_secret_signs_for_no_provider_and_a_provider_not_for_us(
    world: World, provider: IdentityProvider
) -> None:
    claims = provider.claims(userId="0190c1c4-9d3b-4a1e-8c55-0123456789ab")
    assert world.refuses(jwt.encode(claims, SECRET, "HS256", {"kid": "rsa"}))
    assert world.refuses(jwt.encode(claims, SECRET, "HS256"))
    assert world.refuses(provider.token(key=RSA, iss="scoreboard"))


async def test_one_providers_key_signs_for_no_other() -> None:
    one, two = IdentityProvider("https://one.example"), IdentityProvider("https://two.example")
    two.keys = [SigningKey.make("one")]  # of the same name
    world = await World(one, two).begun()
    assert world.refuses(one.token(iss=two.issuer))
    assert world.refuses(two.token(iss=one.issuer))


async def test_a_key_that_two_issuers_publish_stays_with_the_first() -> None:
    one, two = IdentityProvider("https://one.example"), IdentityProvider("https://two.example")
    two.keys = [SigningKey("stolen", "ES256", one.keys[0].private), SigningKey.make("own")]
    world = await World(one, two).begun()
    assert world.refuses(two.token(key=two.keys[0]))
    assert world.refuses(one.token(iss=two.issuer, header={"kid": "stolen"}))
    world.verify(one.token())
    world.verify(two.token(key=two.keys[1]))
    assert world.faults("shared") == 1


@pytest.mark.parametrize(
    ("published", "reason"),
    [
        (WEAK.published(), "weak"),
        (RSA.published(e="Aw"), "weak"),
        (RSA.published(n=base64url(b"\xff" * 1100)), "weak"),
        (RSA.published(n=base64url(b"\xff" * 4000)), "malformed"),
        (RSA.published(d="AQAB"), "private"),
        (RSA.published(n=7), "malformed"),
        (RSA.published(n=None), "malformed"),
        (ELLIPTIC.published(x="AA"), "malformed"),
        (ELLIPTIC.published(y=ELLIPTIC.published()["x"]), "malformed"),
        (EDWARDS.published(x=""), "malformed"),
        (RSA.published(kid=7), "name"),
        ("no key", "malformed"),
        (RSA.published(alg="HS256"), None),
        (RSA.published(use="enc"), None),
        (RSA.published(key_ops=["encrypt"]), None),
        (RSA.published(kty=["RSA"]), None),
        ({"kty": "oct", "k": base64url(b"k" * 32), "kid": "rsa", "alg": "HS256"}, None),
        ({"kty": "oct", "k": base64url(b"k" * 32), "kid": "rsa"}, None),
        (ELLIPTIC.published(crv="P-384"), None),
        (ELLIPTIC.published(crv="secp256k1"), None),
    ],
)
async def test_a_key_that_may_not_sign_is_none(published: Any, reason: str | None) -> None:
    provider = IdentityProvider(key_set={"keys": [published, EDWARDS.published()]}, keys=[EDWARDS])
    world = await World(provider).begun()
    assert list(world.providers._issuers[provider.issuer].keys) == ["edwards"]
    if reason is not None:
        assert world.faults(reason) == 1
    world.verify(provider.token())


async def test_a_name_that_two_keys_have_means_the_first() -> None:
    keys = [ELLIPTIC.published(), EDWARDS.published(kid="elliptic")]
    provider = IdentityProvider(key_set={"keys": keys}, keys=[ELLIPTIC])
    world = await World(provider).begun()
    world.verify(provider.token())
    assert world.faults("name") == 1


async def test_a_provider_with_one_key_need_not_name_it() -> None:
    provider = IdentityProvider(key_set={"keys": [ELLIPTIC.published()]}, keys=[ELLIPTIC])
    provider.key_set["keys"][0].pop("kid")
    world = await World(provider).begun()
    token = ELLIPTIC.sign({"alg": "ES256"}, provider.claims())
    world.verify(token)


async def test_algorithms_that_are_not_set_are_not_taken(provider: IdentityProvider) -> None:
    world = await World(provider, algorithms=["ES256"]).begun()
    world.verify(provider.token(key=ELLIPTIC))
    assert world.refuses(provider.token(key=RSA))


# When keys are asked for


async def test_an_unknown_name_asks_once_and_then_not_again_for_a_while(
    world: World, provider: IdentityProvider
) -> None:
    """A thousand strangers make up names of keys."""
    asked = provider.asked
    for number in range(1000):
        with pytest.raises(UnknownKey):
            world.verify(provider.token(key=RSA, header={"kid": f"made up {number}"}))
        await world.providers.renew(provider.issuer)
    assert provider.asked == asked


class Slow:
    """Keys that come when they are let go; a clock that is moved by hand."""

    def __init__(self, provider: IdentityProvider) -> None:
        [(_, known)] = load(
            {}, oidc_issuers={provider.issuer: {"audience": AUDIENCE}}
        ).oidc_issuers.items()
        self.provider, self.now, self.gate = provider, 1000.0, asyncio.Event()
        self.metrics = Metrics()
        self.fails = False
        self.issuer = Issuer(
            known, self.metrics, lambda _: False, fetch=self.fetch, clock=lambda: self.now
        )

    async def fetch(self, issuer: str) -> Any:
        await self.gate.wait()
        if self.fails:
            self.provider.asked += 1
            raise DocumentRefused("away")
        return await self.provider.fetch(issuer)


async def test_all_who_need_a_key_share_one_request(provider: IdentityProvider) -> None:
    slow = Slow(provider)
    waiting = [asyncio.create_task(slow.issuer.renew()) for _ in range(100)]
    await asyncio.sleep(0)
    waiting[0].cancel()  # hangs up; the request goes on for the others
    slow.gate.set()
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(answers[0], asyncio.CancelledError)
    assert answers[1:] == [True] * 99
    assert provider.asked == 1


async def test_keys_are_asked_for_again_when_the_time_is_over(provider: IdentityProvider) -> None:
    slow = Slow(provider)
    slow.gate.set()
    assert await slow.issuer.renew()
    slow.now += RENEWED_AT_MOST_EVERY_SECONDS - 1
    assert not await slow.issuer.renew()
    slow.now += 1
    assert await slow.issuer.renew()
    assert provider.asked == 2


async def test_keys_at_hand_serve_on_while_the_provider_is_away(provider: IdentityProvider) -> None:
    slow = Slow(provider)
    slow.gate.set()
    await slow.issuer.renew()
    known = dict(slow.issuer.keys)
    slow.fails = True
    for _ in range(3):
        slow.now += RENEWED_AT_MOST_EVERY_SECONDS
        await slow.issuer.renew()
    assert slow.issuer.keys == known
    failed = slow.metrics.registry.get_sample_value(
        "scoreboard_provider_reads_failed_total", {"issuer": provider.issuer}
    )
    assert failed == 3


async def test_a_key_that_is_taken_back_is_good_no_longer(
    world: World, provider: IdentityProvider
) -> None:
    slow = Slow(provider)
    slow.gate.set()
    await slow.issuer.renew()
    assert slow.issuer.key("rsa")
    provider.keys = [EDWARDS]
    slow.now += RENEWED_AT_MOST_EVERY_SECONDS
    await slow.issuer.renew()
    assert slow.issuer.key("rsa") is None


async def test_a_token_that_was_verified_is_good_no_longer_than_its_key() -> None:
    provider = IdentityProvider(keys=[ELLIPTIC, EDWARDS])
    world = await World(provider).begun()
    tokens = [provider.token(key=key) for key in provider.keys]
    for token in tokens:
        world.verify(token)
    provider.keys = [EDWARDS]
    world.providers._issuers[provider.issuer]._asked_at = None
    await world.providers.renew(provider.issuer)
    assert world.refuses(tokens[0])
    world.verify(tokens[1])


@pytest.mark.parametrize(
    "document", [False, [], {}, {"keys": None}, {"keys": {}}, {"keys": [{}] * 51}, "keys", 7]
)
async def test_what_is_no_set_of_keys_leaves_those_at_hand(
    provider: IdentityProvider, document: Any
) -> None:
    slow = Slow(provider)
    slow.gate.set()
    await slow.issuer.renew()
    provider.key_set = document
    provider.keys = []
    slow.now += RENEWED_AT_MOST_EVERY_SECONDS
    await slow.issuer.renew()
    assert slow.issuer.keys


async def test_where_no_key_was_ever_read_a_token_is_not_called_bad() -> None:
    async def away(_: str) -> Any:
        raise DocumentRefused("away")

    issuers = load({}, oidc_issuers={"https://id.example": {"audience": "x"}}).oidc_issuers
    providers = Providers(issuers, Metrics(), fetch=away)
    with pytest.raises(ProviderUnavailable):
        await providers.renew("https://id.example")


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1::1", True),
        *((text, False) for text in ("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.0.1")),
        *((text, False) for text in ("169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1")),
        *((text, False) for text in ("::1", "::", "fe80::1", "fc00::1", "fd00:ec2::254")),
        *((text, False) for text in ("::ffff:10.0.0.1", "::ffff:169.254.169.254", "ff02::1")),
        *((text, False) for text in ("64:ff9b::a00:1", "2002:a00:1::", "2001::1", "::7f00:1")),
    ],
)
def test_private_addresses_are_none_that_keys_come_from(address: str, public: bool) -> None:
    assert is_public(ip_address(address)) is public


def per_call(work: Callable[[], object], calls: int = 300) -> float:
    started = time.perf_counter()
    for _ in range(calls):
        work()
    return (time.perf_counter() - started) / calls


async def test_a_made_up_name_of_a_key_costs_less_than_a_signature(
    world: World, provider: IdentityProvider
) -> None:
    """No signature is looked at where there is no key for it."""
    claims = provider.claims()
    unknown = unsigned({"alg": "RS256", "kid": "made up"}, claims, bytes(256))
    forged = unsigned({"alg": "RS256", "kid": "rsa"}, claims, b"\1" * 256)
    costs = [per_call(partial(world.refuses, token)) for token in (unknown, forged)]
    assert costs[0] < 2 * costs[1]
