"""The environment that make makes: what it removes, and what it takes from its caller."""

from __future__ import annotations

from typing import Final

from tests.guards.change import Always, Instead, NotEntered, Removed
from tests.guards.guard import Guard, Marked

_MAKE: Final = "tests/unit/test_makefile.py"

ENVIRONMENT: Final = (
    Guard(
        "make: a variable of the caller's shell chooses no directory",
        "Makefile",
        "VENV = .venv\n",
        "VENV ?= .venv\n",
        f"{_MAKE}::test_a_checkout_runs_whatever_its_path_and_its_caller_s_shell_hold",
    ),
    Marked(
        "make: a directory without its mark is somebody else's",
        "make-directory-without",
        Removed(),
        f"{_MAKE}::test_a_directory_that_make_did_not_make_stays_as_it_is",
    ),
    Marked(
        "make: an earlier mark counts in a virtual environment only",
        "make-earlier-mark",
        Instead("($directory / 'pyvenv.cfg').is_file()", "True"),
        f"{_MAKE}::test_a_file_named_like_an_earlier_mark_makes_no_directory_ours",
    ),
    Marked(
        "make: what is no part of an environment stays in it",
        "make-no-part",
        Instead("(*_PARTS, *_EARLIER_MARKS)", "os.listdir(directory)"),
        f"{_MAKE}::test_what_a_killed_make_left_is_made_anew_and_what_is_not_of_it_stays",
    ),
    Marked(
        "make: an environment is unfinished while something is installed into it",
        "make-environment-unfinished",
        Removed(),
        f"{_MAKE}::test_what_pip_could_not_finish_is_made_anew",
    ),
    Marked(
        "make: two at once take turns",
        "make-two-once",
        Removed(),
        f"{_MAKE}::test_two_makes_at_once_make_one_environment",
    ),
    Marked(
        "make: pip is told from where to install, not what or where to",
        "make-pip-told",
        Instead("$name in _KEPT", "True"),
        f"{_MAKE}::test_pip_is_told_whence_as_its_user_has_it_and_not_what_nor_where_to",
    ),
    Marked(
        "make: clean leaves the data of servers that run",
        "make-clean-leaves",
        Removed(),
        f"{_MAKE}::test_clean_leaves_the_data_of_servers_that_run",
    ),
    Marked(
        "make: an environment is not made anew beneath those who run in it",
        "make-environment-not",
        Removed(),
        f"{_MAKE}::test_it_is_not_made_anew_beneath_servers_that_run_in_it",
    ),
    Marked(
        "embedded: what a shell says of another PostgreSQL is not taken for this one",
        "embedded-shell-says",
        NotEntered("_without_libpq_variables()"),
        "tests/integration/test_embedded.py::"
        "test_what_a_shell_says_of_another_server_is_not_taken_for_this_one",
    ),
    Marked(
        "embedded: no shell reads the path of PostgreSQL's programs",
        "embedded-no-shell",
        Always(),
        "tests/integration/test_embedded.py::"
        "test_programs_whose_path_means_something_to_a_shell_work",
    ),
)
