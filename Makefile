# The targets, one line each: `make`.
.DEFAULT_GOAL := help
SHELL := /bin/sh
PY := .venv/bin/python
SUITE := $(PY) -m tools.suite
# The checkout's tools come first, so that whatever calls `ansible-playbook` by name gets ours.
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.PHONY: help venv check lint unit contract emulator programs kubernetes sanity molecule rehearse rehearse-down interruptions permissions bench published prices docs test clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{ printf "  make %-14s %s\n", $$1, $$2 }'

.venv/.synced: uv.lock pyproject.toml tools/venv tools/find-python
	@tools/venv

venv: .venv/.synced ## create .venv with everything the project needs (any Python from 3.12 on)

check: venv ## the fast part, before each commit: lint, types, layers, syntax, unit tests, staleness
	@$(SUITE) check

test: venv ## everything, ending with one line "N passed, N failed"
	@$(SUITE) test

lint: venv ## ruff, mypy, yamllint, ansible-lint, import layers
	@$(SUITE) lint

unit: venv ## unit tests
	@$(SUITE) unit

contract: venv ## each kind through the one contract
	@$(SUITE) contract

emulator: venv ## tests of the emulated AWS
	@$(SUITE) emulator

programs: venv ## build the programs of the rehearsal's clusters, where the machine has none (20 minutes, once)
	@$(PY) -m rehearsal.kubernetes build

kubernetes: programs ## tests of the rehearsal's real clusters
	@$(SUITE) kubernetes

sanity: venv ## ansible-test sanity
	@$(SUITE) sanity

molecule: venv ## each role's scenario, or one: make molecule ROLE=vpc
	@$(SUITE) molecule $(ROLE)

rehearse: venv ## the whole platform, offline, on this machine; REHEARSE_KUBERNETES=no without real clusters
	@$(PY) -m rehearsal rehearse

rehearse-down: venv ## end the rehearsal and leave nothing behind
	@$(PY) -m rehearsal down

interruptions: venv ## kill and disturb applies of the whole platform, and compare what stands (an hour or more)
	@$(PY) -m rehearsal.interruptions
	@INTERRUPTIONS=1 $(PY) -m pytest -q tests/contract/test_interruptions.py

permissions: venv ## record which permissions the playbooks need, write the policies, and run everything under them
	@$(PY) -m tools.permissions

bench: venv ## the benchmarks, side by side; also build/benchmarks.json
	@$(PY) -m benchmarks

docs: venv ## generate the roles' README, docs/modules, docs/kinds.md and what README.md says of the costs
	@$(PY) -m tools.docs

published: venv ## write the roles' lock files of charts and manifests from versions.yml
	@$(PY) -m tools.published

prices: venv ## read the table of prices anew from AWS's price list: make prices REGIONS="eu-central-1"
	@$(PY) -m tools.prices $(REGIONS)

clean: ## remove .venv, build and caches
	@[ ! -d build/molecule/state ] || $(PY) -m rehearsal down --state-dir build/molecule/state
	rm -rf .venv build .ansible .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
