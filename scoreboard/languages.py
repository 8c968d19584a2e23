"""The languages that the page speaks, each with its plural categories, and which a visitor gets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

# As CLDR has the cardinal ones, and browsers with it (Intl.PluralRules).
PLURALS: Final[Mapping[str, tuple[str, ...]]] = {
    "en": ("one", "other"),
    "de": ("one", "other"),
    "ar": ("zero", "one", "two", "few", "many", "other"),
}
# Browsers name five languages, in 50 characters; a field of 8 KiB has room for thousands.
_ACCEPTED_CHARS_MAX: Final = 512
_RANGES_MAX: Final = 32


def chosen(asked: str | None, accepted: str, offered: Sequence[str]) -> str:
    """The language of an answer, one of those that are `offered`, the first one being the default:
    the one that the address asks for, else what the client accepts best (RFC 9110, 12.5.4). A range
    such as `de-AT` is met by `de`; what cannot be read counts for nothing.
    """
    if asked is not None and asked in offered:
        return asked
    best, most = offered[0], 0.0
    fields = accepted[:_ACCEPTED_CHARS_MAX].lower().split(",", _RANGES_MAX)[:_RANGES_MAX]
    for field in fields:
        wanted, _, parameter = field.partition(";")
        language = offered[0] if wanted.strip() == "*" else wanted.strip().partition("-")[0]
        quality = _quality(parameter)
        if language in offered and quality > most:  # guard: language-best-accepted
            best, most = language, quality
    return best


def _quality(parameter: str) -> float:
    name, _, value = parameter.replace(" ", "").partition("=")
    if not name:
        return 1.0
    digits = value.replace(".", "", 1)
    is_number = name == "q" and len(value) <= 5 and digits.isascii() and digits.isdecimal()
    return min(float(value), 1.0) if is_number else 0.0
