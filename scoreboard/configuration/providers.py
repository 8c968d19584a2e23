"""The setting of identity providers: whose tokens are taken, for which audience, and what of them
makes a user here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from marshmallow import ValidationError, fields

from scoreboard.configuration.kinds import declare

Subject = Literal["mapped", "uuid"]
# What a provider signs with. Each needs a key of its own kind, so none can be taken for another.
ALGORITHMS: Final = ("RS256", "ES256", "EdDSA")
# The issuer is in every token, and its address is asked for: longer ones are a mistake.
_ISSUER_CHARS_MAX: Final = 255
_FORM: Final = (
    'give each issuer what is known of it: {"https://id.example": {"audience": "scoreboard"}}'
)
# Standard claims (OpenID Connect Core, 5.1).
_NAME: Final = "preferred_username"
_EMAIL: Final = "email"
_OF_TOKENS: Final = ("audience", "algorithms", "username_claim", "email_claim", "subject")
_OF_THE_PAGE: Final = ("client_id", "client_secret", "name", "title")
_MEMBERS: Final = frozenset({*_OF_TOKENS, *_OF_THE_PAGE})
# A part of a path, which is registered at the provider and stays.
_PATH_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,61}[a-z0-9])?")
_TITLE_CHARS_MAX: Final = 60
_CREDENTIAL_CHARS_MAX: Final = 1024


@dataclass(frozen=True, slots=True)
class Provider:
    """An identity provider, by its issuer; `audience` has at least one.

    With a `client_id` the page offers to log in there: under `title`, and under `name` in the path
    of `/api/login/{name}`.
    """

    issuer: str
    audience: tuple[str, ...]
    algorithms: tuple[str, ...] = ALGORITHMS
    username_claim: str = _NAME
    email_claim: str = _EMAIL
    subject: Subject = "mapped"
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    name: str = ""
    title: str = ""


def providers(meaning: str) -> Any:
    """Declare identity providers by issuer. There are none by default."""
    return declare({}, meaning, _Providers(), lines=True)


class _Providers(fields.Field):
    """A variable or a file gives providers as JSON. No message repeats a value."""

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> Any:
        if isinstance(value, str):
            value = self._from_json(value) if value.strip() else {}
        if not isinstance(value, Mapping):
            raise ValidationError(_FORM)
        every = enumerate(value.items(), 1)
        found = {
            issuer: _provider(issuer, members, f"entry {n}: ") for n, (issuer, members) in every
        }
        names = [each.name for each in found.values() if each.client_id]
        if len(set(names)) < len(names):
            raise ValidationError("two providers of the page have one name: give each its own")
        return found

    def _from_json(self, document: str) -> Any:
        try:
            return json.loads(document, object_pairs_hook=self._once_each)
        except (ValueError, RecursionError):
            raise ValidationError(_FORM) from None

    def _once_each(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) < len(pairs):
            raise ValidationError("an issuer, or a member of one, is named twice")
        return dict(pairs)


def _provider(issuer: str, members: Any, entry: str) -> Provider:
    if not _is_issuer(issuer):
        raise ValidationError(
            f"{entry}an issuer is an address as its tokens have it in `iss`: https://…, without a "
            "query; http:// on this machine alone"
        )
    if not isinstance(members, Mapping):
        raise ValidationError(f"{entry}{_FORM}")
    if unknown := sorted(members.keys() - _MEMBERS):
        raise ValidationError(
            f"{entry}there is no member {unknown[0]}; there are {', '.join(sorted(_MEMBERS))}"
        )
    return Provider(
        issuer,
        _audience(members, entry),
        _algorithms(members, entry),
        _claim(members, "username_claim", _NAME, entry),
        _claim(members, "email_claim", _EMAIL, entry),
        _subject(members, entry),
        *_page(issuer, members, entry),
    )


def _page(issuer: str, members: Mapping[str, Any], entry: str) -> tuple[str, str, str, str]:
    """What the page needs to log in there: client id and secret, name and title."""
    if not any(member in members for member in _OF_THE_PAGE):
        return "", "", "", ""
    host = urlsplit(issuer).hostname or ""
    defaults = {"client_id": "", "client_secret": "", "name": host, "title": host}
    found = [members.get(member, default) for member, default in defaults.items()]
    if not all(isinstance(one, str) and one.isprintable() for one in found):
        raise ValidationError(f"{entry}{', '.join(defaults)} are texts")
    client_id, secret, name, title = found
    if not client_id:
        raise ValidationError(
            f"{entry}client_id is missing: the page offers a log-in where there is one"
        )
    if not (client_id + secret).isascii() or len(client_id + secret) > _CREDENTIAL_CHARS_MAX:
        raise ValidationError(f"{entry}client_id and client_secret are ASCII, and short")
    if not _PATH_NAME.fullmatch(name):
        raise ValidationError(
            f"{entry}name is a part of a path: a-z, 0-9, - and . (without it: the issuer's host)"
        )
    if not 0 < len(title) <= _TITLE_CHARS_MAX:
        raise ValidationError(f"{entry}title is what the button says: 60 characters at most")
    return client_id, secret, name, title


def _is_issuer(issuer: str) -> bool:
    """Whether this can be asked for its keys: over TLS, unless it is on this machine."""
    if len(issuer) > _ISSUER_CHARS_MAX or not issuer.isascii() or not issuer.isprintable():
        return False
    try:
        parts = urlsplit(issuer)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    if not host or parts.query or parts.fragment or "@" in parts.netloc or " " in issuer:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and _is_this_machine(host))


def _is_this_machine(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _audience(members: Mapping[str, Any], entry: str) -> tuple[str, ...]:
    audience = _texts(members, "audience", (), entry)
    if not audience:  # guard: provider-needs-audience
        raise ValidationError(
            f"{entry}audience is missing: without it, a token that the provider made for any other "
            "program would be good here"
        )
    return audience


def _texts(
    members: Mapping[str, Any], name: str, default: tuple[str, ...], entry: str
) -> tuple[str, ...]:
    given = members.get(name, list(default))
    listed = [given] if isinstance(given, str) else given
    if not isinstance(listed, list) or not all(isinstance(one, str) and one for one in listed):
        raise ValidationError(f"{entry}{name} is a text or a list of texts, none of them empty")
    return tuple(listed)


def _algorithms(members: Mapping[str, Any], entry: str) -> tuple[str, ...]:
    algorithms = _texts(members, "algorithms", ALGORITHMS, entry)
    if not algorithms or not set(algorithms) <= set(ALGORITHMS):
        raise ValidationError(f"{entry}algorithms can be {', '.join(ALGORITHMS)}")
    return algorithms


def _claim(members: Mapping[str, Any], name: str, default: str, entry: str) -> str:
    claim = members.get(name, default)
    if not isinstance(claim, str):
        raise ValidationError(f"{entry}{name} is the name of a claim; empty: none is read")
    return claim


def _subject(members: Mapping[str, Any], entry: str) -> Subject:
    subject = members.get("subject", "mapped")
    if subject == "mapped":
        return "mapped"
    if subject == "uuid":
        return "uuid"
    raise ValidationError(f"{entry}subject is mapped or uuid")
