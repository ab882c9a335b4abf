.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
EXTRAS := service,jobs,operator,kafka,redis,dask,dev

.PHONY: help setup demo smoke test notice test-operator fuzz-operator at-rest drop-story check bench-gate bench-experiments bench-poison bench-choices bench-quality format clean chart chart-checkov chart-docs api-docs client-tools clients settings-docs chart-golden alerts console pictures release test-faults laws chaos fuzz soak load hashes sbom check-supply cluster

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-16s %s\n", $$1, $$2}'

setup: $(STAMP) ## Build .venv with everything that development needs

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[$(EXTRAS)]"
	touch $(STAMP)

# Three workers for two processors: a third of a test's time it waits for a process, a database or a clock.
WORKERS ?= $(shell echo $$(( ($$(getconf _NPROCESSORS_ONLN) * 3 + 1) / 2 )))

test: setup ## Run every test that needs no cluster
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup

test-operator: setup ## Run the operator's tests: a strict simulated cluster, and kill it at every call
	$(BIN)/python -m pytest -n 2 --dist load -m "faults or not faults" tests/operator

fuzz-operator: setup ## Give the operator OBJECTS=10000 drops that the schema admits: none stops it; prints how they ended
	RECOMMENDATION_FUZZ_OBJECTS=$(or $(OBJECTS),10000) $(BIN)/python -m pytest -q tests/operator/test_any_legal_drop.py

at-rest: setup ## Count calls and log lines of operator and API while nothing happens, for three minutes; prints them
	$(BIN)/python -m pytest -q -s -m faults tests/operator/test_at_rest.py

drop-story: setup ## Rewrite the transcript of kubectl in docs/content-drops.md; needs a kubectl
	$(BIN)/python tests/operator/fakes/told_by_kubectl.py

DEMO_STAMP := $(VENV)/.demo-installed
# What the demo does not need is installed by the targets that need it. What nothing imports goes, as from the jobs' image.
DEMO_NEEDS := $(if $(wildcard $(STAMP)),$(STAMP),$(DEMO_STAMP))
DEMO = scripts/demo.py $(if $(DATA),--data "$(DATA)") $(if $(EVENT_TYPE),--event-type "$(EVENT_TYPE)") $(if $(PORT),--port $(PORT))

$(DEMO_STAMP): pyproject.toml constraints.txt
	@echo "installing what the demo needs into $(VENV) …"; began=$$(date +%s); \
	$(PYTHON) -m venv $(VENV) \
	&& $(BIN)/python -m pip install --disable-pip-version-check --no-compile --constraint constraints.txt --editable ".[service,jobs]" \
	&& sed -n 's|^RUN find /opt/recommendation/lib|find $(VENV)/lib|p' jobs/Dockerfile | sh \
	&& touch $@ && echo "installed                   $$(( $$(date +%s) - began )) s"

.PHONY: look-demo look-smoke
# Before the installation, with a Python that has nothing installed: whether the port is free and the file is there.
look-demo look-smoke: look-%:
	@$(PYTHON) $(DEMO) --look $(if $(filter smoke,$*),--smoke) $(if $(ARGS),-- $(ARGS))

$(DEMO_NEEDS): | $(patsubst %,look-%,$(filter demo smoke,$(MAKECMDGOALS)))

demo: look-demo $(DEMO_NEEDS) ## Run the whole service on the embedded database: PORT=8010, DATA=file.csv for your own events, ARGS="options of recs import"
	@$(BIN)/python $(DEMO) $(if $(ARGS),-- $(ARGS))

smoke: look-smoke $(DEMO_NEEDS) ## The same, then stop: assert that lists are personal and free of owned games, and release a game
	@$(BIN)/python $(DEMO) --smoke $(if $(ARGS),-- $(ARGS))

test-faults: setup ## Kill processes, stop the database, send malformed requests; RECOMMENDATION_FAULT_ROUNDS says how often
	$(BIN)/python -m pytest -n 2 --dist load --hypothesis-profile=new -m faults tests

laws: setup ## Try every law on new cases, five times as many as in make test where a law sets no number of its own
	$(BIN)/python -m pytest -n auto --dist load --hypothesis-profile=new -m hypothesis tests
	$(BIN)/python -m pytest -n auto --dist load --hypothesis-profile=new tests/api/test_state_machine.py tests/api/test_kept_pages_stay_true.py

chaos: setup ## Kill, stop, freeze and lock under ROUNDS=1000 rounds of calls on PostgreSQL and SQLITE_ROUNDS=300 on SQLite; SEED=1 ONLY=17 repeats one round
	RECOMMENDATION_CHAOS_ROUNDS=$(or $(ROUNDS),1000) RECOMMENDATION_CHAOS_SQLITE_ROUNDS=$(or $(SQLITE_ROUNDS),300) \
	RECOMMENDATION_CHAOS_SEED=$(or $(SEED),1) $(if $(ONLY),RECOMMENDATION_CHAOS_ONLY=$(ONLY)) \
	$(BIN)/python -m pytest -q -s -m faults tests/faults/chaos

fuzz: setup ## Send CALLS=20000 requests made from the OpenAPI document and BODIES=10000 damaged bodies; fails on any 5xx
	RECOMMENDATION_FUZZ_CALLS=$(or $(CALLS),20000) RECOMMENDATION_DAMAGED_BODIES=$(or $(BODIES),10000) \
	$(BIN)/python -m pytest -q -s --hypothesis-profile=new -m "faults or not faults" tests/faults/test_openapi_document.py \
	tests/faults/test_malformed.py::test_randomly_damaged_bodies_are_accepted_or_refused_and_reads_go_on

soak: setup ## Send REQUESTS=200000 mixed requests and watch the memory, then hold CONNECTIONS=5000 open
	RECOMMENDATION_SOAK_REQUESTS=$(or $(REQUESTS),200000) RECOMMENDATION_SOAK_CONNECTIONS=$(or $(CONNECTIONS),5000) \
	$(BIN)/python -m pytest -q -s -m faults tests/faults/test_soak.py

hashes: setup ## Rewrite requirements/, the digests of what images install, after constraints.txt or an extra changed
	$(BIN)/python scripts/hashes.py

sbom: setup ## Write a bill of materials into build/sbom.json, with licences; without the network
	$(BIN)/python scripts/supply.py

notice: setup ## Rewrite NOTICE: what the images hold of others, with versions and licences
	$(BIN)/python scripts/notice.py

check-supply: setup ## The same, and ask the package index for known vulnerabilities; fails where the index does not answer
	$(BIN)/python scripts/supply.py --audit

check: setup ## Types, lint, format, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

PEERS := $(VENV)/.peers

$(PEERS): $(STAMP)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[bench]"
	touch $@

bench: setup $(PEERS) ## Every benchmark beside its reference; `make bench-NAME` for one
	$(BIN)/python -m benchmarks

bench-quick: setup $(PEERS) ## The same with small sizes: shows that they run, not how fast
	$(BIN)/python -m benchmarks --quick

load: setup ## Measure the peak, hold 70 % of it for MINUTES=10 with a training in the middle; fails on any failed request. FAULTS=1: through ended sessions, a frozen database, locks, a killed training
	$(BIN)/python -m benchmarks.load --minutes $(or $(MINUTES),10) $(if $(FAULTS),--faults)

bench-growth: setup ## Time and memory of training and regeneration at 1, 3, 10, 30 and 100 million pairs, with a plot; needs 30 GB of disk
	$(BIN)/python -m benchmarks.growth --plot docs/images/growth.svg

bench-experiments: setup ## Say how often experiments on RUNS=300 simulated stores tell the truth: coverage, false alarms, power
	$(BIN)/python -m benchmarks.experiments --runs $(or $(RUNS),300)

bench-%: setup $(PEERS)
	$(BIN)/python -m benchmarks $*

format: setup ## Format and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench-gate: setup ## Say how often the gate rejects candidates of known loss, by users, on a dense and a sparse set
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -W ignore -m benchmarks.gate

bench-poison: setup ## Say how often spoilt and sound data goes live over whole trainings of stores drawn from three sets
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -W ignore -m benchmarks.poison

bench-choices: setup ## Say whether ten seeds choose alike, and what another choice would have cost
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -W ignore -m benchmarks.choices

bench-quality: setup $(PEERS) ## Compare the lists' quality with peers (17 minutes for the small sets, Apps longer; downloads MovieLens-100k)
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -W ignore -m benchmarks.quality

clean: ## Remove what the other targets made, except .tools and models
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .demo .demo.new .demo.lock

chart: setup ## Lint, render, validate and test the chart and what goes into the images
	$(BIN)/python -m pytest -n auto --dist loadgroup -m "faults or not faults" tests/chart

CHECKOV := .tools/checkov

$(CHECKOV)/.installed-3.3.30:
	rm -rf $(CHECKOV)
	$(PYTHON) -m venv $(CHECKOV)
	$(CHECKOV)/bin/python -m pip install --quiet checkov==3.3.30
	touch $@

chart-checkov: setup $(CHECKOV)/.installed-3.3.30 ## Scan the rendered chart with Checkov, in 290 MB of its own; skips and reasons in tests/chart/checkov.yaml
	rm -rf build/checkov
	$(BIN)/python tests/chart/checkov_input.py build/checkov
	$(CHECKOV)/bin/checkov --config-file tests/chart/checkov.yaml --directory build/checkov

chart-docs: setup ## Rewrite the table of values in docs/chart.md
	$(BIN)/python tests/chart/values_table.py

api-docs: setup ## Rewrite docs/api.md from the OpenAPI document
	$(BIN)/python scripts/api_reference.py

CLIENT_TOOLS := .tools/clients

$(CLIENT_TOOLS)/.installed: tests/clients/typescript/package.json tests/clients/typescript/package-lock.json
	mkdir -p $(CLIENT_TOOLS)
	rm -f $@
	cp $^ $(CLIENT_TOOLS)
	npm ci --prefix $(CLIENT_TOOLS) --ignore-scripts --no-audit --no-fund --engine-strict
	touch $@

client-tools: $(CLIENT_TOOLS)/.installed ## Install what the TypeScript client is made and tested with; needs node 18 or later and npm

clients: setup $(if $(shell command -v npm),$(CLIENT_TOOLS)/.installed) ## Make a Python and a TypeScript client into build/clients, and test both (TypeScript only where npm is installed)
	$(BIN)/python scripts/clients.py
	$(BIN)/python -m pytest -q tests/clients

settings-docs: setup ## Rewrite the tables of settings in docs/ from the code
	$(BIN)/python scripts/settings_tables.py

chart-golden: setup ## Rewrite the golden renders of the chart; read the diff before you commit it
	$(BIN)/python -m pytest tests/chart/test_chart_golden.py --update-golden

cluster: setup ## Build the images, install the chart where KUBECONFIG points to, and test it there (REGISTRY=… unless kind, k3d or minikube)
	$(BIN)/python scripts/cluster.py

release: setup ## Build the wheel, the chart's package and their digests into dist/
	$(BIN)/python scripts/release.py --helm "$$($(BIN)/python tests/chart/helm_binary.py)"

alerts: setup ## Check the alerts, the dashboard and real scrapes with promtool
	$(BIN)/python -m pytest tests/alerts

pictures: setup ## Take the pictures of the console in docs/images anew: DATA=pairs.csv of who plays what, GAMES=games.jsonl with titles
	PYTHONPATH=tests/support $(BIN)/python tests/console/pictures.py --data $(DATA) --games $(GAMES)

console: setup ## Walk the console in Debian's chromium; SCREENSHOTS=folder keeps pictures
	RECOMMENDATION_SCREENSHOTS=$(SCREENSHOTS) $(BIN)/python -m pytest tests/console
