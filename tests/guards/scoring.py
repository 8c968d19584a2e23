"""What counts: granted once, in order, and a copy that is never older than it may be."""

from __future__ import annotations

from typing import Final

from tests.guards.guard import LEDGER, LOSSES, NEIGHBOURS, PROMISES, UNDER_LOAD, Guard

CHANGES: Final = "tests/service/test_action_changes.py"
COPY: Final = "tests/integration/test_board_copy.py"
IN_DOUBT: Final = "tests/integration/test_board_in_doubt.py"
SILENT: Final = (
    "test_while_the_ledger_is_silent_the_newest_board_at_hand_is_shown_and_all_wait_once"
)
NOBODYS: Final = (
    f"{COPY}::test_what_nobody_of_us_has_stored_is_never_shown_and_gone_by_the_next_comparison"
)

SCORING: Final = (
    Guard(
        "an action in another composition is granted",
        "scoreboard/scoring/submit.py",
        "            action_id = composed(submission.action_id)\n",
        "            action_id = submission.action_id\n",
        "tests/service/test_commands.py::TestActions",
    ),
    Guard(
        "no action is loaded beside one that looks the same",
        "scoreboard/scoring/catalogue.py",
        "[older.get(action_id, action_id) for action_id in points]",
        "list(points)",
        "tests/integration/test_names.py",
    ),
    Guard(
        "outages: without Redis the ledger is read",
        "scoreboard/copies/board.py",
        "        with contextlib.suppress(RedisUnavailable):\n            doubt =",
        "        with contextlib.nullcontext():\n            doubt =",
        f"{UNDER_LOAD}::test_redis_fails_in_every_way_under_load_and_no_submission_is_refused",
    ),
    Guard(
        "a pair is granted once: ON CONFLICT on unique_user_action",
        "scoreboard/ledger/queries.sql",
        "    ON CONFLICT ON CONSTRAINT unique_user_action DO NOTHING\n",
        "",
        f"{PROMISES}::test_an_action_raced_over_two_instances_and_many_connections_is_granted_once",
    ),
    Guard(
        "batches lock rows in one order",
        "scoreboard/ledger/queries.sql",
        "    ORDER BY user_id, action_id\n    ON CONFLICT",
        # Not only left out: the plan of today happens to bring the rows in this order.
        "    ORDER BY random()\n    ON CONFLICT",
        f"{LEDGER}::test_batches_in_opposite_order_never_deadlock",
    ),
    Guard(
        "versions follow commit order: the row's lock",
        "scoreboard/ledger/queries.sql",
        "SELECT version FROM board FOR UPDATE;\n",
        "",
        f"{LEDGER}::test_versions_follow_commit_order_and_miss_no_commit",
    ),
    Guard(
        "the version rises only when the top 10 changed",
        "scoreboard/ledger/queries.sql",
        "    WHERE EXISTS (SELECT FROM top WHERE top.user_id = ANY (%(user_ids)s::uuid[]))\n",
        "",
        f"{LEDGER}::test_a_tie_with_the_tenth_does_not_change_the_board",
    ),
    Guard(
        "scores may fall only while no grant is under way",
        "scoreboard/ledger/queries.sql",
        "LOCK TABLE ledger, scores IN SHARE ROW EXCLUSIVE MODE\n",
        "SELECT 1\n",
        f"{LEDGER}::test_scores_fall_only_when_no_grant_is_under_way",
    ),
    Guard(
        "a bad row fails alone: the batch is halved",
        "scoreboard/ledger/batch.py",
        "                if len(part) == 1:\n"
        "                    settled |= Settlement({part[0]: self._refused(refusal)})\n"
        "                else:\n"
        "                    half = len(part) // 2\n"
        "                    parts += [(part[half:], None), (part[:half], None)]\n",
        "                settled |= Settlement(dict.fromkeys(part, self._refused(refusal)))\n",
        f"{LEDGER}::test_text_that_postgresql_cannot_hold_fails_alone",
    ),
    Guard(
        "who would pass the largest score is refused in the statement that grants the rest",
        "scoreboard/ledger/queries.sql",
        "    WHERE has_user AND points IS NOT NULL AND NOT is_too_much\n",
        "    WHERE has_user AND points IS NOT NULL\n",
        f"{NEIGHBOURS}::"
        "test_who_would_pass_the_largest_score_is_refused_in_the_statement_that_grants_the_rest",
    ),
    Guard(
        "of one user's submissions the smallest are granted as far as they fit",
        "scoreboard/ledger/queries.sql",
        "PARTITION BY user_id ORDER BY points, action_id) AS reached\n",
        "PARTITION BY user_id ORDER BY action_id) AS reached\n",
        f"{NEIGHBOURS}::test_of_one_users_submissions_the_smallest_are_granted_as_far_as_they_fit",
    ),
    Guard(
        "what was granted before leaves as much room as there is",
        "scoreboard/ledger/queries.sql",
        "        WHERE NOT EXISTS (\n"
        "            SELECT FROM ledger WHERE ledger.user_id = near.user_id "
        "AND ledger.action_id = near.action_id\n        )\n",
        "",
        f"{NEIGHBOURS}::test_who_stands_at_the_largest_score_is_told_what_was_granted_before",
    ),
    Guard(
        "the second of two equal submissions in a batch is refused",
        "scoreboard/ledger/verdicts.py",
        "                answered[submission.key] = verdict\n",
        "                pass\n",
        f"{PROMISES}::test_an_action_raced_over_two_instances_and_many_connections_is_granted_once",
    ),
    Guard(
        "the reply waits for the copy",
        "scoreboard/scoring/submit.py",
        "            if not await self._copies[board.board_id].store(board):\n",
        "            import asyncio\n\n"
        "            self._later = asyncio.create_task(self._copies[board.board_id].store(board))\n"
        "            if not self._later:\n",
        f"{PROMISES}::test_after_a_200_the_next_read_on_any_instance_is_at_least_that_new",
    ),
    Guard(
        "the reply waits for the board that its grant was too low for",
        "scoreboard/scoring/submit.py",
        "                        await self._copies[board_id].reach(version)\n",
        "                        pass\n",
        f"{PROMISES}::test_a_grant_that_changes_no_board_is_answered_once_the_one_that_it_saw_can_be"
        "_read",
    ),
    Guard(
        "a board that is numbered anew is stored under its lower version",
        "scoreboard/copies/board.py",
        "        self._look, self._stored_version = None, -1\n",
        "        self._look = None\n",
        "tests/integration/test_board_copy.py"
        "::test_a_board_that_begins_anew_is_stored_for_whoever_has_seen_it",
    ),
    Guard(
        "a grant waits for no silent ledger to show what it has seen",
        "scoreboard/copies/board.py",
        "await self._questions.within(PATIENCE_SECONDS, self._questions.board)\n",
        "await self._questions.board()\n",
        f"{IN_DOUBT}::test_a_grant_does_not_wait_until_a_silent_ledger_shows_the_board_that_it_has"
        "_seen",
    ),
    Guard(
        "for an action that nobody knows no batch is granted in vain",
        "scoreboard/ledger/batch.py",
        "                if part:\n",
        "                if True:\n",
        "tests/integration/test_refused.py::test_an_unknown_action_is_no_refusal_of_postgresql",
    ),
    Guard(
        "a board of ours is not shown as another one",
        "scoreboard/copies/copy.py",
        " or board.board_id != self.board_id):\n",
        "):\n",
        "tests/integration/test_board_copy.py"
        "::test_each_board_has_a_key_of_its_own_and_is_not_shown_as_another",
    ),
    Guard(
        "a board that the ledger does not have is not another one",
        "scoreboard/ledger/queries.sql",
        "WHERE %(board_id)s = 'main'\nORDER BY",
        "ORDER BY",
        f"{LEDGER}::test_a_board_that_there_is_not_is_not_read_as_another",
    ),
    Guard(
        "a grant that ties with the tenth has seen the board that it is not on",
        "scoreboard/ledger/batch.py",
        "                boards, seen = await begun.raise_board(reaching)\n",
        "                boards, _ = await begun.raise_board(reaching)\n",
        f"{LEDGER}::test_a_grant_that_ties_with_the_tenth_has_seen_the_board_that_it_waited_for",
    ),
    Guard(
        "an older board never replaces a newer one in Redis",
        "scoreboard/copies/copy.py",
        "    if number > tonumber(ARGV[1]) and number < {VERSION_END} then return 0 end\n",
        "",
        f"{COPY}::test_a_newer_board_wins_whoever_stores_and_in_whatever_order",
    ),
    Guard(
        "a copy is believed only if one of us has signed it",
        "scoreboard/copies/copy.py",
        "        if self._signatures is not None and "
        "not self._signatures.verify(signature, text):\n",
        "        if False:\n",
        f"{NOBODYS}[a signature of nobody]",
    ),
    Guard(
        "a copy without a signature is not believed",
        "scoreboard/copies/copy.py",
        "        if self._signatures is not None and not signature:\n"
        '            return None, "unsigned"\n'
        "        if self._signatures is not None and",
        "        if self._signatures is not None and signature and",
        f"{NOBODYS}[a board that seems to be the next]",
    ),
    Guard(
        "a key of another type is no Redis that is away",
        "scoreboard/copies/copy.py",
        "if kind ~= 'hash' then return {{'kind'}} end\n",
        "",
        f"{NOBODYS}[a text]",
    ),
    Guard(
        "what is longer than any board stays in Redis",
        "scoreboard/copies/copy.py",
        "then return {{'size'}} end\n",
        "then end\n",
        f"{NOBODYS}[half a megabyte]",
    ),
    Guard(
        "what is no board of ours is taken out of Redis",
        "scoreboard/copies/board.py",
        "            if found.fault is not None:\n                await self._copy.drop()\n",
        "",
        f"{NOBODYS}[a board far ahead]",
    ),
    Guard(
        "a version of no history is not taken from Redis",
        "scoreboard/copies/trust.py",
        "latest is not None and board.version - latest.version > LEAP_MAX:",
        "latest is not None and False:",
        f"{NOBODYS}[another history]",
    ),
    Guard(
        "a whole number is one, and in its range",
        "scoreboard/model.py",
        "    if type(value) is not int or not 0 <= value <= most:",
        "    if not 0 <= value <= most:",
        "tests/unit/test_model.py::test_what_is_no_board_in_one_way_only_is_refused",
    ),
    Guard(
        "a ledger that is above what was shown is not lifted",
        "scoreboard/ledger/queries.sql",
        " AND version <= %(above)s\n",
        "\n",
        f"{LEDGER}::test_a_ledger_that_went_back_is_lifted_above_what_was_shown_and_only_once",
    ),
    Guard(
        "rebuild believes no version of no history",
        "scoreboard/commands/board.py",
        "    return present + ahead if 0 < ahead <= LEAP_MAX else 0\n",
        "    return max(0, present + ahead)\n",
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
    Guard(
        "while Redis has only just gone nobody is told before it has the board",
        "scoreboard/copies/board.py",
        "        while not is_stored and time.monotonic() < until:\n",
        "        while False:\n",
        f"{IN_DOUBT}::test_while_redis_has_only_just_gone_nobody_is_told_before_it_has_the_board",
    ),
    Guard(
        "whoever has been without Redis for long waits for nothing",
        "scoreboard/connections/redis_presence.py",
        "        left = self._away_since + patience_seconds - _now()\n",
        "        left = patience_seconds\n",
        f"{IN_DOUBT}::test_whoever_has_been_without_redis_for_long_is_not_waited_for",
    ),
    Guard(
        "a Redis that refuses a board is left with no older one",
        "scoreboard/copies/board.py",
        "            with contextlib.suppress(RedisUnavailable):\n"
        "                await self._copy.drop()\n",
        "            pass\n",
        f"{IN_DOUBT}::test_a_redis_that_refuses_a_board_is_left_with_no_older_one",
    ),
    Guard(
        "a copy is trusted only once compared",
        "scoreboard/copies/trust.py",
        '        if not self.holds(generation):\n            return "unconfirmed"\n',
        "",
        "tests/integration/test_board_copy.py",
    ),
    Guard(
        "a check vouches for the board that Redis said it holds, and no other",
        "scoreboard/copies/trust.py",
        "        is_older = version.isdigit() and self",
        "        is_older = True or self",
        "tests/integration/test_board_copy.py",
    ),
    Guard(
        "a check vouches only for a copy that was compared",
        "scoreboard/copies/trust.py",
        "if board is None or version is None or not self.holds(generation):",
        "if board is None or version is None:",
        "tests/integration/test_board_copy.py",
    ),
    Guard(
        "a check vouches for nothing that was said over connections that failed since",
        "scoreboard/copies/board.py",
        "        if generation != self._copy.generation:\n            return None\n",
        "",
        "tests/integration/test_board_copy.py"
        "::test_what_redis_said_over_connections_that_failed_since_vouches_for_nothing",
    ),
    Guard(
        "a store that a comparison meets takes no trust away",
        "scoreboard/copies/board.py",
        "        if look.board != board:\n            try:\n",
        "        if look.board != board:\n"
        "            self._trust.begin_anew(board)\n            try:\n",
        f"{IN_DOUBT}::test_a_trusted_copy_keeps_its_trust_while_the_comparison_stores",
    ),
    Guard(
        "what is about to be in Redis may be shown before",
        "scoreboard/copies/trust.py",
        "        return time.monotonic() - since < self._on_its_way_seconds\n",
        "        return False\n",
        f"{IN_DOUBT}::"
        "test_while_redis_is_about_to_get_our_board_that_one_is_shown_and_the_ledger_not_asked",
    ),
    Guard(
        "a board that Redis does not get makes the ledger be asked",
        "scoreboard/copies/trust.py",
        "        return time.monotonic() - since < self._on_its_way_seconds\n",
        "        return True\n",
        f"{IN_DOUBT}::test_a_board_that_redis_does_not_get_in_time_makes_the_ledger_be_asked",
    ),
    Guard(
        "each board has its own time to come",
        "scoreboard/copies/trust.py",
        "        if version >= awaited:  # what was missing last time has come\n",
        "        if awaited < 0:\n",
        f"{IN_DOUBT}::test_each_board_has_its_own_time_to_come",
    ),
    Guard(
        "after an outage of Redis others have time to find it again",
        "scoreboard/copies/trust.py",
        "        if look.has_settled and generation == look.generation:",
        "        if generation == look.generation:",
        f"{IN_DOUBT}::"
        "test_after_an_outage_of_redis_it_is_not_trusted_before_others_have_found_it_again",
    ),
    Guard(
        "a silent ledger is waited for only for a moment",
        "scoreboard/copies/questions.py",
        "(left := patience_seconds - self.silent_seconds) > 0:\n",
        "(left := 60.0) > 0:\n",
        f"{IN_DOUBT}::{SILENT}[missing]",
    ),
    Guard(
        "a silent ledger is waited for once, not by each",
        "scoreboard/copies/questions.py",
        "        is_silent = self.silent_seconds >= patience_seconds\n",
        "        is_silent, patience_seconds = False, self.silent_seconds + patience_seconds\n",
        f"{IN_DOUBT}::{SILENT}[missing]",
    ),
    Guard(
        "a ledger that was away is looked for before anything in doubt is shown",
        "scoreboard/copies/questions.py",
        "            await asyncio.wait({task}, timeout=_LOOK_SECONDS)\n",
        "            pass\n",
        f"{IN_DOUBT}::test_a_ledger_that_was_away_is_looked_for_before_anything_in_doubt_is_shown",
    ),
    Guard(
        "without Redis a slow ledger is waited for",
        "scoreboard/copies/board.py",
        "PATIENCE_SECONDS: Final = 0.75\n",
        "PATIENCE_SECONDS: Final = 0.0\n",
        "tests/faults/test_silent_ledger.py::"
        "test_promise_4_holds_while_redis_fails_and_rabbitmq_is_away",
    ),
    Guard(
        "what was shown in doubt is known to have been shown",
        "scoreboard/copies/board.py",
        "            self._trust.hear_of(found.board)\n",
        "            self._trust.latest = self._trust.latest or found.board\n",
        f"{IN_DOUBT}::test_what_was_shown_in_doubt_is_known_to_have_been_shown",
    ),
    Guard(
        "every board that reads may have shown is compared",
        "scoreboard/copies/board.py",
        "for board in (self._trust.latest, found.board) if board is not None]",
        "for board in (self._trust.latest,) if board is not None]",
        f"{IN_DOUBT}::test_another_board_in_redis_under_our_version_lifts_the_ledger",
    ),
    Guard(
        "what is on its way is given a moment before it is a mend",
        "scoreboard/live/relay.py",
        "            await asyncio.sleep(ON_ITS_WAY_SECONDS)\n",
        "            pass\n",
        "tests/unit/test_relay.py::test_a_board_that_comes_by_itself_in_a_moment_is_no_mend",
    ),
    Guard(
        "a defect at the end of a commit's span costs no reply",
        "scoreboard/scoring/submit.py",
        "            with self._failing_no_reply():\n                spans.committed(answers)\n",
        "            spans.committed(answers)\n",
        "tests/service/test_tracing.py::"
        "test_a_defect_right_behind_the_commit_takes_nobody_the_answer_or_the_board"
        "[scoreboard.commit]",
    ),
    Guard(
        "nothing behind the commit fails its replies",
        "scoreboard/scoring/submit.py",
        "            with self._failing_no_reply():\n                spans.end(answers)\n",
        "            spans.end(answers)\n",
        "tests/service/test_tracing.py::"
        "test_a_defect_right_behind_the_commit_takes_nobody_the_answer_or_the_board"
        "[scoreboard.batch]",
    ),
    Guard(
        "a refusal behind the commit is not the batch's",
        "scoreboard/ledger/batch.py",
        '        except Exception:\n            log.exception("scoreboard.ledger.originals_unread"',
        "        except ZeroDivisionError:\n"
        '            log.exception("scoreboard.ledger.originals_unread"',
        f"{LEDGER}::test_a_defect_behind_the_commit_costs_only_the_repeats_their_answer",
    ),
    Guard(
        "what is committed is answered so: an abort behind the commit is not the batch's",
        "scoreboard/ledger/batch.py",
        "        except LedgerUnavailable as error:\n"
        "            return dict.fromkeys(refused, error)\n",
        "        except LedgerUnavailable:\n            raise\n",
        f"{LOSSES}::test_a_lock_right_behind_the_commit_takes_no_neighbours_200",
    ),
    Guard(
        "the half of a batch that was committed is answered so",
        "scoreboard/ledger/batch.py",
        "                return settled | Settlement(dict.fromkeys(rest, error))\n",
        "                raise error\n",
        f"{LOSSES}::test_the_half_of_a_batch_that_was_committed_is_answered_so",
    ),
    Guard(
        "an operator's lock gives up soon",
        "scoreboard/ledger/queries.sql",
        "SET LOCAL lock_timeout = '2s';\nLOCK TABLE ledger",
        "LOCK TABLE ledger",
        f"{LOSSES}::test_an_operators_command_does_not_hold_all_grants_up",
    ),
    Guard(
        "what is granted under a former id counts as the action that has it",
        "scoreboard/ledger/batch.py",
        "if key[1] in present}",
        "if key[1] is present}",
        f"{CHANGES}::test_a_renamed_action_is_granted_once_under_whichever_id_it_is_submitted",
    ),
    Guard(
        "an action that is renamed on meanwhile is looked for again",
        "scoreboard/ledger/batch.py",
        "dict.fromkeys(unknown, LedgerUnavailable()))",
        "{})",
        f"{CHANGES}::test_an_action_that_is_renamed_without_end_is_never_refused_as_unknown",
    ),
    Guard(
        "of several former ids of an action one is granted",
        "scoreboard/ledger/verdicts.py",
        "isinstance(verdict, Grant) and present in granted",
        "isinstance(verdict, Grant) and not granted",
        f"{CHANGES}::test_several_former_ids_in_one_batch_are_granted_once",
    ),
    Guard(
        "a rename waits for grants that are under way",
        "scoreboard/ledger/queries.sql",
        "WHERE action_id = %(action_id)s FOR UPDATE",
        "WHERE action_id = %(action_id)s",
        f"{CHANGES}::test_a_rename_waits_for_a_grant_that_is_under_way",
    ),
    Guard(
        "no action is loaded under a former id",
        "scoreboard/scoring/catalogue.py",
        "raise FormerIds(former)",
        "pass",
        f"{CHANGES}::test_an_id_that_is_taken_or_was_another_actions_is_not_given",
    ),
    Guard(
        "a disabled action is worth nothing",
        "scoreboard/ledger/queries.sql",
        "CASE WHEN actions.disabled_at IS NULL THEN actions.points END AS points",
        "actions.points AS points",
        f"{CHANGES}::test_a_disabled_action_is_refused_everywhere_and_keeps_its_points",
    ),
    Guard(
        "a grant of an action that is disabled since is told",
        "scoreboard/ledger/verdicts.py",
        "return verdict is None or isinstance(verdict, ActionDisabled)",
        "return verdict is None",
        f"{CHANGES}::test_a_disabled_action_is_refused_everywhere_and_keeps_its_points",
    ),
)
