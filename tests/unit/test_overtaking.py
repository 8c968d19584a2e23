"""Who has overtaken whom, against what one would say who compares everybody with everybody."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from uuid import UUID

from scoreboard.personal_streams.overtaking import Moved, Watcher, passes
from scoreboard.personal_streams.telling import NAMED_MAX
from scoreboard.ranks.keys import key_of

BEGAN = datetime(2024, 12, 9, tzinfo=UTC)


def user(number: int) -> bytes:
    return UUID(int=number).bytes


def entry(number: int, score: int, moment: int = 0) -> bytes:
    at = BEGAN + timedelta(seconds=moment)
    return key_of(score, at, str(UUID(int=number)))


def told(watched: dict[bytes, bytes], moved: Moved) -> dict[bytes, tuple[int, tuple[bytes, ...]]]:
    watchers = [moved.watcher(key, now) for key, now in watched.items()]
    found = passes([each for each in watchers if each is not None], moved)
    return {each.user: (each.count, each.keys) for each in found}


def test_who_stood_behind_and_stands_before_has_overtaken() -> None:
    ada, before, after = entry(1, 50), entry(2, 40), entry(2, 60)
    assert told({user(1): ada}, Moved.of({before}, {after})) == {user(1): (1, (after,))}
    assert told({user(1): ada}, Moved.of({after}, {before})) == {}
    assert told({user(1): ada}, Moved.of({entry(2, 60)}, {entry(2, 70)})) == {}
    assert told({user(1): ada}, Moved.of(set(), {after})) == {user(1): (1, (after,))}
    assert told({user(1): ada}, Moved.of({before}, set())) == {}


def test_who_moved_as_well_is_overtaken_only_where_the_other_went_further() -> None:
    moved = Moved.of({entry(1, 50), entry(2, 40)}, {entry(1, 70), entry(2, 60)})
    assert told({user(1): entry(1, 50)}, moved) == {}
    moved = Moved.of({entry(1, 50), entry(2, 40)}, {entry(1, 55), entry(2, 60)})
    assert told({user(1): entry(1, 50)}, moved) == {user(1): (1, (entry(2, 60),))}
    hidden = Moved.of({entry(1, 50), entry(2, 40)}, {entry(2, 60)})
    assert told({user(1): entry(1, 50)}, hidden) == {}


def test_what_one_statement_added_and_another_removed_was_on_the_way() -> None:
    """In whatever order the two are heard of."""
    moved = Moved.of({entry(2, 40), entry(2, 60)}, {entry(2, 60), entry(2, 45)})
    assert moved.before == {user(2): entry(2, 40)}
    assert moved.after == {user(2): entry(2, 45)}
    assert told({user(1): entry(1, 50)}, moved) == {}


def test_it_is_what_comparing_everybody_with_everybody_finds() -> None:
    chance = random.Random(14)
    for _ in range(200):
        scores = {number: chance.randrange(20) for number in range(30)}
        before = {user(n): entry(n, score, chance.randrange(3)) for n, score in scores.items()}
        after = dict(before)
        for key in chance.sample(sorted(before), chance.randrange(15)):
            number = int.from_bytes(key)
            if chance.random() < 0.1:
                del after[key]
            else:
                after[key] = entry(number, chance.randrange(25), chance.randrange(3, 6))
        for number in range(30, 33):
            after[user(number)] = entry(number, chance.randrange(25))
        moved = Moved.of(set(before.values()), set(after.values()))
        watched = dict(list(before.items())[::2])
        assert told(watched, moved) == _by_comparison(watched, before, after)
        for key, now in watched.items():
            watcher = moved.watcher(key, now)
            for mover in moved.after:
                assert watcher is None or moved.overtook(mover, watcher) == _overtook(
                    mover, key, before, after
                )


def _overtook(
    mover: bytes, key: bytes, before: dict[bytes, bytes], after: dict[bytes, bytes]
) -> bool:
    if key not in after or mover not in after:
        return False
    was_behind = mover not in before or before[mover] > before[key]
    return was_behind and after[mover] < after[key]


def _by_comparison(
    watched: dict[bytes, bytes], before: dict[bytes, bytes], after: dict[bytes, bytes]
) -> dict[bytes, tuple[int, tuple[bytes, ...]]]:
    moved = {key for key in after if before.get(key) != after[key]}
    found = {}
    for key in watched:
        keys = sorted(after[mover] for mover in moved if _overtook(mover, key, before, after))
        if keys:
            found[key] = len(keys), tuple(keys[:NAMED_MAX])
    return found


def test_nobody_is_overtaken_by_themselves() -> None:
    watcher = Watcher(user(1), entry(1, 10), entry(1, 20))
    moved = Moved.of({entry(1, 10)}, {entry(1, 20)})
    assert list(passes([watcher], moved)) == []
