# The project's commands. `make help` lists them.

VENV := .venv
PYTHON := $(VENV)/bin/python
# The newest Python on the PATH that the pinned packages are made for.
SYSTEM_PYTHON ?= $(firstword $(foreach name,python3.11 python3.12 python3.13 python3,$(shell command -v $(name) 2>/dev/null)))
INSTALL := $(SYSTEM_PYTHON) -m eloquent.embedded.install --venv $(VENV)
UP ?=
# What Python compiled is kept, whatever the machine says: the tests alone start hundreds of processes, and each would
# compile everything anew.
unexport PYTHONDONTWRITEBYTECODE
# What is locked are the files that everybody gets, whatever pip is told on this machine.
PLAIN_PIP := PIP_CONFIG_FILE=/dev/null PIP_FIND_LINKS= PIP_EXTRA_INDEX_URL= PIP_CONSTRAINT=
LOCK := $(PLAIN_PIP) $(PYTHON) -m piptools compile -q --generate-hashes --allow-unsafe --strip-extras \
	--no-emit-index-url --no-emit-find-links --no-emit-trusted-host
# Each of these has a database of its own. ARGS=-n0 for one after the other, with a debugger for example.
# One more than there are cores, because tests also wait.
AT_ONCE := -n $(shell $(SYSTEM_PYTHON) -c "import os; print(min(os.cpu_count() + 1, 4))") --dist worksteal
# Folders whose tests are all of another group: their conftest.py marks them, and reading them takes each runner seconds.
OTHERS := --ignore tests/e2e --ignore tests/deploy

DEPLOY_VENV := .venv-deploy
DEPLOY_PYTHON := $(DEPLOY_VENV)/bin/python
# jsii, under CDK, runs on this Node rather than on one that the machine may have.
DEPLOY_NODE := $(CURDIR)/deploy/node_modules/node/bin/node

.PHONY: help run test test-browser test-clients test-deploy check-deploy test-bench prepare check format bench soak fuzz openapi clean lock lock-deploy sbom audit

help: ## Show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

run: $(VENV)/.installed ## Start everything: database, language model, server; prints the addresses (WORKERS=2, UP="--port 9000")
	@exec $(PYTHON) manage.py up $(if $(WORKERS),--workers $(WORKERS)) $(UP)

test: $(VENV)/.installed-dev ## Run the tests, except those of the next four
	@$(PYTHON) -m pytest $(AT_ONCE) -m "not browser and not clients and not measures and not deploy" $(OTHERS) $(ARGS)

test-browser: $(VENV)/.installed-dev ## Run the tests that drive Chromium
	@$(PYTHON) -m tests.e2e.chromium
	@$(if $(ARGS),,$(PYTHON) -m pytest tests/e2e -m "browser and language_model")
	@$(PYTHON) -m pytest -n 2 --dist worksteal -m "browser$(if $(ARGS),, and not language_model)" $(or $(ARGS),tests/e2e)

test-clients: $(VENV)/.installed-dev ## Run the tests that drive the AI SDK and the typed client under Node
	@$(PYTHON) -m tests.clients.ui.node
	@$(PYTHON) -m pytest -m clients $(or $(ARGS),tests/clients)

test-deploy: $(VENV)/.installed-dev $(DEPLOY_VENV)/.installed ## Run the tests of the platform on AWS: templates, rules, image, rehearsals
	@JSII_NODE=$(DEPLOY_NODE) $(DEPLOY_PYTHON) -m pytest -c deploy/pytest.ini --rootdir deploy deploy/tests $(ARGS)
	@$(PYTHON) -m tests.deploy.tools
	@$(PYTHON) -m pytest -m deploy $(or $(ARGS),tests/deploy)

check-deploy: $(DEPLOY_VENV)/.installed ## Types of what describes the platform: over a minute, and 3 GB
	@$(DEPLOY_PYTHON) -m mypy --config-file deploy/mypy.ini deploy

prepare: $(VENV)/.installed-dev $(DEPLOY_VENV)/.installed ## Install what the tests of the other groups need, which they do themselves as well
	@$(PYTHON) -m tests.e2e.chromium
	@$(PYTHON) -m tests.deploy.tools
	@$(PYTHON) -m tests.clients.ui.node

test-bench: $(VENV)/.installed-dev ## Run every measure of the bench, very small
	@$(PYTHON) -m pytest $(AT_ONCE) -m measures $(ARGS)

check: $(VENV)/.installed-dev ## Lint, format, types, Django's deploy checks, migrations, import arrows
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m mypy .
	@$(PYTHON) -m bandit -q -c pyproject.toml -r accounts chat eloquent inference manage.py
	@$(PYTHON) -m pytest -q tests/test_project.py tests/test_rules.py

format: $(VENV)/.installed-dev ## Format the code
	@$(PYTHON) -m ruff check --fix-only -q .
	@$(PYTHON) -m ruff format .

bench: $(VENV)/.installed-dev ## Measure the server beside a FastAPI peer (ARGS=--all for every measure)
	@$(PYTHON) -m tests.bench $(ARGS)

openapi: $(VENV)/.installed-dev ## Write docs/openapi.json, the interface as it is now
	@$(PYTHON) manage.py openapi > docs/openapi.json.new && mv docs/openapi.json.new docs/openapi.json

soak: $(VENV)/.installed-dev ## Ten minutes of 500 answers at once while workers die and come back (ARGS="--minutes 1")
	@$(PYTHON) -m tests.soak $(ARGS)

fuzz: $(VENV)/.installed-dev ## Five minutes of requests that nobody would think of, and stories of them (ARGS="--minutes 30")
	@$(PYTHON) -m tests.fuzz $(ARGS)

lock: $(VENV)/.installed-dev ## Compile requirements*.txt from requirements*.in, with the hashes of every file
	@$(LOCK) requirements.in
	@$(LOCK) requirements-dev.in
	@$(PLAIN_PIP) $(PYTHON) -m eloquent.embedded.locking requirements-embedded.in > requirements-embedded.txt.new
	@mv requirements-embedded.txt.new requirements-embedded.txt
	@$(MAKE) --no-print-directory sbom

lock-deploy: $(DEPLOY_VENV)/.installed ## Compile deploy/requirements.txt from deploy/requirements.in, and deploy/package-lock.json
	@cd deploy && $(PLAIN_PIP) ../$(PYTHON) -m piptools compile -q --generate-hashes --allow-unsafe --strip-extras \
		--no-emit-index-url --no-emit-find-links --no-emit-trusted-host requirements.in
	@cd deploy && npm install --package-lock-only --no-audit --no-fund

sbom: $(VENV)/.installed-dev ## Write docs/sbom.cdx.json, the list of what is inside (CycloneDX)
	@$(PYTHON) manage.py sbom > docs/sbom.cdx.json.new && mv docs/sbom.cdx.json.new docs/sbom.cdx.json

audit: $(VENV)/.installed-dev ## Look for known holes in the locked packages (asks an advisory database)
	@$(PYTHON) -m tests.audit $(ARGS)

clean: ## Remove the virtual environments and caches; the data in .eloquent/ stays
	@rm -rf $(VENV) $(DEPLOY_VENV) deploy/node_modules deploy/cdk.out .mypy_cache .ruff_cache .pytest_cache .hypothesis staticfiles
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.installed: requirements.txt requirements-embedded.txt
	@$(INSTALL) requirements.txt --embedded requirements-embedded.txt
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed requirements-dev.txt
	@$(INSTALL) requirements-dev.txt
	@touch $@

$(DEPLOY_VENV)/.installed: deploy/requirements.txt deploy/package-lock.json
	@$(SYSTEM_PYTHON) -m venv $(DEPLOY_VENV)
	@$(DEPLOY_PYTHON) -m pip install -q --disable-pip-version-check --require-hashes -r deploy/requirements.txt
	@cd deploy && npm ci --no-audit --no-fund --loglevel=error
	@touch $@
