"""The catalogues of words: texts by their keys, one catalogue for each language.

Those of the page are `web/words/*.json`; those of `<live-scoreboard>` are modules of JavaScript in
`web/element/words/`, because other people's pages import them. Class `Words` of the element says
what a text may hold.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Final

from scoreboard.languages import PLURALS

# A text, or one for each plural category.
Text = str | Mapping[str, str]
Catalogue = Mapping[str, Text]

_EXPORT: Final = "export default "
_TOKEN: Final = re.compile(
    r'(?P<text>"(?:[^"\\]|\\.)*")|(?P<comment>//[^\n]*|/\*.*?\*/)|(?P<name>[A-Za-z_$][\w$]*)'
    r"|(?P<last>,(?=(?:\s|//[^\n]*|/\*.*?\*/)*\}))|(?P<other>.)",
    re.DOTALL,
)


@cache  # nothing in the package changes while it runs
def of_the_page() -> Mapping[str, Catalogue]:
    """The words of the page, by language."""
    return {
        language: json.loads((_web() / "words" / f"{language}.json").read_text("utf-8"))
        for language in PLURALS
    }


@cache
def of_the_element() -> Mapping[str, Catalogue]:
    """The words of `<live-scoreboard>`, by language."""
    folder = _web() / "element" / "words"
    return {
        language: parsed((folder / f"{language}.js").read_text("utf-8"))
        for language in PLURALS
        if (folder / f"{language}.js").is_file()
    }


def of_both() -> dict[str, Catalogue]:
    """The words of the page and of the element in it, by language."""
    element = of_the_element()
    return {language: {**element[language], **page} for language, page in of_the_page().items()}


def parsed(module: str) -> Catalogue:
    """Read a module that exports one object of texts: JSON, but for names without quotes, comments
    and a comma behind the last member. Raises ValueError.
    """
    _, _, document = module.partition(_EXPORT)
    read: Catalogue = json.loads(_TOKEN.sub(_as_json, document).strip().removesuffix(";"))
    return read


def _as_json(token: re.Match[str]) -> str:
    if token["name"]:
        return f'"{token["name"]}"'
    return "" if token["comment"] or token["last"] else token[0]


def _web() -> Traversable:
    return resources.files("scoreboard").joinpath("web")
