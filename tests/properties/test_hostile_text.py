"""Whatever a stranger writes is read or refused, and never fails otherwise.

(Boards, addresses and files of actions have theirs beside their other tests: `tests/unit`.)
"""

from __future__ import annotations

import json
import re
import unicodedata
from contextlib import suppress
from dataclasses import fields
from functools import cache
from ipaddress import ip_network

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st

from scoreboard import unicode
from scoreboard.accounts import names, refresh
from scoreboard.accounts.access import AccessTokens, Identity
from scoreboard.api.http.addresses import client_networks
from scoreboard.api.http.identity import identity
from scoreboard.api.http.limits import _one_spelling
from scoreboard.api.http.tracing import traceparent
from scoreboard.api.schemas.accounts import LoginSchema, RegistrationSchema
from scoreboard.configuration.kinds import Rate
from scoreboard.configuration.settings import Settings, SettingsError
from scoreboard.configuration.sources import PREFIX, load
from scoreboard.errors import NotAuthorized
from scoreboard.parts import PARTS, Parts
from tests.instances import test_settings
from tests.properties.strategies import (
    authorizations,
    emails,
    environments,
    examples,
    forwarded,
    header_texts,
    logins,
    traceparents,
    usernames,
)

W3C = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
VALUES = {field.name for field in fields(Settings)}
USER = "0190c1c4-9d3b-4a1e-8c55-0123456789ab"


@cache
def _parts() -> Parts:
    return Parts(
        test_settings(database_url="postgresql://localhost", redis_url="redis://localhost")
    )


def asking(name: str, value: str) -> web.Request:
    """A request with this header field, to an application that knows tokens."""
    app = web.Application()
    app[PARTS] = _parts()
    return make_mocked_request("GET", "/", headers={name: value}, app=app)


@examples(60)
@given(authorizations(AccessTokens(test_settings()).issue(USER)))
def test_any_authorization_speaks_for_the_tokens_user_or_for_nobody(value: str) -> None:
    with suppress(NotAuthorized):
        found = identity(asking("Authorization", value))
        assert isinstance(found, Identity)
        assert found.user_id == USER
        assert value.partition(" ")[0].lower() == "bearer"


@examples(60)
@given(traceparents() | header_texts())
def test_any_traceparent_is_valid_or_goes_no_further(value: str) -> None:
    found = traceparent(asking("traceparent", value))
    if found is not None:
        assert found == value
        assert W3C.fullmatch(found)


@examples(60)
@given(forwarded())
def test_any_forwarded_address_leads_to_networks_or_to_none(value: str) -> None:
    found = client_networks(
        asking("X-Forwarded-For", value).clone(remote="10.0.0.1"), (ip_network("10.0.0.1"),)
    )
    if found != (("unknown", 1),):
        assert [str(ip_network(network.key)).removesuffix("/32") for network in found] == [
            network.key for network in found
        ]


@examples(60)
@given(st.text(max_size=30) | st.from_regex(r"\s?[0-9]{0,5}\s?/\s?(second|minute|hour|day)?"))
def test_any_text_is_a_rate_or_refused(text: str) -> None:
    with suppress(ValueError):
        rate = Rate.parse(text)
        assert rate.count >= 1
        assert rate.seconds in (1, 60, 3600)


@examples(40)
@given(environments(), st.sampled_from(sorted(PREFIX + key.upper() for key in VALUES)))
def test_any_environment_makes_settings_or_one_message_without_its_values(
    environment: dict[str, str], misplaced: str
) -> None:
    """A secret may stand under any name, for people make mistakes."""
    secret = "a secret that stands in the wrong place"
    try:
        found = load(environment | {misplaced: secret})
        assert isinstance(found, Settings)
    except SettingsError as refusal:
        said = str(refusal)
        assert said
        assert secret not in said


@examples(100)
@given(logins(), logins())
def test_two_logins_that_may_mean_one_user_are_one_to_the_limit(one: str, other: str) -> None:
    def looked_for(login: str) -> set[str]:
        """All that the registry compares with what it holds."""
        if "@" in login:
            return {login.lower(), names.email_key(login)}
        shown = {names.username_shown(login), names.username_shown_before(login)}
        return shown | {names.username_key(login)}

    if looked_for(one) & looked_for(other):
        assert _one_spelling(one) == _one_spelling(other)
    assert len(_one_spelling(one)) == 32


@examples(150)
@given(usernames() | logins() | st.text(max_size=60))
def test_any_user_name_is_kept_in_one_form_or_refused(text: str) -> None:
    with suppress(names.NameRefused):
        name = names.username(text)
        assert names.username(name) == name
        assert names.USERNAME_CHARS_MIN <= len(name) <= names.USERNAME_CHARS_MAX
        assert unicodedata.is_normalized("NFC", name)
        assert not {"@", " "} & set(name)
        assert name[0] != "-"
        assert name.translate(dict.fromkeys(map(ord, "\u200c\u200d"))).isprintable()


@examples(150)
@given(usernames() | logins() | st.text(max_size=60))
def test_any_text_has_one_key_in_every_form_and_any_name_in_every_case(text: str) -> None:
    key = names.username_key(text)
    assert names.username_key(key) == key
    forms = [unicodedata.normalize(form, text) for form in ("NFC", "NFD", "NFKC", "NFKD")]
    for spelling in (*forms, names.username_shown(text), f"\u200b{text}\ufe0f"):
        assert names.username_key(spelling) == key
    with suppress(names.NameRefused):
        name = names.username(text)
        for spelling in (name.upper(), name.lower(), name.title(), name.casefold()):
            assert names.username_key(spelling) == key


@examples(150)
@given(emails() | st.text(max_size=60))
def test_any_address_has_one_key_or_is_refused(text: str) -> None:
    key = names.email_key(text)
    assert names.email_key(key) == key
    assert names.email_key(text.lower()) == key
    with suppress(names.NameRefused):
        found = names.email(text)
        assert found.key == key
        assert names.email_key(found.given) == key
        assert key.rpartition("@")[2].isascii()
        assert len(key) <= names.EMAIL_CHARS_MAX


@examples(100)
@given(st.text(max_size=60))
def test_any_text_is_written_so_that_a_terminal_shows_it_and_json_reads_it(text: str) -> None:
    written = unicode.escaped(text)
    assert written.translate(dict.fromkeys(map(ord, "\u200c\u200d"))).isprintable()
    quoted = unicode.escaped(json.dumps(text, ensure_ascii=False))
    assert json.loads(quoted) == text


@examples(60)
@given(
    st.dictionaries(
        st.sampled_from(["username", "email", "password", "other"]),
        st.text(max_size=300) | st.integers() | st.none() | st.lists(st.text(max_size=3)),
    )
)
def test_any_body_of_an_account_is_valid_or_told_why_not(body: dict[str, object]) -> None:
    for schema in (RegistrationSchema(), LoginSchema()):
        problems = schema.validate(body)
        if not problems:
            loaded = schema.load(body)
            assert all(isinstance(value, str) for value in loaded.values())
            assert "\0" not in "".join(loaded.values())


@examples(60)
@given(st.text(max_size=60) | st.from_regex(r"[A-Za-z0-9_-]{43}\n?"))
def test_any_text_is_a_refresh_token_or_looked_up_nowhere(text: str) -> None:
    if refresh.is_token(text):
        assert len(refresh.hash_of(text)) == 32
    else:
        assert len(text) != 43 or not text.isascii() or not re.fullmatch(r"[\w-]{43}", text)


def test_no_address_makes_its_check_take_long() -> None:
    """A pattern that backtracks would take minutes for these."""
    schema = RegistrationSchema()
    for email in (
        "a" * 16_000,
        "a@" * 8_000,
        "a." * 8_000 + "@b",
        '"' * 16_000,
        "@" + "a-" * 8_000,
    ):
        with pytest.raises(Exception, match="valid"):
            schema.load({"username": "ada", "email": email, "password": "a password"})
