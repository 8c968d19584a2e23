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
