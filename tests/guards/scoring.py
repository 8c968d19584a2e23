"""What counts: granted once, in order, and a copy that is never older than it may be."""

from __future__ import annotations

from typing import Final

from tests.guards.change import (
    Always,
    Instead,
    Keyword,
    Never,
    Removed,
    Replaced,
    Text,
    Unwrapped,
    Value,
)
from tests.guards.guard import (
    LEDGER,
    LIVE_BOARDS,
    LOSSES,
    NEIGHBOURS,
    PROMISES,
    UNDER_LOAD,
    Guard,
    Marked,
)

CLAIMS: Final = "tests/integration/test_claims.py"
CHANGES: Final = "tests/service/test_action_changes.py"
BOARDS: Final = "tests/integration/test_boards.py"
COPY: Final = "tests/integration/test_board_copy.py"
IN_DOUBT: Final = "tests/integration/test_board_in_doubt.py"
SILENT: Final = (
    "test_while_the_ledger_is_silent_the_newest_board_at_hand_is_shown_and_all_wait_once"
)
NOBODYS: Final = (
    f"{COPY}::test_what_nobody_of_us_has_stored_is_never_shown_and_gone_by_the_next_comparison"
)

SCORING: Final = (
    Marked(
        "an action in another composition is granted",
        "action-another-composition",
        Instead("composed($action_id)", "$action_id"),
        "tests/service/test_commands.py::TestActions",
    ),
    Marked(
        "no action is loaded beside one that looks the same",
        "no-action",
        Instead("[older.get(action_id, action_id) for action_id in points]", "list(points)"),
        "tests/integration/test_names.py",
    ),
    Marked(
        "outages: without Redis the ledger is read",
        "outages-without-redis",
        Instead("contextlib.suppress(RedisUnavailable)", "contextlib.nullcontext()"),
        f"{UNDER_LOAD}::test_redis_fails_in_every_way_under_load_and_no_submission_is_refused",
    ),
    Guard(
        "a pair is granted once: ON CONFLICT on unique_user_action",
        "scoreboard/ledger/grant.sql",
        "    ON CONFLICT ON CONSTRAINT unique_user_action DO NOTHING\n",
        "",
        f"{PROMISES}::test_an_action_raced_over_two_instances_and_many_connections_is_granted_once",
    ),
    Guard(
        "batches lock rows in one order",
        "scoreboard/ledger/grant.sql",
        "    ORDER BY judged.user_id, judged.action_id\n    ON CONFLICT",
        # Not only left out: the plan of today happens to bring the rows in this order.
        "    ORDER BY random()\n    ON CONFLICT",
        f"{LEDGER}::test_batches_in_opposite_order_never_deadlock",
    ),
    Guard(
        "versions follow commit order: the row's lock",
        "scoreboard/ledger/boards.sql",
        "PERFORM version FROM boards WHERE board_id = ANY ($1) ORDER BY board_id FOR UPDATE;\n",
        "PERFORM version FROM boards WHERE board_id = ANY ($1) ORDER BY board_id;\n",
        f"{LEDGER}::test_versions_follow_commit_order_and_miss_no_commit",
    ),
    Guard(
        "the version rises only when the top 10 changed",
        "scoreboard/ledger/boards.sql",
        "    AND EXISTS (SELECT FROM top JOIN reaching USING (board_id, user_id) "
        "WHERE top.board_id = boards.board_id)\n",
        "",
        f"{LEDGER}::test_a_tie_with_the_tenth_does_not_change_the_board",
    ),
    Marked(
        "a bad row fails alone: the batch is halved",
        "bad-row-fails",
        Replaced("self._refuse(part, refusal)"),
        f"{LEDGER}::test_text_that_postgresql_cannot_hold_fails_alone",
    ),
    Guard(
        "who would pass the largest score is refused in the call that grants the rest",
        "scoreboard/ledger/grant.sql",
        "    IF comes_near THEN\n",
        "    IF FALSE THEN\n",
        f"{NEIGHBOURS}::"
        "test_who_would_pass_the_largest_score_is_refused_in_the_statement_that_grants_the_rest",
    ),
    Guard(
        "of one user's submissions the smallest are granted as far as they fit",
        "scoreboard/ledger/grant.sql",
        "PARTITION BY judged.user_id ORDER BY judged.points, judged.action_id) AS reached\n",
        "PARTITION BY judged.user_id ORDER BY judged.action_id) AS reached\n",
        f"{NEIGHBOURS}::test_of_one_users_submissions_the_smallest_are_granted_as_far_as_they_fit",
    ),
    Guard(
        "what was granted before leaves as much room as there is",
        "scoreboard/ledger/grant.sql",
        "    AND NOT EXISTS (\n"
        "        SELECT FROM ledger WHERE ledger.user_id = judged.user_id "
        "AND ledger.action_id = judged.action_id\n    )\n",
        "",
        f"{NEIGHBOURS}::test_who_stands_at_the_largest_score_is_told_what_was_granted_before",
    ),
    Marked(
        "the second of two equal submissions in a batch is refused",
        "second-two-equal",
        Removed(),
        f"{PROMISES}::test_an_action_raced_over_two_instances_and_many_connections_is_granted_once",
    ),
    Guard(
        "the reply waits for the copy",
        "scoreboard/scoring/following.py",
        """                    if not await self._announcer.announce(boards.values(), origin):
                        span.fail("RedisUnavailable")
            # A batch in parts may raise a board, and then see a newer one of another's.
            await self._boards.reach(committed.seen_of_others)  # guard: reply-waits-board
""",
        """                    import asyncio
                    asyncio.create_task(self._announcer.announce(boards.values(), origin))
""",
        f"{PROMISES}::test_after_a_200_the_next_read_on_any_instance_is_at_least_that_new",
    ),
    Marked(
        "the reply waits for the board that its grant was too low for",
        "reply-waits-board",
        Removed(),
        f"{PROMISES}::test_a_grant_that_changes_no_board_is_answered_once_the_one_that_it_saw_can_be"
        "_read",
    ),
    Marked(
        "a board that is numbered anew is stored under its lower version",
        "board-numbered-anew",
        Removed(),
        "tests/integration/test_board_copy.py"
        "::test_a_board_that_begins_anew_is_stored_for_whoever_has_seen_it",
    ),
    Marked(
        "whoever reads is told of a version that a grant has seen and nobody has stored",
        "unknown-board-noted",
        Removed(),
        f"{IN_DOUBT}::test_a_board_that_a_grant_has_seen_is_found_by_whoever_reads_next",
    ),
    Marked(
        "a version that a grant has seen takes no newer one away",
        "seen-keeps-newer",
        Text("number_of(redis.call('HGET', key, 'version')) >= tonumber(seen)", "false"),
        f"{IN_DOUBT}::test_a_version_that_a_grant_has_seen_takes_no_newer_one_away",
    ),
    Marked(
        "a board is in doubt if somebody has seen a newer one",
        "claimed-is-newer",
        Instead("$version == $latest", "$version >= $latest"),
        f"{IN_DOUBT}::test_a_board_that_a_grant_has_seen_is_found_by_whoever_reads_next",
    ),
    Marked(
        "a version that nobody has committed is taken away",
        "claimed-by-nobody",
        Removed(),
        f"{COPY}::test_a_version_that_nobody_has_committed_is_gone_by_the_next_comparison",
    ),
    Marked(
        "what Redis neither took nor took away is stored by the next grant",
        "not-reached-not-noted",
        Always(),
        f"{IN_DOUBT}::test_what_redis_refused_altogether_is_stored_by_the_next_grant_that_has_seen_it",
    ),
    Marked(
        "whoever has been without Redis for long waits for nothing",
        "without-redis-long",
        Value("until"),
        f"{IN_DOUBT}::test_whoever_has_been_without_redis_for_long_is_not_waited_for",
    ),
    Marked(
        "a Redis that refuses a board is left with no older one",
        "redis-refuses-board",
        Always(),
        f"{IN_DOUBT}::test_a_redis_that_refuses_a_board_is_left_with_no_older_one",
    ),
    Marked(
        "a Redis that refuses a board keeps a newer one",
        "newer-board-stays",
        Keyword("older_than"),
        f"{IN_DOUBT}::test_a_redis_that_refuses_a_board_keeps_a_newer_one",
    ),
    Marked(
        "for an action that nobody knows no batch is granted in vain",
        "action-nobody-knows",
        Always(),
        "tests/integration/test_refused.py::test_an_unknown_action_is_no_refusal_of_postgresql",
    ),
    Marked(
        "a board of ours is not shown as another one",
        "board-not-shown",
        Instead("$board.board_id != self.board_id", "False"),
        "tests/integration/test_board_copy.py"
        "::test_each_board_has_a_key_of_its_own_and_is_not_shown_as_another",
    ),
    Guard(
        "a board that the ledger does not have is not another one",
        "scoreboard/ledger/boards.sql",
        "SELECT version FROM boards WHERE board_id = %(board_id)s\n",
        "SELECT version FROM boards WHERE board_id = 'main'\n",
        f"{LEDGER}::test_a_board_that_there_is_not_is_not_read_as_another",
    ),
    Marked(
        "a grant that ties with the tenth has seen the board that it is not on",
        "grant-ties-tenth",
        Removed(),
        f"{LEDGER}::test_a_grant_that_ties_with_the_tenth_has_seen_the_board_that_it_waited_for",
    ),
    Marked(
        "an older board never replaces a newer one in Redis",
        "older-board-never",
        Text(
            """    if number_of(present[1]) > tonumber(wanted) then return 0 end
""",
            "",
        ),
        f"{COPY}::test_a_newer_board_wins_whoever_stores_and_in_whatever_order",
    ),
    Marked(
        "a copy of main is as long as main may be",
        "board-own-bytes",
        Text("key == '{KEY}' and {MAIN_BYTES_MAX} or {BOARD_BYTES_MAX}", "{BOARD_BYTES_MAX}"),
        f"{COPY}::test_main_has_room_for_ten_entries_and_other_boards_for_a_hundred",
    ),
    Marked(
        "a copy that nobody reads is not trusted before it is compared again",
        "rested-copy-compared",
        Removed(),
        f"{BOARDS}::test_a_copy_that_nobody_reads_is_not_compared_and_not_trusted_before_it_is",
    ),
    Marked(
        "the copies of an instance are bounded",
        "copies-bounded",
        Never(),
        f"{BOARDS}::test_copies_are_as_many_as_they_may_be_and_main_stays",
    ),
    Marked(
        "who asks for boards that are not there shares few questions",
        "unknown-boards-shared",
        Removed(),
        f"{BOARDS}::test_a_crowd_that_asks_for_boards_that_are_not_there_shares_few_questions",
    ),
    Marked(
        "a batch starts the turn of a season that it saw due",
        "batch-starts-turn",
        Removed(),
        f"{LIVE_BOARDS}::test_a_batch_that_sees_a_season_due_starts_its_turn_and_waits_for_nothing",
    ),
    Marked(
        "a copy is believed only if one of us has signed it",
        "copy-believed-only",
        Removed(),
        f"{NOBODYS}[a signature of nobody]",
    ),
    Marked(
        "a copy without a signature is not believed",
        "copy-without-signature",
        Replaced(
            "if self._signatures is not None and signature and (not "
            "self._signatures.verify(signature, text)):\n"
            "    return (None, 'signature')",
            many=2,
        ),
        f"{NOBODYS}[a board that seems to be the next]",
    ),
    Marked(
        "a key of another type is no Redis that is away",
        "key-another-type",
        Text(
            """    if kind ~= 'hash' then return {{'kind'}} end
""",
            "",
        ),
        f"{NOBODYS}[a text]",
    ),
    Marked(
        "what is longer than any board stays in Redis",
        "longer-board-stays",
        Text("if kind == 'size' then return {{'size'}} end", "if kind == 'size' then end"),
        f"{NOBODYS}[half a megabyte]",
    ),
    Marked(
        "what is no board of ours is taken out of Redis",
        "no-board-taken",
        Removed(),
        f"{NOBODYS}[a board far ahead]",
    ),
    Marked(
        "a version of no history is not taken from Redis",
        "version-no-history",
        Removed(),
        f"{NOBODYS}[another history]",
    ),
    Marked(
        "a whole number is one, and in its range",
        "whole-number-one",
        Instead("type($value) is not int", "False"),
        "tests/unit/test_board_json.py::test_what_is_no_board_in_one_way_only_is_refused",
    ),
    Guard(
        "a line that was read before makes none of its equal",
        "scoreboard/board_json.py",
        "maxsize=_ENTRIES_KEPT, typed=True",
        "maxsize=_ENTRIES_KEPT, typed=False",
        "tests/unit/test_board_json.py"
        "::test_what_was_read_as_a_score_before_makes_no_score_of_its_equal",
    ),
    Guard(
        "a season that was read before makes none of its equal",
        "scoreboard/board_json.py",
        "maxsize=_SEASONS_KEPT, typed=True",
        "maxsize=_SEASONS_KEPT, typed=False",
        "tests/unit/test_board_json.py"
        "::test_a_season_with_a_wrong_member_is_none_also_beside_one_that_was_read",
    ),
    Guard(
        "a ledger that is above what was shown is not lifted",
        "scoreboard/ledger/boards.sql",
        " AND version <= %(above)s\n",
        "\n",
        f"{LEDGER}::test_a_ledger_that_went_back_is_lifted_above_what_was_shown_and_only_once",
    ),
    Marked(
        "rebuild believes no version of no history",
        "rebuild-believes-no",
        Instead("$other if 0 < $ahead <= LEAP_MAX else 0", "max(0, $other)"),
        "tests/service/test_commands.py::TestBoard::"
        "test_rebuild_believes_no_version_that_no_history_leads_to",
    ),
    Guard(
        "a version that clients refuse for ever cannot be kept",
        "migrations/0008.exact-version.sql",
        " CHECK (version BETWEEN 0 AND 9007199254740991)",
        " CHECK (version IS NOT NULL)",
        "tests/migrations/test_stairway.py::test_a_version_that_clients_refuse_for_ever_comes_down",
    ),
    Marked(
        "while Redis has only just gone nobody is told before it has the board",
        "redis-only-just",
        Never(),
        f"{IN_DOUBT}::test_while_redis_has_only_just_gone_nobody_is_told_before_it_has_the_board",
    ),
    Marked(
        "a copy is trusted only once compared",
        "copy-trusted-only",
        Removed(),
        "tests/integration/test_board_copy.py",
    ),
    Marked(
        "a check vouches for the board that Redis said it holds, and no other",
        "check-vouches-board",
        Instead("$version.isdigit() and $is_on_its_way", "True or $is_on_its_way"),
        "tests/integration/test_board_copy.py",
    ),
    Marked(
        "a check vouches only for a copy that was compared",
        "check-vouches",
        Instead("not self.holds($generation)", "False"),
        "tests/integration/test_board_copy.py",
    ),
    Marked(
        "a check vouches for nothing that was said over connections that failed since",
        "check-vouches-nothing",
        Removed(),
        "tests/integration/test_board_copy.py"
        "::test_what_redis_said_over_connections_that_failed_since_vouches_for_nothing",
    ),
    Marked(
        "a store that a comparison meets takes no trust away",
        "store-comparison-meets",
        Replaced("""self._trust.begin_anew(board)
$it"""),
        f"{IN_DOUBT}::test_a_trusted_copy_keeps_its_trust_while_the_comparison_stores",
    ),
    Marked(
        "what is about to be in Redis may be shown before",
        "about-redis-may",
        Value("False"),
        f"{IN_DOUBT}::"
        "test_while_redis_is_about_to_get_our_board_that_one_is_shown_and_the_ledger_not_asked",
    ),
    Marked(
        "a board that Redis does not get makes the ledger be asked",
        "board-redis-not",
        Value("True"),
        f"{IN_DOUBT}::test_a_board_that_redis_does_not_get_in_time_makes_the_ledger_be_asked",
    ),
    Marked(
        "each board has its own time to come",
        "each-board-own",
        Instead("$version >= $awaited", "$awaited < 0"),
        f"{IN_DOUBT}::test_each_board_has_its_own_time_to_come",
    ),
    Marked(
        "after an outage of Redis others have time to find it again",
        "after-outage-redis",
        Instead("$look.has_settled", "True"),
        f"{IN_DOUBT}::"
        "test_after_an_outage_of_redis_it_is_not_trusted_before_others_have_found_it_again",
    ),
    Marked(
        "a silent ledger is waited for only for a moment",
        "silent-ledger-waited",
        Instead("$patience_seconds - self.silent_seconds", "60.0"),
        f"{IN_DOUBT}::{SILENT}[missing]",
    ),
    Marked(
        "a silent ledger is waited for once, not by each",
        "silent-ledger-waited-once",
        Replaced("is_silent, patience_seconds = (False, self.silent_seconds + patience_seconds)"),
        f"{IN_DOUBT}::{SILENT}[missing]",
    ),
    Marked(
        "a ledger that was away is looked for before anything in doubt is shown",
        "ledger-away-looked",
        Removed(),
        f"{IN_DOUBT}::test_a_ledger_that_was_away_is_looked_for_before_anything_in_doubt_is_shown",
    ),
    Marked(
        "without Redis a slow ledger is waited for",
        "without-redis-slow",
        Value("0.0"),
        f"{IN_DOUBT}::test_without_redis_a_slow_ledger_is_waited_for",
    ),
    Marked(
        "what was shown in doubt is known to have been shown",
        "shown-doubt-known",
        Replaced("self._trust.latest = self._trust.latest or found.board"),
        f"{IN_DOUBT}::test_what_was_shown_in_doubt_is_known_to_have_been_shown",
    ),
    Marked(
        "every board that reads may have shown is compared",
        "every-board-reads",
        Instead("($latest, $found.board)", "($latest,)"),
        f"{IN_DOUBT}::test_another_board_in_redis_under_our_version_lifts_the_ledger",
    ),
    Marked(
        "what is on its way is given a moment before it is a mend",
        "way-given-moment",
        Removed(),
        "tests/unit/test_relay.py::test_a_board_that_comes_by_itself_in_a_moment_is_no_mend",
    ),
    Marked(
        "a defect at the end of a commit's span costs no reply",
        "defect-end-commits",
        Unwrapped(),
        "tests/service/test_tracing.py::"
        "test_a_defect_right_behind_the_commit_takes_nobody_the_answer_or_the_board"
        "[scoreboard.commit]",
    ),
    Marked(
        "nothing behind the commit fails its replies",
        "nothing-behind-commit",
        Unwrapped(),
        "tests/service/test_tracing.py::"
        "test_a_defect_right_behind_the_commit_takes_nobody_the_answer_or_the_board"
        "[scoreboard.batch]",
    ),
    Marked(
        "a refusal behind the commit is not the batch's",
        "refusal-behind-commit",
        Removed(),
        f"{LEDGER}::test_a_defect_behind_the_commit_costs_only_the_repeats_their_answer",
    ),
    Guard(
        "what is committed is answered so: an abort behind the commit is not the batch's",
        "scoreboard/ledger/batch.py",
        "        except errors.LedgerUnavailable as error:\n"
        "            return dict.fromkeys(refused, error)\n",
        "        except errors.LedgerUnavailable:\n            raise\n",
        f"{LOSSES}::test_a_lock_right_behind_the_commit_takes_no_neighbours_200",
    ),
    Marked(
        "the half of a batch that was committed is answered so",
        "half-batch",
        Replaced("raise error"),
        f"{LOSSES}::test_the_half_of_a_batch_that_was_committed_is_answered_so",
    ),
    Guard(
        "an operator's lock gives up soon",
        "scoreboard/ledger/falling.sql",
        "SET LOCAL lock_timeout = '2s';\n-- A turn",
        "-- A turn",
        f"{LOSSES}::test_an_operators_command_does_not_hold_all_grants_up",
    ),
    Marked(
        "what is granted under a former id counts as the action that has it",
        "granted-under-former",
        Instead("$key in $present", "$key is $present"),
        f"{CHANGES}::test_a_renamed_action_is_granted_once_under_whichever_id_it_is_submitted",
    ),
    Marked(
        "an action that is renamed on meanwhile is looked for again",
        "action-renamed-meanwhile",
        Instead("dict.fromkeys($unknown, errors.LedgerUnavailable())", "{}"),
        f"{CHANGES}::test_an_action_that_is_renamed_without_end_is_never_refused_as_unknown",
    ),
    Marked(
        "of several former ids of an action one is granted",
        "several-former-ids",
        Instead("$present in $granted", "not $granted"),
        f"{CHANGES}::test_several_former_ids_in_one_batch_are_granted_once",
    ),
    Guard(
        "a rename waits for grants that are under way",
        "scoreboard/ledger/changes.sql",
        "WHERE action_id = %(action_id)s FOR UPDATE",
        "WHERE action_id = %(action_id)s",
        f"{CHANGES}::test_a_rename_waits_for_a_grant_that_is_under_way",
    ),
    Marked(
        "no action is loaded under a former id",
        "no-action-loaded",
        Removed(),
        f"{CHANGES}::test_an_id_that_is_taken_or_was_another_actions_is_not_given",
    ),
    Guard(
        "a warning of a trigger is not that of a commit",
        "scoreboard/ledger/grant.sql",
        "LANGUAGE plpgsql SET client_min_messages = error AS",
        "LANGUAGE plpgsql AS",
        f"{LEDGER}::test_a_warning_of_somebody_elses_trigger_is_not_the_commits",
    ),
    Guard(
        "a disabled action is worth nothing",
        "scoreboard/ledger/grant.sql",
        "            WHEN actions.disabled_at IS NOT NULL THEN 'action_disabled'\n",
        "",
        f"{CHANGES}::test_a_disabled_action_is_refused_everywhere_and_keeps_its_points",
    ),
    Marked(
        "a grant of an action that is disabled since is told",
        "grant-action-disabled",
        Instead("$code == errors.ActionDisabled.code", "False"),
        f"{CHANGES}::test_a_disabled_action_is_refused_everywhere_and_keeps_its_points",
    ),
    Guard(
        "a server's action is worth nothing to a user who claims it",
        "scoreboard/ledger/grant.sql",
        "            WHEN actions.claim = 'server' AND NOT submitted.by_server "
        "THEN 'not_claimable'\n",
        "",
        f"{CLAIMS}::test_a_servers_action_is_granted_to_nobody_who_claims_it",
    ),
    Marked(
        "a user's claim beside a server's grant is refused",
        "claimed-beside-server",
        Removed(),
        f"{CLAIMS}::test_a_claim_in_one_batch_with_a_servers_grant_gets_nothing_of_it",
    ),
    Guard(
        "a banned user is granted nothing",
        "scoreboard/ledger/grant.sql",
        "            WHEN users.banned_at IS NOT NULL THEN 'banned'\n",
        "",
        f"{CLAIMS}::test_a_ban_that_is_not_committed_yet_is_waited_for_and_then_nothing_is_granted",
    ),
    Guard(
        "a grant and whoever hides or bans its user take turns",
        "scoreboard/ledger/grant.sql",
        "    ORDER BY users.user_id\n    FOR KEY SHARE OF users\n",
        "    ORDER BY users.user_id\n",
        f"{CLAIMS}::test_a_ban_that_is_not_committed_yet_is_waited_for_and_then_nothing_is_granted",
    ),
    Guard(
        "the first score of a hidden user is hidden",
        "scoreboard/ledger/grant.sql",
        "clock_timestamp(), coalesce(user_id = ANY (%(hidden_users)s::uuid[]), FALSE)\n",
        "clock_timestamp(), FALSE\n",
        f"{CLAIMS}::test_whoever_is_hidden_meanwhile_is_granted_all_and_shown_nowhere",
    ),
    Guard(
        "the first entry of a hidden user in a season is hidden",
        "scoreboard/ledger/grant.sql",
        "coalesce(granted.user_id = ANY (%(hidden_users)s::uuid[]), FALSE) AS hidden\n",
        "FALSE AS hidden\n",
        f"{CLAIMS}::test_whoever_is_hidden_meanwhile_is_granted_all_and_shown_nowhere",
    ),
)
