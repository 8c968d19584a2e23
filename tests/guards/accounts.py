"""Who is it: passwords and tokens."""

from __future__ import annotations

from typing import Final

from tests.guards.change import Always, Instead, Removed, Replaced, Text, Unwrapped, Value
from tests.guards.guard import GUESSING, Guard, Marked

QUERIES: Final = "scoreboard/accounts/queries.sql"
TOKENS: Final = "tests/attacks/test_tokens.py"
FAMILIES: Final = "tests/integration/test_families.py"
ACCOUNTS_TESTS: Final = "tests/integration/test_accounts.py"
REVOCATIONS: Final = "tests/service/test_revocations.py"
REGISTRATION: Final = "tests/service/test_registration.py"

ACCOUNTS: Final = (
    Guard(
        "registration: an invitation is used once, whoever comes at the same moment",
        "scoreboard/accounts/registration.sql",
        "used_at IS NULL AND revoked_at",
        "revoked_at",
        f"{REGISTRATION}::test_of_two_who_come_with_one_code_at_the_same_moment_one_registers",
    ),
    Marked(
        "registration: codes are guessed no faster than passwords",
        "invitations-guessed",
        Removed(),
        f"{REGISTRATION}::test_codes_are_guessed_no_faster_than_passwords",
    ),
    Marked(
        "registration: nobody takes a refused name",
        "refused-name-register",
        Removed(),
        f"{REGISTRATION}::test_a_refused_name_is_taken_on_no_instance_and_a_name_off_the_list_on_all",
    ),
    Marked(
        "registration: operators give a refused name by force alone",
        "refused-name-rename",
        Removed(),
        f"{REGISTRATION}::test_operators_give_a_refused_name_by_force_alone",
    ),
    Marked(
        "registration: instances read a held list again that has changed",
        "held-list-changed",
        Instead("self._listed.get($name) != $reading", "$name not in self._listed"),
        f"{REGISTRATION}::test_a_refused_name_is_taken_on_no_instance_and_a_name_off_the_list_on_all",
    ),
    Marked(
        "clocks: a token from an instance whose clock is ahead is taken",
        "clocks-token-instance",
        Value("10"),
        "tests/faults/test_clocks.py",
    ),
    Marked(
        "a log-out ends every successor",
        "log-out-ends",
        Instead("hashes", "dict.fromkeys(hashes, b'')"),
        f"{TOKENS}::test_a_log_out_ends_what_a_thief_has_made_of_the_token",
    ),
    Guard(
        "refresh: a replaced token has one answer",
        QUERIES,
        "            WHEN presented.graced_at IS NOT NULL THEN 'reused'\n",
        "",
        f"{FAMILIES}::test_a_second_answer_within_the_grace_is_a_reuse_and_ends_the_family",
    ),
    Guard(
        "refresh: not every token of a family has an answer in its grace",
        QUERIES,
        "            WHEN presented.graces >= %(graces_max)s THEN 'reused'\n",
        "",
        f"{FAMILIES}::test_a_thief_who_follows_each_refresh_is_found_out_at_the_fourth",
    ),
    Guard(
        "refresh: only what was replaced last has a grace",
        QUERIES,
        "newest.token_hash = presented.successor_hash AND newest.replaced_at IS NULL",
        "newest.family_id = family.family_id AND newest.replaced_at IS NULL",
        f"{FAMILIES}::test_a_token_of_the_release_before_has_no_grace_once_its_successor_was_used",
    ),
    Guard(
        "refresh: uses of one token take turns, over all instances",
        QUERIES,
        "{family_id}\nFOR UPDATE;\nWITH family AS MATERIALIZED (\n",
        "{family_id};\nWITH family AS MATERIALIZED (\n",
        f"{FAMILIES}::test_of_many_who_refresh_at_once_two_are_answered_alike_and_a_third_ends_the"
        "_family",
    ),
    Marked(
        "refresh: a token that is kept no more is known by its handle",
        "refresh-token-kept",
        Instead("$bytes[:_HANDLE_BYTES]", "$bytes"),
        f"{FAMILIES}::test_after_years_of_refreshing_a_token_of_the_first_day_still_ends_its_family",
    ),
    Guard(
        "refresh: what replaced tokens leave behind is pruned",
        QUERIES,
        "refresh_tokens.token_hash = judged.predecessor_hash\n",
        "FALSE\n",
        f"{FAMILIES}::test_after_years_of_refreshing_a_token_of_the_first_day_still_ends_its_family",
    ),
    Marked(
        "refresh: another spelling of a token is none",
        "refresh-another",
        Value("re.compile('[A-Za-z0-9_-]{43}')"),
        f"{FAMILIES}::test_another_spelling_of_a_good_token_is_none",
    ),
    Guard(
        "refresh: an instance that cannot answer uses nothing up",
        QUERIES,
        "            WHEN newest.token_hash = ANY (%(candidates)s::bytea[]) THEN 'graced'\n"
        "            ELSE 'underivable'\n",
        "            ELSE 'graced'\n",
        f"{FAMILIES}::test_an_instance_with_an_older_secret_asks_to_try_again_and_uses_nothing_up",
    ),
    Marked(
        "refresh: what the release before derived is an answer too",
        "refresh-release",
        Removed(),
        f"{FAMILIES}::test_an_answer_that_an_instance_of_the_release_before_lost_is_repeated_here",
    ),
    Guard(
        "refresh: a family has a largest age",
        QUERIES,
        "            WHEN family.created_at <= now() - make_interval(secs => %(family_seconds)s) "
        "THEN 'expired'\n",
        "",
        f"{FAMILIES}::test_a_largest_age_that_is_lowered_holds_for_who_is_logged_in",
    ),
    Guard(
        "refresh: a reuse ends the access tokens as well",
        QUERIES,
        "WHEN judged.outcome = 'reused' THEN revoke_access(judged.user_id, FALSE)",
        "WHEN judged.outcome = 'reused' THEN 0",
        f"{FAMILIES}::test_a_reuse_ends_the_access_tokens_of_the_user_and_no_other_log_in",
    ),
    Guard(
        "a log-in takes turns with what ends all log-ins",
        QUERIES,
        "waited for.\nSELECT FROM users WHERE user_id = %(user_id)s::uuid FOR SHARE;\n",
        "waited for.\n",
        f"{FAMILIES}::test_a_log_out_everywhere_ends_a_log_in_that_was_under_way",
    ),
    Guard(
        "a log-out everywhere takes turns with log-ins",
        QUERIES,
        "SELECT FROM users WHERE user_id = %(user_id)s::uuid FOR NO KEY UPDATE;\n",
        "",
        f"{FAMILIES}::test_a_log_out_everywhere_ends_a_log_in_that_was_under_way",
    ),
    Guard(
        "a password is changed only from the one that was verified",
        QUERIES,
        "WHERE user_id = %(user_id)s::uuid AND password_hash = %(password_hash)s;\n",
        "WHERE user_id = %(user_id)s::uuid;\n",
        f"{ACCOUNTS_TESTS}::test_of_two_who_change_a_password_at_once_one_does",
    ),
    Marked(
        "a common password cannot be chosen",
        "common-password-cannot",
        Instead("$folded in self._common", "False"),
        f"{ACCOUNTS_TESTS}::test_a_password_that_is_tried_first_or_is_a_name_cannot_be_chosen",
    ),
    Marked(
        "nobody's own name is a password",
        "nobodys-own",
        Instead("$rest != $folded and len($rest) < CHARS_MIN", "False"),
        f"{ACCOUNTS_TESTS}::test_a_password_that_is_tried_first_or_is_a_name_cannot_be_chosen",
    ),
    Marked(
        "a key belongs to its issuer",
        "key-belongs-issuer",
        Replaced("""keys = dict(self._own_keys)
for its in self._foreign_keys.values():
    keys |= its"""),
        f"{TOKENS}::test_who_has_the_key_of_one_issuer_speaks_for_no_other",
    ),
    Marked(
        "a foreign token has a largest life",
        "foreign-token-largest",
        Removed(),
        f"{TOKENS}::test_a_token_of_another_issuer_lives_no_longer_than_it_may",
    ),
    Marked(
        "another issuer does not manage accounts",
        "another-issuer-not",
        Removed(),
        f"{TOKENS}::test_another_issuer_speaks_for_a_user_and_does_not_manage_the_account",
    ),
    Marked(
        "no two issuers share a key",
        "no-two-issuers",
        Removed(),
        "tests/unit/test_settings.py::test_no_two_issuers_share_a_key_and_nobody_shares_ours",
    ),
    Marked(
        "revoked: asked of remembered tokens as well",
        "revoked-asked-remembered",
        Removed(),
        f"{REVOCATIONS}::test_a_log_out_everywhere_ends_every_log_in_and_stream_and_leaves_the_next"
        "_one_alone",
    ),
    Marked(
        "revoked: what came first is told by PostgreSQL's reading, not by what an instance knows",
        "revoked-came",
        Instead("$issue($user_id, $known, $begun_at)", "$issue($user_id, None, $begun_at)"),
        f"{REVOCATIONS}::test_a_token_is_good_again_within_the_second_in_which_the_one_before_ended",
    ),
    Marked(
        "revoked: no token is given out, and nobody poisoned, while the clock is gone",
        "revoked-no-token",
        Removed(),
        "tests/service/test_refused.py"
        "::test_a_clock_of_revocations_that_is_gone_gives_out_no_token_and_poisons_nobody",
    ),
    Marked(
        "revoked: known before an instance serves",
        "revoked-known-before",
        Removed(),
        f"{REVOCATIONS}::test_an_instance_knows_what_was_revoked_before_it_serves",
    ),
    Marked(
        "revoked: a start asks a silent ledger again",
        "start-asks-silent",
        Always(),
        "tests/faults/test_silent_ledger.py::test_an_instance_that_starts_asks_a_silent_ledger_again",
    ),
    Guard(
        "revoked: whoever deletes a user",
        "migrations/0007.token-generations.sql",
        "    PERFORM revoke_access(user_id, TRUE) FROM deleted_users;\n",
        "",
        f"{REVOCATIONS}::test_a_user_deleted_by_hand_is_gone_as_well",
    ),
    Marked(
        "revoked: streams end",
        "revoked-streams-end",
        Unwrapped(),
        f"{REVOCATIONS}::test_a_user_deleted_by_hand_is_gone_as_well",
    ),
    Marked(
        "revoked: a stream that was on its way in ends too",
        "revoked-stream-way",
        Removed(),
        "tests/unit/test_revocations.py"
        "::test_who_begins_to_watch_a_token_that_was_revoked_meanwhile_hears_of_it_at_once",
    ),
    Marked(
        "revoked: forgotten by the clock of PostgreSQL alone",
        "revoked-forgotten-clock",
        Replaced("""now = __import__('time').time()
self._revocations.forget_before(int(now * 1000) + 3600000)"""),
        f"{REVOCATIONS}::test_an_instance_knows_what_was_revoked_before_it_serves",
    ),
    Marked(
        "revoked: what a leap of its clock made us forget is read again",
        "revoked-leap-clock",
        Removed(),
        "tests/unit/test_revocations.py"
        "::test_what_the_databases_clock_made_us_forget_is_read_again_once_it_is_set_right",
    ),
    Marked(
        "revoked: of too many nobody is let in",
        "revoked-too-many",
        Removed(),
        "tests/unit/test_revocations.py"
        "::test_of_too_many_the_oldest_is_forgotten_with_everybodys_tokens_from_before",
    ),
    Marked(
        "a guess at a log-in is none at a change of password",
        "guess-log-none",
        Instead("f'own:{$user_id}'", "$user_id"),
        f"{REVOCATIONS}::test_who_guesses_at_a_log_in_keeps_nobody_from_a_new_password",
    ),
    Marked(
        "a change of password is a guess",
        "change-password-guess",
        Removed(),
        f"{REVOCATIONS}::test_guesses_of_a_password_are_counted_whatever_token_they_come_with",
    ),
    Marked(
        "names: a character that nobody sees is in none",
        "names-character-nobody",
        Removed(),
        "tests/attacks/test_names.py",
    ),
    Marked(
        "names: letters that are drawn the same are one",
        "names-letters-drawn",
        Instead("_without_soft_dots($plain)", "$plain"),
        "tests/unit/test_unicode.py::test_spellings_of_one_text_are_one",
    ),
    Marked(
        "names: nobody is called like the id of another user",
        "names-nobody-called",
        Removed(),
        "tests/unit/test_names.py::test_a_name_that_nobody_may_take_is_refused_and_told_why",
    ),
    Marked(
        "names: a mark stands on a letter of its own script",
        "names-mark-stands",
        Instead("_script($mark) not in ('COMBINING', _script($base))", "False"),
        "tests/attacks/test_names.py",
    ),
    Marked(
        "names: one key for all spellings, whatever the locale",
        "names-one-key",
        Instead("names.username_key($shown)", "$shown"),
        "tests/integration/test_names.py::test_in_every_locale_a_name_is_one_and_found_in_every_case",
    ),
    Marked(
        "names: nobody takes the name of who has no key yet",
        "names-nobody-takes",
        Removed(),
        "tests/integration/test_names.py",
    ),
    Guard(
        "names: of two with one name each is found by their own spelling",
        "scoreboard/accounts/queries.sql",
        "ORDER BY username = %(shown)s DESC, username = %(shown_before)s DESC\n",
        "ORDER BY username = %(shown)s, username = %(shown_before)s\n",
        "tests/integration/test_names.py",
    ),
    Marked(
        "names: who registered first keeps a name that two have",
        "names-registered-first",
        Instead("$key in $taken", "False"),
        "tests/migrations/test_account_keys.py",
    ),
    Marked(
        "names: a run that gives keys may be ended after any step",
        "names-run-gives",
        Text(
            'ADD COLUMN IF NOT EXISTS username_key TEXT COLLATE "C",',
            'ADD COLUMN username_key TEXT COLLATE "C",',
        ),
        "tests/migrations/test_account_keys.py",
    ),
    Marked(
        "names: a terminal gets no escape sequence",
        "names-terminal-gets",
        Instead("$character not in ZERO_WIDTH_JOINERS and why_unseen($character)", "False"),
        "tests/unit/test_cli.py::TestWords",
    ),
    Marked(
        "passwords take turns by network",
        "passwords-take-turns",
        Instead("path", "()"),
        f"{GUESSING}::test_a_flood_of_log_ins_from_one_network_keeps_nobody_else_waiting",
    ),
    Marked(
        "the newest of the greediest is refused first",
        "newest-greediest-refused",
        Instead("($one.waiting, $newest)", "$newest"),
        "tests/unit/test_turns.py::test_when_too_many_wait_the_newest_of_the_greediest_is_refused",
    ),
    Marked(
        "who leaves in the moment of its turn passes it on",
        "leaves-moment-turn",
        Removed(),
        "tests/unit/test_turns.py::test_who_leaves_in_the_moment_of_its_turn_passes_it_on",
    ),
    Marked(
        "past the limit of guesses no password is right",
        "past-limit-guesses",
        Removed(),
        f"{GUESSING}::test_guesses_by_name_and_by_address_of_one_user_count_together",
    ),
    Marked(
        "a guess too many is the same work and answer",
        "guess-too-many",
        Replaced("raise BadCredentials"),
        f"{GUESSING}::test_a_guess_that_is_not_looked_at_is_the_same_work",
    ),
    Marked(
        "an unknown user costs a verification as well",
        "unknown-user-costs",
        Replaced("""if known is self._nobodys_hash:
    return False
$it"""),
        "tests/attacks/test_guessing.py"
        "::test_an_unknown_user_and_a_wrong_password_are_the_same_work",
    ),
)
