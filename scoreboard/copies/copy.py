"""The copy of a board in Redis, as it lies there: read and judged, never believed.

Key `leaderboard` for `main`, `leaderboard:{board}` for others; a hash: `version`, `board` as JSON,
and the board's `signature`. A newer version wins inside Redis, so it does not matter in which order
instances write; what is no version loses.

Whoever can write to Redis can put anything there, of any size. It is looked at inside Redis before
it is sent, and counts only if one of us has signed it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

from scoreboard.configuration.signatures import Signatures
from scoreboard.connections.redis import Redis, RedisUnavailable
from scoreboard.model import BOARD_BYTES_MAX, MAIN, VERSION_END, Board, BoardId

KEY: Final = "leaderboard"
PURPOSE: Final = "scoreboard copy"

# What is wrong with what lies there: no hash; fields that are too long; no signature, or one that
# is not ours; ours, and yet no board, or another one; a version too far ahead (`Trust`).
Fault = Literal["kind", "size", "unsigned", "signature", "malformed", "leap"]

_VERSION_CHARS_MAX: Final = len(str(VERSION_END))
_SIGNATURE_CHARS_MAX: Final = 64
# Says what kind of thing lies there, and `size` for fields that are too long even to be copied.
_KIND: Final = f"""
local key = KEYS[1]
local kind = redis.call('TYPE', key)
kind = type(kind) == 'table' and kind.ok or kind
local function is_longer(field, bytes) return redis.call('HSTRLEN', key, field) > bytes end
if kind == 'hash' and (
    is_longer('version', {_VERSION_CHARS_MAX})
    or is_longer('board', {BOARD_BYTES_MAX})
    or is_longer('signature', {_SIGNATURE_CHARS_MAX})
) then kind = 'size' end
"""
# Answers what is wrong, or "found" and the three fields, of which any may be missing.
# guard: longer-board-stays
_READ: Final = f"""{_KIND}
if kind == 'none' then return {{'missing'}} end
if kind == 'size' then return {{'size'}} end
if kind ~= 'hash' then return {{'kind'}} end
local fields = redis.call('HMGET', key, 'version', 'board', 'signature')
return {{'found', fields[1], fields[2], fields[3]}}
"""  # guard: key-another-type
# A version is compared as a number, which Lua holds exactly as far as versions go.
# guard: board-many-megabytes
_STORE: Final = f"""{_KIND}
if kind ~= 'none' and kind ~= 'hash' then redis.call('UNLINK', key) end
local present = redis.call('HMGET', key, 'version', 'board', 'signature')
local version = present[1]
if version and string.find(version, '^%d+$') then
    local number = tonumber(version)
    if number > tonumber(ARGV[1]) and number < {VERSION_END} then return 0 end
    if version == ARGV[1] and present[2] == ARGV[2] and present[3] == ARGV[3] then return 0 end
end
redis.call('HSET', key, 'version', ARGV[1], 'board', ARGV[2], 'signature', ARGV[3])
return 1
"""  # guard: older-board-never
# Takes anything away; with a version, only what bears none that is as new.
_DROP: Final = f"""{_KIND}
local version = ARGV[1] and kind == 'hash' and redis.call('HMGET', key, 'version')[1]
if version and string.find(version, '^%d+$') and tonumber(version) >= tonumber(ARGV[1]) then
    return 0
end
return redis.call('UNLINK', key)
"""

_SENTENCES: Final[dict[Fault, str]] = {
    "kind": "something that is no hash",
    "size": "something that is longer than any board of ours",
    "unsigned": "a board that nobody has signed",
    "signature": "a board that none of our secrets has signed",
    "malformed": "something that is no board",
    "leap": "a board of another history",
}


@dataclass(frozen=True, slots=True)
class Found:
    """What lies in Redis: a board, nothing (neither board nor fault), or something at fault;
    `claimed` is the version that it goes by, if that is one.
    """

    board: Board | None = None
    fault: Fault | None = None
    claimed: int | None = None

    def __str__(self) -> str:
        if self.fault is not None:
            return _SENTENCES[self.fault]
        return "no board" if self.board is None else f"version {self.board.version}"


class RedisCopy:
    """Reads, stores and drops the copy of one board. Without `signatures` (commands of an operator
    who gave no secret) any board is read, and one that is stored is replaced by the instances.
    """

    def __init__(
        self, redis: Redis, signatures: Signatures | None, board_id: BoardId = MAIN
    ) -> None:
        self.redis = redis
        self.board_id = board_id
        self._key = key_of(board_id)
        self._signatures = signatures
        self._run_read = redis.script(_READ)
        self._run_store = redis.script(_STORE, urgent=True)  # guard: board-stored-redis
        self._run_drop = redis.script(_DROP)
        # What was read or stored last, because it will be read again and again.
        self._seen: tuple[list[bytes | None], Found] | None = None

    async def read(self) -> Found:
        """Look at what is there. Raises RedisUnavailable."""
        match await self._run_read([self._key], []):
            case [b"missing"]:
                return Found()
            case [b"kind"]:
                return Found(fault="kind")
            case [b"size"]:
                return Found(fault="size")
            case [b"found", *fields] if _are_fields(fields):
                if self._seen is None or self._seen[0] != fields:
                    self._seen = fields, self._judged(*fields)
                return self._seen[1]
        return Found(fault="malformed")  # Redis answers as no Redis does

    async def store(self, board: Board) -> bool:
        """Put a board there, unless that is a newer one or the same. Answers whether anything was
        changed. Raises RedisUnavailable.
        """
        text = board.to_json()
        signature = b"" if self._signatures is None else self._signatures.of(text).encode()
        fields = [b"%d" % board.version, text, signature]
        answer = await self._run_store([self._key], fields)
        if answer not in (0, 1):
            raise RedisUnavailable("Redis answers a script as no Redis does")
        return bool(answer)

    async def drop(self, older_than: Board | None = None) -> None:
        """Take away what is there: whatever it is, or unless it is as new as this board. Raises
        RedisUnavailable.
        """
        await self._run_drop([self._key], [b"%d" % older_than.version] if older_than else [])

    def _judged(self, version: bytes | None, text: bytes | None, signature: bytes | None) -> Found:
        claimed = int(version) if version and version.isdigit() else VERSION_END
        board, fault = self._opened(text, signature or b"")
        # guard: board-not-shown
        if board is not None and (board.version != claimed or board.board_id != self.board_id):
            board, fault = None, "malformed"
        return Found(board, fault, claimed if claimed < VERSION_END else None)

    def _opened(self, text: bytes | None, signature: bytes) -> tuple[Board | None, Fault | None]:
        """Nothing is parsed before it is known to be ours."""
        if text is None:
            return None, "malformed"
        if self._signatures is not None and not signature:  # guard: copy-without-signature
            return None, "unsigned"
        # guard: copy-believed-only
        if self._signatures is not None and not self._signatures.verify(signature, text):
            return None, "signature"
        try:
            return Board.from_json(text), None
        except ValueError:
            return None, "malformed"


def key_of(board_id: BoardId) -> str:
    """The key of a board's copy."""
    return KEY if board_id == MAIN else f"{KEY}:{board_id}"


def version_field(board_id: BoardId = MAIN) -> tuple[str, str]:
    """Where the version of a board's copy lies: a key, and a field of the hash there."""
    return key_of(board_id), "version"


def _are_fields(answer: list[Any]) -> bool:
    return len(answer) == 3 and all(each is None or type(each) is bytes for each in answer)
