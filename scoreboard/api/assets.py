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
import posixpath
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Final

from scoreboard.branding import catalogues
from scoreboard.branding.catalogues import Catalogue

_CLIENT: Final = "client/scoreboard-client.js"
_CLIENT_TYPES: Final = "scoreboard-client.d.ts"
_ELEMENT: Final = "element/live-scoreboard.js"
_ELEMENT_TYPES: Final = "live-scoreboard.d.ts"
_PAGE: Final = "index.html"
_EMBED: Final = "embed.html"
_TYPES: Final = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml; charset=utf-8",
    "ts": "text/plain; charset=utf-8",  # browsers show it; compilers do not care
}
_REFERENCE: Final = re.compile(r'"\./(?P<name>[\w-]+\.(?:css|js|svg))"')
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
    """The page of each language, the files under their hashed names, all of them under their own,
    and what other people's pages may have.
    """

    pages: Mapping[str, Asset]
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
    client = _read(folder / "client")
    element_types = modules[f"element/{_ELEMENT_TYPES}"]
    types = {
        _CLIENT_TYPES: join_types(client, _CLIENT_TYPES),
        _ELEMENT_TYPES: element_types.replace('"../client/', '"./'),  # served beside each other
    }
    words = catalogues.of_the_page()
    sources = _read(folder) | {
        _name(_CLIENT): join(modules, _CLIENT),
        _name(_ELEMENT): join(modules, _ELEMENT, external={_CLIENT}),
    }
    template = sources.pop(_PAGE)
    pages = {
        language: filled(
            template,
            {**values, "lang": language, "catalogue": _data(words[language])},
            words[language],
        )
        for language in languages
    }
    public = {
        _name(_CLIENT): join(modules, _CLIENT),
        _name(_ELEMENT): join(modules, _ELEMENT),
    }
    return build(sources, pages, types | public)


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
    sources: Mapping[str, str], pages: Mapping[str, str], public: Mapping[str, str] | None = None
) -> Assets:
    """Hash files after those that they refer to; `public` ones refer to none. Raises KeyError when
    one refers to no file, and RecursionError when files refer to each other in a circle.
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
    embed = sources.get(_EMBED)
    plain = {name: make(name) for name in sources if not name.endswith(".html")}
    return Assets(
        pages=documents,
        embed=None if embed is None else Asset.of(_EMBED, referring(embed, "./assets/")),
        hashed={hashed_name(name): asset for name, asset in plain.items()},
        plain=plain,
        public={name: Asset.of(name, text.encode()) for name, text in (public or {}).items()},
    )
