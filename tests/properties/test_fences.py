"""Fences through whole lives of rankings, against a sorted list of all keys."""

from __future__ import annotations

import random

from hypothesis import given

from scoreboard.ranks.fences import PART_MAX, Fences
from scoreboard.ranks.keys import KEY_BYTES
from tests.fence_model import agrees, divide
from tests.properties.strategies import Shift, examples, shifts

_TENTH = 2 ** (8 * KEY_BYTES) // 10


@examples(60)
@given(shifts())
def test_fences_say_what_a_sorted_list_says_whatever_comes_and_goes(life: list[Shift]) -> None:
    fences, keys = Fences(), list[bytes]()
    for shift in life:
        before, present = fences, keys
        draw = random.Random(shift.seed)
        fences = fences.copied()
        gone = {key for key in keys if draw.random() < shift.share_gone}
        come = {
            (shift.tenth * _TENTH + draw.randrange(1, _TENTH)).to_bytes(KEY_BYTES)
            for _ in range(shift.come)
        } - set(keys)
        for key in come:
            fences.add(key)
        for key in gone:
            fences.remove(key)
        fences.merge()
        keys = sorted((set(keys) - gone) | come)
        divide(fences, keys)

        agrees(fences, keys)
        assert all(fences.part(number).count <= PART_MAX for number in range(fences.parts))
        agrees(Fences.unpacked(*fences.packed()), keys)
        agrees(before, present)
