"""The setting of identity providers: what it takes, and what its refusals say."""

from __future__ import annotations

import json
from typing import Any

import pytest

from scoreboard.configuration.providers import Provider
from scoreboard.configuration.settings import SettingsError
from scoreboard.configuration.sources import load, require_servers

ISSUER = "https://id.example/realms/game"
SECRET = "0123456789abcdef0123456789abcdef"


def refusal(value: Any) -> str:
    with pytest.raises(SettingsError) as refused:
        load({"SCOREBOARD_OIDC_ISSUERS": value if isinstance(value, str) else json.dumps(value)})
    return str(refused.value)


def test_there_is_no_provider_by_default_and_a_variable_names_them_as_json() -> None:
    assert load({}).oidc_issuers == {}
    assert load({"SCOREBOARD_OIDC_ISSUERS": " "}).oidc_issuers == {}
    members = {"audience": ["a", "b"], "algorithms": "ES256", "username_claim": ""}
    every = json.dumps({ISSUER: members | {"email_claim": "mail", "subject": "uuid"}})
    assert load({"SCOREBOARD_OIDC_ISSUERS": every}).oidc_issuers == {
        ISSUER: Provider(ISSUER, ("a", "b"), ("ES256",), "", "mail", "uuid")
    }


@pytest.mark.parametrize(
    "issuer",
    [
        "",
        "game",
        "http://id.example",
        "http://10.0.0.1",
        "ftp://id.example",
        "https://",
        "https://id.example?x=1",
        "https://id.example#x",
        "https://user@id.example",
        "https://id.example:port",
        "https://[id.example",
        "https://id.example/a b",
        "https://\u0456d.example",
        "https://id.example/" + "x" * 255,
    ],
)
def test_an_issuer_is_an_address_behind_tls(issuer: str) -> None:
    assert "entry 1: an issuer is an address" in refusal({issuer: {"audience": "a"}})


@pytest.mark.parametrize("issuer", ["http://localhost:8080/realms/x", "http://127.0.0.1", ISSUER])
def test_an_issuer_on_this_machine_may_do_without_tls(issuer: str) -> None:
    assert list(load({}, oidc_issuers={issuer: {"audience": "a"}}).oidc_issuers) == [issuer]


def test_a_provider_without_an_audience_is_refused() -> None:
    every: list[dict[str, Any]] = [{}, {"audience": []}]
    for members in every:
        assert "audience is missing" in refusal({ISSUER: members})


@pytest.mark.parametrize(
    ("members", "problem"),
    [
        ({"audience": 7}, "audience is a text or a list of texts"),
        ({"audience": [""]}, "none of them empty"),
        ({"audience": "a", "algorithms": ["HS256"]}, "algorithms can be RS256, ES256, EdDSA"),
        ({"audience": "a", "algorithms": []}, "algorithms can be"),
        ({"audience": "a", "subject": "email"}, "subject is mapped or uuid"),
        ({"audience": "a", "username_claim": 7}, "username_claim is the name of a claim"),
        ({"audience": "a", "jwks_uri": "https://x"}, "there is no member jwks_uri"),
        ("a", "give each issuer what is known of it"),
    ],
)
def test_what_does_not_fit_is_named(members: Any, problem: str) -> None:
    assert problem in refusal({ISSUER: members})


@pytest.mark.parametrize("document", ["[]", "{", "7", "[" * 100_000])
def test_what_is_no_table_of_providers_is_refused(document: str) -> None:
    assert "give each issuer what is known of it" in refusal(document)


def test_what_is_named_twice_is_refused() -> None:
    one = '"https://id.example": {"audience": "a"}'
    assert "named twice" in refusal(f"{{{one}, {one}}}")


def test_no_issuer_signs_with_a_secret_and_with_keys() -> None:
    servers = {"database_url": "postgresql://x", "redis_url": "redis://x", "jwt_secret": SECRET}
    providers = {"oidc_issuers": {ISSUER: {"audience": "a"}}}
    require_servers(load({}, **servers, **providers))
    for also in ({"jwt_issuer": ISSUER}, {"jwt_trusted_issuers": {ISSUER: SECRET[::-1]}}):
        with pytest.raises(SettingsError, match="OIDC_ISSUERS names an issuer that signs"):
            require_servers(load({}, **servers, **providers, **also))


def test_the_page_needs_a_way_back() -> None:
    """No Host of a request says where browsers are sent."""
    value = {ISSUER: {"audience": "a", "client_id": "page"}}
    assert "is needed where a provider has a client_id" in refusal(value)
    [found] = load({}, oidc_issuers=value, public_url="https://x.example").page_providers.items()
    assert found[0] == "id.example"
    assert (found[1].name, found[1].title) == ("id.example", "id.example")
    assert load({}, oidc_issuers={ISSUER: {"audience": "a"}}).page_providers == {}
    for bad in ("x.example", "http://x.example", "https://x.example?a=b", "https://u@x.example"):
        with pytest.raises(SettingsError, match="public_url"):
            load({}, public_url=bad)


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"title": "X"}, "client_id is missing"),
        ({"client_id": "a", "name": "A/b"}, "name is a part of a path"),
        ({"client_id": "a", "name": ""}, "name is a part of a path"),
        ({"client_id": "a", "title": "x" * 61}, "title is what the button says"),
        ({"client_id": "a", "client_secret": "a\nb"}, "are texts"),
        ({"client_id": 1}, "are texts"),
        ({"client_id": "\u00e9"}, "are ASCII"),
    ],
)
def test_what_the_page_needs_of_a_provider_is_checked(members: Any, said: str) -> None:
    assert said in refusal({ISSUER: {"audience": "a"} | members})


def test_two_providers_of_the_page_have_two_names_and_a_secret_is_not_shown() -> None:
    one = {"audience": "a", "client_id": "page", "client_secret": "top-secret"}
    assert "two providers of the page" in refusal({ISSUER: one, f"{ISSUER}2": one})
    found = load({}, oidc_issuers={ISSUER: one}, public_url="http://localhost:8080")
    assert "top-secret" not in repr(found)
