"""What a stranger sends before it is a request, and what is read of its head."""

from __future__ import annotations

from typing import Final

from tests.guards.guard import HELD_CONNECTIONS, Guard

_BENEATH: Final = "tests/attacks/test_beneath.py"
_COST: Final = "tests/attacks/test_cost.py"
_MEMORY: Final = (
    "tests/attacks/test_memory.py::test_several_hundred_connections_grow_an_instance_by_little"
)
_HEADS: Final = "tests/unit/test_heads.py"

BENEATH: Final = (
    Guard(
        "a head has one bound in pieces",
        "scoreboard/api/http/heads.py",
        "        if self._unfinished_bytes > HEAD_MAX_BYTES:\n",
        "        if False:\n",
        _MEMORY,
    ),
    Guard(
        "a head has one bound in one piece",
        "scoreboard/api/http/heads.py",
        "            if may_be_too_large and",
        "            if False and",
        f"{_HEADS}::test_a_head_of_32_kib_is_read_and_a_larger_one_is_not",
    ),
    Guard(
        "requests that are sent ahead are few",
        "scoreboard/api/http/heads.py",
        "            max_msg_queue_size=QUEUE_MAX,\n",
        "            max_msg_queue_size=32,\n",
        f"{_HEADS}::test_nothing_is_parsed_ahead_of_what_may_wait",
    ),
    Guard(
        "nothing is parsed behind what cannot be read",
        "scoreboard/api/http/heads.py",
        "        self._ended = True\n",
        "",
        f"{_HEADS}::test_nothing_that_follows_what_cannot_be_read_is_looked_at",
    ),
    Guard(
        "what is not HTTP is a request like any other",
        "scoreboard/api/http/heads.py",
        "        except HttpProcessingError as error:\n",
        "        except ZeroDivisionError as error:\n",
        f"{_BENEATH}::test_what_is_not_http_is_refused_like_a_request_and_ends_the_connection",
    ),
    Guard(
        "a body that is cut ends at once",
        "scoreboard/api/http/heads.py",
        "            self._body.set_exception(BodyCut())\n",
        "            pass\n",
        f"{_BENEATH}::test_a_body_that_breaks_off_is_answered_at_once",
    ),
    Guard(
        "a body that is cut is logged by nobody",
        "scoreboard/api/http/heads.py",
        "class BodyCut(RequestPayloadError, asyncio.TimeoutError):",
        "class BodyCut(RequestPayloadError):",
        f"{_BENEATH}::test_a_body_that_breaks_off_after_its_answer_ends_the_connection",
    ),
    Guard(
        "no route is looked for along a path of slashes",
        "scoreboard/api/http/heads.py",
        '    return len(path) <= PATH_MAX_CHARS and path.count("/") <= SEGMENTS_MAX\n',
        "    return True\n",
        f"{_COST}::test_no_target_takes_longer_to_read_than_it_is_long",
    ),
    Guard(
        "a host in a target is not decoded",
        "scoreboard/api/http/heads.py",
        '    if not path.startswith("/"):\n        message = _without_authority(message)\n',
        "",
        f"{_BENEATH}::test_a_host_in_the_target_is_not_decoded",
    ),
    Guard(
        "aiohttp answers no expectation by itself",
        "scoreboard/api/http/heads.py",
        "    del headers[hdrs.EXPECT]\n",
        "",
        f"{_BENEATH}::test_an_unknown_expectation_is_refused_in_the_one_envelope",
    ),
    Guard(
        "no body is asked for that is refused",
        "scoreboard/api/http/replies.py",
        "    if (request.content_length or 0) > BODY_MAX_BYTES:\n        raise BodyTooLarge\n",
        "",
        f"{_BENEATH}::test_a_body_that_would_be_refused_is_not_asked_for",
    ),
    Guard(
        "a body that was not asked for is not taken for a request",
        "scoreboard/api/http/middleware.py",
        "        if WAITS_FOR_CONTINUE in request:",
        "        if False:",
        f"{_BENEATH}::test_a_body_that_would_be_refused_is_not_asked_for",
    ),
    Guard(
        "only a body that is read is unpacked",
        "scoreboard/api/http/heads.py",
        "            auto_decompress=False,",
        "            auto_decompress=True,",
        f"{_BENEATH}::test_a_body_that_cannot_be_unpacked_is_400",
    ),
    Guard(
        "a packed body is whole and nothing follows it",
        "scoreboard/api/http/encodings.py",
        "    if not packed.eof or packed.unused_data:\n",
        "    if False:\n",
        "tests/unit/test_encodings.py",
    ),
    Guard(
        "no more is unpacked than a body may have",
        "scoreboard/api/http/encodings.py",
        "packed.decompress(body, most_bytes + 1)",
        "packed.decompress(body)[: most_bytes]",
        "tests/unit/test_encodings.py",
    ),
    Guard(
        "a content type is not read as e-mail",
        "scoreboard/api/http/replies.py",
        '    return given[:_TYPE_MAX_CHARS].partition(";")[0].strip().lower() == JSON\n',
        "    return bool(given) and request.content_type == JSON\n",
        f"{_COST}::test_no_header_field_takes_longer_to_read_than_it_is_long",
    ),
    Guard(
        "Redis is not asked for whoever was refused a moment ago",
        "scoreboard/limits/rates.py",
        "self.refusal_of(checks) or await",
        "await",
        f"{_COST}::test_redis_is_not_asked_for_an_address_that_is_refused",
    ),
    Guard(
        "a turn of the loop lets many connections in",
        "scoreboard/api/http/site.py",
        "AT_ONCE: Final = 64",
        "AT_ONCE: Final = 1",
        f"{HELD_CONNECTIONS}::test_a_new_connection_does_not_wait_for_each_one_before_it",
    ),
    Guard(
        "nobody comes in after the end who was on the way in",
        "scoreboard/api/http/site.py",
        "        await self._entrance.wait_closed()\n",
        "",
        "tests/integration/test_site.py::test_nobody_comes_in_after_the_end_who_was_on_the_way_in",
    ),
    Guard(
        "an address of a kind that this machine lacks is passed over",
        "scoreboard/api/http/listening.py",
        "                if error.errno not in _NOT_HERE:\n",
        "                if True:\n",
        "tests/unit/test_listening.py::test_a_machine_without_ipv6_is_listened_on_by_ipv4",
    ),
    Guard(
        "a refusal by a limit ends the connection",
        "scoreboard/api/http/middleware.py",
        "        if isinstance(error, RateLimited) and _is_of_its_client(request):\n",
        "        if False:\n",
        "tests/service/test_limits.py::test_a_refusal_ends_the_connection_unless_it_is_a_proxys",
    ),
    Guard(
        "a proxy keeps its connection whomever a limit refuses",
        "scoreboard/api/http/middleware.py",
        "        if isinstance(error, RateLimited) and _is_of_its_client(request):\n",
        "        if isinstance(error, RateLimited):\n",
        "tests/service/test_limits.py::test_a_refusal_ends_the_connection_unless_it_is_a_proxys",
    ),
    Guard(
        "the kernel takes little of an answer that nobody reads",
        "scoreboard/api/http/connection.py",
        "    peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SENT_BYTES)\n",
        "",
        "tests/attacks/test_memory.py",
    ),
    Guard(
        "few requests wait behind the one that is answered",
        "scoreboard/api/http/heads.py",
        "QUEUE_MAX: Final = 2\n",
        "QUEUE_MAX: Final = 40\n",
        "tests/attacks/test_memory.py",
    ),
    Guard(
        "a refusal is remembered though who asked has hung up",
        "scoreboard/limits/rates.py",
        "                self._refusals.remember(allowance)\n",
        "                pass\n",
        "tests/integration/test_rates.py::test_a_refusal_is_remembered_though_who_asked_has_left",
    ),
    Guard(
        "what nobody signed is not given to a parser of tokens",
        "scoreboard/accounts/access.py",
        "        if not keys.have_signed(token):\n",
        "        if False:\n",
        f"{_COST}::test_what_nobody_signed_is_not_parsed_whether_its_address_is_refused_or_not",
    ),
    Guard(
        "a token that was good once is not given to a parser of tokens",
        "scoreboard/accounts/access.py",
        "        if read.is_over(unverified, self._clock()):\n",
        "        if False:\n",
        "tests/unit/test_access_tokens.py::"
        "test_a_token_that_was_good_once_is_not_given_to_a_parser",
    ),
    Guard(
        "metrics are written so often and no oftener",
        "scoreboard/operations/metrics.py",
        "        if self._text_paid_until <= now + _TEXTS_AT_ONCE * _TEXT_SECONDS:\n",
        "        if True:\n",
        f"{_COST}::test_metrics_are_not_written_anew_for_each_who_asks",
    ),
    Guard(
        "an address holds so many connections",
        "scoreboard/api/http/admission.py",
        '                return "address"\n',
        "                pass\n",
        f"{HELD_CONNECTIONS}::test_an_address_may_hold_so_many_connections_and_no_more",
    ),
    Guard(
        "a process holds so many connections",
        "scoreboard/api/http/admission.py",
        '            return "process"\n',
        "            pass\n",
        f"{HELD_CONNECTIONS}"
        "::test_an_instance_holds_so_many_connections_and_leaves_room_for_others",
    ),
    Guard(
        "a connection that ends makes room",
        "scoreboard/api/http/connection.py",
        "            self._admission.leave(self._peer)\n",
        "",
        f"{HELD_CONNECTIONS}::test_an_address_may_hold_so_many_connections_and_no_more",
    ),
    Guard(
        "so many chunks in one read are not parsed",
        "scoreboard/api/http/heads.py",
        "            self._bound_chunks(data)\n",
        "",
        "tests/unit/test_heads.py::test_so_many_chunks_in_one_read_are_not_parsed",
    ),
    Guard(
        "a body that goes on in crumbs is cut",
        "scoreboard/api/http/heads.py",
        "            if self._crumbs > CRUMBS_MAX:\n",
        "            if False:\n",
        f"{HELD_CONNECTIONS}::"
        "test_a_body_in_chunks_of_a_byte_is_cut_and_costs_the_neighbours_nothing",
    ),
)
