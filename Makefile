# Two commands on a fresh machine (Debian 12 or later: python3 >= 3.11, python3-venv, make):
#   make demo    install, train 5x5 from nothing, play a match, print a board
#   make test    install, then everything that CI runs

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
PIP := $(BIN)/pip install --disable-pip-version-check --constraint requirements.lock

.PHONY: demo test lint test-python test-kernels test-slow install clean

demo: $(STAMP)
	$(BIN)/honte demo

test: lint test-python test-kernels

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test-python: $(STAMP)
	$(BIN)/pytest --cov --cov-report=term

# The kernels once more, with every array index checked.
test-kernels: $(STAMP)
	NUMBA_BOUNDSCHECK=1 $(BIN)/pytest tests/go_env tests/mcts

test-slow: $(STAMP)
	$(BIN)/pytest -m slow --timeout 3600

install: $(STAMP)

$(STAMP): pyproject.toml requirements.lock
	$(PYTHON) -m venv .venv
	$(PIP) --editable '.[dev]'
	touch $@

clean:
	rm -rf .venv .cache .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .coverage *.egg-info
