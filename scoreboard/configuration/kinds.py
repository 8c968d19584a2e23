"""The kinds of settings: for each a function that declares one, and the words of its refusals.

No refusal repeats a value, because it may be a secret.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any, Final

from marshmallow import ValidationError, fields, validate

_COUNT: Final = re.compile(r"[0-9]{1,9}", re.ASCII)
_SECONDS_PER: Final = {"second": 1, "minute": 60, "hour": 3600}
_ORIGIN: Final = re.compile(r"https?://(?:[a-z0-9.\-]+|\[[0-9a-f:]+\])(?::[0-9]{1,5})?")
# An @ past the host: a password that was written as it is, whose rest would pass for a host, a path
# or a name, and be shown. Where the next address of several begins, this one has ended.
_PASSWORD_CUT: Final = re.compile(r"://[^/?#]+[/?#](?:(?!,\s*\w+://).)*@")


@dataclass(frozen=True, slots=True)
class Rate:
    """How often something may be done: `count` times in `seconds`."""

    count: int
    seconds: int

    @classmethod
    def parse(cls, words: str) -> Rate:
        """Read `600/minute`. Raises ValueError when the text is not a rate."""
        count, _, period = (part.strip() for part in words.partition("/"))
        if not _COUNT.fullmatch(count) or int(count) < 1 or period not in _SECONDS_PER:
            raise ValueError(
                "write a rate as a whole number per second, minute or hour: 600/minute"
            )
        return cls(int(count), _SECONDS_PER[period])


@dataclass(frozen=True, slots=True)
class Declaration:
    """What is declared of a setting: its default as TOML has it, the kind of field that reads and
    checks its values, and what it means. A value of several `lines` is a list, or JSON.
    """

    default: Any
    kind: fields.Field
    meaning: str
    lines: bool


def declare(
    default: Any, meaning: str, kind: fields.Field, *, lines: bool = False, secret: bool = False
) -> Any:
    """Declare a setting of any kind. The representation of `Settings` shows no `secret` one."""
    kind.required = True  # config/default.toml has every key
    declaration = Declaration(default, kind, meaning, lines)
    return field(repr=not secret, metadata={Declaration: declaration})


def text(
    default: str, meaning: str, *, pattern: str = "", problem: str = "", secret: bool = False
) -> Any:
    """Declare a text, of this form if one is given; `problem` says what it has to be."""
    check = validate.Regexp(pattern, error=problem) if pattern else None
    return declare(default, meaning, fields.String(validate=check), secret=secret)


def one_of(default: str, meaning: str, *words: str) -> Any:
    """Declare one of these words."""
    return declare(default, meaning, fields.String(validate=validate.OneOf(words)))


def address(meaning: str) -> Any:
    """Declare the address of a server. A password may be in it."""
    return declare("", meaning, fields.String(validate=_check_address), secret=True)


def _check_address(url: str) -> None:
    if _PASSWORD_CUT.search(url):
        raise ValidationError(
            "has an @ past its host: write @ / ? and # of a password as %40 %2F %3F and %23"
        )


def whole(default: int, meaning: str, *, least: int = 1, most: int | None = None) -> Any:
    """Declare a whole number within these bounds."""
    words = f"must be a whole number from {least}" + ("" if most is None else f" to {most}")
    kind = fields.Integer(
        validate=validate.Range(least, most, error=words),
        error_messages={"invalid": words, "too_large": words},
    )
    return declare(default, meaning, kind)


def seconds(default: float, meaning: str, *, least: float | None = None) -> Any:
    """Declare a time in seconds, from `least` on; without a least one it has to be above 0."""
    words = f"must be a number {'above 0' if least is None else f'from {least:g}'}"
    kind = fields.Float(
        validate=validate.Range(least or 0, min_inclusive=least is not None, error=words),
        error_messages=dict.fromkeys(("invalid", "special", "too_large"), words),
    )
    return declare(default, meaning, kind)


def rate(default: str, meaning: str) -> Any:
    """Declare a rate."""
    return declare(default, meaning, _Parsed(Rate.parse))


def listed(
    meaning: str,
    *,
    entry: Callable[[str], Any] | None = None,
    secret: bool = False,
    default: Sequence[str] = (),
    check: Callable[[Sequence[Any]], None] | None = None,
) -> Any:
    """Declare a list of texts, which `entry` turns into values; `check` raises ValidationError for
    values that do not go together. There are none by default.
    """
    kind = _Listed(_Parsed(entry) if entry else fields.String(), validate=check)
    return declare(list(default), meaning, kind, lines=True, secret=secret)


def issuers(meaning: str) -> Any:
    """Declare issuers by name, each with its secrets. There are none by default."""
    return declare({}, meaning, _Issuers(), lines=True, secret=True)


class _Parsed(fields.Field):
    """A text that `parse` turns into a value, or refuses by a ValueError in our words."""

    def __init__(self, parse: Callable[[str], Any]) -> None:
        super().__init__()
        self._parse = parse

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> Any:
        try:
            return self._parse(str(value))
        except ValueError as error:
            raise ValidationError(str(error)) from error


class _Listed(fields.List):
    """A variable or a file gives a list as text, with commas or ends of lines between entries."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(value, str):
            parts = re.split(r"[,\r\n]", value)
            value = [part.strip() for part in parts if part.strip()]
        return tuple(super()._deserialize(value, *args, **kwargs))


class _Issuers(fields.Field):
    """A variable or a file gives issuers as JSON.

    A message counts entries and names none, because somebody may have written a secret for a name.
    """

    _FORM: Final = (
        'give each issuer a secret of its own: {"game": "…"}, or several: {"game": ["…", "…"]}. A '
        "list of names is not enough any more: no issuer shares ours (docs/operations.md)"
    )

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> Any:
        if isinstance(value, str):
            value = self._from_json(value) if value.strip() else {}
        if not isinstance(value, Mapping):
            raise ValidationError(self._FORM)
        for number, name in enumerate(value, 1):
            if not name.strip():
                raise ValidationError(f"entry {number}: an issuer needs a name, its `iss`")
        every = enumerate(value.items(), 1)
        return {name: self._secrets(secrets, number) for number, (name, secrets) in every}

    def _from_json(self, document: str) -> Any:
        try:
            return json.loads(document, object_pairs_hook=self._once_each)
        except (ValueError, RecursionError):
            raise ValidationError(self._FORM) from None  # its error quotes the text

    def _once_each(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) < len(pairs):
            raise ValidationError("an issuer is named twice; give all of its secrets in one list")
        return dict(pairs)

    def _secrets(self, secrets: Any, number: int) -> tuple[str, ...]:
        listed = [secrets] if isinstance(secrets, str) else secrets
        if not isinstance(listed, list) or not listed:
            raise ValidationError(f"entry {number}: {self._FORM}")
        if not all(isinstance(secret, str) and secret for secret in listed):
            raise ValidationError(f"entry {number}: a secret is a text, and not empty")
        return tuple(listed)


def origin(url: str) -> str:
    """Read an origin as browsers write it. Raises ValueError."""
    if url != "*" and not _ORIGIN.fullmatch(url):
        raise ValueError(
            "write an origin as browsers do, in small letters and without a path or the port that "
            "goes without saying: https://example.org"
        )
    return url


def known_origin(url: str) -> str:
    """Read an origin of a site that one has to know, so not `*`. Raises ValueError."""
    if url == "*":  # guard: writers-are-named
        raise ValueError(
            "name each site, https://app.example.org: its pages ask users for their passwords and "
            "act for them, so * is not taken here (allowed_origins takes it, for reading)"
        )
    return origin(url)


def network(words: str) -> IPv4Network | IPv6Network:
    """Read an address or a network. Raises ValueError."""
    try:
        return ip_network(words)
    except ValueError as error:
        raise ValueError(
            "write an address or a network: 192.0.2.7, 192.0.2.16/28, 2001:db8:1:2::/64"
        ) from error
