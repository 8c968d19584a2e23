"""The files of `web/`, made ready once at the start: names that carry a hash, and gzip.

A file refers to another as `"./name"`. The name that is served carries the hash of the content, and
the references carry that name, so a hash changes with whatever lies beneath it and a cache may keep
a file for good. No build step, and nothing is read or compressed while requests are served.

The modules of `web/client/` are served as one, and so are those of `web/element/` with the
client's: other people's pages get them by one request under an address that stays, and never
modules of two releases. So are their types. The page loads the element without the client, which it
has already. What `web/` holds for the npm package alone is not served.

A document, such as the page, has an address that stays, and is made once for each language. In the
place of `{{name}}` it gets what the settings say, in that of `{{words.key}}` a text of the
language. The catalogue of the language lies in the page as well, as data: its modules have it as
they begin, without another question.
"""

from __future__ import annotations

import gzip
import hashlib
import html
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Final

from scoreboard.api.bundles import bare, in_one, join, join_types
from scoreboard.branding import catalogues
from scoreboard.branding.catalogues import Catalogue

_CLIENT: Final = "client/scoreboard-client.js"
_CLIENT_TYPES: Final = "scoreboard-client.d.ts"
_ELEMENT: Final = "element/live-scoreboard.js"
_ELEMENT_TYPES: Final = "live-scoreboard.d.ts"
_PAGE: Final = "index.html"
_PAGE_SCRIPT: Final = "page.js"
_EMBED: Final = "embed.html"
_TYPES: Final = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml; charset=utf-8",
    "ts": "text/plain; charset=utf-8",  # browsers show it; compilers do not care
}
_REFERENCE: Final = re.compile(r'"\./(?P<name>[\w-]+\.(?:css|js|svg))"')
_SILENT: Final = "export default {};\n"  # a catalogue without words
_HASHED: Final = re.compile(r"(?P<stem>[\w-]+)\.[0-9a-f]{10}\.(?P<extension>\w+)")
_PLACE: Final = re.compile(r"\{\{(?P<name>[\w.-]+)\}\}")


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it is served."""

    content_type: str
    body: bytes
    gzipped: bytes
    digest: str

    @classmethod
    def of(cls, name: str, body: bytes) -> Asset:
        """Compress and hash; the same content gives the same bytes on every instance."""
        return cls(
            content_type=_TYPES[name.rpartition(".")[2]],
            body=body,
            gzipped=gzip.compress(body, 9, mtime=0),
            digest=hashlib.sha256(body).hexdigest()[:10],
        )


@dataclass(frozen=True, slots=True)
class Assets:
    """The page of each language, and that of the board alone; the files under their hashed names,
    all of them under their own, and what other people's pages may have.
    """

    pages: Mapping[str, Asset]
    embeds: Mapping[str, Asset]
    hashed: Mapping[str, Asset]
    plain: Mapping[str, Asset]
    public: Mapping[str, Asset]

    @property
    def page(self) -> Asset:
        """The page of the first language, which is the default."""
        return next(iter(self.pages.values()))

    def of_another_version(self, name: str) -> Asset | None:
        """Our version of a file whose hash we do not know: an older or newer instance's."""
        found = _HASHED.fullmatch(name)
        return self.plain.get(f"{found['stem']}.{found['extension']}") if found else None


def load(values: Mapping[str, str], languages: Sequence[str] = ("en",)) -> Assets:
    """Read the package's files, for these languages. `values` are put into the page as they are,
    each in the place of `{{name}}`. Raises as `build` and `filled` do.
    """
    folder = resources.files("scoreboard").joinpath("web")
    modules = {
        f"{part}/{name}": text
        for part in ("client", "element", "element/words")
        for name, text in _read(folder / part).items()
    }
    element_types = modules[f"element/{_ELEMENT_TYPES}"]
    types = {
        _CLIENT_TYPES: join_types(_read(folder / "client"), _CLIENT_TYPES),
        _ELEMENT_TYPES: element_types.replace('"../client/', '"./'),  # served beside each other
    }
    # A page brings the words of its language along, also those of the element.
    silent = modules | {path: _SILENT for path in modules if path.startswith("element/words/")}
    sources = _read(folder) | {
        _name(_CLIENT): join(modules, _CLIENT),
        _name(_ELEMENT): join(silent, _ELEMENT, external={_CLIENT}),
    }
    sources = in_one(sources, _PAGE_SCRIPT)
    of_pages, of_elements = catalogues.of_the_page(), catalogues.of_the_element()
    documents: dict[str, dict[str, str]] = {}
    for document in (_PAGE, _EMBED):
        template = sources.pop(document)
        documents[document] = {}
        for language in languages:
            words = {**of_elements[language], **of_pages[language]}
            told = (
                words if document == _PAGE else {key: words[key] for key in of_elements[language]}
            )
            places = {**values, "lang": language, "catalogue": _data(told)}
            documents[document][language] = filled(template, places, words)
    public = {
        _name(_CLIENT): join(modules, _CLIENT),
        _name(_ELEMENT): join(modules, _ELEMENT),
    }
    return build(sources, documents[_PAGE], documents[_EMBED], types | public)


def _read(folder: Traversable) -> dict[str, str]:
    return {
        path.name: path.read_text("utf-8")
        for path in folder.iterdir()
        if path.is_file() and path.name.rpartition(".")[2] in _TYPES
    }


def _data(words: Catalogue) -> str:
    """Write JSON as it may stand between tags of HTML."""
    return json.dumps(words, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


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


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def build(
    sources: Mapping[str, str],
    pages: Mapping[str, str],
    embeds: Mapping[str, str] | None = None,
    public: Mapping[str, str] | None = None,
) -> Assets:
    """Hash files, bare of comments, after those that they refer to; `public` ones refer to
    none. Raises KeyError when one refers to no file, and RecursionError when files refer to each
    other in a circle.
    """
    made: dict[str, Asset] = {}

    def hashed_name(name: str) -> str:
        stem, _, extension = name.rpartition(".")
        return f"{stem}.{make(name).digest}.{extension}"

    def referring(text: str, folder: str) -> bytes:
        return _REFERENCE.sub(
            lambda reference: f'"{folder}{hashed_name(reference["name"])}"', text
        ).encode()

    def make(name: str) -> Asset:
        if name not in made:
            made[name] = Asset.of(name, referring(bare(sources[name]), "./"))
        return made[name]

    def made_of(documents: Mapping[str, str]) -> dict[str, Asset]:
        return {
            language: Asset.of(_PAGE, referring(text, "./assets/"))
            for language, text in documents.items()
        }

    plain = {name: make(name) for name in sources}
    return Assets(
        pages=made_of(pages),
        embeds=made_of(embeds or {}),
        hashed={hashed_name(name): asset for name, asset in plain.items()},
        plain=plain,
        public={name: Asset.of(name, text.encode()) for name, text in (public or {}).items()},
    )
