"""The edge: limits, bounds, bodies, headers."""

from __future__ import annotations

from typing import Final

from tests.guards.change import Always, Instead, Never, Removed, Replaced, Text, Value
from tests.guards.guard import (
    BYPASS,
    GUESSING,
    HELD_CONNECTIONS,
    LIMITS,
    OTHER_SITES,
    RATES,
    SECRETS,
    STREAMS,
    WRITING_SITES,
    Marked,
)

EDGE: Final = (
    Marked(
        "clients of streams come back from an allowed origin",
        "clients-streams-come",
        Text(
            "Authorization, If-None-Match, traceparent, Last-Event-ID, Cache-Control",
            "Authorization, If-None-Match, traceparent",
        ),
        "tests/browser/test_hostile_pages.py::"
        "test_clients_of_streams_come_back_from_a_page_of_an_allowed_origin",
    ),
    Marked(
        "a number in a query is digits",
        "number-query-digits",
        Removed(),
        "tests/service/test_queries.py::"
        "test_a_number_is_digits_and_nothing_that_only_reads_like_some",
    ),
    Marked(
        "a parameter of a query is given once",
        "parameter-query-given",
        Removed(),
        "tests/service/test_queries.py::test_a_parameter_is_given_once",
    ),
    Marked(
        "an answer that has begun gets no second head",
        "answer-begun-gets",
        Always(),
        f"{STREAMS}::test_a_stream_that_fails_after_its_head_is_closed_and_gets_no_second_head",
    ),
    Marked(
        "what another site's page asks for is not answered with what was prepared for all",
        "another-sites-page",
        Instead("'Origin' not in $request.headers", "True"),
        "tests/service/test_prepared_answers.py",
    ),
    Marked(
        "an answer for one client is prepared for nobody",
        "answer-one-client",
        Instead("self._is_shared", "True"),
        "tests/service/test_prepared_answers.py",
    ),
    Marked(
        "only trusted hops are believed",
        "only-trusted-hops",
        Instead("_is_trusted($peer, tuple($trusted))", "True"),
        "tests/service/test_limits.py::test_only_what_a_trusted_hop_added_counts",
    ),
    Marked(
        "limits go on without Redis",
        "limits-go-without",
        Instead(
            "[us for checks, _ in requests for us in self._local.left_us(checks)]",
            "[check.burst_us for checks, _ in requests for check in checks]",
        ),
        "tests/service/test_limits.py::test_limits_go_on_per_instance_while_redis_is_away",
    ),
    Marked(
        "an IPv6 customer is one client with all of its networks",
        "ipv6-customer-one",
        Value("((64, 1),)"),
        f"{BYPASS}::test_an_ipv6_customer_cannot_rotate_through_its_networks",
    ),
    Marked(
        "an IPv4 customer makes no IPv6 clients",
        "ipv4-customer-makes",
        Instead("_ipv4_within($parsed)", "False"),
        f"{BYPASS}::test_an_ipv4_customer_makes_no_ipv6_clients_of_its_address",
    ),
    Marked(
        "no hop is trusted for an address that is written into its own",
        "no-hop-trusted",
        Replaced("""parsed = isinstance(parsed, IPv6Address) and _ipv4_within(parsed) or parsed
$it"""),
        "tests/unit/test_addresses.py::"
        "test_no_hop_is_trusted_for_an_address_that_is_written_into_its_own",
    ),
    Marked(
        "nobody without a token uses up what the users of an address have",
        "nobody-without-token",
        Instead("'ip_users'", "'ip'"),
        f"{LIMITS}::test_nobody_without_a_token_uses_up_what_the_users_of_an_address_have",
    ),
    Marked(
        "the users of an address together are limited as well",
        "users-address-together",
        Instead("of_address", "of_address[:0]"),
        f"{LIMITS}::test_the_users_of_an_address_together_are_limited_as_well",
    ),
    Marked(
        "a request that one limit refuses uses up nothing of the others",
        "request-one-limit",
        Text(
            "for i = first, allowed and last or 0 do",
            "for i = first, left[first] >= 0 and first or 0 do",
        ),
        f"{LIMITS}::test_a_request_that_one_limit_refuses_uses_up_nothing_of_the_others",
    ),
    Marked(
        "without Redis, too, a refused request uses up nothing",
        "without-redis-too",
        Instead("min($left)", "$left[0]"),
        f"{RATES}::test_a_request_that_one_check_refuses_uses_up_nothing_of_the_others",
    ),
    Marked(
        "who is being refused is not forgotten",
        "being-refused-not",
        Removed(),
        f"{RATES}::test_who_is_being_refused_is_not_forgotten",
    ),
    Marked(
        "garbage under the key of a limit costs nobody anything",
        "garbage-under-key",
        Text(
            "local value = pcall('GETRANGE', KEYS[i], '0', '{_TIME_CHARS_MAX}')",
            "local value = call('GETRANGE', KEYS[i], '0', '{_TIME_CHARS_MAX}')",
        ),
        f"{LIMITS}::test_garbage_under_the_keys_of_one_client_costs_nobody_anything",
    ),
    Marked(
        "garbage under the key of streams costs nobody anything",
        "garbage-under-key-streams",
        Text("local size = redis.pcall('HLEN', key)", "local size = redis.call('HLEN', key)"),
        f"{LIMITS}::test_garbage_under_the_keys_of_one_client_costs_nobody_anything",
    ),
    Marked(
        "a number in Redis that is too long is not read",
        "number-redis-too",
        Text(
            "local present = #value <= {_TIME_CHARS_MAX} and tonumber(value)",
            "local present = tonumber(value)",
        ),
        "tests/integration/test_rates.py"
        "::test_garbage_under_one_key_counts_as_nothing_and_is_replaced",
    ),
    Marked(
        "a text of many megabytes in Redis is not read",
        "text-many-megabytes",
        Text(
            "local value = pcall('GETRANGE', KEYS[i], '0', '{_TIME_CHARS_MAX}')",
            "local value = pcall('GETRANGE', KEYS[i], '0', '-1')",
        ),
        "tests/integration/test_rates.py"
        "::test_a_text_of_many_megabytes_under_one_key_does_not_stop_redis",
    ),
    Marked(
        "a version of many megabytes in Redis is not read",
        "version-many-megabytes",
        Text(
            "if type(value) == 'number' and value <= {_FIELD_CHARS_MAX} then",
            "if type(value) == 'number' then",
        ),
        "tests/integration/test_board_copy.py"
        "::test_a_copy_of_many_megabytes_stops_redis_neither_for_a_store_nor_for_a_limit",
    ),
    Marked(
        "a board of many megabytes in Redis is not read to store another",
        "board-many-megabytes",
        Text(
            "if kind ~= 'none' and kind ~= 'hash' then redis.call('UNLINK', key) end",
            "if kind ~= 'none' and kind ~= 'hash' and kind ~= 'size' then "
            "redis.call('DEL', key) end",
        ),
        "tests/integration/test_board_copy.py"
        "::test_a_copy_of_many_megabytes_stops_redis_neither_for_a_store_nor_for_a_limit",
    ),
    Marked(
        "a limit that Redis does not let us read is not absent",
        "limit-redis-not",
        Text(
            "if value.err and not string.find(value.err, 'WRONGTYPE') then return value end",
            "if false then return value end",
        ),
        "tests/integration/test_rates.py"
        "::test_limits_that_redis_does_not_let_us_read_are_counted_without",
    ),
    Marked(
        "streams that Redis does not let us read are not deleted",
        "streams-redis-not",
        Text(
            "if type(size) ~= 'number' and not string.find(size.err, 'WRONGTYPE') then "
            "return size end",
            "if type(size) ~= 'number' and false then return size end",
        ),
        "tests/integration/test_leases.py"
        "::test_leases_that_redis_does_not_let_us_read_are_not_deleted",
    ),
    Marked(
        "a hash of many megabytes in Redis is not read",
        "hash-many-megabytes",
        Text(
            "is_ours = type(bytes) ~= 'number' or bytes <= {_HASH_BYTES_MAX}",
            "is_ours = type(bytes) ~= 'number' or bytes > 0",
        ),
        "tests/integration/test_leases.py"
        "::test_a_hash_of_few_fields_and_many_megabytes_is_not_read",
    ),
    Marked(
        "a count of streams that is too long is not read",
        "count-streams-too",
        Text("if #value <= {_LEASE_CHARS_MAX} then", "if true then"),
        "tests/integration/test_leases.py::test_a_count_that_is_far_too_long_is_not_read",
    ),
    Marked(
        "a client that leaves as its stream begins writes no traceback",
        "client-leaves-stream",
        Replaced("raise"),
        f"{STREAMS}::test_a_client_that_leaves_as_its_stream_begins_is_no_error_of_ours",
    ),
    Marked(
        "one key of another type is no outage of Redis",
        "one-key-another",
        Removed(),
        "tests/integration/test_rates.py"
        "::test_a_key_of_another_type_is_no_reason_to_leave_redis_alone",
    ),
    Marked(
        "a stream that is refused was never counted",
        "stream-refused-never",
        Text("if may == 1 then", "if true then"),
        "tests/integration/test_leases.py"
        "::test_a_stream_that_one_holder_refuses_takes_no_place_of_the_others",
    ),
    Marked(
        "refreshes are counted by family",
        "refreshes-counted-family",
        Always(),
        "tests/service/test_hall.py",
    ),
    Marked(
        "a token that we did not make has no family",
        "token-did-not",
        Instead("$tokens.family_of($refresh_token)", "$refresh_token"),
        f"{LIMITS}::test_tokens_of_nobody_cost_the_neighbours_nothing",
    ),
    Marked(
        "a name and an address of one user are one for guesses",
        "name-address",
        Instead("user_id", "False"),
        f"{GUESSING}::test_guesses_by_name_and_by_address_of_one_user_count_together",
    ),
    Marked(
        "a first header has its time",
        "first-header-time",
        Removed(),
        f"{HELD_CONNECTIONS}::test_a_head_that_never_ends_is_given_up",
    ),
    Marked(
        "a body has its time",
        "body-time",
        Instead("BODY_SECONDS", "None"),
        f"{HELD_CONNECTIONS}::test_a_body_that_never_ends_is_given_up",
    ),
    Marked(
        "an unread answer has its time",
        "unread-answer-time",
        Instead("UNREAD_SECONDS", "0"),
        f"{HELD_CONNECTIONS}::test_a_client_that_never_reads_its_answers_is_cut_off",
    ),
    Marked(
        "a login is one in all its spellings",
        "login-one-all",
        Instead("_one_spelling($login)", "$login.casefold()"),
        "tests/attacks/test_guessing.py::test_no_spelling_of_a_name_gives_further_attempts",
    ),
    Marked(
        "no e-mail address lies in Redis",
        "no-e-mail",
        Instead("hashlib.blake2b($key, digest_size=16).hexdigest", "$key.decode"),
        f"{SECRETS}[json]",
    ),
    Marked(
        "origins are compared whole",
        "origins-compared-whole",
        Instead("$origin in $origins", "$origin.startswith(tuple($origins))"),
        f"{OTHER_SITES}::test_an_origin_that_only_looks_like_an_allowed_one_reads_nothing",
    ),
    Marked(
        "sites that may only read never write",
        "readers-never-write",
        Value("self.readers"),
        f"{OTHER_SITES}::test_pages_of_an_allowed_origin_read_what_is_public_and_nothing_else",
    ),
    Marked(
        "a preflight is answered for the method that it asks for",
        "preflight-of-one-method",
        Instead("$users.get($method, frozenset())", "frozenset().union(*$users.values())"),
        f"{WRITING_SITES}::test_a_preflight_for_anything_else_is_told_nothing",
    ),
    Marked(
        "a preflight is answered for the fields that it asks for",
        "fields-are-known",
        Value("True"),
        f"{WRITING_SITES}::test_a_preflight_for_anything_else_is_told_nothing",
    ),
    Marked(
        "sites that may only read say of no body that it is JSON",
        "readers-send-no-json",
        Value("_FIELDS_OF_WRITERS"),
        "tests/browser/test_two_origins.py::test_a_site_that_may_only_read_cannot_write",
    ),
    Marked(
        "sites that may write are named one by one",
        "writers-are-named",
        Never(),
        "tests/unit/test_settings.py::test_who_may_write_is_named",
    ),
    Marked(
        "a cache keeps an answer per origin",
        "cache-keeps-answer",
        Removed(),
        f"{OTHER_SITES}::test_a_cache_keeps_an_answer_per_origin",
    ),
    Marked(
        "streams of a user are counted whatever the address",
        "streams-user-counted",
        Removed(),
        f"{OTHER_SITES}::test_one_user_cannot_hold_streams_without_end_from_ever_new_addresses",
    ),
    Marked(
        "what caches share bears nothing of whoever asked",
        "caches-share-bears",
        Value("False"),
        "tests/attacks/test_caches.py",
    ),
    Marked(
        "a path is logged without its line breaks",
        "path-logged",
        Instead("$request.rel_url.raw_path", "$request.path"),
        "tests/attacks/test_injection.py"
        "::test_a_line_break_in_a_path_makes_no_second_line_of_the_log",
    ),
    Marked(
        "accounts have a limit of their own",
        "accounts-limit-own",
        Removed(),
        "tests/attacks/test_limit_bypass.py"
        "::test_a_path_that_reaches_an_account_counts_as_one_however_it_is_spelt",
    ),
    Marked(
        "an instance that ends gives its streams' places up",
        "instance-ends-gives",
        Removed(),
        "tests/integration/test_leases.py::test_an_instance_that_ends_in_order_gives_its_places_up",
    ),
    Marked(
        "a stream counts against its instance from the moment that it is let in",
        "stream-counts-against",
        Instead("$parts.streams", "$parts.hub"),
        f"{STREAMS}::test_of_many_streams_at_once_an_instance_opens_as_many_as_it_may",
    ),
    Marked(
        "releases wait for Redis",
        "releases-wait-redis",
        Removed(),
        "tests/integration/test_leases.py"
        "::test_a_release_that_redis_did_not_take_is_told_when_it_is_back",
    ),
    Marked(
        "prepared answers that nobody reads do not pile up",
        "prepared-answers-nobody",
        Removed(),
        "tests/service/test_prepared_answers.py::test_answers_that_nobody_reads_do_not_pile_up",
    ),
    Marked(
        "a reply bears the fields of its own request",
        "own-fields-own",
        Always(),
        "tests/service/test_prepared_answers.py"
        "::test_replies_bear_the_id_and_the_limits_of_their_own_request_once",
    ),
    Marked(
        "a reply that ends its connection says so",
        "reply-that-closes",
        Instead("self.keep_alive is None", "True"),
        "tests/service/test_limits.py::test_a_refusal_ends_the_connection_unless_it_is_a_proxys",
    ),
    Marked(
        "a reply keeps its cookie",
        "reply-with-cookie",
        Instead("not self._has_cookie", "True"),
        "tests/attacks/test_page_log_in.py"
        "::test_who_logs_in_twice_is_one_user_and_the_tokens_are_ours",
    ),
    Marked(
        "HEAD gets no body of a reply",
        "reply-to-head",
        Instead("$request.method != METH_HEAD", "True"),
        "tests/service/test_hostile_input.py"
        "::test_whatever_can_be_read_is_answered_to_head_with_the_same_head_and_no_body",
    ),
    Marked(
        "no field of a prepared head ends its line",
        "field-holds-line",
        Never(),
        "tests/unit/test_replies.py::test_a_field_that_would_end_its_line_is_not_written",
    ),
    Marked(
        "a body that came with its head is bounded too",
        "whole-body-bound",
        Never(),
        "tests/service/test_prepared_answers.py::test_a_body_that_came_with_its_head_is_bounded",
    ),
    Marked(
        "long bodies are not remembered",
        "long-bodies-not-kept",
        Value("self._known(body)"),
        "tests/unit/test_replies.py"
        "::test_a_body_that_many_send_is_validated_once_and_a_long_or_bad_one_each_time",
    ),
    Marked(
        "HEAD gets no prepared body",
        "head-gets-no",
        Instead("$request.method == METH_GET", "True"),
        "tests/service/test_hostile_input.py"
        "::test_whatever_can_be_read_is_answered_to_head_with_the_same_head_and_no_body",
    ),
)
