# One verb per job; `make help` lists them. CI runs `make test`, the same line a person runs.
#
# Needs make and Python 3.11+. Everything else, Node included, is installed into .venv.
# State goes to .lab (yours to keep between runs) and .test (made anew), never to your own Jupyter folders.

.DEFAULT_GOAL := help
.NOTPARALLEL:

PYTHON ?= python3
VENV   := .venv
# make lab LAB_ARGS="--no-browser --port 9999"
LAB_ARGS ?=
# make test PYTEST_ARGS="-k store"
PYTEST_ARGS ?=
# make bench BENCH_ARGS="--quick --only per-chunk,first-text"
BENCH_ARGS ?=

BIN    := $(VENV)/bin
STAMPS := $(VENV)/stamps
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check

# Tools and the Node of the virtual environment come first, whatever else the machine has.
export PATH := $(CURDIR)/$(BIN):$(PATH)
# pyright comes in its wheel; without this it also asks whether there is a newer one.
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1

JS_SOURCES := $(shell find js/src js/schema js/scripts -type f) js/package.json $(wildcard js/tsconfig*.json)
FRONTEND   := convoscope_jupyter/labextension/package.json

say     = @printf '%s\n' "$(1)"
heading = @printf '\n== %s ==\n' "$(1)"

comma  := ,
space  := $(subst ,, )
listed  = $(subst $(space),$(comma),$(strip $(1)))

# Puts everything Jupyter and convoscope keep into one folder: $(call jupyter_home,FOLDER)
jupyter_home = JUPYTER_CONFIG_DIR="$(1)/config" JUPYTER_DATA_DIR="$(1)/data" JUPYTER_RUNTIME_DIR="$(1)/runtime" \
	JUPYTERLAB_SETTINGS_DIR="$(1)/settings" JUPYTERLAB_WORKSPACES_DIR="$(1)/workspaces" IPYTHONDIR="$(1)/ipython" \
	JUPYTER_PATH= JUPYTER_CONFIG_PATH= JUPYTER_PREFER_ENV_PATH=1 CONVOSCOPE_STORE="$(1)/conversations.sqlite3"

.PHONY: help
help: ## list these verbs
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

# ---------------------------------------------------------------------------------------------------------- run

.PHONY: lab
lab: $(STAMPS)/lab ## open JupyterLab on notebooks/quickstart.ipynb, installing what is needed
	$(call say,Starting JupyterLab on notebooks/quickstart.ipynb. Its settings and your conversations are kept in .lab. Stop it with Ctrl+C.)
	@$(BIN)/python tests/tools/quiet_lab.py .lab/config
	@$(call jupyter_home,$(CURDIR)/.lab) $(BIN)/jupyter lab $(if $(filter 0,$(shell id -u)),--allow-root) $(LAB_ARGS) notebooks/quickstart.ipynb

.PHONY: build
build: $(FRONTEND) ## build the front end into convoscope_jupyter/static and labextension

# -------------------------------------------------------------------------------------------------------- check

.PHONY: test
test: install-test check pytest former-google ## every check, then every test, browser included

.PHONY: check
check: ruff mypy pyright imports biome tsc protocol-check vitest size ## every check and the front end's tests, no browser

.PHONY: lint
lint: ruff imports biome spelling ## ruff, import-linter, biome, codespell

.PHONY: types
types: mypy pyright tsc ## mypy, pyright, tsc

.PHONY: ruff mypy pyright imports biome tsc protocol-check vitest size spelling
ruff: $(STAMPS)/dev
	$(call heading,ruff)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

mypy: $(STAMPS)/dev
	$(call heading,mypy)
	@$(BIN)/mypy

pyright: $(STAMPS)/dev
	$(call heading,pyright)
	@$(BIN)/pyright --pythonpath $(BIN)/python

imports: $(STAMPS)/dev
	$(call heading,import-linter)
	@$(BIN)/lint-imports --no-logo --no-cache

biome: $(STAMPS)/node-modules
	$(call heading,biome)
	@cd js && npm run --silent lint

tsc: $(STAMPS)/node-modules
	$(call heading,tsc)
	@cd js && npm run --silent types

protocol-check: $(STAMPS)/dev
	$(call heading,protocol)
	@$(BIN)/python -m convoscope_jupyter.protocol > $(STAMPS)/protocol.schema.json
	@cd js && npm run --silent protocol -- --check < ../$(STAMPS)/protocol.schema.json

vitest: $(STAMPS)/node-modules
	$(call heading,vitest)
	@cd js && npm run --silent test

size: $(FRONTEND)
	$(call heading,bundle size)
	@cd js && npm run --silent size

spelling: $(STAMPS)/dev
	$(call heading,codespell)
	@$(BIN)/codespell

.PHONY: pytest
pytest: install-test
	$(call heading,pytest)
	@rm -rf .test/home && mkdir -p .test/home
	@$(call jupyter_home,$(CURDIR)/.test/home) $(BIN)/python -m pytest --cov $(PYTEST_ARGS)
	@$(if $(PYTEST_ARGS),echo 'A part of the tests: whether every branch is tested was not asked.',$(MAKE) --no-print-directory every-branch)

# What decides who is asked, and all that reads what comes back: not one branch of it is untested. Without figures of a
# run, or with those of a part of it, this fails.
EVERY_BRANCH := routing _attempt _breaker _budget _methods _plan telemetry providers/*
.PHONY: every-branch
every-branch:
	$(call heading,every branch of routing and providers)
	@$(BIN)/python -m coverage report --fail-under=100 \
		--include='$(call listed,$(EVERY_BRANCH:%=*/convoscope_jupyter/%.py))' --omit='*/_google_generativeai.py'

# --------------------------------------------------------------------------------------------------------- make

.PHONY: protocol
protocol: $(STAMPS)/dev ## write js/src/core/protocol.ts from convoscope_jupyter/protocol.py
	@$(BIN)/python -m convoscope_jupyter.protocol > $(STAMPS)/protocol.schema.json
	@cd js && npm run --silent protocol < ../$(STAMPS)/protocol.schema.json

.PHONY: format
format: $(STAMPS)/dev ## let ruff and biome rewrite the sources
	@$(BIN)/ruff check --fix-only .
	@$(BIN)/ruff format .
	@cd js && npm run --silent format

.PHONY: docs
docs: $(STAMPS)/dev ## build the documentation into .site; a broken link or reference stops it
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict
	$(call say,Open .site/index.html in a browser.)

.PHONY: screenshots
screenshots: install-test ## make the README's pictures from the real thing
	@rm -rf .test/home && mkdir -p .test/home
	@$(call jupyter_home,$(CURDIR)/.test/home) $(BIN)/python -m tests.tools.screenshots

.PHONY: bench
bench: $(STAMPS)/bench ## measure what convoscope costs against its peers and write docs/benchmarks.md
	@.test/bench/own/bin/python -m tests.benchmarks $(BENCH_ARGS)

.PHONY: kernels
kernels: $(STAMPS)/kernels ## run the tests that need several ipykernel versions
	@rm -rf .test/home && mkdir -p .test/home
	@$(call jupyter_home,$(CURDIR)/.test/home) $(BIN)/python -m pytest -m kernels $(PYTEST_ARGS)

.PHONY: former-google
former-google: $(STAMPS)/former-google ## run the tests that need Google's former SDK, in an environment of its own
	$(call heading,google-generativeai)
	@rm -rf .test/former-google-home && mkdir -p .test/former-google-home
	@$(call jupyter_home,$(CURDIR)/.test/former-google-home) \
		COVERAGE_FILE=$(CURDIR)/.test/google-generativeai.coverage \
		.test/google-generativeai/bin/python -m pytest -k generativeai tests/providers --cov --cov-report=
	@COVERAGE_FILE=$(CURDIR)/.test/google-generativeai.coverage \
		$(BIN)/python -m coverage report --fail-under=100 --include='*/_google_generativeai.py'

.PHONY: clean
clean: ## remove what was built and installed; keeps .lab, where your conversations are
	rm -rf $(VENV) .site .test js/lib js/node_modules convoscope_jupyter/static convoscope_jupyter/labextension build dist
	rm -rf .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache

# ------------------------------------------------------------------------------------------------------ install

# All that the tests need. The browser is looked for each time: it is the machine's, not ours.
.PHONY: install-test
install-test: $(STAMPS)/dev $(STAMPS)/kernels
	$(call say,Looking for a browser …)
	@$(BIN)/python tests/tools/browser.py

# A pip that knows dependency groups, and the tools that build the package (`editables`: what hatchling needs besides
# for an editable install).
$(STAMPS)/venv: pyproject.toml
	@command -v $(PYTHON) > /dev/null || { echo 'No $(PYTHON) here. Install Python 3.11 or newer, or name yours: make PYTHON=...'; exit 1; }
	@$(PYTHON) tests/tools/check_python.py
	$(call say,Making a virtual environment in $(VENV) …)
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@mkdir -p $(STAMPS)
	@$(PIP) --upgrade 'pip>=25.1'
	@$(BIN)/python tests/tools/build_requirements.py > $(STAMPS)/build-requirements.txt
	@$(PIP) -r $(STAMPS)/build-requirements.txt editables
	@touch $@

$(STAMPS)/node-modules: js/package-lock.json js/.npmrc | $(STAMPS)/venv
	$(call say,Installing the front end's packages into js/node_modules …)
	@cd js && npm ci --loglevel=error --no-progress
	@touch $@

$(FRONTEND): $(JS_SOURCES) $(STAMPS)/node-modules
	$(call say,Building the front end …)
	@cd js && npm run --silent build
	@touch $@

# Editable: changed Python is picked up at once. Installed again when the front end was rebuilt, because JupyterLab
# loads the copy that lies in the virtual environment. The build tools are there already, hence no build isolation.
$(STAMPS)/lab: $(STAMPS)/venv $(FRONTEND) js/install.json
	$(call say,Installing the package and JupyterLab into $(VENV) …)
	@$(PIP) --no-build-isolation --editable '.[lab]'
	@touch $@

$(STAMPS)/dev: $(STAMPS)/lab
	$(call say,Installing the tools for tests and checks into $(VENV) …)
	@$(PIP) --no-build-isolation --editable '.[keyring,lab,otel]' --group dev --group docs
	@touch $@

$(STAMPS)/former-google: tests/tools/former_google.py pyproject.toml | $(STAMPS)/dev
	@$(BIN)/python tests/tools/former_google.py .test/google-generativeai
	@touch $@

# Needs the built front end, but not what is installed in .venv: the peers and the package get environments of their own.
$(STAMPS)/bench: tests/benchmarks/environments.py pyproject.toml $(FRONTEND) | $(STAMPS)/venv
	@$(BIN)/python -m tests.benchmarks.environments .test/bench
	@touch $@

$(STAMPS)/kernels: tests/tools/kernels.py $(STAMPS)/dev
	@$(BIN)/python tests/tools/kernels.py .test/kernels
	@touch $@
