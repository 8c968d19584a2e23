"""What signed routes take, from whom, and how often."""

from __future__ import annotations

from typing import Final

from tests.guards.change import Always, Instead, Never, Removed, Value
from tests.guards.guard import Marked

ATTACKS: Final = "tests/attacks/test_signed_routes.py"
REPLAYED_NAME: Final = f"{ATTACKS}::test_a_caught_request_gives_no_player_a_name_of_before"
TAKE_OVER: Final = f"{ATTACKS}::test_nobody_takes_over_a_name_or_a_user_by_naming_players"
REFUSED: Final = f"{ATTACKS}::test_refused_names_are_no_players"
BODIES: Final = (
    f"{ATTACKS}::test_a_body_that_is_too_large_or_too_long_is_refused_and_the_largest_good_one_not"
)
BOARD: Final = (
    f"{ATTACKS}::test_a_board_is_put_and_closed_as_it_is_said_and_not_as_it_was_said_before"
)

SIGNED_ROUTES: Final = (
    Marked(
        "signed routes: strangers use up nothing of a server",
        "forged-own-count",
        Value('_of_address(request, "ip", parts.settings.rate_limit_per_ip)'),
        f"{ATTACKS}::test_strangers_and_forgers_hold_no_server_up",
    ),
    Marked(
        "signed routes: a batch has room for its largest items",
        "signed-body-bound",
        Removed(),
        BODIES,
    ),
    Marked(
        "signed routes: items are counted before they are read", "items-counted", Never(), BODIES
    ),
    Marked(
        "signed routes: a key of some boards does nothing that shows on all",
        "scope-of-all-boards",
        Never(),
        f"{ATTACKS}::test_a_key_of_some_boards_grants_and_names_nothing",
    ),
    Marked("signed routes: no name of before comes back", "name-of-before", Never(), REPLAYED_NAME),
    Marked("signed routes: a game names its own players", "players-of-source", Never(), TAKE_OVER),
    Marked(
        "signed routes: no player is brought under a refused name",
        "player-name-refused",
        Removed(),
        REFUSED,
    ),
    Marked(
        "signed routes: no player is given a refused name",
        "player-renamed-refused",
        Removed(),
        REFUSED,
    ),
    Marked(
        "signed routes: one nonce on two targets is of two requests",
        "nonce-of-target",
        Instead("self.message_id", "self.request_id"),
        BOARD,
    ),
    Marked("signed routes: no board is as it was said before", "board-of-before", Always(), BOARD),
    Marked(
        "signed routes: a key puts its boards alone",
        "boards-of-key",
        Removed(),
        f"{ATTACKS}::test_a_key_of_some_boards_puts_and_closes_no_other",
    ),
)
