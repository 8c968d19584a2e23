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
import posixpath
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Final

from scoreboard.api import documents
from scoreboard.branding import branding
from scoreboard.branding.branding import Branding

_CLIENT: Final = "client/scoreboard-client.js"
_CLIENT_TYPES: Final = "scoreboard-client.d.ts"
_ELEMENT: Final = "element/live-scoreboard.js"
_ELEMENT_TYPES: Final = "live-scoreboard.d.ts"
_PAGE: Final = "index.html"
_EMBED: Final = "embed.html"
MANIFEST: Final = "manifest.webmanifest"
FAVICON: Final = "favicon.ico"
_NONE: Final[Mapping[str, str]] = {}
_NO_PICTURES: Final[Mapping[str, bytes]] = {}
_TYPES: Final = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
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
_REFERENCE: Final = re.compile(r'"\./(?P<name>[\w-]+\.(?:css|js|svg|png|webp))"')
_IMPORT: Final = re.compile(
    r'^import (?:\{(?P<names>[^}]*)\}|(?P<default>\w+)) from "(?P<path>\.[\w./-]+\.js)";\n',
    re.MULTILINE,
)
_TYPES_IMPORT: Final = re.compile(r"^import type \{[^}]*\} from [^\n]*;\n", re.MULTILINE)
_TYPES_OF: Final = re.compile(r'^export \* from "\./(?P<name>[\w-]+)\.js";\n', re.MULTILINE)
_EXPORT: Final = re.compile(r"^export (?=async |class |const |function )", re.MULTILINE)
_EXPORTS: Final = re.compile(r"^export \{[^}]*\};\n", re.MULTILINE)
_DEFAULT: Final = "export default "
_COMMENT: Final = re.compile(r"^ *(?://[^\n]*|/\*\*.*?\*/)\n", re.MULTILINE | re.DOTALL)
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
            gzipped=None if extension in _PACKED else gzip.compress(body, 9, mtime=0),
            digest=hashlib.sha256(body).hexdigest()[:10],
        )


@dataclass(frozen=True, slots=True)
class Assets:
    """The page and its manifest in each language, the board alone, the files under their hashed
    names, all of them under their own, and what other people's pages may have.
    """

    pages: Mapping[str, Asset]
    manifests: Mapping[str, Asset]
    embed: Asset | None
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


def load(values: Mapping[str, str], brand: Branding | None = None) -> Assets:
    """Read the package's files, and make them as an operator wants them, or as they are. `values`
    are put into the page as they are, each in the place of `{{name}}`. Raises as `build` and
    `documents.filled` do.
    """
    brand = brand or branding.ours()
    folder = resources.files("scoreboard").joinpath("web")
    modules = {
        f"{part}/{name}": text
        for part in ("client", "element", "element/words")
        for name, text in _read(folder / part).items()
    }
    client = _read(folder / "client")
    element_types = modules[f"element/{_ELEMENT_TYPES}"]
    types = {
        _CLIENT_TYPES: join_types(client, _CLIENT_TYPES),
        _ELEMENT_TYPES: element_types.replace('"../client/', '"./'),  # served beside each other
    }
    sources = _read(folder) | {
        _name(_CLIENT): join(modules, _CLIENT),
        _name(_ELEMENT): join(modules, _ELEMENT, external={_CLIENT}),
    }
    for name in _STYLES:
        sources[name] += branding.style(brand.colors)
    template = sources.pop(_PAGE)
    sources[_EMBED] = documents.page(sources[_EMBED], values, brand, next(iter(brand.words)))
    pages, manifests = {}, {}
    for language in brand.words:
        pages[language] = documents.page(template, values, brand, language)
        manifests[language] = documents.manifest(brand, language)
    public = {
        _name(_CLIENT): join(modules, _CLIENT),
        _name(_ELEMENT): join(modules, _ELEMENT),
    }
    pictures = _pictures(folder, brand)
    return build(sources, pages, types | public, manifests=manifests, pictures=pictures)


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


def join(modules: Mapping[str, str], entry: str, external: Collection[str] = ()) -> str:
    """Make one module of `entry` and all that it imports, with the exports and the comments of
    `entry` alone. Modules are named by their paths. Those that are `external` stay modules of their
    own, which are imported as `"./name"`. A name is declared in one module only, or browsers refuse
    the result. Raises as `build` does.
    """
    joined: dict[str, str] = {}
    imported: dict[str, set[str]] = {}  # from those that are external

    def add(path: str, default: str | None = None) -> None:
        text = modules[path]
        for found in _IMPORT.finditer(text):
            other = posixpath.normpath(posixpath.join(posixpath.dirname(path), found["path"]))
            if other in external:
                names = {name.strip() for name in found["names"].split(",")}
                imported[other] = imported.get(other, set()) | (names - {""})
            elif other not in joined:
                add(other, found["default"])
        text = _IMPORT.sub("", text)
        if default is not None:
            text = text.replace(_DEFAULT, f"const {default} = ", 1)
        if path != entry:
            text = _COMMENT.sub("", _EXPORT.sub("", _EXPORTS.sub("", text)))
        joined[path] = text

    add(entry)
    heads = [
        f'import {{ {", ".join(sorted(names))} }} from "./{_name(path)}";\n'
        for path, names in sorted(imported.items())
    ]
    return "\n".join([*heads, *joined.values()])


def join_types(files: Mapping[str, str], entry: str) -> str:
    """Make one file of `entry` and of all whose types it exports, as `export * from "./name.js";`
    says. Raises KeyError when one is not there.
    """
    exported = [files[f"{found['name']}.d.ts"] for found in _TYPES_OF.finditer(files[entry])]
    texts = [*exported, _TYPES_OF.sub("", files[entry])]
    return "\n".join(_TYPES_IMPORT.sub("", text).strip() + "\n" for text in texts)


def build(
    sources: Mapping[str, str],
    pages: Mapping[str, str],
    public: Mapping[str, str] = _NONE,
    *,
    manifests: Mapping[str, str] = _NONE,
    pictures: Mapping[str, bytes] = _NO_PICTURES,
) -> Assets:
    """Hash files after those that they refer to; `public` ones and pictures refer to none. Raises
    KeyError when one refers to no file, and RecursionError when files refer to each other in a
    circle.
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
            made[name] = Asset.of(name, referring(sources[name], "./"))
        return made[name]

    def translated(name: str, texts: Mapping[str, str]) -> dict[str, Asset]:
        return {
            language: Asset.of(name, referring(text, "./assets/"))
            for language, text in texts.items()
        }

    embed = sources.get(_EMBED)
    plain = {name: make(name) for name in sources if not name.endswith(".html")} | made
    return Assets(
        pages=translated(_PAGE, pages),
        manifests=translated(MANIFEST, manifests),
        embed=None if embed is None else Asset.of(_EMBED, referring(embed, "./assets/")),
        hashed={hashed_name(name): asset for name, asset in plain.items()},
        plain=plain,
        public={name: Asset.of(name, text.encode()) for name, text in public.items()},
    )
