# The commands of this repository. `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:

BIN := .venv/bin
CODE := app janus_med pacs_bridge
# Arguments of the demo (`make demo ARGS=--headless`) and of pytest (`make quick ARGS="-k spool"`).
ARGS ?=
# Two workers, a file on one worker each: fixtures of a module are made once. Browsers wait more than they work, so two rooms
# run side by side; what kills, floods or counts runs one by one.
PAIRS := -n 2 --dist loadfile
QUICK := -m quick $(PAIRS)
ROOMS := -m slow tests/e2e $(PAIRS) --timeout 600 --durations 10
SLOW := -m slow --ignore tests/e2e --durations 20

.PHONY: help
help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: venv ## everything on this machine, with a real study sent over DICOM (ARGS=--headless runs it without a person)
	@$(BIN)/janus-med demo $(ARGS)

.PHONY: test
test: venv-test parts ## the quick suite, then the slow one, on real servers
	@status=0; \
	echo "== quick tests"; $(BIN)/python -m pytest $(QUICK) $(ARGS) || [ $$? = 5 ] || status=1; \
	echo "== slow tests in browsers"; $(BIN)/python -m pytest $(ROOMS) $(ARGS) || [ $$? = 5 ] || status=1; \
	echo "== other slow tests"; $(BIN)/python -m pytest $(SLOW) $(ARGS) || [ $$? = 5 ] || status=1; \
	exit $$status

.PHONY: quick
quick: venv-test ## the quick suite alone
	@$(BIN)/python -m pytest $(QUICK) $(ARGS)

.PHONY: lint
lint: venv-test ## format, lint, security lint, types and import contracts
	@status=0; \
	echo "== format"; $(BIN)/ruff format --check . || status=1; \
	echo "== lint"; $(BIN)/ruff check . || status=1; \
	echo "== security lint"; $(BIN)/bandit -q -r $(CODE) --severity-level medium || status=1; \
	echo "== types"; $(BIN)/mypy $(CODE) || status=1; \
	echo "== import contracts"; $(BIN)/lint-imports --no-logo || status=1; \
	exit $$status

.PHONY: ui
ui: venv-test ## build the image library of the viewer anew (needs node and the npm registry; running needs neither)
	@cd app/ui/frontend && npm ci --ignore-scripts --no-audit --no-fund && npm run --silent build
	@$(BIN)/python -m tests.bundle_stamp

.PHONY: sbom
sbom: venv-test ## list every package of the environment (CycloneDX) in build/sbom.json
	@mkdir -p build
	@$(BIN)/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible --of JSON -o build/sbom.json $(BIN)/python
	@echo "build/sbom.json"

.PHONY: audit
audit: venv-test ## ask for known vulnerabilities of the pinned packages (needs the network; says so when there is none)
	@.ci/audit

.PHONY: check
check: lint quick ## what every commit must pass: lint and the quick suite

.PHONY: format
format: venv-test ## rewrite the code in the house format
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

.PHONY: docs
docs: venv-test traceability ## write the generated parts of docs/ again
	@$(BIN)/python -m tests.settings_table
	@$(BIN)/python -m tests.rule_names
	@$(BIN)/python -m tests.metrics_table
	@$(BIN)/python -m tests.keys_table
	@$(BIN)/python -m tests.conformance_tables
	@$(BIN)/python -m tests.state_diagrams
	@$(BIN)/python -m tests.reliability

.PHONY: screenshots
screenshots: venv-test parts ## draw the pictures of docs/images anew, from a room that is started for it
	@$(BIN)/python -m tests.e2e.screenshots

.PHONY: reliability
reliability: venv-test parts ## measure again what takes minutes, and write docs/reliability.md
	@$(BIN)/python -m tests.reliability --measure

.PHONY: mutants
mutants: venv-test ## put deliberate faults into a copy of the code: a test must notice each
	@$(BIN)/python -m tests.faults.mutants $(ARGS)

.PHONY: traceability
traceability: venv-test ## write docs/traceability.md from the marks of the tests
	@$(BIN)/python -m tests.traceability

.PHONY: parts
parts: ## the Debian packages that the slow tests run against, where this user may install them
	@.ci/install-parts

.PHONY: venv
venv:
	@.ci/make-venv

.PHONY: venv-test
venv-test:
	@.ci/make-venv test

.PHONY: clean
clean: ## remove .venv and what builds and tests leave behind
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	rm -rf *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
