"""The copy of a board in Redis, as it lies there: read and judged, never believed.

Key `leaderboard` for `main`, `leaderboard:{board}` for others; a hash: `version`, `board` as JSON,
and the board's `signature`. A newer version wins inside Redis, so it does not matter in which order
instances write; what is no version loses. `version` may be newer than the board, or stand alone:
somebody has seen that version, and whoever committed it had not stored it yet.

Whoever can write to Redis can put anything there, of any size. It is looked at inside Redis before
it is sent, and counts only if one of us has signed it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeVar

from scoreboard import board_json
from scoreboard.board_json import BOARD_BYTES_MAX, MAIN_BYTES_MAX
from scoreboard.configuration.signatures import Signatures
from scoreboard.connections.redis import Redis, RedisUnavailable
from scoreboard.model import MAIN, VERSION_END, Board, BoardId

KEY: Final = "leaderboard"
PURPOSE: Final = "scoreboard copy"

# What is wrong with what lies there: no hash; fields that are too long; no signature, or one that
# is not ours; ours, and yet no board, or another one; a version too far ahead (`Trust`).
Fault = Literal["kind", "size", "unsigned", "signature", "malformed", "leap"]

_VERSION_CHARS_MAX: Final = len(str(VERSION_END))
_SIGNATURE_CHARS_MAX: Final = 64
_BOARDS_A_CALL: Final = 100
# Says what kind of thing lies there, and `size` for fields that are too long even to be copied; and
# the number that a version is, -1 for what is none.
_KIND: Final = f"""
local function is_longer(key, field, bytes) return redis.call('HSTRLEN', key, field) > bytes end
local function kind_of(key)
    local kind = redis.call('TYPE', key)
    kind = type(kind) == 'table' and kind.ok or kind
    local board_bytes = key == '{KEY}' and {MAIN_BYTES_MAX} or {BOARD_BYTES_MAX}
    if kind == 'hash' and (
        is_longer(key, 'version', {_VERSION_CHARS_MAX})
        or is_longer(key, 'board', board_bytes)
        or is_longer(key, 'signature', {_SIGNATURE_CHARS_MAX})
    ) then kind = 'size' end
    return kind
end
local function number_of(version)
    local is_one = version and string.find(version, '^%d+$') and tonumber(version) < {VERSION_END}
    return is_one and tonumber(version) or -1
end
"""  # guard: board-own-bytes
# Answers of each key what is wrong, or "found" and the three fields, of which any may be missing.
# guard: longer-board-stays
_READ: Final = f"""{_KIND}
local function found(key)
    local kind = kind_of(key)
    if kind == 'none' then return {{'missing'}} end
    if kind == 'size' then return {{'size'}} end
    if kind ~= 'hash' then return {{'kind'}} end
    local fields = redis.call('HMGET', key, 'version', 'board', 'signature')
    return {{'found', fields[1], fields[2], fields[3]}}
end
local answers = {{}}
for number, key in ipairs(KEYS) do answers[number] = found(key) end
return answers
"""  # guard: key-another-type
# Answers of each key whether anything was changed. A version is compared as a number, which Lua
# holds exactly as far as versions go.
# guard: board-many-megabytes
_STORE: Final = f"""{_KIND}
local function store(key, wanted, board, signature)
    local kind = kind_of(key)
    if kind ~= 'none' and kind ~= 'hash' then redis.call('UNLINK', key) end
    local present = redis.call('HMGET', key, 'version', 'board', 'signature')
    if number_of(present[1]) > tonumber(wanted) then return 0 end
    if present[1] == wanted and present[2] == board and present[3] == signature then return 0 end
    redis.call('HSET', key, 'version', wanted, 'board', board, 'signature', signature)
    return 1
end
local answers = {{}}
for number, key in ipairs(KEYS) do
    answers[number] = store(key, unpack(ARGV, 3 * number - 2, 3 * number))
end
return answers
"""  # guard: older-board-never
# Gives each key this version at least, without a board of it, so that no older board is trusted,
# nor stored. Answers of each whether anything was changed.
_NOTE_SEEN: Final = f"""{_KIND}
local function note(key, seen)
    local kind = kind_of(key)
    if kind ~= 'none' and kind ~= 'hash' then redis.call('UNLINK', key) end
    if number_of(redis.call('HGET', key, 'version')) >= tonumber(seen) then return 0 end
    redis.call('HSET', key, 'version', seen)
    return 1
end
local answers = {{}}
for number, key in ipairs(KEYS) do answers[number] = note(key, ARGV[number]) end
return answers
"""  # guard: seen-keeps-newer
# Takes anything away; with a version, only what bears none that is as new.
_DROP: Final = f"""{_KIND}
local key = KEYS[1]
local kind = kind_of(key)
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


Chunked = TypeVar("Chunked")


@dataclass(frozen=True, slots=True)
class Found:
    """What lies in Redis: a board, nothing (neither board nor fault), or something at fault;
    `claimed` is the version that it goes by, -1 for none. That of a board may be newer.
    """

    board: Board | None = None
    fault: Fault | None = None
    claimed: int = -1

    @property
    def is_behind(self) -> bool:
        """Whether the board of the version that it goes by is missing."""
        held = -1 if self.board is None else self.board.version
        return self.fault is None and self.claimed > held

    def __str__(self) -> str:
        if self.fault is not None:
            return _SENTENCES[self.fault]
        found = "no board" if self.board is None else f"version {self.board.version}"
        return f"{found}, where version {self.claimed} is to be" if self.is_behind else found


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
        self._run_note_seen = redis.script(_NOTE_SEEN, urgent=True)
        self._run_drop = redis.script(_DROP)
        # What was read or stored last, because it will be read again and again.
        self._seen: tuple[list[bytes | None], Found] | None = None

    async def read(self) -> Found:
        """Look at what is there. Raises RedisUnavailable."""
        [found] = await read_together([self])
        return found

    async def store(self, board: Board) -> bool:
        """Put a board there, unless that is a newer one or the same. Answers whether anything was
        changed. Raises RedisUnavailable.
        """
        [is_changed] = await store_together([(self, board)])
        return is_changed

    def _fields_of(self, board: Board) -> list[bytes]:
        text = board_json.encode(board)
        signature = b"" if self._signatures is None else self._signatures.of(text).encode()
        return [b"%d" % board.version, text, signature]

    async def drop(self, older_than: int | None = None) -> None:
        """Take away what is there: whatever it is, or unless it has this version or a newer one.
        Raises RedisUnavailable.
        """
        await self._run_drop([self._key], [] if older_than is None else [b"%d" % older_than])

    def _judged_answer(self, answer: Any) -> Found:
        match answer:
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

    def _judged(self, version: bytes | None, text: bytes | None, signature: bytes | None) -> Found:
        claimed = int(version) if version and version.isdigit() else VERSION_END
        if text is signature is None and claimed < VERSION_END:
            return Found(claimed=claimed)
        board, fault = self._opened(text, signature or b"")
        # guard: board-not-shown
        if board is not None and (board.version > claimed or board.board_id != self.board_id):
            board, fault = None, "malformed"
        if claimed >= VERSION_END:
            return Found(fault=fault or "malformed")
        return Found(board, fault, claimed)

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
            return board_json.decode(text), None
        except ValueError:
            return None, "malformed"


async def read_together(copies: Sequence[RedisCopy]) -> list[Found]:
    """Look at what is there of several boards, a hundred a call. Raises RedisUnavailable."""
    found = []
    for some in _chunks(copies):
        answers = await some[0]._run_read([copy._key for copy in some], [])
        if type(answers) is not list or len(answers) != len(some):
            answers = [None] * len(some)
        found += [copy._judged_answer(each) for copy, each in zip(some, answers, strict=True)]
    return found


async def note_seen(seen: Sequence[tuple[RedisCopy, int]]) -> None:
    """Let nobody trust, nor store, older boards than of these versions, which somebody has seen; a
    hundred a call. Raises RedisUnavailable.
    """
    for some in _chunks(seen):
        keys, versions = [copy._key for copy, _ in some], [b"%d" % version for _, version in some]
        _are_changed(await some[0][0]._run_note_seen(keys, versions), some)


async def store_together(stored: Sequence[tuple[RedisCopy, Board]]) -> list[bool]:
    """Put several boards there, a hundred a call, and answer as `RedisCopy.store` of each. Raises
    RedisUnavailable.
    """
    changed = []
    for some in _chunks(stored):
        keys = [copy._key for copy, _ in some]
        fields = [field for copy, board in some for field in copy._fields_of(board)]
        changed += _are_changed(await some[0][0]._run_store(keys, fields), some)
    return changed


def _are_changed(answers: Any, asked: Sequence[object]) -> list[bool]:
    """What a script answered of each key. Raises RedisUnavailable if it is none of its answers."""
    is_list = type(answers) is list and len(answers) == len(asked)
    if not is_list or any(answer not in (0, 1) for answer in answers):
        raise RedisUnavailable("Redis answers a script as no Redis does")
    return [answer == 1 for answer in answers]


def _chunks(items: Sequence[Chunked]) -> Iterator[Sequence[Chunked]]:
    """Nobody else waits for Redis for long: a hundred boards are 5 MB at most."""
    for start in range(0, len(items), _BOARDS_A_CALL):
        yield items[start : start + _BOARDS_A_CALL]


def _are_fields(answer: list[Any]) -> bool:
    return len(answer) == 3 and all(each is None or type(each) is bytes for each in answer)


def key_of(board_id: BoardId) -> str:
    """The key of a board's copy."""
    return KEY if board_id == MAIN else f"{KEY}:{board_id}"


def version_field(board_id: BoardId = MAIN) -> tuple[str, str]:
    """Where the version of a board's copy lies: a key, and a field of the hash there."""
    return key_of(board_id), "version"
