"""What operators run, and what they hand over."""

from __future__ import annotations

from typing import Final

from tests.guards.change import Instead, Removed, Replaced
from tests.guards.guard import Marked

COMMANDS: Final = (
    Marked(
        "an answer without an end is not read to its end",
        "answer-without-end",
        Instead("ANSWER_BYTES_MAX", "2 ** 40"),
        "tests/integration/test_service_address.py::test_an_answer_without_an_end_is_no_scoreboard",
    ),
    Marked(
        "nobody is led from TLS to none",
        "nobody-led-tls",
        Removed(),
        "tests/integration/test_service_address.py::test_nobody_is_led_from_tls_to_none",
    ),
    Marked(
        "a file of a setting is bounded",
        "file-setting-bounded",
        Replaced("""if len(found) > 2 ** 24:
    return b''"""),
        "tests/unit/test_handed_over.py::test_what_is_no_ordinary_file_ends_the_reading",
    ),
    Marked(
        "a player of the demo is known by the tag and not by the domain",
        "player-demo-known",
        Instead("is_ours", "True"),
        "tests/service/test_demo_players.py",
    ),
)
