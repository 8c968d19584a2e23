"""Containers, manifests, alerts."""

from __future__ import annotations

from typing import Final

from tests.guards.change import Instead, Removed
from tests.guards.guard import Guard, Marked

_KUBERNETES: Final = "tests/deployment/test_kubernetes.py"
_NGINX: Final = "tests/deployment/test_nginx_strangers.py"
_SECRETS: Final = "tests/deployment/test_secrets.py"

DEPLOYMENT: Final = (
    Marked(
        "secrets are closed before they are made",
        "secrets-closed-before",
        Removed(),
        f"{_SECRETS}::test_while_openssl_works_everything_is_closed",
    ),
    Marked(
        "whatever openssl writes is for nobody else",
        "openssl-writes",
        Instead("63", "0"),
        f"{_SECRETS}::test_while_openssl_works_everything_is_closed",
    ),
    Marked(
        "a password that somebody else put there is not believed",
        "password-somebody-else",
        Instead("$path.lstat().st_uid not in $ours", "False"),
        f"{_SECRETS}::test_nothing_that_somebody_else_has_put_there_is_believed",
    ),
    Marked(
        "no linked directory is filled",
        "no-linked-directory",
        Removed(),
        f"{_SECRETS}::test_no_linked_directory_is_filled_or_given_away",
    ),
    Marked(
        "who has a directory of secrets open cannot write there",
        "directory-secrets-open",
        Removed(),
        f"{_SECRETS}::test_who_has_a_directory_open_cannot_write_there_any_more",
    ),
    Marked(
        "half of a certificate is never taken for one",
        "half-certificate-never",
        Instead("new", "made.parent"),
        f"{_SECRETS}::test_without_a_certificate_it_says_so_and_what_is_there_is_closed_and_whole",
    ),
    Marked(
        "what an ended run left is taken away",
        "ended-run-left",
        Removed(),
        f"{_SECRETS}::test_half_a_file_of_a_run_that_was_ended_is_taken_for_nothing",
    ),
    Marked(
        "a link is not given away",
        "link-not-given",
        Removed(),
        f"{_SECRETS}::test_a_link_is_followed_to_nothing_that_could_be_given_away",
    ),
    Marked(
        "the directory of the embedded servers is closed, whoever made it",
        "directory-embedded-servers",
        Removed(),
        "tests/integration/test_embedded.py::test_what_others_could_read_is_closed",
    ),
    Guard(
        "nginx makes a submission elsewhere that went down with its instance",
        "docker/nginx/nginx.conf",
        "            error_page 502 = @actions;\n",
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
        '        "~^(POST|PATCH) .*[1-9]" 1;\n',
        "",
        "tests/deployment/test_nginx.py::test_a_request_begins_once_more_when_nobody_was_there",
    ),
    Guard(
        "nginx does not make a submission again that is only late",
        "docker/nginx/nginx.conf",
        "            error_page 502 = @actions;\n            error_page 504 = @api;\n",
        "            error_page 502 504 = @actions;\n",
        f"{_NGINX}::test_what_is_only_late_is_not_asked_for_again",
    ),
    Guard(
        "nginx says who a client is, whatever the client says",
        "docker/nginx/nginx.conf",
        "proxy_set_header X-Forwarded-For $remote_addr;",
        "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;",
        f"{_NGINX}::test_an_instance_is_told_nothing_that_a_stranger_wrote_of_himself",
    ),
    Guard(
        "nginx lets nobody else say what is traced",
        "docker/nginx/nginx.conf",
        '    proxy_set_header traceparent "";\n',
        "",
        f"{_NGINX}::test_an_instance_is_told_nothing_that_a_stranger_wrote_of_himself",
    ),
    Guard(
        "nginx bounds what an address holds",
        "docker/nginx/nginx.conf",
        '        "~(?s)^(?<net64>.{8}).{8}$" $net64;\n',
        "",
        f"{_NGINX}::test_an_address_holds_so_many_requests_and_a_customer_of_ipv6_is_one",
    ),
    Guard(
        "nginx knows an IPv4 address in the clothes of IPv6",
        "docker/nginx/nginx.conf",
        '        "~(?s)^\\x00{10}\\xff\\xff(?<v4>.{4})$" $v4;\n',
        "",
        f"{_NGINX}::test_an_address_holds_so_many_requests_and_a_customer_of_ipv6_is_one",
    ),
    Guard(
        "nginx bounds what a site holds",
        "docker/nginx/nginx.conf",
        '        "~(?s)^(?<net48>.{6}).{10}$" $net48;\n',
        "",
        f"{_NGINX}::test_all_networks_of_a_household_and_of_a_site_together_hold_no_more_than_some",
    ),
    Guard(
        "nginx bounds an address",
        "docker/nginx/nginx.conf",
        "            return 414 $refusal;\n",
        "            break;\n",
        f"{_NGINX}::test_a_path_has_an_end",
    ),
    Guard(
        "nginx bounds a head",
        "docker/nginx/nginx.conf",
        "    large_client_header_buffers 3 8k;\n",
        "    large_client_header_buffers 8 16k;\n",
        f"{_NGINX}::test_a_head_is_bounded_and_an_instance_takes_what_is_let_through",
    ),
    Guard(
        "nginx keeps no body in a file",
        "docker/nginx/nginx.conf",
        "    client_body_buffer_size 64k;",
        "    client_body_buffer_size 16k;",
        f"{_NGINX}::test_a_body_waits_in_no_file_and_makes_no_line",
    ),
    Guard(
        "nginx keeps no answer in a file that a client does not take",
        "docker/nginx/nginx.conf",
        "    proxy_max_temp_file_size 0;\n",
        "",
        f"{_NGINX}::test_an_answer_that_nobody_takes_waits_in_no_file",
    ),
    Guard(
        "nginx sends nobody to a name that is not ours",
        "docker/nginx/nginx.conf",
        "            if ($is_known) {\n",
        "            if ($host) {\n",
        f"{_NGINX}::test_nobody_is_sent_to_a_name_that_is_not_ours",
    ),
    Guard(
        "nginx repeats the port of a name and nothing else",
        "docker/nginx/nginx.conf",
        "https://$host$port_asked_for$request_uri",
        "https://$http_host$request_uri",
        f"{_NGINX}::test_nobody_is_sent_to_a_name_that_is_not_ours",
    ),
    Guard(
        "what nginx refuses itself has the form of the service",
        "docker/nginx/nginx.conf",
        "        error_page 404 405 413 500 501 502 503 504 @refusal;\n",
        "",
        f"{_NGINX}::test_what_nginx_refuses_itself_has_the_form_of_what_instances_refuse",
    ),
    Guard(
        "what nginx says itself is kept by nobody",
        "docker/nginx/nginx.conf",
        "        add_header Cache-Control $unless_said always;\n",
        "",
        f"{_NGINX}::test_what_nginx_says_itself_is_kept_by_nobody_and_what_others_say_as_they_say",
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
        '      "write": "^scoreboard\\\\.(events$|stream\\\\.)",\n',
        '      "write": ".*",\n',
        "tests/deployment/test_rabbit_definitions.py::"
        "test_nothing_else_may_be_made_read_or_written",
    ),
    Guard(
        "RabbitMQ's user of streams may publish nothing",
        "docker/rabbitmq/definitions.json",
        '      "write": "^scoreboard\\\\.stream\\\\.",\n',
        '      "write": "^scoreboard\\\\.",\n',
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
        "pods are told nothing of Services",
        "docker/kubernetes/stream.yaml",
        "      enableServiceLinks: false\n",
        "",
        f"{_KUBERNETES}::test_pods_are_as_tightly_bound_as_the_namespace_asks",
    ),
    Guard(
        "no pod is believed who a client is until somebody says so",
        "docker/kubernetes/settings.yaml",
        '  SCOREBOARD_TRUSTED_PROXIES: ""\n',
        "  SCOREBOARD_TRUSTED_PROXIES: 10.0.0.0/8\n",
        f"{_KUBERNETES}::test_nobody_is_believed_until_the_operator_says_whom",
    ),
    Guard(
        "the job reaches PostgreSQL alone",
        "docker/kubernetes/network.yaml",
        "      ports: [{port: 5432}]\n",
        "      ports: [{port: 5432}, {port: 6379}]\n",
        f"{_KUBERNETES}::test_the_job_reaches_postgresql_alone_and_is_reached_by_nobody",
    ),
    Marked(
        "what Kubernetes tells of others stops no start",
        "kubernetes-tells-others",
        Removed(),
        "tests/unit/test_service_links.py::test_what_is_told_of_others_sets_nothing",
    ),
    Marked(
        "what only resembles it is refused",
        "only-resembles",
        Instead(
            "($fits($text, $match) for $other in $matches if $match)",
            "($match for $other in $matches)",
        ),
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
