"""The settings of what the page says and how it looks: the forms of their values.

What files hold that they name, and whether colours can be told from each other, is looked at by
`branding`, at the start of an instance.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from marshmallow import ValidationError

from scoreboard.configuration.kinds import listed
from scoreboard.languages import PLURALS

_LANGUAGES: Final = ", ".join(PLURALS)


def languages(meaning: str) -> Any:
    """Declare languages of the page, the first one being the default: all that there are."""
    return listed(meaning, entry=_language, default=list(PLURALS), check=_some)


def _language(name: str) -> str:
    if name not in PLURALS:
        raise ValueError(f"there is no such language; there are {_LANGUAGES}")
    return name


def _some(names: Sequence[str]) -> None:
    if not names:
        raise ValidationError(f"needs one language at least, of {_LANGUAGES}")
    if len(set(names)) < len(names):
        raise ValidationError("names a language twice")
