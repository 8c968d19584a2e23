"""Whether Redis is fit for an instance: reached, a primary, of a version that will do, with the
right to every command that we use, on every kind of key.

Commands are tried, in one script, because not every user may ask for its own rights. What is
written are keys that end by themselves, and a field of the board's copy that is taken away again.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from scoreboard.connections.findings import Finding
from scoreboard.connections.hints import in_words
from scoreboard.connections.redis import Redis, RedisUnavailable
from scoreboard.connections.redis_answers import SINGLE, to_do
from scoreboard.connections.sentinels import place

PART: Final = "redis"
_NAME: Final = "scoreboard.check"
_VERSION_MIN: Final = (6, 2)

# ARGV: a count of a limit, a count of streams, a field, copies of boards. They are no KEYS, or one
# key that may not be used would hide the others. Answers what failed, and what INFO says of the
# server and its memory.
PROBE: Final = """
local failed = {}
local function try(name, key, ...)
    local answer = redis.pcall(name, key, ...)
    if type(answer) == 'table' and answer.err then
        failed[#failed + 1] = name .. ' ' .. key .. ': ' .. answer.err
    end
end
local function info(section)
    local text = redis.pcall('INFO', section)
    return type(text) == 'string' and text or ''
end
local limit, streams, field = ARGV[1], ARGV[2], ARGV[3]
local time = redis.pcall('TIME')
if time.err then failed[1] = 'TIME: ' .. time.err end
try('SET', limit, '1', 'PX', '1000')
try('GETRANGE', limit, '0', '1')
try('UNLINK', limit)
try('HSET', streams, field, '1')
try('EXPIRE', streams, '1')
try('HGETALL', streams)
try('HLEN', streams)
try('MEMORY', 'USAGE', streams)
try('HDEL', streams, field)
for b = 4, #ARGV do
    local board = ARGV[b]
    try('TYPE', board)
    try('HSTRLEN', board, 'version')
    try('HMGET', board, 'version', 'board')
    try('HGET', board, 'version')
    try('HSET', board, field, '1')
    try('HDEL', board, field)
end
return {failed, info('server') .. info('memory')}
"""  # guard: check-writes-beside


async def findings(url: str, *board_keys: str) -> list[Finding]:
    """Look at all of it, the keys of these copies among it; whoever is away, it takes a few seconds
    at most.
    """
    redis = Redis(url, timeout_seconds=3.0, name=_NAME)
    try:
        return [*_sentinels(await redis.ask_sentinels()), *await _server(redis, url, board_keys)]
    finally:
        await redis.close()


def _sentinels(answers: dict[str, str]) -> list[Finding]:
    """What Sentinels name as the primary; nothing where the address names none."""
    if not answers:
        return []
    named = sorted({answer for answer in answers.values() if answer})
    silent = sorted(where for where, answer in answers.items() if not answer)
    if not named:
        to_do = "Start them, or mend SCOREBOARD_REDIS_URL."
        return [Finding(PART, "sentinels", "wrong", "No Sentinel names a primary.", to_do)]
    count = f"{len(answers) - len(silent)} of {len(answers)}"
    what = f"{count} Sentinels name {' and '.join(named)}."
    if len(named) > 1:
        return [Finding(PART, "sentinels", "wrong", what, "Mend those that are behind.")]
    if silent:
        return [Finding(PART, "sentinels", "warning", what, f"Look at {', '.join(silent)}.")]
    return [Finding(PART, "sentinels", "ok", what)]


async def _server(redis: Redis, url: str, board_keys: Sequence[str]) -> list[Finding]:
    try:
        await redis.ping()
    except RedisUnavailable as error:
        what = f"Redis at {place(url)} cannot be used: {_words(error)}."
        return [Finding(PART, "connection", "wrong", what, to_do(_words(error), url))]
    refused, info = await _probe(redis, board_keys)
    version = _field(info, "redis_version")
    what = f"Redis {version or 'of a version that it does not tell'} at {place(url)}."
    return [
        Finding(PART, "connection", "ok", what),
        _version(version),
        *_mode(info),  # guard: check-notices-node
        _commands(refused),
        _eviction(info),
    ]


async def _probe(redis: Redis, board_keys: Sequence[str]) -> tuple[list[str], str]:
    """Each command that is refused, with the reason; and what INFO says."""
    refused = []
    try:
        await redis.load(PROBE)
    except RedisUnavailable as error:
        refused = [f"SCRIPT LOAD: {_words(error)}"]
    keys = [f"limit:check:{_NAME}", f"streams:check:{_NAME}"]
    try:
        answer = await redis.script(PROBE)([], [*keys, "check", *board_keys])
    except RedisUnavailable as error:
        return [*refused, f"EVALSHA: {_words(error)}"], ""
    match answer:
        case [list() as failed, bytes() as info]:
            refused += [line.decode(errors="replace") for line in failed if type(line) is bytes]
            return refused, info.decode(errors="replace")
    return [*refused, "EVALSHA: it answers as no Redis does"], ""


def _version(version: str) -> Finding:
    numbers = tuple(int(number) for number in re.findall(r"\d+", version)[:2])
    least = ".".join(map(str, _VERSION_MIN))
    if numbers and numbers < _VERSION_MIN:
        return Finding(PART, "version", "warning", f"It is older than {least}.", "Upgrade it.")
    return Finding(PART, "version", "ok", f"It is {least} or newer, as far as it tells.")


def _mode(info: str) -> list[Finding]:
    """A node of a cluster may hold all keys that are tried one by one, and refuses two at once."""
    if _field(info, "redis_mode") != "cluster":
        return []
    return [Finding(PART, "mode", "wrong", "It is a node of Redis Cluster.", SINGLE)]


def _commands(failed: list[str]) -> Finding:
    if not failed:
        return Finding(PART, "commands", "ok", "Every command that an instance uses works.")
    commands: dict[str, list[str]] = {}  # by the reason why they fail
    for line in failed:
        command, _, reason = line.partition(": ")
        reason = re.sub(r"^@user_script: ?\d+: -?", "", reason).strip().rstrip(".")
        commands.setdefault(reason, []).append(command)
    reasons = [f"{', '.join(names)}: {reason}" for reason, names in commands.items()]
    what = f"Redis refuses {'; '.join(reasons)}."
    return Finding(PART, "commands", "wrong", what, to_do(what))


def _eviction(info: str) -> Finding:
    limit, policy = _field(info, "maxmemory"), _field(info, "maxmemory_policy")
    if limit in ("", "0"):
        return Finding(PART, "eviction", "ok", "Its memory has no limit, as far as it tells.")
    what = f"Its memory has a limit, and the policy {policy}."
    if policy in ("volatile-ttl", "volatile-lru", "volatile-lfu"):
        return Finding(PART, "eviction", "ok", what)
    to_do = "Choose volatile-ttl: any other drops the board, or takes no writes once it is full."
    return Finding(PART, "eviction", "warning", what, to_do)


def _field(info: str, name: str) -> str:
    found = re.search(rf"^{name}:(\S*)", info, re.MULTILINE)
    return found[1] if found else ""


def _words(error: Exception) -> str:
    return in_words(str(error)).rstrip(".") or "no answer in time"
