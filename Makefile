# All tasks of this repository, for developers and CI; `make` lists them. Needs Python >= 3.11 and a package index.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# The first Python that is new enough; `make PYTHON=/path/to/python3.12 ...` chooses another.
PYTHON ?= $(firstword $(foreach python,python3 python3.14 python3.13 python3.12 python3.11,\
	$(shell $(python) -c 'import sys; sys.version_info >= (3, 11) and print("$(python)")' 2>/dev/null)))
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip --disable-pip-version-check --quiet
INSTALL := $(PIP) install --no-deps --require-hashes
LOCK := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-annotate --no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock'

# Fails if a runtime dependency has no wheel: then it could only be installed with a compiler, and the image not be built.
WHEELS := $(BIN)/uv pip install --quiet --dry-run --target $(VENV)/wheels --no-deps --only-binary :all: \
	--requirement requirements/runtime.txt

PROTOC := $(BIN)/python -m grpc_tools.protoc -Iprotos

# Two workers mostly wait for a test network, so there are two more than cores.
CORES := $(shell getconf _NPROCESSORS_ONLN)
WORKERS ?= $(shell echo $$(($(CORES) + 2)))

# Many containers set this. Then each of the thousand processes that tests start would compile the whole project again.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help run quick test check stack network torture mutations bench rules-cost rules dashboards pictures protos lock dist clean

help: ## List all targets
	@echo 'lnd-payments-exporter: a Prometheus exporter for the outgoing payments of lnd nodes'
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo '  ARGS=... is passed on:  make test ARGS="tests/test_log.py -x"    make run ARGS="--web.listen-address=:8000"'

run: $(VENV)/runtime.stamp ## Start the exporter against a simulated node, no lnd needed (Ctrl-C stops it)
	@MAKE_TARGET=run exec $(BIN)/lnd-payments-exporter demo $(ARGS)

quick: check ## Run the checks and the quick tests, which need no built program: about a minute
	@$(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal -m 'not programs and not slow' $(ARGS)

test: check ## Run every check and every test (the first run also builds lnd: about 15 minutes more)
	@$(if $(ARGS),,$(BIN)/python -m tests.network.build >/dev/null || [ "$$CI" != true ])
	@$(BIN)/python -m pytest -v $(or $(ARGS),-n $(WORKERS) --dist loadgroup --durations=20)

check: $(VENV)/dev.stamp ## Check lint, formatting, types and import rules, in seconds
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/python -m pytest -q -p no:xdist tests/test_house.py

stack: $(VENV)/dev.stamp ## Start exporter, simulated node, Prometheus and Alertmanager (Ctrl-C stops them; ARGS=home)
	@exec $(BIN)/python -m tests.stack $(ARGS)

network: $(VENV)/dev.stamp ## Start a real network of four lnd nodes to try things out (Ctrl-C stops it)
	@exec $(BIN)/python -m tests.network $(ARGS)

torture: $(VENV)/dev.stamp ## Run payments with a thousand faults and kills (ARGS="payments faults seed transport")
	@exec $(BIN)/python -m tests.torture $(ARGS)

mutations: $(VENV)/dev.stamp ## Break the code on purpose in many ways: a test must notice each (ARGS="words of names")
	@exec $(BIN)/python -m tests.mutations $(ARGS)

bench: $(VENV)/dev.stamp ## Measure what everything costs, against bare loops in the same run and the goals (ARGS="page --quick")
	@exec $(BIN)/python -m tests.bench $(ARGS)

rules-cost: $(VENV)/dev.stamp ## Measure what rules and dashboards cost a Prometheus with 15 days of history (ARGS="--nodes 24")
	@exec $(BIN)/python -m tests.rulecost $(ARGS)

rules: $(VENV)/runtime.stamp ## Generate deploy/prometheus/*.rules.yml from exporter/rules/values.yml
	@for profile in home service routing; do \
		$(BIN)/lnd-payments-exporter rules --profile=$$profile --output=deploy/prometheus/$$profile.rules.yml; done

dashboards: $(VENV)/dev.stamp ## Generate dashboards/*.json
	@$(BIN)/python -m dashboards

pictures: dashboards ## Draw the dashboards for the documentation (needs Node 20.19 or newer, and Chromium)
	@$(BIN)/python -m tests.pictures $(ARGS)

protos: $(VENV)/dev.stamp ## Generate exporter/*/rpc from protos/*.proto
	@$(PROTOC) --python_out=exporter/lnd/rpc --pyi_out=exporter/lnd/rpc protos/{lnd,track,why}.proto
	@$(PROTOC) --python_out=exporter/backfill/rpc --pyi_out=exporter/backfill/rpc protos/remote.proto

lock: $(VENV)/dev.stamp ## Generate requirements/*.txt (ARGS=--upgrade takes the newest versions)
	@$(BIN)/$(LOCK) $(ARGS) pyproject.toml --output-file requirements/runtime.txt
	@for machine in x86_64 aarch64; do for version in 3.11 3.12 3.13 3.14; do \
		$(WHEELS) --python-platform $$machine-manylinux_2_28 --python-version $$version; done; done
	@$(BIN)/$(LOCK) $(ARGS) pyproject.toml --group dev --constraint requirements/runtime.txt --output-file requirements/dev.txt
	@$(BIN)/$(LOCK) $(ARGS) --group build --constraint requirements/dev.txt --output-file requirements/build.txt
	@$(BIN)/$(LOCK) $(ARGS) --group sbom --output-file requirements/sbom.txt

dist: $(VENV)/runtime.stamp ## Build sdist, wheel and their bill of materials (SBOM) into dist/, as a release does
	@rm -rf build dist
	@$(BIN)/python -m hatchling build --target sdist --directory dist
	@$(PIP) wheel --no-deps --no-build-isolation --wheel-dir dist dist/*.tar.gz
	@$(PYTHON) -m venv --without-pip build/installed
	@$(PIP) --python build/installed/bin/python install --no-deps --require-hashes -r requirements/runtime.txt
	@$(PIP) --python build/installed/bin/python install --no-deps --no-index dist/*.whl
	@build/installed/bin/lnd-payments-exporter --version | tee build/version
	@$(PYTHON) -m venv build/sbom
	@build/sbom/bin/pip --disable-pip-version-check --quiet install --no-deps --require-hashes -r requirements/sbom.txt
	@sed "s/^dynamic = .*/version = \"$$(cut -d ' ' -f 2 build/version)\"/" pyproject.toml >build/pyproject.toml
	@build/sbom/bin/cyclonedx-py environment --pyproject build/pyproject.toml --output-reproducible \
		--output-file dist/lnd_payments_exporter.cdx.json build/installed

clean: ## Remove everything that make and the tools created (but not the built programs in ~/.cache)
	@rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	@find exporter tests dashboards -name __pycache__ -prune -exec rm -rf {} +

# A changed lock file makes the stamps outdated, and the virtual environment is created again, so nothing stale is left.

$(VENV)/dev.stamp: requirements/dev.txt $(VENV)/runtime.stamp
	@echo 'make: installing the development tools into $(VENV)'
	@$(INSTALL) -r requirements/dev.txt
	@touch $@

$(VENV)/runtime.stamp: requirements/runtime.txt requirements/build.txt
	@$(if $(PYTHON),,echo 'make: Python 3.11 or newer is needed, and python3 here is "$(shell python3 --version 2>&1)".' >&2; \
		echo '      Debian 12, Ubuntu 24.04 or newer: apt install python3 python3-venv' >&2; exit 1)
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo 'make: $(PYTHON) lacks the modules venv and ensurepip. On Debian and Ubuntu: apt install python3-venv' >&2; exit 1; }
	@echo 'make: creating $(VENV) with '"$$($(PYTHON) --version)"', which takes half a minute'
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV)
	@$(INSTALL) -r requirements/runtime.txt -r requirements/build.txt
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@
