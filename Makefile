# Two commands: `make demo` and `make test`. Needs Python 3.11+, make and the package registry.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test test-slow corpus check format clean

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	touch $(STAMP)

demo: $(STAMP)  ## train on the embedded digits, print the accuracy and the report's place
	$(BIN)/steadygrad train digits --out .demo/digits --overwrite

check: $(STAMP)  ## format, lint, types, import direction, structure
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/test_structure.py

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

test: check  ## every check and every fast test
	$(BIN)/python -m pytest

test-slow: $(STAMP)  ## what takes minutes: real data, resume under kill, accuracy
	$(BIN)/python -m pytest -m slow

corpus: $(STAMP)  ## every faulty, fixed and healthy script under `watch`: what is found, what cries wolf
	$(BIN)/python tests/corpus/run.py

clean:
	rm -rf $(VENV) .demo build dist src/*.egg-info
