"""Who is it: passwords and tokens."""

from __future__ import annotations

from typing import Final

from tests.guards.guard import GUESSING, Guard

QUERIES: Final = "scoreboard/accounts/queries.sql"
TOKENS: Final = "tests/attacks/test_tokens.py"
FAMILIES: Final = "tests/integration/test_families.py"
ACCOUNTS_TESTS: Final = "tests/integration/test_accounts.py"
REVOCATIONS: Final = "tests/service/test_revocations.py"

ACCOUNTS: Final = (
    Guard(
        "clocks: a token from an instance whose clock is ahead is taken",
        "scoreboard/accounts/access.py",
        "ISSUED_AHEAD_SECONDS: Final = 900\n",
        "ISSUED_AHEAD_SECONDS: Final = 10\n",
        "tests/faults/test_clocks.py",
    ),
    Guard(
        "a log-out ends every successor",
        "scoreboard/accounts/families.py",
        'self._postgres.fetch(SQL["end_family"], hashes)',
        'self._postgres.fetch(SQL["end_family"], dict.fromkeys(hashes, b""))',
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
        ")\nFOR UPDATE;\nWITH family AS MATERIALIZED (\n",
        ");\nWITH family AS MATERIALIZED (\n",
        f"{FAMILIES}::test_of_many_who_refresh_at_once_two_are_answered_alike_and_a_third_ends_the"
        "_family",
    ),
    Guard(
        "refresh: a token that is kept no more is known by its handle",
        "scoreboard/accounts/refresh.py",
        "    return hashlib.sha256(_bytes(token)[:_HANDLE_BYTES]).digest()\n",
        "    return hashlib.sha256(_bytes(token)).digest()\n",
        f"{FAMILIES}::test_after_years_of_refreshing_a_token_of_the_first_day_still_ends_its_family",
    ),
    Guard(
        "refresh: what replaced tokens leave behind is pruned",
        QUERIES,
        "refresh_tokens.token_hash = judged.predecessor_hash\n",
        "FALSE\n",
        f"{FAMILIES}::test_after_years_of_refreshing_a_token_of_the_first_day_still_ends_its_family",
    ),
    Guard(
        "refresh: another spelling of a token is none",
        "scoreboard/accounts/refresh.py",
        "{42}[AEIMQUYcgkosw048]",
        "{43}",
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
    Guard(
        "refresh: what the release before derived is an answer too",
        "scoreboard/accounts/refresh.py",
        "        found += [keys.earlier_successor(token) for keys in self._keys]\n",
        "",
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
        "SELECT FROM users WHERE user_id = %(user_id)s::uuid FOR SHARE;\n",
        "",
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
    Guard(
        "a common password cannot be chosen",
        "scoreboard/accounts/blocklist.py",
        "        if folded in self._common or _is_a_row(folded):\n",
        "        if _is_a_row(folded):\n",
        f"{ACCOUNTS_TESTS}::test_a_password_that_is_tried_first_or_is_a_name_cannot_be_chosen",
    ),
    Guard(
        "nobody's own name is a password",
        "scoreboard/accounts/blocklist.py",
        "        return OWN_NAME if rest != folded and len(rest) < CHARS_MIN else None\n",
        "        return None\n",
        f"{ACCOUNTS_TESTS}::test_a_password_that_is_tried_first_or_is_a_name_cannot_be_chosen",
    ),
    Guard(
        "a key belongs to its issuer",
        "scoreboard/accounts/access.py",
        "        keys = self._own_keys if foreign is None else foreign\n",
        "        every = [self._own_keys, *self._foreign_keys.values()]\n"
        '        keys = SigningKeys(key for its in every for key in its.candidates(""))\n',
        f"{TOKENS}::test_who_has_the_key_of_one_issuer_speaks_for_no_other",
    ),
    Guard(
        "a foreign token has a largest life",
        "scoreboard/accounts/access.py",
        '        if expires_at > read.moment(claims.get("iat")) + self._foreign_seconds:\n'
        "            raise InvalidToken\n",
        "",
        f"{TOKENS}::test_a_token_of_another_issuer_lives_no_longer_than_it_may",
    ),
    Guard(
        "another issuer does not manage accounts",
        "scoreboard/api/http/identity.py",
        "    if ours and found.foreign:\n",
        "    if False:\n",
        f"{TOKENS}::test_another_issuer_speaks_for_a_user_and_does_not_manage_the_account",
    ),
    Guard(
        "no two issuers share a key",
        "scoreboard/configuration/sources.py",
        "        if owners.setdefault(_key(secret), owner) != owner:\n",
        "        if False:\n",
        "tests/unit/test_settings.py::test_no_two_issuers_share_a_key_and_nobody_shares_ours",
    ),
    Guard(
        "revoked: asked of remembered tokens as well",
        "scoreboard/accounts/access.py",
        "        if refusal is not None:\n",
        "        if False:\n",
        f"{REVOCATIONS}::test_a_log_out_everywhere_ends_every_log_in_and_stream_and_leaves_the_next"
        "_one_alone",
    ),
    Guard(
        "revoked: what came first is told by PostgreSQL's reading, not by what an instance knows",
        "scoreboard/accounts/families.py",
        "self._access.issue(user_id, self._present(reading))",
        "self._access.issue(user_id)",
        f"{REVOCATIONS}::test_a_token_is_good_again_within_the_second_in_which_the_one_before_ended",
    ),
    Guard(
        "revoked: no token is given out, and nobody poisoned, while the clock is gone",
        "scoreboard/accounts/families.py",
        "        if reading is None:\n",
        "        if False:\n",
        "tests/service/test_refused.py"
        "::test_a_clock_of_revocations_that_is_gone_gives_out_no_token_and_poisons_nobody",
    ),
    Guard(
        "revoked: known before an instance serves",
        "scoreboard/app.py",
        "    await _learn_revocations(parts)\n",
        "",
        f"{REVOCATIONS}::test_an_instance_knows_what_was_revoked_before_it_serves",
    ),
    Guard(
        "revoked: whoever deletes a user",
        "migrations/0007.token-generations.sql",
        "    PERFORM revoke_access(user_id, TRUE) FROM deleted_users;\n",
        "",
        f"{REVOCATIONS}::test_a_user_deleted_by_hand_is_gone_as_well",
    ),
    Guard(
        "revoked: streams end",
        "scoreboard/live/stream.py",
        "        with admission.watch(end):\n",
        "        if True:\n",
        f"{REVOCATIONS}::test_a_user_deleted_by_hand_is_gone_as_well",
    ),
    Guard(
        "revoked: a stream that was on its way in ends too",
        "scoreboard/accounts/revocations.py",
        "        try:\n            self._tell(user_id)\n            yield\n",
        "        try:\n            yield\n",
        "tests/unit/test_revocations.py"
        "::test_who_begins_to_watch_a_token_that_was_revoked_meanwhile_hears_of_it_at_once",
    ),
    Guard(
        "revoked: forgotten by the clock of PostgreSQL alone",
        "scoreboard/accounts/revocations.py",
        "        self._revocations.forget_before(oldest)\n",
        '        now = __import__("time").time()\n'
        "        self._revocations.forget_before(int(now * 1000) + 3_600_000)\n",
        f"{REVOCATIONS}::test_an_instance_knows_what_was_revoked_before_it_serves",
    ),
    Guard(
        "revoked: what a leap of its clock made us forget is read again",
        "scoreboard/accounts/revocations.py",
        "            self._after = 0\n",
        "            pass\n",
        "tests/unit/test_revocations.py"
        "::test_what_the_databases_clock_made_us_forget_is_read_again_once_it_is_set_right",
    ),
    Guard(
        "revoked: of too many nobody is let in",
        "scoreboard/accounts/revocations.py",
        "            self.overlook(oldest.reading)\n",
        "            pass\n",
        "tests/unit/test_revocations.py"
        "::test_of_too_many_the_oldest_is_forgotten_with_everybodys_tokens_from_before",
    ),
    Guard(
        "a guess at a log-in is none at a change of password",
        "scoreboard/api/http/limits.py",
        '_guess(request, f"own:{user_id}")',
        "_guess(request, user_id)",
        f"{REVOCATIONS}::test_who_guesses_at_a_log_in_keeps_nobody_from_a_new_password",
    ),
    Guard(
        "a change of password is a guess",
        "scoreboard/api/accounts.py",
        "    await limit_guesses(request, user.user_id)\n",
        "",
        f"{REVOCATIONS}::test_guesses_of_a_password_are_counted_whatever_token_they_come_with",
    ),
    Guard(
        "names: a character that nobody sees is in none",
        "scoreboard/accounts/names.py",
        "    if why := unicode.why_unseen(character):\n        return why\n",
        "",
        "tests/attacks/test_names.py",
    ),
    Guard(
        "names: letters that are drawn the same are one",
        "scoreboard/unicode.py",
        "_without_soft_dots(plain))",
        "plain)",
        "tests/unit/test_unicode.py::test_spellings_of_one_text_are_one",
    ),
    Guard(
        "names: nobody is called like the id of another user",
        "scoreboard/accounts/names.py",
        "    if ids.canonical(plain):\n",
        "    if False:\n",
        "tests/unit/test_names.py::test_a_name_that_nobody_may_take_is_refused_and_told_why",
    ),
    Guard(
        "names: a mark stands on a letter of its own script",
        "scoreboard/accounts/names.py",
        ' or _script(mark) not in ("COMBINING", _script(base)):',
        ":",
        "tests/attacks/test_names.py",
    ),
    Guard(
        "names: one key for all spellings, whatever the locale",
        "scoreboard/accounts/users.py",
        '"username_key": names.username_key(shown),',
        '"username_key": shown,',
        "tests/integration/test_names.py::test_in_every_locale_a_name_is_one_and_found_in_every_case",
    ),
    Guard(
        "names: nobody takes the name of who has no key yet",
        "scoreboard/accounts/users.py",
        "        password_hash = await self._passwords.hash(password, path)\n"
        "        await newcomers.give_keys(self._postgres)\n",
        "        password_hash = await self._passwords.hash(password, path)\n",
        "tests/integration/test_names.py",
    ),
    Guard(
        "names: of two with one name each is found by their own spelling",
        "scoreboard/accounts/queries.sql",
        "ORDER BY username = %(shown)s DESC, username = %(shown_before)s DESC\n",
        "ORDER BY username = %(shown)s, username = %(shown_before)s\n",
        "tests/integration/test_names.py",
    ),
    Guard(
        "names: who registered first keeps a name that two have",
        "migrations/0006.account-keys.py",
        "own_key(key, user_id) if key in taken else key",
        "key",
        "tests/migrations/test_account_keys.py",
    ),
    Guard(
        "names: a run that gives keys may be ended after any step",
        "migrations/0006.account-keys.py",
        "ADD COLUMN IF NOT EXISTS username_key",
        "ADD COLUMN username_key",
        "tests/migrations/test_account_keys.py",
    ),
    Guard(
        "names: a terminal gets no escape sequence",
        "scoreboard/unicode.py",
        "        if character not in ZERO_WIDTH_JOINERS and why_unseen(character)\n",
        "        if False\n",
        "tests/unit/test_cli.py::TestWords",
    ),
    Guard(
        "passwords take turns by network",
        "scoreboard/accounts/passwords.py",
        "        await self._turns.take(path)\n",
        "        await self._turns.take(())\n",
        f"{GUESSING}::test_a_flood_of_log_ins_from_one_network_keeps_nobody_else_waiting",
    ),
    Guard(
        "the newest of the greediest is refused first",
        "scoreboard/accounts/turns.py",
        "lambda one: (one.waiting, one.newest())",
        "lambda one: one.newest()",
        "tests/unit/test_turns.py::test_when_too_many_wait_the_newest_of_the_greediest_is_refused",
    ),
    Guard(
        "who leaves in the moment of its turn passes it on",
        "scoreboard/accounts/turns.py",
        "                self.give_back()  # its turn came in the moment in which it left\n",
        "                pass\n",
        "tests/unit/test_turns.py::test_who_leaves_in_the_moment_of_its_turn_passes_it_on",
    ),
    Guard(
        "past the limit of guesses no password is right",
        "scoreboard/accounts/registry.py",
        "            password_hash = None\n",
        "            pass\n",
        f"{GUESSING}::test_guesses_by_name_and_by_address_of_one_user_count_together",
    ),
    Guard(
        "a guess too many is the same work and answer",
        "scoreboard/accounts/registry.py",
        "            password_hash = None\n",
        "            raise BadCredentials\n",
        f"{GUESSING}::test_a_guess_that_is_not_looked_at_is_the_same_work",
    ),
    Guard(
        "an unknown user costs a verification as well",
        "scoreboard/accounts/passwords.py",
        "        return await self._on_a_thread(lambda: self._matches(known, password), path)\n",
        "        if known is self._nobodys_hash:\n            return False\n"
        "        return await self._on_a_thread(lambda: self._matches(known, password), path)\n",
        "tests/attacks/test_guessing.py"
        "::test_an_unknown_user_and_a_wrong_password_are_the_same_work",
    ),
)
