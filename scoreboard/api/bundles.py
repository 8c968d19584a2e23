"""Modules of JavaScript that are served as one, joined by their text.

An import is a line of its own, of names or of the one `default` of a module. A module exports what
it declares, and no two that are joined declare the same name.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Mapping
from typing import Final

_IMPORT: Final = re.compile(
    r'^import (?:(?:\{(?P<names>[^}]*)\}|(?P<default>\w+)) from )?"(?P<path>\.[\w./-]+\.js)";\n',
    re.MULTILINE,
)
_EXPORT: Final = re.compile(r"^export (?=async |class |const |function )", re.MULTILINE)
_EXPORTS: Final = re.compile(r"^export \{[^}]*\};\n", re.MULTILINE)
_TYPES_IMPORT: Final = re.compile(r"^import type \{[^}]*\} from [^\n]*;\n", re.MULTILINE)
_TYPES_OF: Final = re.compile(r'^export \* from "\./(?P<name>[\w-]+)\.js";\n', re.MULTILINE)
_DEFAULT: Final = "export default "
_COMMENT: Final = re.compile(r"^ *(?://[^\n]*|/\*.*?\*/)\n", re.MULTILINE | re.DOTALL)
_INDENTATION: Final = re.compile(r"^ +", re.MULTILINE)


def bare(text: str) -> str:
    """A module or style sheet without what browsers do not read: a tenth, compressed."""
    return _INDENTATION.sub("", _COMMENT.sub("", text))


def in_one(sources: Mapping[str, str], entry: str) -> dict[str, str]:
    """Join `entry` with what it imports alone: compressed by itself, each small module costs some
    300 bytes more. What others import as well stays one module for all of them.
    """
    below = beneath(sources, {entry})
    others = {name for name in sources if name.endswith(".js") and name not in below}
    apart = beneath(sources, others) & below
    made = {name: text for name, text in sources.items() if name not in below - apart}
    return {**made, entry: join(sources, entry, apart)}


def beneath(modules: Mapping[str, str], entries: Collection[str]) -> set[str]:
    """The modules that these import, at once or through others, and they themselves."""
    found: set[str] = set()
    ahead = list(entries)
    while ahead:
        path = ahead.pop()
        if path not in found:
            found.add(path)
            ahead += [_other(path, each["path"]) for each in _IMPORT.finditer(modules[path])]
    return found


def _other(path: str, named: str) -> str:
    """The path of what the module at `path` names so."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), named))


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
            other = _other(path, found["path"])
            if other in external:
                names = {name.strip() for name in (found["names"] or "").split(",")}
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
    heads = [_import(path, names) for path, names in sorted(imported.items())]
    return "\n".join([*heads, *joined.values()])


def _import(path: str, names: Collection[str]) -> str:
    clause = f"{{ {', '.join(sorted(names))} }} from " if names else ""
    return f'import {clause}"./{posixpath.basename(path)}";\n'


def join_types(files: Mapping[str, str], entry: str) -> str:
    """Make one file of `entry` and of all whose types it exports, as `export * from "./name.js";`
    says. Raises KeyError when one is not there.
    """
    exported = [files[f"{found['name']}.d.ts"] for found in _TYPES_OF.finditer(files[entry])]
    texts = [*exported, _TYPES_OF.sub("", files[entry])]
    return "\n".join(_TYPES_IMPORT.sub("", text).strip() + "\n" for text in texts)
