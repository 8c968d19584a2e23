"""The page and the client."""

from __future__ import annotations

from typing import Final

from tests.guards.guard import Guard

WEB: Final = (
    Guard(
        "a board that is numbered anew is shown",
        "scoreboard/web/client/board.js",
        "return version > than || than - version > RENUMBERED;",
        "return version > than;",
        "tests/browser/test_client.py::test_a_board_that_is_numbered_anew_is_shown_on_every_way",
    ),
    Guard(
        "a lost submission is sent for nobody else",
        "scoreboard/web/client/actions.js",
        ", caller: this.#session?.user }",
        " }",
        "tests/unit/test_submitting.py"
        "::test_a_lost_submission_is_never_sent_for_who_logs_in_meanwhile",
    ),
    Guard(
        "a renewal in time is a request of a user",
        "scoreboard/web/client/session.js",
        "const access = this.#access?.token;",
        "const access = null;",
        "tests/browser/test_account.py::test_who_is_logged_in_stays_so_though_a_neighbour_floods",
    ),
    Guard(
        "a frozen tab is not waited for",
        "scoreboard/web/client/tabs.js",
        "this.#metLeader ? 1000 * this.#options.answerSeconds : FIRST_NEWS_MS",
        "this.#metLeader ? 60_000 : FIRST_NEWS_MS",
        "tests/browser/test_client.py::"
        "test_a_frozen_leader_loses_its_place_as_soon_as_somebody_looks_at_another_tab",
    ),
    Guard(
        "a tab that nobody sees holds no connection",
        "scoreboard/web/client/tabs.js",
        "    watchSight(() => this.#see(), this.#sight);\n",
        "",
        "tests/browser/test_client.py::"
        "test_without_locks_a_tab_that_nobody_sees_gives_its_connection_back",
    ),
    Guard(
        "a lock that is denied is not asked for again",
        "scoreboard/web/client/tabs.js",
        "    if (!held) return this.#goAlone();\n",
        "",
        "tests/browser/test_denied.py::"
        "test_in_a_sandboxed_frame_the_client_is_live_and_asks_for_one_lock",
    ),
    Guard(
        "a lock that nobody gives is given up",
        "scoreboard/web/client/tabs.js",
        "    if (this.#takingLock) this.#goAlone();",
        "    if (false) this.#goAlone();",
        "tests/browser/test_denied.py::test_a_lock_that_is_never_given_is_given_up",
    ),
    Guard(
        "where locks are denied tokens are renewed all the same",
        "scoreboard/web/client/session.js",
        "        if (begun) throw failure;\n",
        "        throw failure;\n",
        "tests/browser/test_denied.py::"
        "test_with_cookies_blocked_people_log_in_submit_and_see_the_board_live",
    ),
    Guard(
        "a storage that is closed logs nobody out",
        "scoreboard/web/client/keep.js",
        "      return undefined;\n    }\n  }\n\n  /** Keep",
        "      return null;\n    }\n  }\n\n  /** Keep",
        "tests/browser/test_denied.py::"
        "test_a_storage_that_fails_in_the_middle_of_a_log_in_ends_nothing",
    ),
    Guard(
        "a wake lock that comes too late is given back",
        "scoreboard/web/wall.js",
        '  if (!root.classList.contains("wall")) wakeLock?.release();',
        "",
        "tests/browser/test_page.py::"
        "test_a_wake_lock_that_comes_after_the_wall_was_left_is_given_back",
    ),
    Guard(
        "clients that are sent away together return apart",
        "scoreboard/web/client/feed.js",
        "const jitter = 1 + Math.random() / 2;",
        "const jitter = 1;",
        "tests/browser/test_client.py::test_retry_is_obeyed_and_spread",
    ),
    Guard(
        "a lock that nobody gives holds up no renewal",
        "scoreboard/web/client/session.js",
        "`scoreboard.refresh${this.#suffix}`, { signal }, begin)",
        "`scoreboard.refresh${this.#suffix}`, {}, begin)",
        "tests/browser/test_denied.py::test_a_log_in_outlasts_a_reload_where_locks_are_never_given",
    ),
    Guard(
        "tabs without locks renew one after the other",
        "scoreboard/web/client/session.js",
        "    return this.#hasStorage ? this.#keep.inTurn(work, turnMs) : work();\n",
        "    return work();\n",
        "tests/browser/test_account.py"
        "::test_tabs_without_locks_take_turns_to_renew_and_stay_logged_in",
    ),
    Guard(
        "a season that ended while the connection was away is told",
        "scoreboard/web/client/scoreboard-client.js",
        "    if (before && hasEnded(before.season, season)) this.#catchUp(before.season, board);\n",
        "",
        "tests/browser/test_client_seasons.py"
        "::test_an_end_that_came_while_the_connection_was_away_is_made_up_for",
    ),
    Guard(
        "a season that was over before the board was shown is not told",
        "scoreboard/web/client/scoreboard-client.js",
        "    if (this.#board?.season?.number <= over?.season.number) this.#end(over);\n",
        "    if (this.#board && over) this.#end(over);\n",
        "tests/browser/test_client_seasons.py"
        "::test_a_seasons_end_is_told_in_every_tab_before_the_next_begins",
    ),
    Guard(
        "the tabs of a browser leave room beside their streams",
        "scoreboard/web/client/stream-room.js",
        "  if (!shared) return takeOwn(name, most);\n",
        "  return takeOwn(name, most);\n",
        "tests/browser/test_client_seasons.py"
        "::test_boards_beyond_the_streams_that_a_browser_has_room_for_are_polled",
    ),
    Guard(
        "the time left is counted by the server's clock",
        "scoreboard/web/client/server.js",
        '    if (cache === "no-store") this.clock.note(response, askedAt);\n',
        "",
        "tests/browser/test_boards.py::test_the_time_left_is_counted_by_the_servers_clock",
    ),
    Guard(
        "winners are seen though the next season has begun",
        "scoreboard/web/element/sight.js",
        "    this.final = ended;\n    this.heldSeconds = HOLD_SECONDS;\n",
        "",
        "tests/browser/test_boards.py"
        "::test_a_seasons_end_is_seen_and_the_winners_stay_until_somebody_goes_on",
    ),
    Guard(
        "a board that was not asked for is not shown",
        "scoreboard/web/client/board-source.js",
        "const isAsked = board?.boardId === this.#boardId;",
        "const isAsked = Boolean(board);",
        "tests/browser/test_client.py"
        "::test_a_board_that_is_named_is_asked_for_by_name_and_no_other_is_shown",
    ),
    Guard(
        "what the stream said of a place is newer than an answer that was under way",
        "scoreboard/web/my-place.js",
        "if (heard === this.#heard && !isTold)",
        "if (!isTold)",
        "tests/browser/test_places.py"
        "::test_what_the_stream_says_is_newer_than_an_answer_that_was_under_way",
    ),
    Guard(
        "who is hidden is told so whatever answers leave out",
        "scoreboard/web/client/personal.js",
        "isHiddenIn(place, this.#places.get(place.boardId)) || ",
        "",
        "tests/browser/test_places.py::test_who_has_no_place_or_is_hidden_is_told_so",
    ),
    Guard(
        "a list of places stays with its season",
        "scoreboard/web/ranking.js",
        "      this.#places = new Places({ ...this.#choice, season: season.number });\n",
        "",
        "tests/browser/test_places_live.py"
        "::test_the_list_of_a_season_that_ends_stays_until_somebody_goes_on_to_the_next",
    ),
    Guard(
        "where tabs do not hear each other there is no personal stream",
        "scoreboard/web/client/line.js",
        "return isShared && options.shareTabs && !share ? null : ",
        "return ",
        "tests/browser/test_places.py::"
        "test_without_tabs_that_hear_each_other_there_is_no_second_stream_and_the_place_is_polled",
    ),
    Guard(
        "what a lost answer has granted is a success",
        "scoreboard/web/client/actions.js",
        'if (isLost && answer.code === "already_granted")',
        "if (false)",
        "tests/package/test_node.py::"
        "test_a_submission_whose_answer_is_lost_is_sent_again_and_counts_as_granted",
    ),
    Guard(
        "log-ins at several services keep apart",
        "scoreboard/web/client/session.js",
        'return service === `${globalThis.location?.origin}/` ? "" : `:${service}`;',
        'return "";',
        "tests/package/test_node.py::test_log_ins_at_several_services_keep_apart_in_one_storage",
    ),
)
