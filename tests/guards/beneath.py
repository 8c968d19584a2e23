"""What a stranger sends before it is a request, and what is read of its head."""

from __future__ import annotations

from typing import Final

from tests.guards.change import Always, Instead, Keyword, Removed, Value
from tests.guards.guard import HELD_CONNECTIONS, Marked

_BENEATH: Final = "tests/attacks/test_beneath.py"
_COST: Final = "tests/attacks/test_cost.py"
_MEMORY: Final = (
    "tests/attacks/test_memory.py::test_several_hundred_connections_grow_an_instance_by_little"
)
_HEADS: Final = "tests/unit/test_heads.py"

BENEATH: Final = (
    Marked(
        "a head has one bound in pieces",
        "head-one-bound",
        Removed(),
        _MEMORY,
    ),
    Marked(
        "a head has one bound in one piece",
        "head-one",
        Removed(),
        f"{_HEADS}::test_a_head_of_32_kib_is_read_and_a_larger_one_is_not",
    ),
    Marked(
        "requests that are sent ahead are few",
        "requests-sent-ahead",
        Keyword("max_msg_queue_size", "32"),
        f"{_HEADS}::test_nothing_is_parsed_ahead_of_what_may_wait",
    ),
    Marked(
        "nothing is parsed behind what cannot be read",
        "nothing-parsed-behind",
        Removed(),
        f"{_HEADS}::test_nothing_that_follows_what_cannot_be_read_is_looked_at",
    ),
    Marked(
        "what is not HTTP is a request like any other",
        "not-http-request",
        Removed(),
        f"{_BENEATH}::test_what_is_not_http_is_refused_like_a_request_and_ends_the_connection",
    ),
    Marked(
        "a body that is cut ends at once",
        "body-cut-ends",
        Removed(),
        f"{_BENEATH}::test_a_body_that_breaks_off_is_answered_at_once",
    ),
    Marked(
        "a body that is cut is logged by nobody",
        "body-cut-logged",
        Instead("asyncio.TimeoutError", "object"),
        f"{_BENEATH}::test_a_body_that_breaks_off_after_its_answer_ends_the_connection",
    ),
    Marked(
        "no route is looked for along a path of slashes",
        "no-route-looked",
        Value("True"),
        f"{_COST}::test_no_target_takes_longer_to_read_than_it_is_long",
    ),
    Marked(
        "a host in a target is not decoded",
        "host-target-not",
        Removed(),
        f"{_BENEATH}::test_a_host_in_the_target_is_not_decoded",
    ),
    Marked(
        "aiohttp answers no expectation by itself",
        "aiohttp-answers-no",
        Removed(),
        f"{_BENEATH}::test_an_unknown_expectation_is_refused_in_the_one_envelope",
    ),
    Marked(
        "no body is asked for that is refused",
        "no-body-asked",
        Removed(),
        f"{_BENEATH}::test_a_body_that_would_be_refused_is_not_asked_for",
    ),
    Marked(
        "a body that was not asked for is not taken for a request",
        "body-not-asked",
        Removed(),
        f"{_BENEATH}::test_a_body_that_would_be_refused_is_not_asked_for",
    ),
    Marked(
        "only a body that is read is unpacked",
        "only-body-read",
        Keyword("auto_decompress", "True"),
        f"{_BENEATH}::test_a_body_that_cannot_be_unpacked_is_400",
    ),
    Marked(
        "a packed body is whole and nothing follows it",
        "packed-body-whole",
        Removed(),
        "tests/unit/test_encodings.py",
    ),
    Marked(
        "no more is unpacked than a body may have",
        "no-more-unpacked",
        Instead("$decompress($body, $most_bytes + 1)", "$decompress($body)[:$most_bytes]"),
        "tests/unit/test_encodings.py",
    ),
    Marked(
        "a content type is not read as e-mail",
        "content-type",
        Instead(
            "$given[:_TYPE_MAX_CHARS].partition(';')[0].strip().lower() == JSON",
            "bool($given) and request.content_type == JSON",
        ),
        f"{_COST}::test_no_header_field_takes_longer_to_read_than_it_is_long",
    ),
    Marked(
        "Redis is not asked for whoever was refused a moment ago",
        "redis-not-asked",
        Instead("self._refusals.of($checks)", "False"),
        f"{_COST}::test_redis_is_not_asked_for_an_address_that_is_refused",
    ),
    Marked(
        "a turn of the loop lets many connections in",
        "turn-loop-lets",
        Value("1"),
        f"{HELD_CONNECTIONS}::test_a_new_connection_does_not_wait_for_each_one_before_it",
    ),
    Marked(
        "nobody comes in after the end who was on the way in",
        "nobody-comes-after",
        Removed(),
        "tests/integration/test_site.py::test_nobody_comes_in_after_the_end_who_was_on_the_way_in",
    ),
    Marked(
        "an address of a kind that this machine lacks is passed over",
        "address-kind-machine",
        Always(),
        "tests/unit/test_listening.py::test_a_machine_without_ipv6_is_listened_on_by_ipv4",
    ),
    Marked(
        "a refusal by a limit ends the connection",
        "refusal-limit",
        Removed(),
        "tests/service/test_limits.py::test_a_refusal_ends_the_connection_unless_it_is_a_proxys",
    ),
    Marked(
        "a proxy keeps its connection whomever a limit refuses",
        "proxy-keeps",
        Instead("is_direct($request, $trusted)", "True"),
        "tests/service/test_limits.py::test_a_refusal_ends_the_connection_unless_it_is_a_proxys",
    ),
    Marked(
        "the kernel takes little of an answer that nobody reads",
        "kernel-takes-little",
        Removed(),
        "tests/attacks/test_memory.py",
    ),
    Marked(
        "few requests wait behind the one that is answered",
        "few-requests-wait",
        Value("40"),
        "tests/attacks/test_memory.py",
    ),
    Marked(
        "a refusal is remembered though who asked has hung up",
        "refusal-remembered-though",
        Removed(),
        "tests/integration/test_rates.py::test_a_refusal_is_remembered_though_who_asked_has_left",
    ),
    Marked(
        "what nobody signed is not given to a parser of tokens",
        "nobody-signed-not",
        Removed(),
        f"{_COST}::test_what_nobody_signed_is_not_parsed_whether_its_address_is_refused_or_not",
    ),
    Marked(
        "a token that was good once is not given to a parser of tokens",
        "token-good-once",
        Removed(),
        "tests/unit/test_access_tokens.py::"
        "test_a_token_that_was_good_once_is_not_given_to_a_parser",
    ),
    Marked(
        "metrics are written so often and no oftener",
        "metrics-written",
        Always(),
        f"{_COST}::test_metrics_are_not_written_anew_for_each_who_asks",
    ),
    Marked(
        "an address holds so many connections",
        "address-holds-many",
        Removed(),
        f"{HELD_CONNECTIONS}::test_an_address_may_hold_so_many_connections_and_no_more",
    ),
    Marked(
        "a process holds so many connections",
        "process-holds-many",
        Removed(),
        f"{HELD_CONNECTIONS}"
        "::test_an_instance_holds_so_many_connections_and_leaves_room_for_others",
    ),
    Marked(
        "a connection that ends makes room",
        "connection-ends-makes",
        Removed(),
        f"{HELD_CONNECTIONS}::test_an_address_may_hold_so_many_connections_and_no_more",
    ),
    Marked(
        "so many chunks in one read are not parsed",
        "many-chunks-one",
        Removed(),
        "tests/unit/test_heads.py::test_so_many_chunks_in_one_read_are_not_parsed",
    ),
    Marked(
        "a body that goes on in crumbs is cut",
        "body-goes-crumbs",
        Removed(),
        f"{HELD_CONNECTIONS}::"
        "test_a_body_in_chunks_of_a_byte_is_cut_and_costs_the_neighbours_nothing",
    ),
)
