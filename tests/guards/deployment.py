"""Containers, manifests, alerts."""

from __future__ import annotations

from typing import Final

from tests.guards.guard import Guard

DEPLOYMENT: Final = (
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
)
