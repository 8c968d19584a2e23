"""The documents that have one address and one text for each language: the page and its manifest.

In the place of `{{name}}` a document gets what the settings say, in that of `{{words.key}}` a text
of the language. What the modules say that come with the page lies in it as well, as data: they have
it as they begin, without another question. The other texts are a file, which comes on demand.
"""

from __future__ import annotations

import hashlib
import html
import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from scoreboard.branding.branding import Branding
from scoreboard.branding.catalogues import Catalogue

_PLACE: Final = re.compile(r"\{\{(?P<name>[\w.-]+)\}\}")
_ICON: Final = {"src": "./icon.svg", "type": "image/svg+xml", "sizes": "any"}
_SHORT_CHARS_MAX: Final = 12  # of a name below an icon
_KEY: Final = re.compile(r"""["'`](?P<key>[\w.-]+)["'`]""")
_WITHOUT_SERVER: Final = "refused.unreachable"  # said while nothing can be loaded
_PROVIDER: Final = "{provider}"


@dataclass(frozen=True, slots=True)
class LogIns:
    """How one can log in on the page: by the identity providers, titles by their names, and by a
    password.
    """

    providers: Mapping[str, str] = field(default_factory=dict)
    has_passwords: bool = True


def filled(template: str, values: Mapping[str, str], words: Catalogue) -> str:
    """Put values as they are, and words as text, into the places of a document; a place that has no
    value stays. Raises KeyError where there is no such word, ValueError where it needs a number.
    """

    def value(place: re.Match[str]) -> str:
        kind, _, key = place["name"].partition(".")
        if kind != "words":
            return values.get(place["name"], place[0])
        text = words[key]
        if not isinstance(text, str):
            raise ValueError(f"{key} depends on a count, which a document does not know")
        return html.escape(text)

    return _PLACE.sub(value, template)


def page(
    template: str,
    log_ins: LogIns,
    branding: Branding,
    language: str,
    needed: Collection[str] = (),
) -> str:
    """The text of the page, or of another document of its kind; its modules have the words that are
    `needed`, by their keys. Raises as `filled` does.
    """
    words = branding.words[language]
    light, dark = branding.grounds
    known = {
        "lang": language,
        "catalogue": _data({key: text for key, text in words.items() if key in needed}),
        "title": html.escape(branding.title),
        "logo": _icon(branding)["src"],
        "logo_type": _icon(branding)["type"],
        "ground_light": light,
        "ground_dark": dark,
        "social": _social(branding),
        "providers": _links(log_ins.providers, words),
        "if_no_passwords": "" if log_ins.has_passwords else " hidden",
    }
    return filled(template, known, words)


def needed_at_once(modules: Iterable[str], words: Catalogue) -> set[str]:
    """The keys of the words that these modules name as a whole. A key that is put together,
    `refused.${code}`, is of a word that comes on demand.
    """
    named = {found["key"] for text in modules for found in _KEY.finditer(text)}
    return {key for key in words if key in named or key == _WITHOUT_SERVER}


def other_words(words: Catalogue, needed: Collection[str]) -> str:
    """The text of the file of those words that the page does not hold."""
    return _data({key: text for key, text in words.items() if key not in needed})


def manifest(branding: Branding, language: str) -> str:
    """The text of the manifest (Web Application Manifest): how the page stands on a home screen."""
    words, (ground, _) = branding.words[language], branding.grounds
    document: dict[str, Any] = {
        "name": branding.title,
        "short_name": branding.title[:_SHORT_CHARS_MAX].strip(),
        "description": words["description"],
        "lang": language,
        "dir": words["direction"],
        "start_url": "./",
        "scope": "./",
        "display": "standalone",
        "background_color": ground,
        "theme_color": ground,
        "icons": [_icon(branding)],
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def _links(providers: Mapping[str, str], words: Catalogue) -> str:
    said = html.escape(str(words["logIn.with"])) if providers else ""
    return "".join(
        f'<a class="primary" href="./api/login/{name}">'
        f"{said.replace(_PROVIDER, f'<bdi>{html.escape(title)}</bdi>')}</a>"
        for name, title in providers.items()
    )


def _icon(branding: Branding) -> dict[str, str]:
    if (logo := branding.logo) is None:
        return _ICON
    sizes = {"sizes": logo.sizes} if logo.sizes else {}
    return {"src": f"./{logo.name}", "type": logo.content_type, **sizes}


def _social(branding: Branding) -> str:
    """What is shown of a link to the page elsewhere (Open Graph): only absolute addresses count
    there, and pictures of points.
    """
    tags = {}
    if branding.public_url:
        tags["url"] = f"{branding.public_url}/"
        if (logo := branding.logo) is not None and logo.kind != "svg":
            stem, _, extension = logo.name.rpartition(".")
            digest = hashlib.sha256(logo.body).hexdigest()[:10]
            tags["image"] = f"{branding.public_url}/assets/{stem}.{digest}.{extension}"
    return "\n".join(
        f'<meta property="og:{name}" content="{html.escape(content)}">'
        for name, content in tags.items()
    )


def _data(words: Catalogue) -> str:
    """Write JSON as it may stand between tags of HTML."""
    return json.dumps(words, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
