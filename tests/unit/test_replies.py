"""What an answer for one client is made of, and which bodies are remembered."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import Schema, fields, pre_load

from scoreboard.api.http.needs import add_route
from scoreboard.api.http.own_fields import ALLOWANCE, own_lines
from scoreboard.api.http.prepared import Heads, Reply
from scoreboard.api.http.replies import RepeatedBodies
from scoreboard.api.http.tracing import REQUEST_ID
from scoreboard.configuration.kinds import Rate
from scoreboard.errors import InvalidPayload, MalformedBody
from scoreboard.limits.checks import Allowance, check_of


@given(
    st.builds(Rate, st.integers(1, 10**6), st.sampled_from([1, 60, 3600])),
    st.integers(-(10**10), 10**10),
)
def test_the_lines_of_a_limit_are_its_header_fields(rate: Rate, left_us: int) -> None:
    check = check_of("user", "somebody", rate)
    allowance = Allowance(check, min(left_us, check.burst_us))
    request = make_mocked_request("GET", "/")
    request[REQUEST_ID], request[ALLOWANCE] = "an-id", allowance

    expected = {"X-Request-ID": "an-id", **allowance.headers()}

    lines = "".join(f"{name}: {value}\r\n" for name, value in expected.items())
    assert own_lines(request) == lines.encode()


@pytest.mark.parametrize("value", ["a\r\nSet-Cookie: b", "a\nb", "a\0b"])
async def test_a_field_that_would_end_its_line_is_not_written(value: str) -> None:
    app = web.Application()
    add_route(app, "GET", "/", _nothing)
    request = make_mocked_request("GET", "/", app=app)

    with pytest.raises(ValueError, match="control character"):
        await Heads().fixed(request, Reply(b"{}", 200, {"X-Own": value}))


async def _nothing(_: web.Request) -> web.Response:
    return web.Response()


class Counted(Schema):
    """Counts how often it is asked."""

    text = fields.String(required=True)
    asked = 0

    @pre_load
    def _count(self, data: Any, **_: Any) -> Any:
        Counted.asked += 1
        return data


def test_a_body_that_many_send_is_validated_once_and_a_long_or_bad_one_each_time() -> None:
    bodies = RepeatedBodies(Counted())
    long = b'{"text": "%b"}' % (b"x" * 300)

    def asks(body: bytes, error: type[Exception] | None = None) -> int:
        before = Counted.asked
        for _ in range(3):
            if error is None:
                assert bodies.parse(body)["text"]
            else:
                with pytest.raises(error):
                    bodies.parse(body)
        return Counted.asked - before

    assert asks(b'{"text": "run"}') == 1
    assert asks(long) == 3
    assert asks(b'{"text": 7}', InvalidPayload) == 3
    assert asks(b"{", MalformedBody) == 0
    with pytest.raises(TypeError):
        bodies.parse(b'{"text": "run"}')["text"] = "other"  # type: ignore[index]


def test_no_more_bodies_are_remembered_than_there_is_room_for() -> None:
    bodies = RepeatedBodies(Counted())
    first = b'{"text": "first"}'
    bodies.parse(first)
    for number in range(3000):
        bodies.parse(b'{"text": "%d"}' % number)
    before = Counted.asked

    bodies.parse(first)

    assert Counted.asked == before + 1, "it was forgotten"
