"""What operators run, and what they hand over."""

from __future__ import annotations

from typing import Final

from tests.guards.guard import Guard

COMMANDS: Final = (
    Guard(
        "an answer without an end is not read to its end",
        "scoreboard/demo/service.py",
        "        if len(content) > ANSWER_BYTES_MAX:\n",
        "        if len(content) > 2**40:\n",
        "tests/integration/test_service_address.py::test_an_answer_without_an_end_is_no_scoreboard",
    ),
    Guard(
        "nobody is led from TLS to none",
        "scoreboard/demo/service.py",
        'place.startswith("https:") and found.startswith("http:")',
        "False",
        "tests/integration/test_service_address.py::test_nobody_is_led_from_tls_to_none",
    ),
    Guard(
        "a file of a setting is bounded",
        "scoreboard/configuration/handed_over.py",
        "        if size > bytes_max:\n            raise _too_large(bytes_max)\n",
        '        if size > 2**24:\n            return b""\n',
        "tests/unit/test_handed_over.py::test_what_is_no_ordinary_file_ends_the_reading",
    ),
    Guard(
        "a player of the demo is known by the tag and not by the domain",
        "scoreboard/demo/marks.py",
        "return address.endswith(ENDING) and is_ours",
        "return address.endswith(ENDING)",
        "tests/service/test_demo_players.py",
    ),
)
