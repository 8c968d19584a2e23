"""What a thief, a stranger or another key's holder would make of signed requests. No server is
needed: whether a request is good is decided by what is in memory.
"""

from __future__ import annotations

import base64
import json
import time
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict
from standardwebhooks import Webhook

from scoreboard import errors
from scoreboard.keys import heads
from scoreboard.keys.server_key import ServerKey, shown
from scoreboard.keys.verifying import SignedRequest, claim_of, verify
from scoreboard.model import BoardId
from tests.properties.strategies import examples
from tests.signing import BODY, KEY, NONCE, NOW, OTHER_SECRET, SECRET, TARGET, key, keyring, request

LATER, EARLIER = NOW + 301, NOW - 301


def asked(
    sent: SignedRequest, *keys: ServerKey, scope: str = "results", now: float = NOW
) -> ServerKey:
    return verify(sent, keyring(*keys), scope, now)  # type: ignore[arg-type]


def changed(sent: SignedRequest, name: str, value: str) -> SignedRequest:
    headers = CIMultiDict(sent.headers)
    headers[name] = value
    return replace(sent, headers=headers)


def test_a_request_that_is_signed_says_which_key_signed_it() -> None:
    assert asked(request()) == KEY
    assert asked(request("GET", "/api/results/a%20b?x=1", b"")) == KEY


def test_what_a_library_of_standard_webhooks_signs_is_taken_and_what_is_taken_it_verifies() -> None:
    now = time.time()
    sent = request(at=now)
    Webhook(shown(SECRET)).verify(BODY, dict(sent.headers))
    theirs = Webhook(shown(SECRET)).sign(
        sent.headers["webhook-id"], datetime.fromtimestamp(int(now), UTC), BODY.decode()
    )
    assert asked(changed(sent, "webhook-signature", theirs), now=now) == KEY


@pytest.mark.parametrize("missing", heads.HEADERS)
def test_a_request_without_one_of_the_headers_is_not_signed(missing: str) -> None:
    sent = request()
    headers = CIMultiDict(sent.headers)
    del headers[missing]
    with pytest.raises(errors.NotSigned):
        asked(replace(sent, headers=headers))


def test_a_forged_signature_is_refused() -> None:
    with pytest.raises(errors.BadSignature):
        asked(request(secret=OTHER_SECRET))


def test_another_keys_secret_is_no_good_for_this_key() -> None:
    other = key(key_id="key_00000000000000000002", secrets=(OTHER_SECRET,))
    with pytest.raises(errors.BadSignature):
        asked(request(secret=OTHER_SECRET), KEY, other)


@pytest.mark.parametrize("now", [LATER, EARLIER])
def test_a_signature_of_long_ago_or_of_the_future_is_refused_before_the_body_is_read(
    now: float,
) -> None:
    sent = request()
    with pytest.raises(errors.StaleSignature):
        claim_of(sent.method, sent.target, sent.headers, keyring(), now)


@pytest.mark.parametrize("now", [NOW + 300, NOW - 300])
def test_clocks_may_be_five_minutes_apart(now: float) -> None:
    assert asked(request(), now=now) == KEY


def test_a_new_time_beside_an_old_signature_is_refused() -> None:
    sent = changed(request(), "webhook-timestamp", str(int(LATER)))
    with pytest.raises(errors.BadSignature):
        asked(sent, now=LATER)


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("PUT", TARGET),
        ("POST", "/api/grants"),
        ("POST", "/api/players"),
        ("POST", f"{TARGET}?x=1"),
        ("POST", f"{TARGET}/"),
        ("POST", "/api/users/somebody-else"),
    ],
)
def test_a_signed_request_is_no_good_on_another_route_or_about_another_subject(
    method: str, target: str
) -> None:
    with pytest.raises(errors.BadSignature):
        asked(replace(request(), method=method, target=target))


def test_no_end_of_an_id_passes_for_a_target() -> None:
    """An id that begins with a shorter target is none of this one."""
    sent = request(target="/api/users/ada", message_id=f"POST:/api/users/ada:x:{NONCE}")
    with pytest.raises(errors.BadSignature):
        asked(sent)


def test_no_part_of_a_body_passes_for_a_time_and_an_id() -> None:
    """`id.time.body` is one text; a dot in the id would let its parts be shifted."""
    sent = request(body=b"1800000001.{}")
    content_id = f"{sent.headers['webhook-id']}.{sent.headers['webhook-timestamp']}"
    shifted = CIMultiDict(sent.headers)
    shifted["webhook-id"], shifted["webhook-timestamp"] = content_id, "1800000001"
    with pytest.raises(errors.BadSignature):
        asked(replace(sent, headers=shifted, body=b"{}"))


def test_a_target_with_dots_is_signed_with_each_as_its_code() -> None:
    sent = request(target="/api/users/a.b?c=.")
    assert "." not in sent.headers["webhook-id"]
    assert asked(sent) == KEY
    with pytest.raises(errors.BadSignature):
        asked(request(target="/api/a.b", message_id=f"POST:/api/a.b:{NONCE}"))


@given(st.integers(0, len(BODY) - 1), st.integers(1, 255))
@examples(50)
def test_a_body_with_one_other_byte_is_refused(place: int, other: int) -> None:
    body = bytearray(BODY)
    body[place] ^= other
    # A MalformedBody is one that is no UTF-8 any more.
    with pytest.raises((errors.BadSignature, errors.MalformedBody)):
        asked(replace(request(), body=bytes(body)))


def test_a_key_does_only_what_its_scopes_say() -> None:
    for scope in ("grants", "users", "boards", "moderation"):
        with pytest.raises(errors.KeyLacksScope, match=scope):
            asked(request(), scope=scope)


def test_a_key_touches_only_its_boards() -> None:
    found = asked(request(), key(board_ids=frozenset({BoardId("cup"), BoardId("daily")})))
    found.require_boards(["cup"])
    with pytest.raises(errors.KeyLacksBoard):
        found.require_boards(["cup", "main"])
    KEY.require_boards(["cup", "main"])


def test_of_a_key_that_has_expired_only_who_signed_is_told() -> None:
    expired = key(expires_at=NOW)
    with pytest.raises(errors.ExpiredKey):
        asked(request(), expired)
    with pytest.raises(errors.BadSignature):
        asked(request(secret=OTHER_SECRET), expired)
    assert asked(request(), key(expires_at=NOW + 1)).expires_at == NOW + 1


def test_an_unknown_key_is_refused_before_the_body_is_read() -> None:
    sent = request(key_id="key_ffffffffffffffffffff")
    with pytest.raises(errors.UnknownKey):
        claim_of(sent.method, sent.target, sent.headers, keyring(), NOW)


def test_during_a_rotation_two_secrets_are_good_and_after_it_one() -> None:
    rotated = key(secrets=(OTHER_SECRET, SECRET), previous_until=NOW + 10)
    assert asked(request(), rotated) == rotated
    assert asked(request(secret=OTHER_SECRET), rotated) == rotated
    with pytest.raises(errors.BadSignature):
        asked(request(), rotated, now=NOW + 10)
    assert asked(request(secret=OTHER_SECRET), rotated, now=NOW + 10) == rotated


def test_a_signer_may_send_a_signature_by_each_of_its_secrets_and_of_unknown_versions() -> None:
    sent = request()
    good = sent.headers["webhook-signature"]
    forged = request(secret=OTHER_SECRET).headers["webhook-signature"]
    assert asked(changed(sent, "webhook-signature", f"v1a,AAAA {forged} {good}")) == KEY


def test_a_key_whose_secret_cannot_be_read_is_an_outage_and_no_forgery() -> None:
    with pytest.raises(errors.KeyUnreadable):
        asked(request(), key(secrets=()))


def test_a_body_that_is_no_text_is_refused() -> None:
    with pytest.raises(errors.MalformedBody):
        asked(request(body=b"\xff\xfe"))


@pytest.mark.parametrize("name", heads.HEADERS)
def test_a_header_that_is_there_twice_is_refused_though_one_is_good(name: str) -> None:
    sent = request()
    headers = CIMultiDict(sent.headers)
    headers.add(name, headers[name])
    with pytest.raises(errors.BadSignature, match=name):
        asked(replace(sent, headers=headers))


GOOD = request().headers
TIMESTAMP = GOOD["webhook-timestamp"]
SIGNATURE = GOOD["webhook-signature"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("scoreboard-key", ""),
        ("scoreboard-key", KEY.key_id.upper()),
        ("scoreboard-key", f"{KEY.key_id}\n"),
        ("scoreboard-key", "key_" + "0" * 100_000),
        ("scoreboard-key", "key_0000000000000000000१"),
        ("webhook-id", ""),
        ("webhook-id", f"POST:{TARGET}:"),
        ("webhook-id", f"POST:{TARGET}:short"),
        ("webhook-id", f"POST:{TARGET}:{'n' * 65}"),
        ("webhook-id", f"POST:{TARGET}:{NONCE}\n"),
        ("webhook-id", f"POST:{TARGET}:{NONCE}é"),
        ("webhook-id", f"POST:{TARGET}:{'n' * 100_000}"),
        ("webhook-timestamp", ""),
        ("webhook-timestamp", "nan"),
        ("webhook-timestamp", f"{TIMESTAMP}.0"),
        ("webhook-timestamp", f"+{TIMESTAMP}"),
        ("webhook-timestamp", f" {TIMESTAMP}"),
        ("webhook-timestamp", f"-{TIMESTAMP}"),
        ("webhook-timestamp", f"0{TIMESTAMP}"),
        ("webhook-timestamp", "१८०००००००"),
        ("webhook-timestamp", "9" * 100_000),
        ("webhook-signature", ""),
        ("webhook-signature", "v1,"),
        ("webhook-signature", SIGNATURE.removeprefix("v1,")),
        ("webhook-signature", SIGNATURE.rstrip("=")),
        ("webhook-signature", f"{SIGNATURE}="),
        ("webhook-signature", SIGNATURE.replace("v1,", "v1a,")),
        ("webhook-signature", SIGNATURE.replace("v1,", "v1, ")),
        ("webhook-signature", " ".join([SIGNATURE] * 5)),
        ("webhook-signature", f"{SIGNATURE[:-2]}é="),
        ("webhook-signature", "v1," * 100_000),
        ("webhook-signature", " " * 100_000),
    ],
)
def test_what_is_in_no_good_form_is_refused_before_the_body_is_read(name: str, value: str) -> None:
    sent = changed(request(), name, value)
    with pytest.raises(errors.BadSignature) as refused:
        claim_of(sent.method, sent.target, sent.headers, keyring(), NOW)
    assert len(refused.value.message) < 300
    assert len(value) < 10 or value not in refused.value.message


@given(st.dictionaries(st.sampled_from(heads.HEADERS), st.text(max_size=80)), st.binary())
@examples(200)
def test_whatever_is_sent_gets_a_refusal_and_no_other_failure(
    fields: dict[str, str], body: bytes
) -> None:
    headers = CIMultiDict(request().headers)
    headers.update(fields)
    refused = (errors.NotSigned, errors.BadSignature, errors.StaleSignature, errors.UnknownKey)
    with suppress(*refused, errors.MalformedBody):
        asked(replace(request(), headers=headers, body=body))
        assert body == BODY


def test_the_representation_of_a_key_shows_no_secret() -> None:
    assert "secrets" not in repr(KEY)
    assert base64.b64encode(SECRET).decode() not in json.dumps(repr(KEY))
