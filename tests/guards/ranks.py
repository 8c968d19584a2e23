"""Ranks: fences miss nothing, count nothing twice, and are forgotten once they may be wrong."""

from __future__ import annotations

from typing import Final

from tests.guards.change import Instead, Never, Removed, Value
from tests.guards.guard import Guard, Marked

STATEMENTS: Final = "scoreboard/ranks/queries.sql"
MIGRATION: Final = "migrations/0016.ranks.sql"
TURNS: Final = "tests/integration/test_ranks.py"
KEPT: Final = "tests/integration/test_fences_kept.py"

RANKS: Final = (
    Marked(
        "ranks: who holds fences sees them as they were, whatever a turn changes",
        "fences-copied",
        Never(),
        "tests/unit/test_fences.py::test_who_holds_fences_sees_them_as_they_were",
    ),
    Guard(
        "ranks: what was under way as of a snapshot is counted once it is committed",
        "scoreboard/ranks/queries.py",
        "    OR movements.xid = ANY (ARRAY(SELECT pg_snapshot_xip(%(snapshot)s::pg_snapshot)))\n",
        "",
        f"{TURNS}::test_what_began_earlier_and_is_committed_later_is_counted_once",
    ),
    Guard(
        "ranks: a turn counts, divides and compares as of one snapshot",
        "scoreboard/ledger/transaction.py",
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; ",
        "BEGIN; ",
        f"{TURNS}::test_what_is_committed_during_a_turn_is_counted_by_the_next_one",
    ),
    Marked(
        "ranks: an entry may go before the row in which it came is read",
        "added-before-removed",
        Instead("itertools.chain(added, removed)", "itertools.chain(removed, added)"),
        f"{TURNS}::test_who_came_and_went_since_the_last_turn_counts_nothing",
    ),
    Marked(
        "ranks: a server that was restarted may have lost what was seen",
        "other-server-forgets",
        Never(),
        f"{TURNS}::test_a_server_that_was_restarted_is_another_one",
    ),
    Guard(
        "ranks: a server that recovered by itself gives ids out again",
        "scoreboard/ranks/queries.py",
        "    || '/' || extract(epoch FROM pg_stat_get_bgwriter_stat_reset_time())::text\n",
        "",
        f"{TURNS}::test_a_server_that_recovered_from_a_killed_process_gives_ids_out_again",
    ),
    Marked(
        "ranks: who slept until movements were removed counts anew",
        "movements-removed",
        Value("True"),
        f"{TURNS}::test_who_slept_until_movements_were_removed_counts_anew",
    ),
    Marked(
        "ranks: who asks for one season after the other keeps nobody waiting",
        "most-wanted-first",
        Instead(
            "max(missing, key=lambda each: self._missed.get(each, 0), default=None)",
            "next(missing, None)",
        ),
        "tests/attacks/test_places.py"
        "::test_who_asks_for_one_season_after_the_other_keeps_nobody_waiting",
    ),
    Marked(
        "ranks: entries that were replaced are counted anew",
        "replaced-entries-counted",
        Removed(),
        f"{TURNS}::test_emptied_tables_are_counted_anew",
    ),
    Marked(
        "ranks: a copy that is wrong is found by counting one part a turn",
        "wrong-copy-found",
        Never(),
        f"{TURNS}::test_entries_that_moved_unnoticed_are_found_and_counted_anew",
    ),
    Marked(
        "ranks: movements of another cluster say nothing in this one",
        "movements-of-here",
        Instead("server is None or not is_of_here", "server is None"),
        f"{TURNS}::test_movements_of_another_cluster_say_nothing",
    ),
    Marked(
        "ranks: turns go on after one that failed",
        "ranks-outlive-outage",
        Removed(),
        f"{TURNS}::test_turns_go_on_after_one_that_failed",
    ),
    Guard(
        "ranks: no session moves entries unnoticed",
        MIGRATION,
        "    ENABLE ALWAYS TRIGGER scores_changed,\n",
        "",
        f"{TURNS}::test_no_session_can_move_entries_unnoticed",
    ),
    Marked(
        "ranks: what was kept of a ranking that was wrong is not loaded again",
        "doubted-not-kept",
        Removed(),
        f"{KEPT}::test_what_was_kept_wrong_is_found_and_not_loaded_again",
    ),
    Marked(
        "fences: what was kept is followed though nobody asks for it",
        "kept-stays-fresh",
        Removed(),
        f"{KEPT}::test_a_ranking_that_was_kept_is_followed_though_nobody_asks",
    ),
    Marked(
        "fences: movements stay until every instance has had time to see them",
        "movements-seen-first",
        Value("below"),
        f"{KEPT}::test_movements_are_removed_once_everybody_has_had_time_to_see_them",
    ),
    Guard(
        "fences: what is kept goes with the movements that it needs",
        STATEMENTS,
        "AND NOT pg_visible_in_snapshot(gone.xid, fences.snapshot)\n)",
        "AND FALSE\n)",
        f"{KEPT}::test_what_is_kept_goes_with_the_movements_that_it_needs",
    ),
    Guard(
        "fences: what is kept needs no movements that are removed",
        STATEMENTS,
        "WHERE kept.below <= pg_snapshot_xmin(%(snapshot)s::pg_snapshot)\n",
        "WHERE TRUE\n",
        f"{KEPT}::test_what_was_held_before_movements_were_removed_is_not_kept",
    ),
    Guard(
        "fences: older ones do not take the place of newer ones",
        STATEMENTS,
        "    pg_snapshot_xmin(fences.snapshot) <= pg_snapshot_xmin(EXCLUDED.snapshot)\n"
        "    AND pg_snapshot_xmax(fences.snapshot) <= pg_snapshot_xmax(EXCLUDED.snapshot)\n",
        "    TRUE\n",
        f"{KEPT}::test_what_is_kept_follows_and_is_never_set_back",
    ),
    Guard(
        "fences: who is no longer the one that keeps writes nothing",
        STATEMENTS,
        "WHERE keeper = %(keeper)s AND {server} = %(server)s\n",
        "WHERE {server} = %(server)s\n",
        f"{KEPT}::test_who_is_no_longer_the_one_that_keeps_ends_at_once",
    ),
    Marked(
        "fences: a board that is rebuilt is counted anew everywhere",
        "rebuild-counts-ranks",
        Removed(),
        "tests/service/test_board_commands.py"
        "::test_verify_finds_ranks_that_are_kept_wrong_and_rebuild_has_them_counted_anew",
    ),
)
