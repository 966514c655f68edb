# `make demo` and `make test` set up all they need in .venv; nothing is installed elsewhere.
# The tests against a real API server run where scripts/control-plane finds one; `make control-plane`
# builds it (as root on Debian: it installs packages), and CI does so by itself.

PYTHON ?= python3
BIN := .venv/bin
# File by file in the order of tests/conftest.py. By default xdist begins with the files of most tests,
# and would end with those of few and long ones.
PYTEST_PARALLEL := -n auto --dist loadfile --no-loadscope-reorder
# Keep what was compiled, whatever the environment says: each worker would compile all tests anew.
export PYTHONDONTWRITEBYTECODE :=
READY := .venv/.ready
# The folders of tests without whole campaigns, and the branch coverage that they reach together.
QUICK := $(addprefix tests/,campaign cli engine journal kube model report rules sandbox test_files.py)
COVERED := 96

.PHONY: help demo test coverage lowest lint types floors format package docs control-plane bench clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 16

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "fleetpatch needs Python 3.11 or later; say make PYTHON=python3.12 (or similar)"; exit 1; }
	@echo "setting up .venv (once; it takes a minute or two)"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet --editable . --group dev
	@touch $@

demo: $(READY)  ## the whole story on an embedded API server, in under a minute after the set-up
	@$(BIN)/fleetpatch demo

test: $(READY)  ## all tests (ARGS="-k survey" narrows them)
ifdef CI
	@scripts/control-plane --build >/dev/null
	@scripts/browser --build >/dev/null
	@scripts/monitoring --build >/dev/null
endif
	@$(BIN)/pytest $(PYTEST_PARALLEL) $(ARGS)

coverage: $(READY)  ## branch coverage of the tests that run in seconds; fails below the figure reached
	@$(BIN)/pytest $(PYTEST_PARALLEL) --cov --cov-report=term --cov-fail-under=$(COVERED) $(QUICK) $(ARGS)

lowest:  ## the tests with the lowest versions of the dependencies that pyproject.toml allows
	@$(PYTHON) -m venv --clear build/lowest
	@build/lowest/bin/python -m pip install --quiet uv
	@build/lowest/bin/uv pip install --quiet --python build/lowest/bin/python \
	  --resolution lowest-direct --editable . --group dev
	@build/lowest/bin/pytest $(PYTEST_PARALLEL) $(ARGS)

lint: $(READY)  ## ruff: rules and format
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check

types: $(READY)  ## mypy --strict, tests too
	@$(BIN)/mypy

floors: $(READY)  ## import-linter: which folders may import which
	@$(BIN)/lint-imports

format: $(READY)  ## let ruff rewrite the code
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

package:  ## wheel and sdist in dist/, tried in an empty environment
	@rm -rf dist build/package build/empty
	@$(PYTHON) -m venv build/package
	@build/package/bin/python -m pip install --quiet build twine
	@build/package/bin/python -m build --outdir dist .
	@build/package/bin/twine check --strict dist/*
	@$(PYTHON) -m venv build/empty
	@build/empty/bin/python -m pip install --quiet dist/*.whl
	@cd build/empty && bin/fleetpatch demo

docs:  ## the documentation site in build/site; a broken link fails
	@$(PYTHON) -m venv build/docs
	@build/docs/bin/python -m pip install --quiet --upgrade 'pip>=25.1'
	@build/docs/bin/python -m pip install --quiet --group docs --editable .
	@NO_MKDOCS_2_WARNING=1 build/docs/bin/mkdocs build --strict

control-plane:  ## build kube-apiserver and etcd once (root on Debian: installs packages)
	@scripts/control-plane --build

bench: $(READY)  ## the comparison on the real control plane (docs/benchmarks.md)
	@$(BIN)/python -m pip install --quiet --editable '.[bench]'
	@$(BIN)/python -m bench.throughput

clean:  ## remove what make made
	rm -rf .venv .demo build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
