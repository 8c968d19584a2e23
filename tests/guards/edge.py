"""The edge: limits, bounds, bodies, headers."""

from __future__ import annotations

from typing import Final

from tests.guards.guard import (
    BYPASS,
    GUESSING,
    HELD_CONNECTIONS,
    LIMITS,
    OTHER_SITES,
    RATES,
    SECRETS,
    STREAMS,
    Guard,
)

EDGE: Final = (
    Guard(
        "clients of streams come back from an allowed origin",
        "scoreboard/api/http/origins.py",
        "traceparent, Last-Event-ID, Cache-Control",
        "traceparent",
        "tests/browser/test_hostile_pages.py::"
        "test_clients_of_streams_come_back_from_a_page_of_an_allowed_origin",
    ),
    Guard(
        "a number in a query is digits",
        "scoreboard/api/schemas/members.py",
        "        if not isinstance(value, str) or not _NUMBER.fullmatch(value):\n",
        "        if False:\n",
        "tests/service/test_queries.py::"
        "test_a_number_is_digits_and_nothing_that_only_reads_like_some",
    ),
    Guard(
        "a parameter of a query is given once",
        "scoreboard/api/http/replies.py",
        "    if twice:\n",
        "    if False:\n",
        "tests/service/test_queries.py::test_a_parameter_is_given_once",
    ),
    Guard(
        "an answer that has begun gets no second head",
        "scoreboard/api/http/middleware.py",
        "    if not request.writer.output_size:\n",
        "    if True:\n",
        f"{STREAMS}::test_a_stream_that_fails_after_its_head_is_closed_and_gets_no_second_head",
    ),
    Guard(
        "what another site's page asks for is not answered with what was prepared for all",
        "scoreboard/api/http/prepared.py",
        """            and "Origin" not in request.headers
""",
        "",
        "tests/service/test_prepared_answers.py",
    ),
    Guard(
        "an answer for one client is prepared for nobody",
        "scoreboard/api/http/prepared.py",
        "            self._is_shared\n            and request.version",
        "            request.version",
        "tests/service/test_prepared_answers.py",
    ),
    Guard(
        "only trusted hops are believed",
        "scoreboard/api/http/addresses.py",
        "        while hops and _is_trusted(peer, tuple(trusted)):\n",
        "        while hops:\n",
        "tests/service/test_limits.py::test_only_what_a_trusted_hop_added_counts",
    ),
    Guard(
        "limits go on without Redis",
        "scoreboard/limits/rates.py",
        "[us for checks, _ in requests for us in self._local.left_us(checks)]",
        "[check.burst_us for checks, _ in requests for check in checks]",
        "tests/service/test_limits.py::test_limits_go_on_per_instance_while_redis_is_away",
    ),
    Guard(
        "an IPv6 customer is one client with all of its networks",
        "scoreboard/api/http/addresses.py",
        "((64, 1), (56, 4), (48, 16))",
        "((64, 1),)",
        f"{BYPASS}::test_an_ipv6_customer_cannot_rotate_through_its_networks",
    ),
    Guard(
        "an IPv4 customer makes no IPv6 clients",
        "scoreboard/api/http/addresses.py",
        "_ipv4_within(parsed) or parsed",
        "parsed",
        f"{BYPASS}::test_an_ipv4_customer_makes_no_ipv6_clients_of_its_address",
    ),
    Guard(
        "no hop is trusted for an address that is written into its own",
        "scoreboard/api/http/addresses.py",
        "    return any(parsed in network for network in trusted)",
        "    parsed = isinstance(parsed, IPv6Address) and _ipv4_within(parsed) or parsed\n"
        "    return any(parsed in network for network in trusted)",
        "tests/unit/test_addresses.py::"
        "test_no_hop_is_trusted_for_an_address_that_is_written_into_its_own",
    ),
    Guard(
        "nobody without a token uses up what the users of an address have",
        "scoreboard/api/http/limits.py",
        '_of_address(request, "ip_users", ',
        '_of_address(request, "ip", ',
        f"{LIMITS}::test_nobody_without_a_token_uses_up_what_the_users_of_an_address_have",
    ),
    Guard(
        "the users of an address together are limited as well",
        "scoreboard/api/http/limits.py",
        "    return (*of_address, check_of(",
        "    return (*of_address[:0], check_of(",
        f"{LIMITS}::test_the_users_of_an_address_together_are_limited_as_well",
    ),
    Guard(
        "a request that one limit refuses uses up nothing of the others",
        "scoreboard/limits/rates.py",
        "    for i = first, allowed and last or 0 do\n",
        "    for i = first, left[first] >= 0 and first or 0 do\n",
        f"{LIMITS}::test_a_request_that_one_limit_refuses_uses_up_nothing_of_the_others",
    ),
    Guard(
        "without Redis, too, a refused request uses up nothing",
        "scoreboard/limits/local_rates.py",
        "        if min(left) >= 0:\n",
        "        if left[0] >= 0:\n",
        f"{RATES}::test_a_request_that_one_check_refuses_uses_up_nothing_of_the_others",
    ),
    Guard(
        "who is being refused is not forgotten",
        "scoreboard/limits/local_rates.py",
        "            self._see([check.redis_key for check in checks])\n",
        "            pass\n",
        f"{RATES}::test_who_is_being_refused_is_not_forgotten",
    ),
    Guard(
        "garbage under the key of a limit costs nobody anything",
        "scoreboard/limits/rates.py",
        "        local value = pcall('GETRANGE', ",
        "        local value = call('GETRANGE', ",
        f"{LIMITS}::test_garbage_under_the_keys_of_one_client_costs_nobody_anything",
    ),
    Guard(
        "garbage under the key of streams costs nobody anything",
        "scoreboard/limits/leases.py",
        "redis.pcall('HLEN', key)",
        "redis.call('HLEN', key)",
        f"{LIMITS}::test_garbage_under_the_keys_of_one_client_costs_nobody_anything",
    ),
    Guard(
        "a number in Redis that is too long is not read",
        "scoreboard/limits/rates.py",
        "#value <= {_TIME_CHARS_MAX} and tonumber(value)",
        "tonumber(value)",
        "tests/integration/test_rates.py"
        "::test_garbage_under_one_key_counts_as_nothing_and_is_replaced",
    ),
    Guard(
        "a text of many megabytes in Redis is not read",
        "scoreboard/limits/rates.py",
        "'0', '{_TIME_CHARS_MAX}')",
        "'0', '-1')",
        "tests/integration/test_rates.py"
        "::test_a_text_of_many_megabytes_under_one_key_does_not_stop_redis",
    ),
    Guard(
        "a version of many megabytes in Redis is not read",
        "scoreboard/limits/rates.py",
        "and value <= {_FIELD_CHARS_MAX} then",
        "then",
        "tests/integration/test_board_copy.py"
        "::test_a_copy_of_many_megabytes_stops_redis_neither_for_a_store_nor_for_a_limit",
    ),
    Guard(
        "a board of many megabytes in Redis is not read to store another",
        "scoreboard/copies/copy.py",
        "if kind ~= 'none' and kind ~= 'hash' then redis.call('UNLINK', key) end\n",
        "if kind ~= 'none' and kind ~= 'hash' and kind ~= 'size' then redis.call('DEL', key) end\n",
        "tests/integration/test_board_copy.py"
        "::test_a_copy_of_many_megabytes_stops_redis_neither_for_a_store_nor_for_a_limit",
    ),
    Guard(
        "a limit that Redis does not let us read is not absent",
        "scoreboard/limits/rates.py",
        "if value.err and not string.find(value.err, 'WRONGTYPE')",
        "if false",
        "tests/integration/test_rates.py"
        "::test_limits_that_redis_does_not_let_us_read_are_counted_without",
    ),
    Guard(
        "streams that Redis does not let us read are not deleted",
        "scoreboard/limits/leases.py",
        "not string.find(size.err, 'WRONGTYPE')",
        "false",
        "tests/integration/test_leases.py"
        "::test_leases_that_redis_does_not_let_us_read_are_not_deleted",
    ),
    Guard(
        "a hash of many megabytes in Redis is not read",
        "scoreboard/limits/leases.py",
        "or bytes <= {_HASH_BYTES_MAX}",
        "or bytes > 0",
        "tests/integration/test_leases.py"
        "::test_a_hash_of_few_fields_and_many_megabytes_is_not_read",
    ),
    Guard(
        "a count of streams that is too long is not read",
        "scoreboard/limits/leases.py",
        "if #value <= {_LEASE_CHARS_MAX} then",
        "if true then",
        "tests/integration/test_leases.py::test_a_count_that_is_far_too_long_is_not_read",
    ),
    Guard(
        "a client that leaves as its stream begins writes no traceback",
        "scoreboard/api/http/middleware.py",
        "        raise asyncio.CancelledError from error\n",
        "        raise\n",
        f"{STREAMS}::test_a_client_that_leaves_as_its_stream_begins_is_no_error_of_ours",
    ),
    Guard(
        "one key of another type is no outage of Redis",
        "scoreboard/connections/redis.py",
        '        if failing == "type":',
        "        if False:",
        "tests/integration/test_rates.py"
        "::test_a_key_of_another_type_is_no_reason_to_leave_redis_alone",
    ),
    Guard(
        "a stream that is refused was never counted",
        "scoreboard/limits/leases.py",
        "    if may == 1 then\n",
        "    if true then\n",
        "tests/integration/test_leases.py"
        "::test_a_stream_that_one_holder_refuses_takes_no_place_of_the_others",
    ),
    Guard(
        "refreshes are counted by family",
        "scoreboard/api/http/limits.py",
        "    if family is None:\n",
        "    if True:\n",
        "tests/service/test_hall.py",
    ),
    Guard(
        "a token that we did not make has no family",
        "scoreboard/api/http/limits.py",
        "    family = request.app[PARTS].accounts.family_of(refresh_token)\n",
        "    family = refresh_token\n",
        f"{LIMITS}::test_tokens_of_nobody_cost_the_neighbours_nothing",
    ),
    Guard(
        "a name and an address of one user are one for guesses",
        "scoreboard/api/http/limits.py",
        "user_id or _one_spelling(login)",
        "_one_spelling(login)",
        f"{GUESSING}::test_guesses_by_name_and_by_address_of_one_user_count_together",
    ),
    Guard(
        "a first header has its time",
        "scoreboard/api/http/connection.py",
        "self._loop.time() + HEAD_SECONDS",
        "self._loop.time() + self._keepalive_timeout",
        f"{HELD_CONNECTIONS}::test_a_head_that_never_ends_is_given_up",
    ),
    Guard(
        "a body has its time",
        "scoreboard/api/http/replies.py",
        "asyncio.timeout(BODY_SECONDS)",
        "asyncio.timeout(None)",
        f"{HELD_CONNECTIONS}::test_a_body_that_never_ends_is_given_up",
    ),
    Guard(
        "an unread answer has its time",
        "scoreboard/api/http/connection.py",
        "int(UNREAD_SECONDS * 1000)",
        "0",
        f"{HELD_CONNECTIONS}::test_a_client_that_never_reads_its_answers_is_cut_off",
    ),
    Guard(
        "a login is one in all its spellings",
        "scoreboard/api/http/limits.py",
        'check_of("login", _one_spelling(login), ',
        'check_of("login", login.casefold(), ',
        "tests/attacks/test_guessing.py::test_no_spelling_of_a_name_gives_further_attempts",
    ),
    Guard(
        "no e-mail address lies in Redis",
        "scoreboard/api/http/limits.py",
        "    return hashlib.blake2b(key, digest_size=16).hexdigest()\n",
        "    return key.decode()\n",
        f"{SECRETS}[json]",
    ),
    Guard(
        "origins are compared whole",
        "scoreboard/api/http/origins.py",
        'if (origin := request.headers.get("Origin")) not in self._allowed:',
        'if not (origin := request.headers.get("Origin", "")).startswith(tuple(self._allowed)):',
        f"{OTHER_SITES}::test_an_origin_that_only_looks_like_an_allowed_one_reads_nothing",
    ),
    Guard(
        "a cache keeps an answer per origin",
        "scoreboard/api/http/origins.py",
        'response.headers.add("Vary", "Origin")',
        "pass",
        f"{OTHER_SITES}::test_a_cache_keeps_an_answer_per_origin",
    ),
    Guard(
        "streams of a user are counted whatever the address",
        "scoreboard/api/leaderboard.py",
        "    await parts.user_streams.enter(holders)\n",
        "",
        f"{OTHER_SITES}::test_one_user_cannot_hold_streams_without_end_from_ever_new_addresses",
    ),
    Guard(
        "what caches share bears nothing of whoever asked",
        "scoreboard/api/http/replies.py",
        'return headers.get(CACHE_CONTROL, "").startswith("public")',
        "return False",
        "tests/attacks/test_caches.py",
    ),
    Guard(
        "a path is logged without its line breaks",
        "scoreboard/api/http/middleware.py",
        "path=request.rel_url.raw_path",
        "path=request.path",
        "tests/attacks/test_injection.py"
        "::test_a_line_break_in_a_path_makes_no_second_line_of_the_log",
    ),
    Guard(
        "accounts have a limit of their own",
        "scoreboard/api/accounts.py",
        '    await limit_refresh(request, body["refresh_token"])\n    return',
        "    return",
        "tests/attacks/test_limit_bypass.py"
        "::test_a_path_that_reaches_an_account_counts_as_one_however_it_is_spelt",
    ),
    Guard(
        "an instance that ends gives its streams' places up",
        "scoreboard/limits/leases.py",
        "        await self._write_down()\n        await self._leases.close()\n",
        "        await self._leases.close()\n",
        "tests/integration/test_leases.py::test_an_instance_that_ends_in_order_gives_its_places_up",
    ),
    Guard(
        "a stream counts against its instance from the moment that it is let in",
        "scoreboard/api/leaderboard.py",
        "if len(parts.streams) >=",
        "if len(parts.hub) >=",
        f"{STREAMS}::test_of_many_streams_at_once_an_instance_opens_as_many_as_it_may",
    ),
    Guard(
        "releases wait for Redis",
        "scoreboard/limits/leases.py",
        "                    self._released.update(batch)\n",
        "                    pass\n",
        "tests/integration/test_leases.py"
        "::test_a_release_that_redis_did_not_take_is_told_when_it_is_back",
    ),
    Guard(
        "prepared answers that nobody reads do not pile up",
        "scoreboard/api/http/prepared.py",
        "            await writer.drain()\n",
        "",
        "tests/service/test_prepared_answers.py::test_answers_that_nobody_reads_do_not_pile_up",
    ),
    Guard(
        "HEAD gets no prepared body",
        "scoreboard/api/http/prepared.py",
        "            and request.method == METH_GET\n",
        "",
        "tests/service/test_hostile_input.py"
        "::test_whatever_can_be_read_is_answered_to_head_with_the_same_head_and_no_body",
    ),
)
