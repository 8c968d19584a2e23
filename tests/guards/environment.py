"""The environment that make makes: what it removes, and what it takes from its caller."""

from __future__ import annotations

from typing import Final

from tests.guards.guard import Guard

_MAKE: Final = "tests/unit/test_makefile.py"

ENVIRONMENT: Final = (
    Guard(
        "make: a variable of the caller's shell chooses no directory",
        "Makefile",
        "VENV = .venv\n",
        "VENV ?= .venv\n",
        f"{_MAKE}::test_a_checkout_runs_whatever_its_path_and_its_caller_s_shell_hold",
    ),
    Guard(
        "make: a directory without its mark is somebody else's",
        ".make/directory.py",
        "if not is_ours(directory) and any(directory.iterdir()):",
        "if False:",
        f"{_MAKE}::test_a_directory_that_make_did_not_make_stays_as_it_is",
    ),
    Guard(
        "make: an earlier mark counts in a virtual environment only",
        ".make/directory.py",
        '(directory / "pyvenv.cfg").is_file() and any(',
        "any(",
        f"{_MAKE}::test_a_file_named_like_an_earlier_mark_makes_no_directory_ours",
    ),
    Guard(
        "make: what is no part of an environment stays in it",
        ".make/directory.py",
        "for part in (*_PARTS, *_EARLIER_MARKS):",
        "for part in os.listdir(directory):",
        f"{_MAKE}::test_what_a_killed_make_left_is_made_anew_and_what_is_not_of_it_stays",
    ),
    Guard(
        "make: an environment is unfinished while something is installed into it",
        ".make/environment.py",
        "            write_mark(mark, Installed())\n",
        "",
        f"{_MAKE}::test_what_pip_could_not_finish_is_made_anew",
    ),
    Guard(
        "make: two at once take turns",
        ".make/directory.py",
        "        _lock(mark, directory)\n",
        "",
        f"{_MAKE}::test_two_makes_at_once_make_one_environment",
    ),
    Guard(
        "make: pip is told from where to install, not what or where to",
        ".make/pip_settings.py",
        " and name in _KEPT",
        "",
        f"{_MAKE}::test_pip_is_told_whence_as_its_user_has_it_and_not_what_nor_where_to",
    ),
    Guard(
        "make: clean leaves the data of servers that run",
        ".make/environment.py",
        "            _refuse_while_servers_run()  # whose data are removed next\n",
        "",
        f"{_MAKE}::test_clean_leaves_the_data_of_servers_that_run",
    ),
    Guard(
        "make: an environment is not made anew beneath those who run in it",
        ".make/environment.py",
        "                _refuse_while_servers_run()  # by what is about to be removed\n",
        "                pass\n",
        f"{_MAKE}::test_it_is_not_made_anew_beneath_servers_that_run_in_it",
    ),
    Guard(
        "embedded: what a shell says of another PostgreSQL is not taken for this one",
        "scoreboard/embedded/postgres.py",
        "        _nothing_said_of_another_server(),\n",
        "",
        "tests/integration/test_embedded.py::"
        "test_what_a_shell_says_of_another_server_is_not_taken_for_this_one",
    ),
    Guard(
        "embedded: no shell reads the path of PostgreSQL's programs",
        "scoreboard/embedded/postgres.py",
        "if not _MEANS_SOMETHING_IN_QUOTES.search(str(programs)):",
        "if True:",
        "tests/integration/test_embedded.py::"
        "test_programs_whose_path_means_something_to_a_shell_work",
    ),
)
