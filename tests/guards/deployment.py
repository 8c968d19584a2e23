"""Containers, manifests, alerts."""

from __future__ import annotations

from typing import Final

from tests.guards.guard import Guard

_SECRETS: Final = "tests/deployment/test_secrets.py"

DEPLOYMENT: Final = (
    Guard(
        "secrets are closed before they are made",
        "docker/make_secrets.py",
        "    root.chmod(0o700)\n    for left",
        "    for left",
        f"{_SECRETS}::test_while_openssl_works_everything_is_closed",
    ),
    Guard(
        "whatever openssl writes is for nobody else",
        "docker/make_secrets.py",
        "    os.umask(0o077)",
        "    os.umask(0)",
        f"{_SECRETS}::test_while_openssl_works_everything_is_closed",
    ),
    Guard(
        "half of a certificate is never taken for one",
        "docker/make_secrets.py",
        "        openssl(*command, at=new)\n",
        "        openssl(*command, at=made.parent)\n",
        f"{_SECRETS}::test_without_a_certificate_it_says_so_and_what_is_there_is_closed_and_whole",
    ),
    Guard(
        "what an ended run left is taken away",
        "docker/make_secrets.py",
        "        shutil.rmtree(left) if left.is_dir() else left.unlink()\n",
        "        pass\n",
        f"{_SECRETS}::test_half_a_file_of_a_run_that_was_ended_is_taken_for_nothing",
    ),
    Guard(
        "a link is not given away",
        "docker/make_secrets.py",
        "    if path.is_symlink():  # it leads to what is none of ours\n        return\n"
        "    opened = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)\n",
        "    opened = os.open(path, os.O_RDONLY | os.O_NONBLOCK)\n",
        f"{_SECRETS}::test_a_link_is_followed_to_nothing_that_could_be_given_away",
    ),
    Guard(
        "the directory of the embedded servers is closed, whoever made it",
        "scoreboard/operations/embedded/home.py",
        "    if found.st_mode & 0o077:\n        home.chmod(0o700)\n",
        "",
        "tests/integration/test_embedded.py::test_what_others_could_read_is_closed",
    ),
    Guard(
        "nginx makes a submission elsewhere that went down with its instance",
        "docker/nginx/nginx.conf",
        "            error_page 502 504 = @actions;\n",
        "",
        "tests/deployment/test_nginx.py::"
        "test_a_submission_that_an_instance_takes_with_it_is_made_elsewhere",
    ),
    Guard(
        "nginx begins a request once more when nobody was there",
        "docker/nginx/nginx.conf",
        "            error_page 502 504 = @stream;\n",
        "",
        "tests/deployment/test_nginx.py::test_a_request_begins_once_more_when_nobody_was_there",
    ),
    Guard(
        "nginx makes no account twice",
        "docker/nginx/nginx.conf",
        "            if ($request_method = POST) {  # an account, say: it may have been made\n"
        "                return 502;\n            }\n",
        "",
        "tests/deployment/test_nginx.py::test_a_request_begins_once_more_when_nobody_was_there",
    ),
    Guard(
        "the image's account has a name to migrate under",
        "docker/Dockerfile",
        "LOGNAME=scoreboard ",
        "",
        "tests/deployment/test_compose.py::"
        "test_the_schema_can_be_made_under_an_account_without_a_name",
    ),
    Guard(
        "RabbitMQ's user may touch nothing else",
        "docker/rabbitmq/definitions.json",
        '      "write": "^scoreboard\\\\..*",\n',
        '      "write": ".*",\n',
        "tests/deployment/test_rabbit_definitions.py::"
        "test_nothing_else_may_be_made_read_or_written",
    ),
    Guard(
        "RabbitMQ bounds a queue whoever makes it",
        "docker/rabbitmq/definitions.json",
        '"max-length": 64, ',
        "",
        "tests/deployment/test_rabbit_definitions.py::"
        "test_every_queue_of_ours_is_bounded_whoever_makes_it",
    ),
    Guard(
        "what Kubernetes tells of others stops no start",
        "scoreboard/configuration.py",
        "        if name in told_of_others:\n            continue\n",
        "",
        "tests/unit/test_service_links.py::test_what_is_told_of_others_sets_nothing",
    ),
    Guard(
        "what only resembles it is refused",
        "scoreboard/service_links.py",
        "    return any(fits(text, match) for match, fits in matches if match)\n",
        "    return any(match for match, fits in matches)\n",
        "tests/unit/test_service_links.py::test_what_only_resembles_it_is_a_mistake",
    ),
    Guard(
        "the image is checked at its port, whatever a link wrote",
        "docker/Dockerfile",
        "int(port) if port.isdigit() else 8080",
        "int(port or 8080)",
        "tests/deployment/test_health_check.py"
        "::test_what_a_link_writes_is_no_port_for_the_check_either",
    ),
)
