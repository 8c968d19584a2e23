"""The files of `web/`, made ready once at the start: names that carry a hash, and gzip.

A file refers to another as `"./name"`. The name that is served carries the hash of the content, and
the references carry that name, so a hash changes with whatever lies beneath it and a cache may keep
a file for good. No build step, and nothing is read or compressed while requests are served.

The modules of `web/client/` are served as one: other people's pages get the client by one request
under an address that stays, and never modules of two releases.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Final

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
            gzipped=_compressed(body),
            digest=hashlib.sha256(body).hexdigest()[:10],
        )


@dataclass(frozen=True, slots=True)
class Assets:
    """The page, the files under their hashed names, and all of them under their own."""

    page: Asset
    hashed: Mapping[str, Asset]
    plain: Mapping[str, Asset]

    def of_another_version(self, name: str) -> Asset | None:
        """Our version of a file whose hash we do not know: an older or newer instance's."""
        found = _HASHED.fullmatch(name)
        return self.plain.get(f"{found['stem']}.{found['extension']}") if found else None


@lru_cache(maxsize=256)  # what is compressed once is not compressed for the next application
def _compressed(body: bytes) -> bytes:
    return gzip.compress(body, 9, mtime=0)


def load(words: Mapping[str, str]) -> Assets:
    """Read the package's files; `words` are put into the page, each in the place of `{{name}}`."""
    folder = resources.files("scoreboard").joinpath("web")
    client = _read(folder / "client")
    types = {name: text for name, text in client.items() if name.endswith(".ts")}
    joined = {_CLIENT: join(client, _CLIENT)}
    sources = _read(folder) | types | joined
    for name, word in words.items():
        sources[_PAGE] = sources[_PAGE].replace(f"{{{{{name}}}}}", word)
    return build(sources)


def _read(folder: Traversable) -> dict[str, str]:
    return {path.name: path.read_text("utf-8") for path in folder.iterdir() if path.is_file()}


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


def build(sources: Mapping[str, str]) -> Assets:
    """Hash files after those that they refer to. Raises KeyError when one refers to no file, and
    RecursionError when files refer to each other in a circle.
    """
    made: dict[str, Asset] = {}

    def hashed_name(name: str) -> str:
        stem, _, extension = name.rpartition(".")
        return f"{stem}.{make(name).digest}.{extension}"

    def make(name: str, folder: str = "./") -> Asset:
        if name not in made:
            text = _REFERENCE.sub(
                lambda reference: f'"{folder}{hashed_name(reference["name"])}"', sources[name]
            )
            made[name] = Asset.of(name, text.encode())
        return made[name]

    page = make(_PAGE, "./assets/")
    plain = {name: make(name) for name in sources if name != _PAGE}
    return Assets(page, {hashed_name(name): asset for name, asset in plain.items()}, plain)
