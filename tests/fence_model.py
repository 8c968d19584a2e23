"""What fences have to say, by a sorted list of all keys."""

from __future__ import annotations

from bisect import bisect_left

from scoreboard.ranks.fences import PART, PART_MAX, Fences


def divide(fences: Fences, keys: list[bytes]) -> None:
    """What a turn asks PostgreSQL for."""
    for key in list(fences.grown):
        part = fences.part_of(key)
        if part.key != key or part.count <= PART_MAX:
            fences.grown.discard(key)
            continue
        end = len(keys) if part.until is None else bisect_left(keys, part.until)
        within = keys[bisect_left(keys, part.key) : end]
        firsts = within[::PART][1:]
        fences.split(key, firsts, [PART] * len(firsts) + [len(within) - PART * len(firsts)])


def agrees(fences: Fences, keys: list[bytes]) -> None:
    """That every part has what the sorted list says, and each way to find one leads there."""
    assert fences.total == len(keys)
    before = 0
    for number in range(fences.parts):
        part = fences.part(number)
        begin = bisect_left(keys, part.key)
        end = len(keys) if part.until is None else bisect_left(keys, part.until)
        assert (before, part.count) == (begin, end - begin)
        anchor = fences.before(part.key)
        assert (anchor.key, anchor.before, anchor.until) == (part.key, before, part.until)
        if part.count:
            assert fences.at(before + 1) == fences.before(keys[before]) == anchor
            assert fences.at(before + part.count) == anchor
        before += part.count
