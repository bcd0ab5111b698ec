# Everything happens in one virtual environment that is made when first needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test test-all smoke install style lint types bench clean help

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

demo: $(STAMP)  ## encode, decode, measure, draw and let hear a shipped utterance
	$(BIN)/codec demo --output demo

test: $(STAMP)  ## the fast tests
	$(BIN)/python -m pytest

test-all: $(STAMP)  ## the fast and the slow tests
	$(BIN)/python -m pytest -m "not gpu"

smoke: $(STAMP)  ## every stage of the mini recipe
	PATH="$(abspath $(BIN)):$$PATH" egs/mini/run.sh

install: $(STAMP)  ## make the virtual environment

$(STAMP): setup.cfg pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

style: $(STAMP)  ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: $(STAMP)  ## check format and lint
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(STAMP)  ## check types
	$(BIN)/mypy

bench: $(STAMP)  ## measure speed on this machine and write docs/benchmarks.md
	$(BIN)/python benchmarks/run.py

clean:  ## remove what the targets made, but not the virtual environment
	rm -rf demo build .pytest_cache .mypy_cache .ruff_cache .hypothesis
