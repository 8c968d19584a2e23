"""What the statements of places count from: fences that are held, or the beginning alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from scoreboard.ranks.anchors import START, Anchor, Held
from scoreboard.ranks.keys import BEGINNING, KEY_BYTES, RankingId, first_of, score_of
from scoreboard.ranks.queries import begin_at

# Where a ranking is not held, ranks are counted from the top: so far, among ten million entries as
# among a hundred thousand.
RANKS_MAX: Final = 1000
# A part of a ranking that is held has some 512 entries. If it has more than so many, because they
# came to it since the last turn, they are not counted before the next one has divided it.
PART_MAX: Final = 10_240
# So many of the best scores have a dense rank. Each is a step along the index, of some 5 µs.
DENSE_RANKS_MAX: Final = 100


def basis(
    ranking_id: RankingId | None, held: Held | None, anchors: Iterable[Anchor]
) -> dict[str, Any]:
    """The parameters by which a statement counts. Each line is counted from the last of these
    fences that is not behind it: whichever they are, that is right, and from near ones quick.
    """
    befores = {START.key: START.before}
    if held is not None:
        befores |= {anchor.key: anchor.before for anchor in anchors}
    keys = sorted(befores)
    at = [begin_at(key) for key in keys]
    return {
        "ranking_id": ranking_id,
        "snapshot": held and held.snapshot,
        "server": held and held.server,
        "held_total": held and held.total,
        "keys": keys,
        "befores": [befores[key] for key in keys],
        "scores": [each["score"] for each in at],
        "turned": [-each["score"] for each in at],
        "moments": [each["moment"] for each in at],
        "users": [each["user_id"] for each in at],
        "counted": RANKS_MAX if held is None else PART_MAX,
        "dense_ranks": DENSE_RANKS_MAX,
    }


def near(held: Held | None, keys: Iterable[bytes]) -> list[Anchor]:
    """The fences before these keys, and the one ahead of each, because what is counted may have
    moved a little, or stand a little further ahead.
    """
    if held is None:
        return []
    fences = {fence.key: fence for fence in map(held.before, keys)}
    return [*fences.values(), *(_ahead_of(held, fence) for fence in fences.values())]


def near_rank(held: Held | None, rank: int) -> list[Anchor]:
    """The fence before a rank, and two ahead of it, because those before may have become more; and
    those before all who have such a score, of whom there may be millions.
    """
    if held is None:
        return []
    first = held.at(rank)
    second = _ahead_of(held, first)
    around = [second.key, first.key, first.until or first.key]
    tiers = near(held, [first_of(score_of(key)) for key in around])
    return [first, second, _ahead_of(held, second), *tiers]


def behind(key: bytes) -> bytes:
    """The first key that there may be behind this one; behind the last of all there is none."""
    return min(int.from_bytes(key) + 1, (1 << 8 * KEY_BYTES) - 1).to_bytes(KEY_BYTES)


def _ahead_of(held: Held, fence: Anchor) -> Anchor:
    """The fence before a fence; the first one has none but itself."""
    if fence.key == BEGINNING:
        return fence
    return held.before((int.from_bytes(fence.key) - 1).to_bytes(KEY_BYTES))
