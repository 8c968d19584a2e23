"""What an identity provider says of somebody: which user that is, and how they may be called.

A provider's `sub` is the same for ever, so the id of the user is computed from it: on every
instance the same, without looking anything up, also before anybody has seen this user.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

from scoreboard.accounts import ids, names
from scoreboard.configuration.providers import Provider
from scoreboard.errors import InvalidToken

# OpenID Connect Core, 2: so long at most, and ASCII.
SUBJECT_CHARS_MAX: Final = 255
_NOBODYS_NAME: Final = "player"
# Digits of the user's id behind a name that somebody has; 12 of them are nobody else's.
_SUFFIX_DIGITS: Final = (4, 8, 12)
_CHANCES: Final = 3


@dataclass(frozen=True, slots=True)
class Introduction:
    """What `source`, an issuer or a game, tells of a user who may not be here yet. `name` is as it
    has it; `email` is empty unless a provider has seen that it is theirs.
    """

    user_id: str
    source: str
    name: str = ""
    email: str = field(default="", repr=False)

    def usernames(self, is_refused: Callable[[str], bool]) -> Iterator[str]:
        """The names that this user may take, best first, each in the form that is kept. Whose name
        is refused gets a neutral one, as whose name cannot be one.
        """
        called = _acceptable(self.name)
        if called != _NOBODYS_NAME and not is_refused(called):  # guard: first-name-refused
            if _is_good(called):
                yield called
            yield from (name for name in self._suffixed(called) if not is_refused(name))
        yield from self._suffixed(_NOBODYS_NAME)
        # Ids can be computed, so somebody may have taken all of these on purpose.
        for _ in range(_CHANCES):
            yield f"{_NOBODYS_NAME}-{secrets.token_hex(6)}"

    def _suffixed(self, base: str) -> Iterator[str]:
        for digits in _SUFFIX_DIGITS:
            suffix = f"-{self.user_id.replace('-', '')[-digits:]}"
            name = base[: names.USERNAME_CHARS_MAX - len(suffix)] + suffix
            if _is_good(name):
                yield name

    def address(self) -> names.Email | None:
        """The e-mail address, if it is one."""
        try:
            return names.email(self.email)
        except names.NameRefused:
            return None


def introduction(provider: Provider, claims: Mapping[str, Any]) -> Introduction:
    """Read who a provider's signed token is of. Raises InvalidToken."""
    return Introduction(
        _user_id(provider, claims.get("sub")),
        provider.issuer,
        _text(claims.get(provider.username_claim), names.TYPED_CHARS_MAX),
        _email(provider, claims),
    )


def _user_id(provider: Provider, subject: Any) -> str:
    if not isinstance(subject, str) or not 0 < len(subject) <= SUBJECT_CHARS_MAX:
        raise InvalidToken
    if not subject.isascii():  # half a character has no bytes to be mapped
        raise InvalidToken
    if provider.subject == "mapped":
        namespace = uuid5(NAMESPACE_URL, provider.issuer)  # guard: subject-belongs-issuer
        return str(uuid5(namespace, subject))
    user_id = ids.canonical(subject)
    if user_id is None:
        raise InvalidToken
    return user_id


def _email(provider: Provider, claims: Mapping[str, Any]) -> str:
    """Without this, anybody could hold somebody's address here by writing it at the provider."""
    if claims.get("email_verified") not in (True, "true"):  # guard: address-verified
        return ""
    return _text(claims.get(provider.email_claim), names.EMAIL_CHARS_MAX)


def _text(value: Any, chars_max: int) -> str:
    good = isinstance(value, str) and len(value) <= chars_max and names.can_be_stored(value)
    return value if good else ""


def _acceptable(text: str) -> str:
    """Make a name of what a provider calls somebody: spaces become _, what no name may have goes.
    An e-mail address makes none, because names are public.
    """
    if "@" in text:  # guard: address-no-name
        return _NOBODYS_NAME
    joined = "_".join(names.username_shown(text).split())
    kept = "".join(each for each in joined if names.may_be_in_a_name(each)).lstrip("-")
    return kept[: names.USERNAME_CHARS_MAX] or _NOBODYS_NAME


def _is_good(name: str) -> bool:
    try:
        return names.username(name) == name
    except names.NameRefused:
        return False
