"""The words of the operator: a JSON file of texts that replace ours, by language and key.

{"en": {"points": {"one": "{count} coin", "other": "{count} coins"}, "description": "Our cup."}}
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from scoreboard.branding.catalogues import Catalogue, Text
from scoreboard.configuration import handed_over
from scoreboard.configuration.handed_over import Unreadable
from scoreboard.languages import PLURALS

BYTES_MAX: Final = 100_000
TEXT_CHARS_MAX: Final = 500
_VALUE: Final = re.compile(r"\{(\w+)\}")
# What a language is, which is not for an operator to say.
_FIXED: Final = frozenset({"direction", "language", "ordinal"})


def read(path: Path) -> Mapping[str, Any]:
    """Read the file as it is. Raises Unreadable."""
    text = handed_over.value(handed_over.content(path, BYTES_MAX))
    try:
        document = json.loads(text, object_pairs_hook=_once_each)
    except json.JSONDecodeError as error:
        raise Unreadable(f"it is not valid JSON, in line {error.lineno}: {error.msg}") from error
    except RecursionError:
        raise Unreadable("it is nested too deep") from None
    if not isinstance(document, dict):
        raise Unreadable('it is no JSON object: {"en": {"points": …}}')
    return document


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise Unreadable("a key is there twice")
    return found


def problems(given: Mapping[str, Any], ours: Mapping[str, Catalogue]) -> Iterator[str]:
    """Say what is wrong with words, each time with the place; `ours` is by language."""
    for language, texts in given.items():
        if language not in PLURALS:
            yield f"there is no language {language}; there are {', '.join(PLURALS)}"
        elif not isinstance(texts, dict):
            yield f"{language}: give its texts by their keys"
        else:
            for key, text in texts.items():
                if problem := _problem(key, text, ours[language], language):
                    yield f"{language}, {key}: {problem}"


def _problem(key: str, text: Any, ours: Catalogue, language: str) -> str:
    """Say why this may not stand for the text of that key; empty if it may."""
    if key in _FIXED:
        return "is what the language is, and stays"
    if key not in ours:
        near = difflib.get_close_matches(key, ours, 1)
        return "there is no such text" + (f"; did you mean {near[0]}?" if near else "")
    values = _values(ours[key])
    if isinstance(text, dict):
        if isinstance(ours[key], str) and "count" not in values:
            return "does not depend on a number: give one text"
        return _problem_of_forms(text, values, PLURALS[language])
    return _problem_of_form(text, values)


def _problem_of_forms(text: Mapping[str, Any], values: set[str], forms: Sequence[str]) -> str:
    if unknown := sorted(text.keys() - set(forms)):
        return f"has no form {unknown[0]}; there are {', '.join(forms)}"
    if "other" not in text:
        return "needs a form `other`"
    return next(filter(None, (_problem_of_form(form, values) for form in text.values())), "")


def _problem_of_form(form: Any, values: set[str]) -> str:
    if not isinstance(form, str):
        return "must be a text, or an object of texts"
    if not 0 < len(form) <= TEXT_CHARS_MAX:
        return f"must have 1 to {TEXT_CHARS_MAX} characters"
    if not form.replace("\u200f", "").replace("\u200e", "").isprintable():
        return "has characters that nobody can see"
    if unknown := sorted(_values(form) - values):  # guard: words-values
        known = ", ".join(f"{{{value}}}" for value in sorted(values)) or "no value"
        return f"has {{{unknown[0]}}}, and there is {known}"
    return ""


def _values(text: Text) -> set[str]:
    forms = [text] if isinstance(text, str) else list(text.values())
    return {value for form in forms for value in _VALUE.findall(form)}
