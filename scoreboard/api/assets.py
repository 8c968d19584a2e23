"""The files of `web/`, made ready once at the start: names that carry a hash, and gzip.

A file refers to another as `"./name"`. The name that is served carries the hash of the content, and
the references carry that name, so a hash changes with whatever lies beneath it and a cache may keep
a file for good. No build step, and nothing is read or compressed while requests are served.

The modules of `web/client/` are served as one, and so are those of `web/element/` with the
client's: other people's pages get them by one request under an address that stays, and never
modules of two releases. So are their types. The page loads the element without the client, which it
has already. What `web/` holds for the npm package alone is not served.

A document, such as the page, has an address that stays, and is made once for each language
(`documents`).
"""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Final

from scoreboard.api import documents
from scoreboard.api.bundles import bare, beneath, in_one, join, join_types
from scoreboard.api.documents import LogIns
from scoreboard.branding import branding, catalogues
from scoreboard.branding.branding import Branding

_CLIENT: Final = "client/scoreboard-client.js"
_CLIENT_TYPES: Final = "scoreboard-client.d.ts"
_ELEMENT: Final = "element/live-scoreboard.js"
_ELEMENT_TYPES: Final = "live-scoreboard.d.ts"
_PAGE: Final = "index.html"
_PAGE_SCRIPT: Final = "page.js"
_EMBED: Final = "embed.html"
MANIFEST: Final = "manifest.webmanifest"
FAVICON: Final = "favicon.ico"
_NONE: Final[Mapping[str, str]] = {}
_BY_PASSWORD: Final = LogIns()
_NO_PICTURES: Final[Mapping[str, bytes]] = {}
_TYPES: Final = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "json": "application/json",
    "svg": "image/svg+xml; charset=utf-8",
    "ts": "text/plain; charset=utf-8",  # browsers show it; compilers do not care
    "webmanifest": "application/manifest+json",
    "ico": "image/x-icon",
    "png": "image/png",
    "webp": "image/webp",
}
_TEXTS: Final = ("html", "css", "js", "svg", "ts")
_PACKED: Final = ("ico", "png", "webp")  # by themselves: gzip adds to them
_PICTURES: Final = ("icon.svg", FAVICON)
_STYLES: Final = ("style.css", "embed.css")
_REFERENCE: Final = re.compile(r'"\./(?P<name>[\w-]+\.(?:css|js|json|svg|png|webp))"')
_SILENT: Final = "export default {};\n"  # a catalogue without words
_HASHED: Final = re.compile(r"(?P<stem>[\w-]+)\.[0-9a-f]{10}\.(?P<extension>\w+)")


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it is served."""

    content_type: str
    body: bytes
    gzipped: bytes | None  # None of what is packed already
    digest: str

    @classmethod
    def of(cls, name: str, body: bytes) -> Asset:
        """Compress and hash; the same content gives the same bytes on every instance."""
        extension = name.rpartition(".")[2]
        return cls(
            content_type=_TYPES[extension],
            body=body,
            gzipped=None if extension in _PACKED else _compressed(body),
            digest=hashlib.sha256(body).hexdigest()[:10],
        )


@dataclass(frozen=True, slots=True)
class Assets:
    """The page, the board alone and the page's manifest in each language; the files under their
    hashed names, all of them under their own, and what other people's pages may have.
    """

    pages: Mapping[str, Asset]
    embeds: Mapping[str, Asset]
    manifests: Mapping[str, Asset]
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


@lru_cache(maxsize=256)  # what is compressed once is not compressed for the next application
def _compressed(body: bytes) -> bytes:
    return gzip.compress(body, 9, mtime=0)


def load(log_ins: LogIns = _BY_PASSWORD, brand: Branding | None = None) -> Assets:
    """Read the package's files, and make them as an operator wants them, or as they are. Raises as
    `build` and `documents.filled` do.
    """
    brand = brand or branding.ours()
    sources, public = dict(_sources()), _public()
    for name in _STYLES:
        sources[name] += branding.style(brand.colors)
    page, embed = sources.pop(_PAGE), sources.pop(_EMBED)
    of_element = catalogues.of_the_element()
    pages, embeds, manifests = {}, {}, {}
    said_at_once = _said_at_once(sources)
    for language, words in brand.words.items():
        needed = {*documents.needed_at_once(said_at_once, words), *of_element[language]}
        sources[f"words-{language}.json"] = documents.other_words(words, needed)
        pages[language] = documents.page(page, log_ins, brand, language, needed)
        embeds[language] = documents.page(embed, log_ins, brand, language, of_element[language])
        manifests[language] = documents.manifest(brand, language)
    return build(
        sources,
        pages,
        public,
        embeds=embeds,
        manifests=manifests,
        pictures=_pictures(_web(), brand),
    )


@cache  # nothing in the package changes while it runs
def _sources() -> Mapping[str, str]:
    """The texts that the page and the board alone are made of, by their names."""
    modules = _modules()
    # A page brings the words of its language along, also those of the element.
    silent = modules | {path: _SILENT for path in modules if path.startswith("element/words/")}
    sources = _read(_web()) | {
        _name(_CLIENT): join(modules, _CLIENT),
        _name(_ELEMENT): join(silent, _ELEMENT, external={_CLIENT}),
    }
    return in_one(sources, _PAGE_SCRIPT)


@cache
def _public() -> Mapping[str, str]:
    """What other people's pages may have, by its names."""
    modules = _modules()
    element_types = modules[f"element/{_ELEMENT_TYPES}"]
    return {
        _CLIENT_TYPES: join_types(_read(_web() / "client"), _CLIENT_TYPES),
        _ELEMENT_TYPES: element_types.replace('"../client/', '"./'),  # served beside each other
        _name(_CLIENT): join(modules, _CLIENT),
        _name(_ELEMENT): join(modules, _ELEMENT),
    }


def _modules() -> dict[str, str]:
    """The client's and the element's, by their paths."""
    return {
        f"{part}/{name}": text
        for part in ("client", "element", "element/words")
        for name, text in _read(_web() / part).items()
    }


def _web() -> Traversable:
    return resources.files("scoreboard").joinpath("web")


def _said_at_once(sources: Mapping[str, str]) -> list[str]:
    """The modules of the page that come with it; the words of the element are known."""
    others = {_name(_CLIENT), _name(_ELEMENT)}
    return [sources[name] for name in beneath(sources, {_PAGE_SCRIPT}) - others]


def favicon_of(made: Assets, brand: Branding) -> Asset:
    """The file for /favicon.ico."""
    is_own = brand.logo is None or brand.logo.favicon() is not None
    return made.plain[FAVICON if is_own or brand.logo is None else brand.logo.name]


def _read(folder: Traversable) -> dict[str, str]:
    return {
        path.name: path.read_text("utf-8")
        for path in folder.iterdir()
        if path.is_file() and path.name not in _PICTURES and path.name.rpartition(".")[2] in _TEXTS
    }


def _pictures(folder: Traversable, brand: Branding) -> dict[str, bytes]:
    found = {name: (folder / name).read_bytes() for name in _PICTURES}
    if (logo := brand.logo) is not None:
        found[logo.name] = logo.body
        found[FAVICON] = logo.favicon() or found[FAVICON]
    return found


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def build(
    sources: Mapping[str, str],
    pages: Mapping[str, str],
    public: Mapping[str, str] = _NONE,
    *,
    embeds: Mapping[str, str] = _NONE,
    manifests: Mapping[str, str] = _NONE,
    pictures: Mapping[str, bytes] = _NO_PICTURES,
) -> Assets:
    """Hash files, bare of comments, after those that they refer to; `public` ones and pictures
    refer to none. Raises KeyError when one refers to no file, and RecursionError when files refer
    to each other in a circle.
    """
    made = {name: Asset.of(name, body) for name, body in pictures.items()}

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

    def translated(name: str, texts: Mapping[str, str]) -> dict[str, Asset]:
        return {
            language: Asset.of(name, referring(text, "./assets/"))
            for language, text in texts.items()
        }

    plain = {name: make(name) for name in sources} | made
    return Assets(
        pages=translated(_PAGE, pages),
        embeds=translated(_EMBED, embeds),
        manifests=translated(MANIFEST, manifests),
        hashed={hashed_name(name): asset for name, asset in plain.items()},
        plain=plain,
        public={name: Asset.of(name, text.encode()) for name, text in public.items()},
    )
