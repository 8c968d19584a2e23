"""Results: each receipt once, in its season, by who may send it."""

from __future__ import annotations

from typing import Final

from tests.guards.change import Instead, Never, Removed, Value
from tests.guards.guard import Guard, Marked

STATEMENTS: Final = "scoreboard/ledger/results.sql"
LEDGER: Final = "tests/integration/test_results.py"
SERVERS: Final = "tests/service/test_results.py"
FORM: Final = (
    f"{SERVERS}::"
    "test_what_is_not_in_its_form_is_refused_with_its_place_and_nothing_is_recorded[value-True]"
)
LIMITED: Final = f"{SERVERS}::test_a_key_of_some_boards_sends_and_reads_nothing_of_another"

KILLED: Final = (
    "tests/faults/test_killed_at_each_step.py"
    "::test_results_of_an_instance_that_was_killed_count_once_when_they_are_sent_again"
    "[between COMMIT and its answer]"
)

RESULTS: Final = (
    Marked(
        "results: who is told that a result counts finds it on the board",
        "repeated-result-shown",
        Removed(),
        KILLED,
    ),
    Guard(
        "results: a receipt is recorded once, by whichever instance comes first",
        STATEMENTS,
        "    ON CONFLICT ON CONSTRAINT results_receipt DO NOTHING\n",
        "",
        f"{LEDGER}::test_a_receipt_that_is_being_recorded_elsewhere_is_waited_for",
    ),
    Guard(
        "results: who is being banned is waited for",
        STATEMENTS,
        "EXECUTE hold_players (%(sources)s::text[], %(receipts)s::text[], %(user_ids)s::uuid[]);\n",
        "",
        f"{LEDGER}::test_who_is_banned_while_a_result_is_under_way_is_refused",
    ),
    Marked(
        "results: the best counts with the corrections of the user",
        "result-counts-corrections",
        Value("[]"),
        f"{LEDGER}::test_the_best_counts_with_corrections_also_where_there_were_only_these",
    ),
    Guard(
        "results: a season that is closed counts nothing",
        STATEMENTS,
        "seasons.state = 'final' OR seasons.closes_at <= clock.moment",
        "FALSE",
        f"{LEDGER}::test_each_of_a_batch_is_judged_by_itself_and_the_others_count",
    ),
    Marked(
        "results: a receipt does not pass for another result",
        "receipt-used",
        Value("original"),
        f"{LEDGER}::test_a_repeat_answers_what_was_recorded_whatever_happened_since",
    ),
    Marked(
        "results: what comes late is on the final board",
        "late-result",
        Removed(),
        f"{LEDGER}::test_late_results_count_in_the_season_that_they_were_played_in",
    ),
    Marked(
        "results: a time is ASCII",
        "time-in-ascii",
        Never(),
        FORM.replace("value-True", r"playedAt-\uff12\uff10\uff12\uff14-12-09T14:30:45Z"),
    ),
    Marked(
        "results: what has a receipt on another board is not shown to a key of some boards",
        "original-of-boards",
        Instead("key.may_touch(verdict.original.board_id)", "True"),
        LIMITED,
    ),
    Marked(
        "results: a fraction is no value",
        "result-value-integer",
        Never(),
        FORM.replace("True", "1.0"),
    ),
    Marked(
        "results: what is wrong in a list is answered",
        "place-in-list",
        Instead("str(name)", "name"),
        FORM,
    ),
    Marked("results: a limited key sends to its boards", "results-of-boards", Removed(), LIMITED),
    Marked("results: a limited key reads of its boards", "receipt-of-boards", Removed(), LIMITED),
)
