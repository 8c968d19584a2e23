"""One form for every line: what happened, to whom, where; and nothing that nobody should read."""

from __future__ import annotations

import asyncio
import json
import logging

import pytest
import structlog

from scoreboard.operations import logs
from tests.logs import Written, written

log = structlog.get_logger("scoreboard.test")

__all__ = ["written"]


def test_an_event_says_when_where_how_bad_and_what(written: Written) -> None:
    written.begin()
    log.warning("scoreboard.test.happened", part="redis")

    [line] = written.lines()
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "scoreboard.test.happened",
        "instance": "web-1",
        "level": "warning",
        "part": "redis",
    }


def test_what_is_known_of_the_subject_stands_on_each_of_its_events(written: Written) -> None:
    written.begin()
    with logs.about(lambda: {"request_id": "7", "user_id": "somebody"}):
        log.info("scoreboard.test.happened", user_id="somebody else")
    log.info("scoreboard.test.happened")

    within, after = written.lines()
    assert (within["request_id"], within["user_id"]) == ("7", "somebody else")
    assert not {"request_id", "user_id"} & set(after)


async def test_the_subject_is_that_of_the_task(written: Written) -> None:
    written.begin()

    async def work(number: str) -> None:
        with logs.about(lambda: {"request_id": number}):
            await asyncio.sleep(0)
            log.info("scoreboard.test.happened", number=number)

    await asyncio.gather(*(work(str(number)) for number in range(3)))

    assert [(line["number"], line["request_id"]) for line in written.lines()] == [
        (str(number), str(number)) for number in range(3)
    ]


def test_nothing_is_asked_of_the_subject_below_the_level(written: Written) -> None:
    written.begin()
    with logs.about(lambda: pytest.fail("asked for nothing")):
        log.debug("scoreboard.test.happened")

    assert written.lines() == []


def test_what_a_library_logs_becomes_an_event_with_its_traceback(written: Written) -> None:
    written.begin()
    library = logging.getLogger("some.library")
    library.info("not worth a line")
    library.warning("it rains in %s", "Bergen")
    try:
        raise KeyError("umbrella")
    except KeyError:
        library.exception("no umbrella")

    warned, failed = written.lines()
    assert (warned["event"], warned["level"]) == ("scoreboard.library.warned", "warning")
    assert (warned["library"], warned["message"]) == ("some.library", "it rains in Bergen")
    assert (failed["event"], failed["level"]) == ("scoreboard.library.failed", "error")
    assert failed["exception"][0]["exc_type"] == "KeyError"


def test_a_library_that_logs_with_the_wrong_arguments_is_not_ended_by_it(written: Written) -> None:
    written.begin()
    record = logging.LogRecord("some.library", logging.WARNING, "", 1, "%d drops", ("many",), None)
    logs._OfLibraries().emit(record)  # pytest's own handler would raise

    [warned] = written.lines()
    assert warned["message"] == "%d drops"


def test_people_get_a_line_without_the_instance(written: Written) -> None:
    written.begin(form="console")
    with logs.about(lambda: {"request_id": "7"}):
        log.info("scoreboard.test.happened")

    line = written.text()
    assert "scoreboard.test.happened" in line
    assert "request_id" in line
    assert "web-1" not in line
    assert "\x1b" not in line  # it goes to no terminal
    with pytest.raises(json.JSONDecodeError):
        json.loads(line)
