"""What tells the demo's players from everybody else: the e-mail address that they register with.

It ends in a domain that nobody can have (RFC 2606) and holds a tag, made with a key that lies with
whoever runs the demo. Nobody sees another's address, and nobody can make a tag without the key. So
no name and no address that a stranger chooses makes an account one of the demo's.
"""

from __future__ import annotations

import errno
import hashlib
import hmac
import os
import secrets
from pathlib import Path
from typing import Final

from scoreboard.console.reports import CommandFailed
from scoreboard.console.terminal import note
from scoreboard.embedded.home import make_once
from scoreboard.unicode import escaped

ENDING: Final = "@scoreboard-demo.invalid"
_KEY_BYTES: Final = 32
_TAG_CHARS: Final = 32  # 128 bits


class Marks:
    """Makes addresses of players, and knows those that it made."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def address(self) -> str:
        """An address for a new player."""
        number = secrets.token_hex(8)
        return f"{number}.{self._tag(number)}{ENDING}"

    def made(self, address: str) -> bool:
        """Whether this is an address that was made with the same key."""
        number, _, tag = address.removesuffix(ENDING).partition(".")
        is_ours = hmac.compare_digest(self._tag(number).encode(), tag.encode())
        return address.endswith(ENDING) and is_ours  # guard: player-demo-known

    def _tag(self, number: str) -> str:
        digest = hmac.digest(self._key, f"scoreboard demo {number}".encode(), hashlib.sha256)
        return digest.hex()[:_TAG_CHARS]


def key_file() -> Path:
    """Where the key lies: with the state of this user's programs (XDG), not of a directory, because
    a demo is removed from anywhere. Raises OSError when this user has no home.
    """
    state = os.environ.get("XDG_STATE_HOME", "")
    base = state if os.path.isabs(state) else os.path.expanduser("~/.local/state")
    if not os.path.isabs(base):
        raise OSError(errno.ENOENT, "there is no home directory; set XDG_STATE_HOME")
    return Path(base) / "scoreboard" / "demo-key"


def key_place() -> str:
    """Where the key lies, or would lie, for people."""
    try:
        return escaped(str(key_file()))
    except OSError:
        return "$XDG_STATE_HOME/scoreboard/demo-key"


def kept() -> Marks | None:
    """The marks of this user's demos; None if none was run. Raises CommandFailed."""
    try:
        return Marks(_key(key_file()))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CommandFailed(f"The demo's key cannot be read: {error.strerror}.") from error


def kept_or_new() -> Marks:
    """The same; the first demo makes their key. Where no key can be kept, the demo plays on with
    one that ends with it, and says so. Raises CommandFailed.
    """
    try:
        file = key_file()
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        make_once(file, lambda: secrets.token_hex(_KEY_BYTES))
        return Marks(_key(file))
    except OSError as error:
        note(
            "scoreboard: the demo's key cannot be kept, so `scoreboard users delete-demo` will not "
            f"know these players ({error.strerror}). Let XDG_STATE_HOME name a directory that can "
            "be written."
        )
        return Marks(secrets.token_bytes(_KEY_BYTES))


def _key(file: Path) -> bytes:
    try:
        key = bytes.fromhex(file.read_text(encoding="ascii"))
    except ValueError:
        key = b""
    if len(key) != _KEY_BYTES:
        raise CommandFailed(
            f"{escaped(str(file))} holds no key of a demo. Restore it, or delete it to have a new "
            "one: players that were made with the one that it held are then not known any more."
        )
    return key
