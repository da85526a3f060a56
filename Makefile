# Everything starts here: `make` tells what there is. Python 3.11 or newer is all it needs.

# The first Python that is new enough and really runs; `make run PYTHON=/path/to/python` overrides.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3 python3.14 python; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo "$$p"; break; }; \
	done)
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

TESTS ?= tests
# One more than there are cores: many tests wait for processes of their own.
SIDE_BY_SIDE ?= $(shell "$(PYTHON)" -c 'import os; print((os.cpu_count() or 1) + 1)')
KILLS ?= 20
RECIPIENTS ?= 2000
SEED ?=
PROVIDER ?=
SIZES ?=
ONLY ?=
ARGS ?=

# Every process that is started here reads what the one before it has compiled.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help run demo web worker beat sandbox setup setup-tests test check static format lint types imports \
	spelling bench scale chaos lock clean clean-data

help: ## this list
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@/ { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

##@ The service
run: .venv/.service ## web, worker, beat and a provider to try it with, on a fresh clone; Ctrl-C stops
	@exec $(BIN)/newsletter run $(ARGS)

demo: .venv/.service ## the main job once, from page to unsubscribe, with nobody watching
	@exec $(BIN)/newsletter demo $(ARGS)

web: .venv/.service ## only the web pages (as in production, where each part is a process of its own)
	@exec $(BIN)/newsletter web $(ARGS)

worker: .venv/.service ## only a worker, which assembles, sends and records
	@exec $(BIN)/newsletter worker $(ARGS)

beat: .venv/.service ## only the clock; two of them are harmless
	@exec $(BIN)/newsletter beat $(ARGS)

sandbox: .venv/.service ## only the sandbox provider with its inbox
	@exec $(BIN)/newsletter sandbox $(ARGS)

##@ Trust
test: .venv/.tests ## all tests, on SQLite and PostgreSQL; TESTS="tests/test_story.py -k opens" for some
	@$(BIN)/python -m pytest -n $(SIDE_BY_SIDE) --dist worksteal $(TESTS)

check: .venv/.tests ## format, lint, types, imports, spelling, tests: what CI runs
	@$(MAKE) --no-print-directory static test

static: .venv/.tests ## all of that but the tests
	$(BIN)/ruff format --check .
	@$(MAKE) --no-print-directory lint types imports spelling

format: .venv/.tests ## write the files as the house style has them
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

lint: .venv/.tests ## ruff, with all its rules
	$(BIN)/ruff check .

types: .venv/.tests ## mypy, strict
	$(BIN)/mypy

imports: .venv/.tests ## the import contracts: imports only ever point down
	$(BIN)/lint-imports

spelling: .venv/.tests ## codespell
	$(BIN)/codespell

bench: .venv/.tests ## figures against their floors; SIZES=10000,100000 for other lists, ONLY=sending for a part, ARGS=--json
	@exec $(BIN)/python -m tests.benchmarks $(if $(SIZES),--sizes $(SIZES)) $(if $(ONLY),--only $(ONLY)) $(ARGS)

scale: .venv/.tests ## measure a send's footprint here, and simulate fleets up to a hundred million; ARGS=--json
	@exec $(BIN)/python -m tests.benchmarks.fleet $(ARGS)

chaos: .venv/.tests ## kill at random, count the copies: KILLS=n RECIPIENTS=m SEED=s PROVIDER=p
	@exec $(BIN)/python -m tests.chaos --kills $(KILLS) --recipients $(RECIPIENTS) \
		$(if $(SEED),--seed $(SEED)) $(if $(PROVIDER),--provider $(PROVIDER)) $(ARGS)

##@ The ground
setup: .venv/.service ## the service's own environment in .venv, nothing more

setup-tests: .venv/.tests ## the same with everything the tests and checks need

lock: .venv/.tests ## write both lock files anew from pyproject.toml; ARGS=--upgrade for new versions
	$(BIN)/uv pip compile $(LOCKED) --group build --output-file requirements.lock pyproject.toml
	$(BIN)/uv pip compile $(LOCKED) --group build --extra test --constraints requirements.lock \
		--output-file tests/requirements.lock pyproject.toml

clean: ## forget the environment and all caches; the data under var/ stays
	rm -rf .venv build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .import_linter_cache \
		.hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

clean-data: ## throw away var/ and beat's state: the embedded database, its secrets, its mail
	rm -rf var celerybeat-schedule/state*

# Hashes for every platform and every Python we support, and no word on where packages come from.
LOCKED = --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	--no-emit-index-url --no-emit-find-links $(ARGS)

# The lock files name everything there is to install: nothing is left to work out.
AS_LOCKED = --quiet --require-hashes --no-deps

.venv/.python:
	@test -n "$(PYTHON)" || { \
		echo "Weekly AI Tool Verdicts needs Python 3.11 or newer, and none is on the PATH." >&2; exit 1; }
	@echo "Setting up .venv with $$($(PYTHON) --version); this is done once."
	@$(PYTHON) -m venv .venv || { \
		echo "$(PYTHON) cannot make virtual environments; on Debian, python3-venv brings that." >&2; exit 1; }
	@touch $@

.venv/.service: .venv/.python requirements.lock pyproject.toml
	@$(PIP) install $(AS_LOCKED) --requirement requirements.lock
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

.venv/.tests: .venv/.service tests/requirements.lock
	@echo "Setting up the tools of the tests; this is done once."
	@$(PIP) install $(AS_LOCKED) --no-compile --requirement tests/requirements.lock
	@touch $@
