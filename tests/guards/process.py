"""The process as a whole: wiring, start and end, settings, operations, migrations."""

from __future__ import annotations

from typing import Final

from tests.guards.guard import PROMISES, SECRETS, STREAMS, Guard

PROCESS: Final = (
    Guard(
        "an instance takes as many files as it may",
        "scoreboard/app.py",
        "    _allow_files()\n",
        "",
        "tests/faults/test_scarcity.py::test_an_instance_takes_as_many_files_as_it_may",
    ),
    Guard(
        "a migration does not queue for a table, with every grant behind it",
        "scoreboard/database/migrations.py",
        "= session(database_url, LOCK_SECONDS)",
        "= session(database_url, 60)",
        "tests/service/test_upgrade.py::"
        "test_a_migration_that_has_to_wait_gives_up_before_it_holds_up_all_who_write",
    ),
    Guard(
        "deploy: one that leaves serves on until the balancer has seen it",
        "scoreboard/app.py",
        "        await asyncio.sleep(settings.drain_seconds)\n",
        "",
        "tests/faults/test_deploy.py",
    ),
    Guard(
        "an older copy is not served once the bus brought a newer board",
        "scoreboard/parts.py",
        "            on_newer={MAIN: self.board.notice},\n",
        "",
        f"{PROMISES}::"
        "test_a_copy_that_missed_a_board_is_not_served_by_an_instance_that_the_bus_told",
    ),
    Guard(
        "what an instance shows to its streams it also answers, when all else is away",
        "scoreboard/parts.py",
        "            on_newer={MAIN: self.board.notice},\n",
        "",
        "tests/faults/test_outages.py"
        "::test_a_fresh_instance_without_postgresql_and_redis_answers_what_its_streams_show",
    ),
    Guard(
        "a client that leaves is noticed: handlers are cancelled",
        "scoreboard/app.py",
        "        handler_cancellation=True,\n",
        "",
        f"{STREAMS}::test_a_client_that_leaves_is_forgotten_at_once",
    ),
    Guard(
        "accepted submissions are finished at the end",
        "scoreboard/parts.py",
        "        self.lifetime.close(self.submissions.close)\n",
        "",
        "tests/service/test_shutdown.py::"
        "test_submissions_whose_client_left_are_finished_at_the_end",
    ),
    Guard(
        "streams end first",
        "scoreboard/app.py",
        "    parts.hub.close(",
        "    (lambda *_: None)(",
        "tests/service/test_shutdown.py::test_streams_get_a_farewell_and_a_clean_end",
    ),
    Guard(
        "a client that reads nothing holds no end up",
        "scoreboard/app.py",
        "shutdown_timeout=settings.shutdown_seconds / 2,",
        "shutdown_timeout=settings.shutdown_seconds,",
        "tests/service/test_shutdown.py::"
        "test_a_client_that_reads_nothing_holds_the_end_up_no_longer_than_was_set",
    ),
    Guard(
        "a start that waits for PostgreSQL ends when it is told to",
        "scoreboard/app.py",
        "await unless_set(stop, runner.setup())",
        "await runner.setup()",
        "tests/service/test_commands.py::TestServe::"
        "test_sigterm_while_postgresql_is_silent_ends_it_with_code_0",
    ),
    Guard(
        "a worker ends when its successor is ready, not when it is up",
        "scoreboard/processes/workers.py",
        'if any(each.state == "ready" for each in self._crew.successors(worker)):',
        'if any(each.state != "starting" for each in self._crew.successors(worker)):',
        "tests/service/test_workers.py::test_nobody_ends_who_is_not_succeeded_by_one_that_is_ready",
    ),
    Guard(
        "successors that die are given up after a few",
        "scoreboard/processes/patience.py",
        "return self._attempts_left <= 0 or ",
        "return ",
        "tests/service/test_workers.py::test_successors_that_die_are_given_up_after_a_few_and_the_older_ones_go_on",
    ),
    Guard(
        "a successor that does not become ready is given up",
        "scoreboard/processes/patience.py",
        " or self._clock() > self._deadline",
        "",
        "tests/service/test_workers.py::test_a_successor_that_does_not_become_ready_is_given_up",
    ),
    Guard(
        "a worker that a renewal has started takes the place of one that has died",
        "scoreboard/processes/workers.py",
        "if self._may_start and not self._crew.holders(seat):",
        "if self._may_start and not [w for w in self._crew.holders(seat) if not self._renewal]:",
        "tests/service/test_workers.py::test_both_die_while_they_are_renewed_and_their_successors_stay",
    ),
    Guard(
        "the seat of a worker that died is attended meanwhile",
        "scoreboard/processes/crew.py",
        "sitting = [each for each in able if each.seat == seat]",
        "sitting = [each for each in self.workers if each.seat == seat]",
        "tests/service/test_workers.py::test_the_seat_of_a_worker_that_died_is_attended_by_another_one_meanwhile",
    ),
    Guard(
        "a renewal ends the pause of a crash loop",
        "scoreboard/processes/workers.py",
        "        self._pauses.forgive()\n",
        "",
        "tests/service/test_workers.py::test_a_renewal_ends_a_crash_loop_at_once_when_its_cause_is_mended",
    ),
    Guard(
        "a crash loop of many hours keeps its pause",
        "scoreboard/processes/patience.py",
        "min(self._early_deaths, _DOUBLED_MAX)",
        "self._early_deaths",
        "tests/unit/test_patience.py::test_a_crash_loop_of_many_hours_goes_on_as_slowly_as_before",
    ),
    Guard(
        "a renewal does not wait for successors of an earlier one",
        "scoreboard/processes/workers.py",
        "        self._end_outdated(older)\n",
        "",
        "tests/service/test_workers.py::test_a_renewal_does_not_wait_for_successors_that_an_earlier_one_has_started",
    ),
    Guard(
        "the time of a worker that leaves is not its successor's",
        "scoreboard/processes/patience.py",
        "self._deadline = math.inf",
        "self.begin_attempt()",
        "tests/service/test_workers.py::test_a_worker_that_takes_long_to_end_takes_no_time_from_the_next_successor",
    ),
    Guard(
        "a worker that has just begun does not end by SIGHUP",
        "scoreboard/processes/worker.py",
        "with theirs, _without_hang_ups():",
        "with theirs:",
        "tests/service/test_workers.py::test_a_worker_that_is_told_to_renew_like_its_supervisor_goes_on",
    ),
    Guard(
        "a port that workers are about to listen on is nobody else's",
        "scoreboard/api/http/listening.py",
        "            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)\n",
        "            pass\n",
        "tests/unit/test_listening.py::test_a_port_that_workers_are_about_to_listen_on_is_taken",
    ),
    Guard(
        "a port whose connections have just ended is free",
        "scoreboard/api/http/listening.py",
        "    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)\n    one.listen(BACKLOG)\n",
        "    one.listen(BACKLOG)\n",
        "tests/unit/test_listening.py::test_a_port_whose_connections_have_just_ended_is_free",
    ),
    Guard(
        "workers load no modules from where their supervisor was started",
        "scoreboard/commands/serving.py",
        '*([] if is_module else ["-P"])',
        "*[]",
        "tests/service/test_workers.py::test_workers_load_no_modules_from_the_directory_where_they_are",
    ),
    Guard(
        "what asks again does not interrupt the end that was begun",
        "scoreboard/processes/unwinding.py",
        "    heed_no_more()\n    if number",
        "    if number",
        "tests/unit/test_unwinding.py::test_what_asks_again_does_not_interrupt_the_end",
    ),
    Guard(
        "a loop that closes lets no signal end the process",
        "scoreboard/processes/unwinding.py",
        "            asyncio.get_running_loop().remove_signal_handler(number)\n",
        "            pass\n",
        "tests/unit/test_unwinding.py::test_a_loop_that_closes_lets_no_signal_end_the_process",
    ),
    Guard(
        "a killed run's Redis ends with the next run, whatever that needs",
        "scoreboard/embedded/servers.py",
        "        end_leftover_redis(sockets)\n",
        "",
        "tests/integration/test_embedded.py::test_a_killed_runs_redis_ends_with_a_next_run_that_needs_none",
    ),
    Guard(
        "a worker that cannot start is not taken for one that leaves",
        "scoreboard/processes/lifeline.py",
        "        if self._is_up:\n",
        "        if True:\n",
        "tests/service/test_workers.py::test_workers_that_cannot_start_end_the_supervisor",
    ),
    Guard(
        "gauges that cannot be forgotten cost no worker",
        "scoreboard/processes/workers.py",
        "        self._crew.workers.remove(worker)\n",
        "        multiprocess.mark_process_dead(worker.process.pid, self._metrics_directory)\n"
        "        self._crew.workers.remove(worker)\n",
        "tests/service/test_workers.py::test_gauges_that_cannot_be_forgotten_cost_no_worker",
    ),
    Guard(
        "the end of their terminal ends workers, and renews none",
        "scoreboard/processes/workers.py",
        "if had_terminal and not has_terminal():",
        "if False:",
        "tests/service/test_terminals.py::test_workers_end_with_their_terminal_and_are_not_renewed",
    ),
    Guard(
        "what nohup said stays so",
        "scoreboard/operations/endings.py",
        "if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:",
        "if False:",
        "tests/service/test_terminals.py::test_under_nohup_a_service_goes_on_without_its_terminal",
    ),
    Guard(
        "the end of a terminal ends embedded servers too",
        "scoreboard/operations/endings.py",
        "return (*asked, signal.SIGHUP)",
        "return asked",
        "tests/service/test_terminals.py::test_an_embedded_run_ends_with_its_terminal_and_takes_its_servers_along",
    ),
    Guard(
        "a start shows the copy in Redis until it has asked the ledger",
        "scoreboard/app.py",
        "    await _show_copy(parts)\n",
        "",
        "tests/service/test_health.py::"
        "test_an_instance_has_the_copy_to_show_before_it_has_asked_the_ledger",
    ),
    Guard(
        "a worker that was succeeded says nothing of its end",
        "scoreboard/app.py",
        "            health.be_succeeded()\n",
        "            health.leave()\n",
        "tests/faults/test_renewals.py::test_nobody_is_reset_by_the_end_of_a_worker_that_many_connect_to",
    ),
    Guard(
        "who stands in the queue at the end is let in",
        "scoreboard/api/http/site.py",
        "for _ in range(BACKLOG // AT_ONCE):",
        "for _ in range(0):",
        "tests/service/test_shutdown.py::test_who_stood_in_the_queue_at_the_end_is_answered",
    ),
    Guard(
        "who came in a moment before the end is heard",
        "scoreboard/api/http/connection.py",
        "            await self.server.hear_newcomers()\n",
        "            pass\n",
        "tests/service/test_shutdown.py::test_who_came_in_a_moment_before_the_end_is_heard",
    ),
    Guard(
        "an IPv4 client of :: has an IPv4 address",
        "scoreboard/api/http/listening.py",
        "one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)",
        "one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)",
        "tests/unit/test_listening.py::test_two_colons_are_every_address_and_a_client_has_its_own",
    ),
    Guard(
        "an answer that cannot be written is a failure, and no traceback",
        "scoreboard/cli.py",
        "    streams.mend()\n",
        "",
        "tests/unit/test_standard_streams.py::test_an_answer_that_cannot_be_written_is_said_in_one_line",
    ),
    Guard(
        "a log that cannot be written costs nothing but its lines",
        "scoreboard/operations/logs.py",
        "        except (OSError, ValueError):  # ValueError: it was closed",
        "        except ZeroDivisionError:  # ValueError: it was closed",
        "tests/service/test_logs.py::test_a_log_that_cannot_be_written_costs_no_request",
    ),
    Guard(
        "tracebacks in JSON hold no local variables",
        "scoreboard/operations/logs.py",
        "ExceptionDictTransformer(show_locals=False)",
        "ExceptionDictTransformer()",
        f"{SECRETS}[json]",
    ),
    Guard(
        "tracebacks for people hold no local variables",
        "scoreboard/operations/logs.py",
        "exception_formatter=structlog.dev.plain_traceback",
        "",
        f"{SECRETS}[console]",
    ),
    Guard(
        "an outage of a server takes no instance away",
        "scoreboard/operations/health.py",
        'return "ready" if self._version() >= 0 else "starting"',
        'return "ready" if all(part.up for part in self._parts) else "starting"',
        "tests/service/test_health.py",
    ),
    Guard(
        "a caller that does not want its trace recorded is not traced",
        "scoreboard/operations/tracing.py",
        "if not is_sampled(given) and (given or ",
        "if not is_sampled(given) and (",
        "tests/service/test_tracing.py::"
        "test_the_callers_flag_decides_and_chance_where_there_is_none",
    ),
    Guard(
        "spans that wait have a bound, and what is past it is counted",
        "scoreboard/operations/otlp.py",
        "if self._closed or len(self._waiting) >= _WAITING_MAX:",
        "if self._closed:",
        "tests/unit/test_tracing.py::test_more_spans_than_may_wait_are_dropped_and_counted",
    ),
    Guard(
        "no room for a thread costs no submission",
        "scoreboard/operations/otlp.py",
        "            with contextlib.suppress(RuntimeError):  # no room",
        "            if True:  # no room",
        "tests/unit/test_tracing.py::"
        "test_no_room_for_a_thread_costs_spans_time_and_whoever_ends_them_nothing",
    ),
    Guard(
        "spans under way when the end comes are counted",
        "scoreboard/operations/otlp.py",
        "        left, self._under_way = self._under_way, 0\n",
        "        left = 0\n",
        "tests/unit/test_tracing.py::test_an_exporter_that_hangs_does_not_hold_up_the_end",
    ),
    Guard(
        "the imitation of Redis goes on after an error",
        "scoreboard/embedded/redis.py",
        "server.RequestHandlerClass = _keeping_connections(server.RequestHandlerClass)",
        "pass",
        "tests/service/test_imitation.py",
    ),
    Guard(
        "a migration and its row are one transaction",
        "scoreboard/database/migrations.py",
        "                with _transaction(backend, migration):\n"
        '                    migration.process_steps(backend, "apply")\n'
        "                    backend.mark_one(migration)\n",
        "                backend.apply_one(migration)\n",
        "tests/migrations/test_stairway.py::"
        "test_a_runner_that_dies_before_it_wrote_down_a_migration_leaves_nothing_of_it",
    ),
)
