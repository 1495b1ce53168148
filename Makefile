# `make help` lists the targets. Only Python 3.11 or newer and make are needed.

PORT ?= 8000
HOST ?= 127.0.0.1
WORKERS ?= 2
FHIR_PORT ?= 8090
JOBS ?= 2
SEED ?= 1
N ?= 20000
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
# The first Python that is new enough; `make PYTHON=/path/to/python run` names another one.
PYTHON ?= $(shell for candidate in python3 python3.13 python3.12 python3.11 python; do \
	$$candidate -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 \
	&& echo $$candidate && break; done)

# A stamp is a copy of the pins that were installed last, so that nothing is installed twice.
RUNTIME := $(VENV)/requirements.txt
DEV := $(VENV)/requirements-dev.txt
REHEARSAL := $(VENV)/requirements-rehearsal.txt
SPARK := $(VENV)/requirements-spark.txt
MCP := $(VENV)/requirements-mcp.txt
OTEL := $(VENV)/requirements-otel.txt
PDF := $(VENV)/requirements-pdf.txt
AUDIT := .venv-audit/requirements-audit.txt

# Tests without servers, browsers, databases and generated cases.
QUICK := tests/unit tests/scenarios tests/table tests/http tests/docs

# Packages in which every branch must be covered, because a fault changes a card.
FULLY_COVERED := cds_service/chart/*,cds_service/knowledge/*,cds_service/reasoning/*

.DEFAULT_GOAL := help
.PHONY: help run serve test quick check layout lint types architecture knowledge security format fhir-server test-fhir-server damage mutate mutate-sample mutate-sample-code mutate-sample-knowledge bench rehearsal-bench soak audit sbom licences pins wheelhouse release-check install install-dev install-rehearsal install-spark install-pdf install-mcp install-otel clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

run: $(RUNTIME) ## start the service with the synthetic patients (PORT=8000)
	@exec $(BIN)/python -m tools.serve --terminal --port "$(PORT)"

serve: $(RUNTIME) ## the production form (HOST=127.0.0.1 PORT=8000 WORKERS=2)
	@exec $(BIN)/python -m tools.serve --host $(HOST) --port "$(PORT)" --workers $(WORKERS)

test: $(DEV) ## the whole test suite, with its coverage floors (ARGS="-k kidney" for a part, without them)
ifeq ($(strip $(ARGS)),)
	@$(BIN)/python -m pytest --numprocesses $(JOBS) --dist worksteal --cov --cov-report=term
	@report=$$($(BIN)/python -m coverage report --include='$(FULLY_COVERED)' --fail-under=100 2>&1) \
		|| { echo "$$report"; echo "Not every branch of chart, knowledge and reasoning is covered."; exit 1; }
else
	@$(BIN)/python -m pytest $(ARGS)
endif

quick: $(DEV) ## the tests to run while you work, in less than a minute (no servers, no coverage)
	@$(BIN)/python -m pytest --numprocesses $(JOBS) --dist worksteal \
		-m "not slow and not server and not browser" $(QUICK)

check: layout lint types architecture knowledge security ## layout, lint, types, architecture, knowledge, security: all offline (-k: all that fail)

layout: $(DEV)
	$(BIN)/ruff format --check .

lint: $(DEV)
	$(BIN)/ruff check .

types: $(DEV)
	$(BIN)/mypy

architecture: $(DEV)
	$(BIN)/lint-imports --no-logo

knowledge: $(DEV)
	$(BIN)/python -m cds_service.knowledge.lint

security: $(DEV)
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive app.py cards cds_service tools

format: $(DEV) ## format the code and apply automatic fixes
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

fhir-server: $(DEV) ## a real FHIR server with the synthetic patients (FHIR_PORT=8090; needs Java 17 and Maven)
	@exec $(BIN)/python -m tests.fhir_server.server --port $(FHIR_PORT)

test-fhir-server: $(DEV) ## the tests against that server (needs Java 17 and Maven)
	@$(BIN)/python -m tests.fhir_server.server --test

damage: $(DEV) ## damage single elements of many calls: every loss must be reported (SEED=1 N=20000)
	@$(BIN)/python -m tests.property.damage --seed $(SEED) --number $(N)

mutate: $(DEV) ## mutation tests of code and knowledge (forty minutes)
	$(BIN)/python -m tests.mutation.code
	$(BIN)/python -m tests.mutation.knowledge

mutate-sample: mutate-sample-code mutate-sample-knowledge ## a small sample of the mutation tests, different every day

mutate-sample-code: $(DEV)
	$(BIN)/python -m tests.mutation.code --sample 40

mutate-sample-knowledge: $(DEV)
	$(BIN)/python -m tests.mutation.knowledge --sample 60

bench: $(DEV) ## measure the time from request bytes to response bytes
	$(BIN)/python -m bench $(ARGS)

soak: $(DEV) ## a minute at full load with slow clients, aborted bodies and killed workers
	$(BIN)/python -m bench.soak $(ARGS)

# Not part of `check`, because it needs a vulnerability database on the network.
audit: $(AUDIT) ## check the pinned versions for known vulnerabilities (needs the network; exit code 3: not reached)
	@$(PYTHON) -m tools.audit .venv-audit/bin/pip-audit

sbom: $(AUDIT) ## write the bill of materials, docs/sbom.cdx.json (CycloneDX)
	@$(PYTHON) -m tools.sbom .venv-audit/bin/cyclonedx-py

licences: $(AUDIT) $(RUNTIME) ## write the licences of the runtime packages, docs/licences.md
	@$(PYTHON) -m tools.licences .venv-audit/bin/pip-licenses $(BIN)/python

pins: $(AUDIT) ## write the hashes of the pinned versions into the requirements (after a change of a pin)
	$(PYTHON) -m tools.pins .venv-audit/bin/pip-compile

release-check: ## check that this tree can be tagged: version, changelog, upgrade notes, tag, lists of packages
	@$(PYTHON) -m tools.release

wheelhouse: $(RUNTIME) ## download the packages for `make run` to ./wheelhouse, for a machine without network
	$(BIN)/python -m pip --disable-pip-version-check download --quiet --only-binary :all: \
		--require-hashes --dest wheelhouse --requirement requirements.txt

install: $(RUNTIME) ## only build .venv with what runs
install-rehearsal: $(REHEARSAL) ## install what `python -m cds_service rehearse` needs
install-pdf: $(PDF) ## install what /evidence.pdf needs (Pango must be on the machine: Debian libpango-1.0-0)
install-spark: $(SPARK) ## the same with Spark (pyspark; Java 17 must be on the machine)
install-mcp: $(MCP) ## install what `python -m cds_service mcp` needs, for assistants
install-otel: $(OTEL) ## install what traces for OpenTelemetry need
install-dev: $(DEV) ## only build .venv with what tests, lints and measures

clean: ## remove everything that was built
	rm -rf .venv .venv-* .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache .coverage .coverage.*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/made:
	$(call make_venv,$(VENV))

$(RUNTIME): requirements.txt | $(VENV)/made
	$(call install_pins,$(VENV),$<,$@)

$(REHEARSAL): requirements-rehearsal.txt $(RUNTIME)
	$(call install_pins,$(VENV),$<,$@)

$(SPARK): requirements-spark.txt $(REHEARSAL)
	$(call install_pins,$(VENV),$<,$@)

$(MCP): requirements-mcp.txt $(RUNTIME)
	$(call install_pins,$(VENV),$<,$@)

$(OTEL): requirements-otel.txt $(RUNTIME)
	$(call install_pins,$(VENV),$<,$@)

$(PDF): requirements-pdf.txt $(RUNTIME)
	$(call install_pins,$(VENV),$<,$@)

$(DEV): requirements-dev.txt $(RUNTIME) $(REHEARSAL) $(MCP) $(OTEL) $(PDF)
	$(call install_pins,$(VENV),$<,$@)

$(AUDIT): requirements-audit.txt
	$(call make_venv,.venv-audit)
	$(call install_pins,.venv-audit,$<,$@)

define make_venv
	@[ -n "$(PYTHON)" ] || { echo "Python 3.11 or newer was not found on this machine."; exit 1; }
	@echo "Building $(1) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(1) || { \
		echo "This Python cannot make a virtual environment."; \
		echo "On Debian and Ubuntu its venv module is a package of its own: python3-venv."; exit 1; }
	@touch $(1)/made
endef

define install_pins
	@cmp -s $(2) $(3) || { echo "Installing the pins of $(2)"; \
		$(1)/bin/python -m pip --disable-pip-version-check --no-input --quiet --quiet install --requirement $(2); } || { \
		echo "pip could not install the packages of $(2). Can this machine reach a package index?"; \
		echo 'Without a network, follow docs/operations.md, section "Install without a network".'; exit 1; }
	@cp $(2) $(3)
endef
