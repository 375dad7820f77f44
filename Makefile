# make demo       a repository with sample assets, mounted until Ctrl-C; without a terminal, shown step by step
# make test       all tests, four files at a time: most of them wait. What fails is tried once more, and listed; ARGS="-k name" for some, one after the other
# make check      format, lint, types, import rule, unit tests: before every commit
# make bench      beside rclone, httpx and curl
# make test-live  the contract against the real Jama and SAMS servers, which it installs from PyPI and starts; skipped, with the reason, where that cannot be
# make compare-jama  the same calls to the real Jama server and to the sandbox: what differs; ARGS="--seed 7 --calls 2000"
# make docs       the documentation as a site, in build/site
# make install-systemd  service units, mount helper, manual pages and shell completion (DESTDIR, PREFIX)
# make clean      takes away what the others made here

SHELL := /bin/bash
MAKEFLAGS += --no-print-directory
BIN := .venv/bin
ARGS ?=

.PHONY: demo test check bench test-live compare-jama docs install-systemd clean setup
.NOTPARALLEL: check

setup:
	@.ci/setup run

demo:
	@.ci/setup test
	@if [ -t 0 ] && [ -t 1 ]; then $(BIN)/assetfs demo $(ARGS); else $(BIN)/assetfs demo --tour $(ARGS); fi

test:
	@.ci/setup test
	@$(BIN)/pytest -m "not live" $(if $(ARGS),,-n 4 --dist loadfile --reruns 1 -rR) $(ARGS)

check:
	@.ci/setup test
	@$(BIN)/ruff format --check --quiet . || { echo "check: ruff format . would change files"; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-logo >.setup/imports.log 2>&1 || { cat .setup/imports.log; exit 1; }
	@$(BIN)/pytest -q tests/unit $(ARGS)

bench:
	@.ci/setup bench
	@$(BIN)/python -m tests.benchmarks $(ARGS)

test-live:
	@.ci/setup test
	@$(BIN)/pytest -m live $(ARGS)

compare-jama:
	@.ci/setup test
	@$(BIN)/python -m tests.live.differential $(ARGS)

docs:
	@.ci/setup test
	@$(BIN)/python docs/website/build.py build $(ARGS)

install-systemd:
	@.ci/setup run
	@$(BIN)/assetfs install --root "$(DESTDIR)/" --prefix "$(or $(PREFIX),/usr/local)"

clean:
	@rm -rf .venv .setup .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist *.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
