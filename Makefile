# Everything here needs Python 3.11 or newer and a package index, nothing else.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PORT   ?= 8080
DATA   ?= data
PLOTS  ?= build/simulation
# Many tests wait for servers more than they compute, so there may be more of them at once than there are cores.
WORKERS ?= 4

.PHONY: help install run demo serve test check format services-install services faults engines-install engines bench simulate docs audit fuzz clean

help:
	@echo "make run      the demo federation: three nodes, a registry, the gateway, real tasks (ONCE=1: end afterwards; PORT=8080)"
	@echo "make serve    the gateway alone (PORT=8080, DATA=data, CONFIG=FILE)"
	@echo "make test     all tests that need nothing but Python"
	@echo "make check    formatting, lint, types"
	@echo "make services the tests against real servers, which make services-install installs (Debian, Go and npm needed)"
	@echo "make engines  real workflow engines through the gateway, which make engines-install installs"
	@echo "make faults   kill -9 under load (LONG=1: for longer; SEED=n: the same once more; ONLY=database)"
	@echo "make bench    the figures of the README"
	@echo "make docs     the documentation as a site, in build/site"
	@echo "make audit    what is installed against known vulnerabilities (asks a database on the Internet)"
	@echo "make fuzz     fuzzing for longer, with other inputs each time (EXAMPLES=200)"
	@echo "make simulate the ranker against others and against an oracle, plots in $(PLOTS) (SEEDS=30; QUICK=1)"

# A stamp per set of packages, so that a second call starts at once.
$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "protes needs Python 3.11 or newer; name one with: make PYTHON=python3.11"; exit 1; }
	@echo "Creating the virtual environment in $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.installed: $(VENV)/.python setup.cfg pyproject.toml
	@echo "Installing protes and what it needs (about a minute, once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.installed
	@echo "Installing what the tests need ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

install: $(VENV)/.installed

run demo: $(VENV)/.installed
	@$(BIN)/protes demo --port $(PORT) $(if $(ONCE),--once)

serve: $(VENV)/.installed
	@$(BIN)/protes serve --port $(PORT) --data $(DATA) $(if $(CONFIG),--config $(CONFIG))

test: $(VENV)/.dev
	@$(BIN)/python -m pytest -n $(WORKERS) -m "not services and not engines and not crash"

check: $(VENV)/.dev
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

format: $(VENV)/.dev
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

services-install: $(VENV)/.dev
	@echo "Installing the services that tests talk to (Debian's by apt, Go's and npm's in build/peers; ten minutes, once) ..."
	@$(BIN)/python -m tests.peers.install

services: $(VENV)/.dev
	@$(BIN)/python -m pytest tests -n auto --maxprocesses 4 --dist loadfile -m services --require-services

faults: $(VENV)/.dev
	@$(BIN)/python -m pytest tests/crash -m crash --require-services $(if $(SEED),--crash-seed $(SEED)) $(if $(LONG),--crash-long -s) $(if $(ONLY),-k "$(ONLY)")

engines-install: $(VENV)/.dev
	@echo "Installing workflow engines, each in an environment of its own in build/engines (five minutes, once) ..."
	@$(BIN)/python -m tests.peers.install rsync && $(BIN)/python -m tests.engines.install

engines: $(VENV)/.dev
	@$(BIN)/python -m pytest tests/engines -n auto --maxprocesses 2 -m engines --require-services

bench: $(VENV)/.dev
	@$(BIN)/python -m tests.bench

docs: $(VENV)/.dev
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

audit: $(VENV)/.dev
	@$(BIN)/python -m pip_audit --requirement deployment/requirements.txt --disable-pip --no-deps --strict

fuzz: $(VENV)/.dev
	@EXAMPLES=$(or $(EXAMPLES),200) $(BIN)/python -m pytest tests/fuzz -n auto --maxprocesses 4 --timeout 0

$(VENV)/.simulate: $(VENV)/.dev
	@echo "Installing what the plots need ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,simulate]'
	@touch $@

simulate: $(VENV)/.simulate
	@$(BIN)/python -m tests.simulate --plots $(PLOTS) $(if $(SEEDS),--seeds $(SEEDS)) $(if $(QUICK),--quick)

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
