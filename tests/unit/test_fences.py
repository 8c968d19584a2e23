"""Fences against a sorted list of all keys."""

from __future__ import annotations

import random
import sys
from bisect import bisect_left

import pytest

from scoreboard.ranks.fences import PART, PART_MAX, Fences, WrongCopy
from scoreboard.ranks.keys import BEGINNING, KEY_BYTES
from tests.fence_model import agrees, divide


def a_key(number: int) -> bytes:
    return number.to_bytes(KEY_BYTES)


def fences_of(keys: list[bytes]) -> Fences:
    """As a scan makes them."""
    firsts = keys[::PART]
    counts = [PART] * len(firsts)
    if len(keys) % PART:
        counts[-1] = len(keys) % PART
    return Fences(firsts[1:], counts or [0])


def test_a_ranking_without_entries_has_one_part() -> None:
    fences = Fences()

    assert (fences.total, fences.parts) == (0, 1)
    for anchor in (fences.before(a_key(7)), fences.at(1), fences.at(100), fences.at(0)):
        assert (anchor.key, anchor.before, anchor.until) == (BEGINNING, 0, None)


def test_parts_say_how_many_stand_before_each_key() -> None:
    keys = [a_key(3 * number + 1) for number in range(700_000)]
    fences = fences_of(keys)

    agrees(fences, keys)
    for place in (0, 1, PART - 1, PART, 399_999, 699_999):
        anchor = fences.before(keys[place])
        assert anchor.before == place // PART * PART == bisect_left(keys, anchor.key)
        assert fences.at(place + 1) == anchor
    assert fences.at(10**9) == fences.before(keys[-1])
    assert fences.before(BEGINNING).before == 0


def test_entries_come_and_go_and_parts_are_divided_and_merged() -> None:
    draw = random.Random(1)
    keys: list[bytes] = []
    fences = Fences()
    for size, adds in ((30_000, 1.0), (30_000, 0.0), (20_000, 0.6), (20_000, 0.3)):
        fences = fences.copied()
        here = set(keys)
        for _ in range(size):
            if draw.random() < adds:
                key = a_key(draw.getrandbits(200))
                here.add(key)
                fences.add(key)
            elif here:
                key = here.pop()
                fences.remove(key)
        keys = sorted(here)
        fences.merge()
        divide(fences, keys)
        agrees(fences, keys)
        assert not fences.grown
        assert all(fences.part(n).count <= PART_MAX for n in range(fences.parts))
    assert fences.parts < 40


def test_many_parts_make_many_blocks_and_these_go_again() -> None:
    keys = [a_key(number) for number in range(1, 600_001)]
    fences = Fences([], [len(keys)])
    divide(fences, keys)
    assert fences.parts == 1172
    agrees(fences, keys)

    small = Fences(keys[1:3000], [1] * 3000)
    agrees(small, keys[:3000])
    small = small.copied()
    for key in keys[100:3000]:
        small.remove(key)
    small.merge()
    agrees(small, keys[:100])
    assert small.parts < 20


def test_who_holds_fences_sees_them_as_they_were() -> None:
    keys = [a_key(number) for number in range(1, 10_001)]
    held = fences_of(keys)
    changed = held.copied()
    for number in range(3000):
        changed.add(a_key((number << 100) + 5))
    for key in keys[:2000]:
        changed.remove(key)
    changed.merge()
    present = sorted({*keys[2000:], *(a_key((number << 100) + 5) for number in range(3000))})
    divide(changed, present)

    agrees(held, keys)
    agrees(changed, present)


def test_what_is_packed_is_read_again() -> None:
    keys = [a_key(number) for number in range(1, 5001)]
    packed = fences_of(keys).packed()

    assert [len(each) for each in packed] == [9 * KEY_BYTES, 10 * 4]
    agrees(Fences.unpacked(*packed), keys)


@pytest.mark.parametrize(
    ("keys", "counts"),
    [
        (b"x", b"\0\0\0\1"),
        (b"", b"\0\0\1"),
        (b"", b""),
        (a_key(1), b"\0\0\0\1"),
        (a_key(2) + a_key(1), b"\0\0\0\1" * 3),
        (a_key(1) + a_key(1), b"\0\0\0\1" * 3),
        (BEGINNING, b"\0\0\0\1" * 2),
    ],
)
def test_what_is_damaged_is_not_read(keys: bytes, counts: bytes) -> None:
    with pytest.raises(ValueError, match=r"fences|parts"):
        Fences.unpacked(keys, counts)


def test_an_entry_that_was_never_counted_cannot_be_removed() -> None:
    fences = Fences([a_key(5)], [1, 0])

    with pytest.raises(WrongCopy):
        fences.remove(a_key(7))


def test_a_part_is_not_divided_into_more_than_it_has() -> None:
    fences = Fences([a_key(5)], [PART, PART + 1])

    with pytest.raises(WrongCopy):
        fences.split(a_key(5), [a_key(9)], [PART, 2])


def test_a_million_entries_cost_less_than_100_kb() -> None:
    keys = [number.to_bytes(16) + b"-" * 16 for number in range(2_000_000)]
    fences = fences_of(keys)

    assert fences.size <= 2 * 100_000
    assert fences.size > fences.parts * (KEY_BYTES + 4) - sys.getsizeof(0) * 10
