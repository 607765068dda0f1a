# The commands people type; `make` lists them. A variable before or after a command changes it: `SERVE=0 make demo`.

# Where pip finds torch: empty for pip's own index. PyTorch's index of CPU builds is smaller to download:
# TORCH_INDEX_URL=https://download.pytorch.org/whl/cpu make install
TORCH_INDEX_URL ?=
# The address that `make run` and `make demo` serve on.
ADDRESS ?= 127.0.0.1:8000
# Further arguments: `make test ARGS=tests/labeling`, `make demo ARGS=--seed=3`.
ARGS ?=

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
TEMPLATES = $(shell find templates -name '*.html')

.DEFAULT_GOAL := help
.PHONY: help install demo demo-seeds run worker test test-quick check lint format types screenshots bench lock clean

help: ## list these commands
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(INSTALLED) ## make .venv and install the pinned packages into it

$(INSTALLED): requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || \
		{ echo "Python 3.11 is needed; PYTHON=$(PYTHON) is not. Name one: make install PYTHON=/path/to/python3.11"; exit 1; }
	test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		$(if $(TORCH_INDEX_URL),--index-url $(TORCH_INDEX_URL)) "$$(grep '^torch==' requirements.lock)"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.lock
	touch $@

demo: $(INSTALLED) ## run the whole loop at small scale, then serve it (SERVE=0 stops after the loop)
	$(BIN)/python manage.py migrate --verbosity 0
	$(BIN)/python manage.py demo $(ARGS)

demo-seeds: $(INSTALLED) ## run the loop's training with five seeds and print the table
	$(BIN)/python manage.py migrate --verbosity 0
	$(BIN)/python manage.py demo --seeds 5 $(ARGS)

run: $(INSTALLED) ## serve the pages and run the workers, until Ctrl-C
	$(BIN)/python manage.py migrate --verbosity 0
	$(BIN)/python -m server.serve --address $(ADDRESS)

worker: $(INSTALLED) ## run the workers alone, one for each queue
	$(BIN)/python -m server.serve --only workers

test: $(INSTALLED) ## check and test everything: on SQLite and files, then on PostgreSQL and Redis
	$(BIN)/python -m tests.services $(ARGS)

test-quick: $(INSTALLED) ## only the tests, only on SQLite and files (ARGS=path or -k name)
	$(BIN)/python -m tests.services --only embedded $(ARGS)

check: ## exactly what CI runs: `make test`, where nothing may be left out
	REQUIRE_SERVICES=1 $(MAKE) test

lint: $(INSTALLED) ## look for mistakes in code, templates, files and import directions
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	@$(BIN)/djhtml --check $(TEMPLATES)
	@$(BIN)/djade --check --target-version 5.2 $(TEMPLATES)
	$(BIN)/python .ci/hygiene.py
	$(BIN)/python .ci/lock.py --check

format: $(INSTALLED) ## write code and templates in the one format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	-$(BIN)/djade --target-version 5.2 $(TEMPLATES)
	-$(BIN)/djhtml $(TEMPLATES)

types: $(INSTALLED) ## check types with mypy, strictly
	$(BIN)/mypy

screenshots: $(INSTALLED) ## take every page at 1280 and 390 px, light and dark, into docs/screenshots
	$(BIN)/python -m tests.browser.screenshots $(ARGS)

bench: $(INSTALLED) ## run the benchmarks
	$(BIN)/python -m benchmarks $(ARGS)

lock: ## resolve the packages anew in a fresh environment and write the lock files
	rm -rf var/lock && mkdir -p var
	$(PYTHON) -m venv var/lock
	var/lock/bin/python -m pip install --quiet $(if $(TORCH_INDEX_URL),--index-url $(TORCH_INDEX_URL)) \
		"$$(grep '^torch==' requirements.lock)"
	var/lock/bin/python -m pip install --quiet packaging ".[web,train,dev]"
	var/lock/bin/python .ci/lock.py
	rm -rf var/lock

clean: ## remove what commands made, except .venv and the data in var
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache test-results
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
