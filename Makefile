# `make demo` and `make test` set up all they need; no other command is necessary.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test serve lint format clean
.DEFAULT_GOAL := help

help:
	@echo "make demo   run the demo study: 525 trials on real digits, pictures in demo/"
	@echo "make test   run every test, on real Ray, PostgreSQL and Chromium"
	@echo "make serve  run the service with its dashboard on http://127.0.0.1:8000"
	@echo "make lint   formatting, lint, types and layers"

$(VENV)/installed: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $@

demo: $(VENV)/installed
	$(BIN)/lpwd demo --folder demo

serve: $(VENV)/installed
	$(BIN)/lpwd serve

test: $(VENV)/installed-dev browser
	$(BIN)/python -m pytest --numprocesses=auto --maxprocesses=4 --dist=loadfile --no-loadscope-reorder

lint: $(VENV)/installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/installed-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# The browser tests want a Chromium: installed where that is possible without asking anyone.
.PHONY: browser
browser:
	@command -v chromium >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
		&& apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y chromium >/dev/null; } \
		|| { echo "the browser tests need chromium: sudo apt-get install chromium"; exit 1; }

clean:
	rm -rf $(VENV) demo
