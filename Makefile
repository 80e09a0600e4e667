# Two commands matter: `make run` starts the demo, `make test` runs everything but the long soak.
SHELL := /bin/bash
VENV ?= .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
PIP := PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/python -m pip install -q
export HYPOTHESIS_PROFILE ?= default

.PHONY: run test soak check static format lint types layers wheel coverage bench lowest fmt clean

run: $(VENV)/.installed
	@$(BIN)/fluxlit demo

test: $(VENV)/.tested
	$(BIN)/python -m pytest $(ARGS)

# Ten minutes of chaos on each backend; FLUXLIT_SOAK_SEED repeats the faults of one run.
soak: $(VENV)/.tested
	FLUXLIT_SOAK_SECONDS=$${FLUXLIT_SOAK_SECONDS:-600} $(BIN)/python -m pytest -s tests/system/test_soak.py $(ARGS)

check: static test

static: format lint types layers wheel

format: $(VENV)/.tested
	$(BIN)/ruff format --check .

lint: $(VENV)/.tested
	$(BIN)/ruff check .

types: $(VENV)/.tested
	$(BIN)/mypy
	$(BIN)/pyright --warnings

layers: $(VENV)/.tested
	$(BIN)/lint-imports

wheel: $(VENV)/.tested
	rm -rf build dist
	$(BIN)/python -m build -q --installer pip
	$(BIN)/check-wheel-contents dist/*.whl

coverage: $(VENV)/.tested
	$(BIN)/coverage run -m pytest $(ARGS)
	$(BIN)/coverage combine -q
	$(BIN)/coverage report --skip-covered

bench: $(VENV)/.tested
	$(BIN)/python -m tests.bench
	$(BIN)/python -m tests.bench.reruns

# The suite once more with the oldest version of every dependency that pyproject.toml allows. What
# those say of the newest versions of their own dependencies is no concern of ours.
lowest:
	$(MAKE) test VENV=.venv-lowest LOWEST=1 ARGS="-W ignore::DeprecationWarning $(ARGS)"

fmt: $(VENV)/.tested
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf .venv .venv-lowest build dist *.egg-info

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "FluxLit needs Python 3.11 or newer with the venv module"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) --upgrade "pip>=25.1" "setuptools>=77"

$(VENV)/.constraints: pyproject.toml constraints.txt tests/lowest.py | $(VENV)/bin/python
	$(if $(LOWEST),$(BIN)/python tests/lowest.py > $@,cp constraints.txt $@)

$(VENV)/.installed: $(VENV)/.constraints
	@echo "Installing into $(VENV) ..."
	$(PIP) -c $(VENV)/.constraints -e .
	@touch $@

$(VENV)/.tested: $(VENV)/.installed
	$(PIP) -c $(VENV)/.constraints --group test --group check
	@touch $@
