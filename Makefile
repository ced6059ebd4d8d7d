# The front door. `make help` lists what there is; `make` alone does what CI does.

VENV := .venv
PY := $(VENV)/bin/python
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Processes that share the tests out (tests/conftest.py says how)
WORKERS := 2
SCENARIOS := $(wildcard scenarios/*.yaml)
# saturate.yaml asks what a machine carries: there is nothing in it to rehearse
REHEARSABLE := $(filter-out scenarios/saturate.yaml,$(SCENARIOS))
# a million things take a minute: twenty thousand give the golden summary
SIZE = $$(test $$scenario != scenarios/million.yaml || echo --things 20000)

.DEFAULT_GOAL := all
.PHONY: all help setup run rehearse scenarios golden test lint format bench storm docs site \
	package lock clean

all: test lint  ## What CI does: test, then lint

help:  ## Show this list
	@grep -hE '^[a-z]+:.*  ##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*  ## (.*)/  \1\t\2/' | expand -t 14

setup: $(STAMP)  ## Make .venv with the locked dependencies (only when they changed)

# Shims of version managers may exist and still fail: each candidate is asked what it is.
# The lock names everything, so nothing is resolved: pip 23 would look for coverage[toml] and find
# whatever is newest, which has no hash here. `pip check` says when the lock lacks something.
$(STAMP): requirements.txt pyproject.toml
	@set -e; for python in python3 python3.13 python3.12 python3.11; do \
	    if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	        echo "Setting up $(VENV) with $$($$python --version)"; \
	        $$python -m venv $(VENV); break; fi; done; \
	    test -x $(PY) || { echo "Python 3.11 or newer is needed"; exit 1; }
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
	    -r requirements.txt
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	$(PY) -m pip check --quiet --disable-pip-version-check
	@touch $@

run: setup  ## Run scenarios/rollout.yaml live: 1 000 things over MQTT, Locust measuring
	$(BIN)/jobfleet run scenarios/rollout.yaml

rehearse: setup  ## Rehearse scenarios/timeouts.yaml in virtual time
	$(BIN)/jobfleet rehearse scenarios/timeouts.yaml

scenarios: setup  ## Check every scenario, rehearse those that can be, write build/scenarios/junit.xml
	@rm -rf build/scenarios
	$(BIN)/jobfleet ci $(SCENARIOS) --max-things 20000 --quiet --out build/scenarios

golden: setup  ## Write tests/golden/ anew, after a change that was meant
	@set -e; for scenario in $(REHEARSABLE); do name=$$(basename $$scenario .yaml); \
	    $(BIN)/jobfleet rehearse $$scenario $(SIZE) --quiet --out build/golden/$$name; \
	    cp build/golden/$$name/summary.json tests/golden/$$name.json; done

test: setup  ## All tests; simulator/jobs must be covered to the last branch
	$(PY) -m pytest --numprocesses $(WORKERS) --dist loadgroup --no-loadscope-reorder \
	    --cov --cov-report=
	$(PY) -m coverage report --include='simulator/jobs/*' --fail-under=100 --show-missing

lint: setup  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: setup  ## Format, and mend what ruff can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup  ## Measure speed against floors (three minutes; wrk for HTTP; nothing else should run)
	$(PY) -m benchmarks

storm: setup  ## Kill service and broker under 10 000 things, connect 5 000 over TLS (four minutes)
	$(PY) -m benchmarks storm

docs: setup  ## Write the generated parts of the documentation anew
	$(PY) -m docs.generate
	$(PY) -m docs.queries

site: setup  ## Build the documentation as a site into build/site: every link must lead somewhere
	NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --strict --quiet

package: setup  ## Build sdist and wheel; install the wheel in a fresh environment and use it
	$(PY) -m tests.installed

lock: setup  ## Pin every dependency anew, with hashes, for every platform
	$(PY) -m pip install --quiet uv
	$(BIN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 \
	    --generate-hashes --no-header --no-annotate --no-emit-index-url --upgrade \
	    --output-file requirements.txt

clean:  ## Remove what was made, but for runs/
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage dist
