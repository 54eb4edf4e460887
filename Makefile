# Each line is thin over a command that also works without make; `make PYTHON=python3.13 setup` chooses the interpreter.
PYTHON ?= python3
HOST ?= local
RUN := .venv/bin/python -m

.PHONY: setup demo up test browser lint bench format

setup:  ## make .venv, install, fetch Azurite, make local keys; run again, it changes nothing
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed: make PYTHON=/path/to/python3.13 setup"; exit 1; }
	@$(PYTHON) local/setup.py

demo: setup  ## run the whole pipeline on real input and print a report; make demo HOST=func uses Core Tools
	@$(RUN) local demo --host $(HOST) $(if $(JSON),--json $(JSON))

up: setup  ## the same, kept running for you to play with
	@$(RUN) local up --host $(HOST)

test: setup  ## every test; the first time it fetches Microsoft's own client of Graph (470 MB) for them
	@$(PYTHON) local/setup.py sdk
	@$(RUN) pytest -n 3 --dist worksteal

browser: setup  ## the app's page and the simulator's in a real Chromium; make browser SCREENSHOTS=folder takes pictures
	@$(RUN) local.chromium
	@$(if $(SCREENSHOTS),SCREENSHOTS=$(SCREENSHOTS)) $(RUN) pytest -m browser tests/browser

lint: setup  ## style, types, the direction of imports, and the templates where there is a compiler for them
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@$(RUN) mypy
	@.venv/bin/lint-imports
	@$(RUN) local.bicep

bench: setup  ## measure the promises, each beside its target
	@$(RUN) local bench $(if $(JSON),--json $(JSON))

format: setup  ## let ruff lay out the code
	@.venv/bin/ruff format .
	@.venv/bin/ruff check --fix .
