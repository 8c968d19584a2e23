"""The files of `web/`, made ready once at the start: names that carry a hash, and gzip.

A file refers to another as `"./name"`. The name that is served carries the hash of the content, and
the references carry that name, so a hash changes with whatever lies beneath it and a cache may keep
a file for good. No build step, and nothing is read or compressed while requests are served.

The modules of `web/client/` are served as one: other people's pages get the client by one request
under an address that stays, and never modules of two releases.

A document, such as the page, has an address that stays, and is made once for each language. In the
place of `{{name}}` it gets what the settings say, in that of `{{words.key}}` a text of the
language, whose catalogue is served as the module `words-en.js`.
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

from scoreboard.branding import catalogues
from scoreboard.branding.catalogues import Catalogue

_CLIENT: Final = "scoreboard-client.js"
_PAGE: Final = "index.html"
_TYPES: Final = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml; charset=utf-8",
    "ts": "text/plain; charset=utf-8",  # browsers show it; compilers do not care
}
_REFERENCE: Final = re.compile(r'"\./(?P<name>[\w-]+\.(?:css|js|svg))"')
_IMPORT: Final = re.compile(r'^import \{[^}]*\} from "\./(?P<name>[\w-]+\.js)";\n', re.MULTILINE)
_EXPORT: Final = re.compile(r"^export (?=async |class |const |function )", re.MULTILINE)
_COMMENT: Final = re.compile(r"^ *(?://[^\n]*|/\*\*.*?\*/)\n", re.MULTILINE | re.DOTALL)
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
    """The page of each language, the files under their hashed names, and all of them under their
    own.
    """

    pages: Mapping[str, Asset]
    hashed: Mapping[str, Asset]
    plain: Mapping[str, Asset]

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
    client = _read(folder / "client")
    types = {name: text for name, text in client.items() if name.endswith(".ts")}
    joined = {_CLIENT: join(client, _CLIENT)}
    words = catalogues.of_the_page()
    modules = {f"words-{language}.js": _module(words[language]) for language in words}
    sources = _read(folder) | types | joined | modules
    template = sources.pop(_PAGE)
    pages = {
        language: filled(template, {**values, "lang": language}, words[language])
        for language in languages
    }
    return build(sources, pages)


def _read(folder: Traversable) -> dict[str, str]:
    return {path.name: path.read_text("utf-8") for path in folder.iterdir() if path.is_file()}


def _module(words: Catalogue) -> str:
    return f"export default {json.dumps(words, ensure_ascii=False, separators=(',', ':'))};\n"


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


def join(modules: Mapping[str, str], entry: str) -> str:
    """Make one module of `entry` and all that it imports, with the exports and the comments of
    `entry` alone. A name is declared in one module only, or browsers refuse the result. Raises as
    `build` does.
    """
    joined: dict[str, str] = {}

    def add(name: str) -> None:
        for imported in _IMPORT.finditer(modules[name]):
            if imported["name"] not in joined:
                add(imported["name"])
        text = _IMPORT.sub("", modules[name])
        joined[name] = text if name == entry else _COMMENT.sub("", _EXPORT.sub("", text))

    add(entry)
    return "\n".join(joined.values())


def build(sources: Mapping[str, str], pages: Mapping[str, str]) -> Assets:
    """Hash files after those that they refer to. Raises KeyError when one refers to no file, and
    RecursionError when files refer to each other in a circle.
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
            made[name] = Asset.of(name, referring(sources[name], "./"))
        return made[name]

    documents = {
        language: Asset.of(_PAGE, referring(text, "./assets/")) for language, text in pages.items()
    }
    plain = {name: make(name) for name in sources}
    return Assets(documents, {hashed_name(name): asset for name, asset in plain.items()}, plain)
