from __future__ import annotations

import base64
import hashlib
import hmac
import json
import string
import time
from typing import Any
from uuid import uuid4

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoreboard.accounts import access
from scoreboard.accounts.access import AccessTokens, Identity, key_id
from scoreboard.accounts.claims import LEEWAY_SECONDS
from scoreboard.accounts.revocations import Revocation
from scoreboard.configuration.settings import SettingsError
from scoreboard.configuration.sources import load
from scoreboard.errors import (
    ExpiredToken,
    InvalidToken,
    NotAuthorized,
    RevokedToken,
    UnknownUser,
)

SECRET = "a secret of today that is long enough"
EARLIER = "a secret of yesterday, long enough too"
GAME = "a secret of the game that is long enough"
GAMES_EARLIER = "a secret that the game had, long enough"
SHOP = "a secret of the shop that is long enough"
TRUSTED = {"game": [GAME, GAMES_EARLIER], "shop": SHOP}
HOUR_SECONDS = 3600
USER = "0190c1c4-9d3b-4a1e-8c55-0123456789ab"


class Clock:
    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def tokens(clock: Any = time.time, **settings: Any) -> AccessTokens:
    return AccessTokens(load({}, **{"jwt_secret": SECRET} | settings), clock=clock)


def signed(
    *, secret: str = SECRET, header: dict[str, Any] | None = None, without: str = "", **claims: Any
) -> str:
    """A token of an outside issuer, which may write anything; a good one, unless told otherwise."""
    good = {
        "userId": USER,
        "iss": "scoreboard",
        "aud": "scoreboard",
        "exp": int(time.time()) + 600,
    }
    payload = {key: value for key, value in (good | claims).items() if key != without}
    parts = [header or {"alg": "HS256"}, payload]
    signing_input = ".".join(base64url(json.dumps(part).encode()) for part in parts)
    signature = hmac.digest(secret.encode(), signing_input.encode(), "sha256")
    return f"{signing_input}.{base64url(signature)}"


def of_the_game(*, secret: str = GAME, **claims: Any) -> str:
    """A good token of an issuer that is trusted beside us, unless told otherwise."""
    issued: dict[str, Any] = {"iss": "game", "iat": int(time.time())}
    return signed(secret=secret, **issued | claims)


def base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def test_an_issued_token_speaks_for_its_user_until_it_expires(clock: Clock) -> None:
    ours = tokens(clock)
    assert ours.verify(ours.issue(USER)) == Identity(USER, int(clock.now) + 900)


def test_an_issued_token_carries_the_claims_that_others_rely_on(clock: Clock) -> None:
    token = tokens(clock, access_token_seconds=60).issue(USER)
    issued_at = int(clock.now)
    assert jwt.get_unverified_header(token) == {
        "alg": "HS256",
        "typ": "JWT",
        "kid": hashlib.sha256(SECRET.encode()).hexdigest()[:16],
    }
    assert jwt.decode(token, options={"verify_signature": False}) == {
        "userId": USER,
        "sub": USER,
        "iss": "scoreboard",
        "aud": "scoreboard",
        "iat": issued_at,
        "exp": issued_at + 60,
        "asOf": 0,
    }


def test_an_empty_issuer_and_audience_are_neither_written_nor_checked() -> None:
    nameless = tokens(jwt_issuer="", jwt_audience="")
    claims = jwt.decode(nameless.issue(USER), options={"verify_signature": False})
    assert claims.keys() == {"userId", "sub", "iat", "exp", "asOf"}
    assert nameless.verify(signed(iss="anybody", aud="anything")).user_id == USER
    assert nameless.verify(nameless.issue(USER)).user_id == USER


def test_without_a_secret_nothing_is_signed_and_nothing_is_good() -> None:
    unset = tokens(jwt_secret="")
    with pytest.raises(SettingsError):
        unset.issue(USER)
    with pytest.raises(InvalidToken):
        unset.verify(signed(secret=""))


# Keys


def test_tokens_of_an_earlier_secret_are_still_taken() -> None:
    token = tokens(jwt_secret=EARLIER).issue(USER)
    rotated = tokens(jwt_secret=SECRET, jwt_previous_secrets=[EARLIER])
    assert rotated.verify(token).user_id == USER
    with pytest.raises(InvalidToken):
        tokens().verify(token)


@pytest.mark.parametrize("secret", [SECRET, EARLIER])
@pytest.mark.parametrize("header", [{}, {"kid": ""}, {"kid": "the-issuers-own-name"}])
def test_a_token_that_names_no_key_of_ours_is_tried_on_every_key(
    secret: str, header: dict[str, Any]
) -> None:
    rotated = tokens(jwt_previous_secrets=[EARLIER])
    token = signed(secret=secret, header={"alg": "HS256"} | header)
    assert rotated.verify(token).user_id == USER
    with pytest.raises(InvalidToken):
        rotated.verify(
            signed(secret="somebody else's secret, long enough", header={"alg": "HS256"} | header)
        )


@pytest.mark.parametrize("kid", [7, ["x"], {}])
def test_a_token_whose_key_has_no_name_that_could_be_one_is_refused(kid: Any) -> None:
    with pytest.raises(InvalidToken):
        tokens().verify(signed(header={"alg": "HS256", "kid": kid}))


def test_a_token_that_names_one_key_but_bears_anothers_signature_is_refused() -> None:
    header = jwt.get_unverified_header(tokens().issue(USER))
    with pytest.raises(InvalidToken):
        tokens(jwt_previous_secrets=[EARLIER]).verify(signed(secret=EARLIER, header=header))


@pytest.mark.parametrize("algorithm", ["none", "HS384", "HS512"])
def test_only_one_algorithm_is_taken_whatever_the_token_says(algorithm: str) -> None:
    key = "" if algorithm == "none" else SECRET * 2
    claims = {"userId": USER, "iss": "scoreboard", "aud": "scoreboard", "exp": 4102444800}
    token = jwt.encode(claims, key, algorithm=algorithm)
    with pytest.raises(InvalidToken):
        tokens(jwt_secret=SECRET * 2).verify(token)


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none"},
        {"alg": None},
        {"alg": ["HS256"]},
        {"typ": "JWT"},
        {"alg": "HS256", "crit": ["x"]},
        {"alg": "HS256", "crit": ["b64"], "b64": False},
    ],
)
def test_a_header_that_asks_for_other_rules_is_refused(header: dict[str, Any]) -> None:
    with pytest.raises(InvalidToken):
        tokens().verify(signed(header=header))


# The user


def test_sub_is_read_where_there_is_no_user_id() -> None:
    assert tokens().verify(signed(without="userId", sub=USER)).user_id == USER


def test_a_user_id_is_written_in_its_canonical_form() -> None:
    assert tokens().verify(signed(userId=USER.upper())).user_id == USER
    assert tokens().verify(signed(userId=USER.replace("-", ""))).user_id == USER
    assert tokens().verify(signed(userId=USER.upper(), sub=USER)).user_id == USER


def test_a_token_that_names_two_users_is_refused() -> None:
    for other in (str(uuid4()), "", None, "admin"):
        with pytest.raises(InvalidToken):
            tokens().verify(signed(sub=other))


@pytest.mark.parametrize(
    "user_id",
    [
        "",
        "admin",
        7,
        None,
        True,
        [USER],
        f"{{{USER}}}",
        f"urn:uuid:{USER}",
        f"{USER}\n",
        f" {USER}",
        USER[:-1],
        USER[:-1] + "٣",
        USER.replace("9d3b", "9_3b"),
    ],
)
def test_a_user_id_that_is_no_uuid_is_refused(user_id: Any) -> None:
    with pytest.raises(InvalidToken):
        tokens().verify(signed(userId=user_id))


def test_a_token_for_nobody_is_refused() -> None:
    with pytest.raises(InvalidToken):
        tokens().verify(signed(without="userId"))


# For whom and from whom


@pytest.mark.parametrize("issuer", ["somebody", "", None, ["scoreboard"], {"scoreboard": 1}, 7])
def test_tokens_of_other_issuers_are_refused(issuer: Any) -> None:
    with pytest.raises(InvalidToken):
        tokens().verify(signed(iss=issuer))


def test_tokens_without_an_issuer_are_refused_where_we_have_a_name() -> None:
    for secret in (SECRET, GAME):
        with pytest.raises(InvalidToken):
            tokens(jwt_trusted_issuers=TRUSTED).verify(
                of_the_game(secret=secret, without="iss", iat=int(time.time()))
            )


def test_tokens_of_trusted_issuers_are_taken_under_any_of_their_keys() -> None:
    trusting = tokens(jwt_trusted_issuers=TRUSTED)
    for token in (
        of_the_game(),
        of_the_game(secret=GAMES_EARLIER),
        of_the_game(iss="shop", secret=SHOP),
        of_the_game(header={"alg": "HS256", "kid": "the-games-own-name"}),
    ):
        identity = trusting.verify(token)
        assert (identity.user_id, identity.foreign) == (USER, True)
    assert not trusting.verify(trusting.issue(USER)).foreign


def test_a_key_belongs_to_its_issuer() -> None:
    """Whoever has the key of one issuer speaks for that one, and for nobody else."""
    trusting = tokens(jwt_trusted_issuers=TRUSTED, jwt_previous_secrets=[EARLIER])
    keys = {
        "scoreboard": [SECRET, EARLIER],
        "game": [GAME, GAMES_EARLIER],
        "shop": [SHOP],
        "somebody": [],
    }
    everybody = [secret for secrets in keys.values() for secret in secrets]
    for issuer, own in keys.items():
        for secret in everybody:
            token = of_the_game(iss=issuer, secret=secret)
            if secret in own:
                assert trusting.verify(token).user_id == USER
                continue
            with pytest.raises(InvalidToken):
                trusting.verify(token)


def test_a_name_of_a_key_leads_to_no_key_of_another_issuer() -> None:
    trusting = tokens(jwt_trusted_issuers=TRUSTED)
    for issuer, secret, named in (("scoreboard", GAME, GAME), ("game", SECRET, SECRET)):
        header = {"alg": "HS256", "kid": key_id(named)}
        with pytest.raises(InvalidToken):
            trusting.verify(of_the_game(iss=issuer, secret=secret, header=header))


def test_a_token_that_names_two_issuers_is_of_neither() -> None:
    """Which of the two is meant depends on who reads it."""
    trusting = tokens(jwt_trusted_issuers=TRUSTED)
    now = int(time.time())
    common = f'"userId":"{USER}","aud":"scoreboard","exp":{now + 600},"iat":{now}'
    for first, second in (("game", "scoreboard"), ("scoreboard", "game")):
        payload = f'{{"iss":"{first}",{common},"iss":"{second}"}}'
        for key, key_of in ((SECRET, "scoreboard"), (GAME, "game")):
            parts = (b'{"alg": "HS256"}', payload.encode())
            text = ".".join(map(base64url, parts))
            token = f"{text}.{base64url(hmac.digest(key.encode(), text.encode(), 'sha256'))}"
            if key_of == second:  # both readers take the last: then it is that one's
                assert trusting.verify(token).foreign is (second == "game")
                continue
            with pytest.raises(InvalidToken):
                trusting.verify(token)


def test_trusting_an_issuer_without_a_name_of_our_own_trusts_nobody_else() -> None:
    trusting = tokens(jwt_issuer="", jwt_trusted_issuers=TRUSTED)
    assert trusting.verify(trusting.issue(USER)).user_id == USER
    assert trusting.verify(of_the_game()).user_id == USER
    for secret in (SECRET, GAME):
        with pytest.raises(InvalidToken):
            trusting.verify(of_the_game(iss="somebody", secret=secret))
    with pytest.raises(InvalidToken):
        trusting.verify(of_the_game(secret=SECRET))


def test_a_trusted_issuer_is_held_to_our_audience() -> None:
    trusting = tokens(jwt_trusted_issuers=TRUSTED)
    for audience in ("else", "", None, [], ["else"]):
        with pytest.raises(InvalidToken):
            trusting.verify(of_the_game(aud=audience))
    assert trusting.verify(of_the_game(aud=["else", "scoreboard"]))


@pytest.mark.parametrize("life_seconds", [1, 600, HOUR_SECONDS])
def test_a_foreign_token_lives_for_as_long_as_it_may(clock: Clock, life_seconds: int) -> None:
    trusting = tokens(clock, jwt_trusted_issuers=TRUSTED)
    now = int(clock.now)
    assert trusting.verify(of_the_game(iat=now, exp=now + life_seconds))


def test_a_foreign_token_that_would_live_for_longer_is_refused(clock: Clock) -> None:
    trusting = tokens(clock, jwt_trusted_issuers=TRUSTED)
    now = int(clock.now)
    for claims in (
        {"iat": now, "exp": now + HOUR_SECONDS + 1},
        {"iat": now - HOUR_SECONDS, "exp": now + 1},
        {"iat": now + LEEWAY_SECONDS + 1, "exp": now + 600},
        {"iat": 0, "exp": now + 60},
        {"iat": None, "exp": now + 60},
        {"iat": now, "exp": 4102444800},
        {"iat": 4102444800 - 60, "exp": 4102444800},
    ):
        with pytest.raises(InvalidToken):
            trusting.verify(of_the_game(**claims))
    with pytest.raises(InvalidToken):
        trusting.verify(of_the_game(without="iat"))


def test_how_long_foreign_tokens_may_live_is_set(clock: Clock) -> None:
    now = int(clock.now)
    strict = tokens(clock, jwt_trusted_issuers=TRUSTED, foreign_token_seconds=60)
    assert strict.verify(of_the_game(iat=now, exp=now + 60))
    with pytest.raises(InvalidToken):
        strict.verify(of_the_game(iat=now, exp=now + 61))


def test_a_token_of_ours_does_not_outlive_the_memory_of_revocations_whatever_end_it_tells(
    clock: Clock,
) -> None:
    """So that what was revoked stays so, also where the life of access tokens was shortened."""
    ours = tokens(clock)
    longer = tokens(clock, access_token_seconds=24 * HOUR_SECONDS).issue(USER)
    begun_at = int(clock.now)
    kept_until = begun_at + ours.longest_life_seconds
    assert ours.verify(longer).expires_at == kept_until
    clock.now = kept_until
    for verifier in (ours, tokens(clock)):
        with pytest.raises(ExpiredToken):
            verifier.verify(longer)
    with pytest.raises(InvalidToken):
        ours.verify(signed(without="iat", exp=begun_at + 24 * HOUR_SECONDS))


@pytest.mark.parametrize("audience", ["else", "", None, [], ["else"], [7], {"scoreboard": 1}])
def test_tokens_for_another_audience_are_refused(audience: Any) -> None:
    with pytest.raises(InvalidToken):
        tokens().verify(signed(aud=audience))


def test_a_token_may_be_meant_for_others_too() -> None:
    assert tokens().verify(signed(aud=["else", "scoreboard"])).user_id == USER


# Times


def test_every_token_must_expire() -> None:
    with pytest.raises(InvalidToken):
        tokens().verify(signed(without="exp"))


@pytest.mark.parametrize(
    "moment", [None, "soon", "4102444800", True, [], float("nan"), float("inf"), -1, 10**400, 1e300]
)
@pytest.mark.parametrize("claim", ["exp", "nbf", "iat"])
def test_a_time_that_is_none_is_refused(claim: str, moment: Any) -> None:
    with pytest.raises(InvalidToken) as refusal:
        tokens().verify(signed(**{claim: moment}))
    assert not isinstance(refusal.value, ExpiredToken)


def test_an_expired_token_is_told_apart_from_a_bad_one() -> None:
    with pytest.raises(ExpiredToken):
        tokens().verify(signed(exp=int(time.time()) - 1))
    with pytest.raises(InvalidToken):
        tokens().verify(signed(exp=int(time.time()) - 1, secret=EARLIER))


def test_a_token_is_dead_at_the_second_it_names_and_not_a_moment_later(clock: Clock) -> None:
    ours = tokens(clock)
    expires_at = int(clock.now) + 100
    token = signed(exp=expires_at)
    clock.now = expires_at - 0.001
    assert ours.verify(token).expires_at == expires_at
    clock.now = expires_at
    for verifier in (ours, tokens(clock)):  # one that remembers it, one that does not
        with pytest.raises(ExpiredToken):
            verifier.verify(token)


@pytest.mark.parametrize(
    ("claim", "ahead_seconds"),
    [("nbf", LEEWAY_SECONDS), ("iat", access.ISSUED_AHEAD_SECONDS)],
)
def test_a_token_is_not_taken_before_its_time_but_clocks_may_differ(
    clock: Clock, claim: str, ahead_seconds: int
) -> None:
    begins_at = clock.now + 3600
    ours = tokens(clock)
    claims: dict[str, Any] = {claim: begins_at, "exp": begins_at + 60}
    token = signed(**claims)
    with pytest.raises(InvalidToken):
        ours.verify(token)
    clock.now = begins_at - ahead_seconds
    assert ours.verify(token).user_id == USER


# What is remembered


def test_a_remembered_token_is_not_verified_again(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = tokens()
    token = ours.issue(USER)
    first = ours.verify(token)
    monkeypatch.setattr(jwt, "decode", None)
    assert ours.verify(token) is first


def test_a_remembered_token_never_outlives_its_expiry(clock: Clock) -> None:
    ours = tokens(clock)
    token = ours.issue(USER)
    identity = ours.verify(token)
    clock.now = identity.expires_at
    for _ in range(2):
        with pytest.raises(ExpiredToken):
            ours.verify(token)
    assert not ours._remembered


def test_only_verified_tokens_are_remembered() -> None:
    ours = tokens()
    for bad in ("", "x", "a.b.c", signed(secret=EARLIER), signed(exp=1), signed(iss="somebody")):
        with pytest.raises(NotAuthorized):
            ours.verify(bad)
    assert not ours._remembered


def test_the_oldest_of_too_many_remembered_tokens_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "REMEMBERED_MAX", 3)
    ours = tokens()
    made = [ours.issue(str(uuid4())) for _ in range(5)]
    for token in made:
        ours.verify(token)
    assert list(ours._remembered) == made[2:]
    assert ours.verify(made[0])  # forgotten, not refused


def test_one_good_token_cannot_be_written_in_many_ways_to_fill_the_memory() -> None:
    ours = tokens()
    token = ours.issue(USER)
    ours.verify(token)
    alphabet = string.ascii_letters + string.digits + "-_"
    same_signature = [token[:-1] + last for last in alphabet if last != token[-1]]
    with_junk = [token[:-5] + junk + token[-5:] for junk in "!\n =\x00+/"]
    for variation in same_signature + with_junk:
        with pytest.raises(InvalidToken):
            ours.verify(variation)
    assert list(ours._remembered) == [token]


# What was revoked


def test_a_token_is_refused_from_its_revocation_on_also_where_it_is_remembered(
    clock: Clock,
) -> None:
    ours = tokens(clock)
    reading = int(clock.now * 1000)
    before = ours.issue(USER, reading - 1)
    assert ours.verify(before)
    ours.revocations.take({USER: Revocation(reading)})
    with pytest.raises(RevokedToken):
        ours.verify(before)
    assert ours.verify(ours.issue(USER, reading))
    assert ours.verify(ours.issue(str(uuid4()), reading - 1))  # of somebody else
    ours.revocations.take({USER: Revocation(reading + 1)})
    with pytest.raises(RevokedToken):
        ours.verify(ours.issue(USER, reading))


def test_of_a_deleted_user_no_token_is_good_whenever_it_was_issued(clock: Clock) -> None:
    trusting = tokens(clock, jwt_trusted_issuers=TRUSTED)
    trusting.revocations.take({USER: Revocation(int(clock.now * 1000), deleted=True)})
    clock.now += 60
    later = int(clock.now * 1000)
    for token in (trusting.issue(USER, later), of_the_game(iat=int(clock.now))):
        with pytest.raises(UnknownUser):
            trusting.verify(token)


def test_a_token_that_does_not_tell_the_reading_is_judged_by_the_second_it_was_issued_in() -> None:
    """Those of trusted issuers, and of the release before. In doubt it is refused."""
    trusting = tokens(jwt_trusted_issuers=TRUSTED)
    now = int(time.time())
    trusting.revocations.take({USER: Revocation(now * 1000 - 1500)})
    for make in (of_the_game, signed):
        assert trusting.verify(make(iat=now - 1))
        for early in (now - 2, now - 3, now - 600):
            with pytest.raises(RevokedToken):
                trusting.verify(make(iat=early))
    with pytest.raises(RevokedToken):
        trusting.verify(signed(without="iat"))


def test_a_trusted_issuer_cannot_date_its_tokens_by_our_clock() -> None:
    trusting = tokens(jwt_trusted_issuers=TRUSTED)
    now = int(time.time())
    trusting.revocations.take({USER: Revocation(now * 1000)})
    with pytest.raises(RevokedToken):
        trusting.verify(of_the_game(iat=now - 5, asOf=2**60))


@pytest.mark.parametrize("reading", ["42", 4.2, True, [], {}])
def test_a_reading_that_is_none_is_refused(reading: Any) -> None:
    with pytest.raises(InvalidToken):
        tokens().verify(signed(asOf=reading))


# Whatever comes


def test_an_oversized_token_is_refused_before_it_is_parsed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    token = signed(padding="x" * access.TOKEN_CHARS_MAX)
    monkeypatch.setattr(jwt, "get_unverified_header", None)
    with pytest.raises(InvalidToken):
        tokens().verify(token)


def test_what_nobody_signed_is_not_given_to_a_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits ask whose a token is before they count it, also past a limit."""
    ours = tokens(jwt_previous_secrets=[EARLIER], jwt_trusted_issuers=TRUSTED)
    forged = [
        signed(secret="a secret of nobody that is long enough"),
        signed(secret=GAME),
        signed(secret=SECRET, iss="game"),
        ours.issue(USER)[:-1],
        ours.issue(USER) + "=",
    ]
    monkeypatch.setattr(jwt, "get_unverified_header", None)
    monkeypatch.setattr(jwt, "decode", None)
    for token in forged:
        with pytest.raises(InvalidToken):
            ours.verify(token)


def test_a_token_that_was_good_once_is_not_given_to_a_parser(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = tokens(clock)
    token = ours.issue(USER)
    clock.now += 900
    monkeypatch.setattr(jwt, "decode", None)
    with pytest.raises(ExpiredToken):
        ours.verify(token)


@pytest.mark.parametrize("text", ["\ud800", "é.é.é", "\ud800.\ud800.\ud800", "\x00.\x00.\x00"])
def test_text_that_cannot_even_be_encoded_is_refused_like_anything_else(text: str) -> None:
    with pytest.raises(InvalidToken):
        tokens().verify(text)


@pytest.mark.parametrize("depth", [100, 1000, 2900])
def test_deep_nesting_is_refused_like_anything_else(depth: int) -> None:
    nested = base64url(b"[" * depth)
    for token in (f"{nested}.e30.AA", f"{base64url(b'{}')}.{nested}.AA"):
        with pytest.raises(InvalidToken):
            tokens().verify(token)


segments = st.one_of(
    st.text(max_size=40),
    st.binary(max_size=60).map(base64url),
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
        max_leaves=5,
    ).map(lambda value: base64url(json.dumps(value).encode())),
    st.fixed_dictionaries(
        {"alg": st.sampled_from(["HS256", "none", "RS256", None, 1])},
        optional={"kid": st.text(max_size=3) | st.none() | st.integers(), "typ": st.just("JWT")},
    ).map(lambda header: base64url(json.dumps(header).encode())),
)


@given(st.lists(segments, max_size=5).map(".".join) | st.text())
def test_text_that_nobody_signed_is_refused_and_never_fails_otherwise(text: str) -> None:
    ours = tokens()
    with pytest.raises(InvalidToken):
        ours.verify(text)
    assert not ours._remembered


@given(position=st.integers(0, 10_000), letter=st.characters())
def test_a_token_with_one_letter_exchanged_is_refused(position: int, letter: str) -> None:
    ours = tokens()
    token = ours.issue(USER)
    position %= len(token)
    changed = token[:position] + letter + token[position + 1 :]
    if changed != token:
        with pytest.raises(InvalidToken):
            ours.verify(changed)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@given(
    st.dictionaries(
        st.sampled_from(["userId", "sub", "iss", "aud", "exp", "nbf", "iat", "jti"]), anything
    )
)
def test_odd_claims_under_a_good_signature_are_refused_and_never_fail_otherwise(
    claims: dict[str, Any],
) -> None:
    token = signed(**claims)
    try:
        identity = tokens().verify(token)
    except NotAuthorized:
        return
    assert identity.user_id == USER  # only claims that change nothing leave the token good
    assert identity.expires_at > time.time()
