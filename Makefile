# Everything happens in one virtual environment that is made when first needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# The last line of a target: how to run the command that is now installed.
REACH = @echo "codec is $(BIN)/codec; to have it on your path: source $(BIN)/activate"

.PHONY: demo test test-all smoke install style lint types docs images bench dist clean help

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

demo: $(STAMP)  ## encode, decode and measure a shipped utterance; a picture and a page to listen to
	$(BIN)/codec demo --output demo
	$(REACH)

test: $(STAMP)  ## the fast tests, on all cores
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile
	$(REACH)

test-all: $(STAMP)  ## the fast and the slow tests
	$(BIN)/python -m pytest -m "not gpu"

smoke: $(STAMP)  ## every stage of the mini recipe; the quantizer and language model recipes, cut down
	PATH="$(abspath $(BIN)):$$PATH" egs/mini/run.sh
	PATH="$(abspath $(BIN)):$$PATH" egs/quantizers/run.sh --cut true
	PATH="$(abspath $(BIN)):$$PATH" egs/lm/run.sh --cut true

install: $(STAMP)  ## make the virtual environment
	$(REACH)

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

docs: $(STAMP)  ## build the documentation in site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

dist: $(STAMP)  ## build and check the wheel and the source distribution in dist/
	rm -rf dist
	$(BIN)/python -m build
	$(BIN)/twine check --strict dist/*

images: docs  ## make the pictures of the documentation anew (needs chromium)
	$(BIN)/codec demo --output demo
	cp demo/demo.png docs/images/demo.png
	$(BIN)/python benchmarks/page.py --screenshot docs/images/page.png
	for page in index api; do \
	  chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --window-size=1280,900 \
	    --disable-background-networking --user-data-dir=$$(mktemp -d) \
	    --screenshot=docs/images/site_$$page.png site/$$page.html; \
	done

bench: $(STAMP)  ## measure speed on this machine and write docs/benchmarks.md
	$(BIN)/python benchmarks/run.py

clean:  ## remove what the targets made, but not the virtual environment
	rm -rf demo build dist site .pytest_cache .mypy_cache .ruff_cache .hypothesis
