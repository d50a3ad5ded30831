# The verbs of this project. Each sets up what it needs first.
.DEFAULT_GOAL := help
# The first Python on the path that is new enough; setup.py says so when there is none.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && exit; done; echo python3)
VENV := .venv/bin

.PHONY: help setup setup-test setup-browser lock audit run demo check test services bench pictures format

help: ## Say what the verbs are.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-12s %s\n", $$1, $$2}'

setup: ## Make .venv and install the lock that fits this machine.
	@$(PYTHON) requirements/setup.py

setup-test: ## The same, with the test tools.
	@$(PYTHON) requirements/setup.py --test

lock: setup-test ## Resolve requirements/*.in into exact pins with hashes. UPGRADE=1 takes newer ones.
	@$(VENV)/python requirements/lock.py $(if $(UPGRADE),--upgrade)

audit: setup-test ## Look for known vulnerabilities in the locks; says so where no advisory service answers.
	@$(VENV)/python requirements/audit.py

setup-browser: setup-test ## Find a Chromium, or install one.
	@$(VENV)/python -m tests.browser.chromium

run: setup ## Start everything on this machine; Ctrl-C stops it.
	@$(VENV)/python manage.py up

demo: setup ## Run the whole loop on the sample, then stay up. ONCE=1 ends after the loop.
	@$(VENV)/python manage.py demo $(if $(ONCE),--once)

check: setup-test ## The quick part: lint, types, import rules, unit tests.
	@$(VENV)/ruff check .
	@$(VENV)/ruff format --check .
	@$(VENV)/mypy
	@$(VENV)/lint-imports --no-cache
	@$(VENV)/python manage.py makemigrations --check --dry-run
	@$(VENV)/pytest -q -n 2 -m "not slow and not browser and not services and not bench"

test: setup-browser check ## Everything: the quick part, real training, real vLLM, a real browser. SERVICES=required
	@$(VENV)/pytest -q -n 2 --dist loadfile --no-loadscope-reorder -m "(slow or browser) and not services and not bench"
	@$(VENV)/python -m tests.services $(if $(SERVICES),--required)

services: setup-test ## The database-bound tests on PostgreSQL and Redis (127.0.0.1, as .ci/run does).
	@$(VENV)/python -m tests.services --required

bench: setup-test ## Measure; ONLY=import,list for some. Writes var/bench.json.
	@$(VENV)/python -m tests.bench $(if $(ONLY),--only $(ONLY))

pictures: setup-browser ## Make the pictures of the guide anew (docs/img). ONLY=search,charts for some; comparisons only when named.
	@$(VENV)/python -m tests.browser.guide_images $(if $(ONLY),--only $(ONLY))

format: setup-test ## Put the code into shape.
	@$(VENV)/ruff check --fix .
	@$(VENV)/ruff format .
