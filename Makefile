# make run and make test need Python >= 3.11 with venv, and a network the first time; nothing else.
# PYTHON=python3.12 picks the Python, ARGS="…" is passed on (make test ARGS="tests/text -x").

.DEFAULT_GOAL := help
.PHONY: run test lint faults pictures lock clean help
export PYTHON

RUN_LOCK = requirements.txt
DEV_LOCK = requirements-dev.txt

run: ## start Broadsheet on config.toml (the demo, until you change it)
	@sh .ci/setup $(RUN_LOCK)
	@.venv/bin/broadsheet run $(ARGS)

test: ## run the default test suite, in random order
	@sh .ci/setup $(DEV_LOCK)
	@.venv/bin/python -m pytest -n auto --maxprocesses 4 --dist worksteal $(ARGS)

lint: ## check style (ruff) and types (mypy --strict)
	@sh .ci/setup $(DEV_LOCK)
	@status=0; .venv/bin/ruff check . || status=1; .venv/bin/mypy || status=1; exit $$status

faults: ## kill Broadsheet at each of its writes and sends, and count the mail (a quarter of an hour)
	@sh .ci/setup $(DEV_LOCK)
	@sh .ci/postfix-tools || echo "without smtp-sink the table of failing relays is left out" >&2
	@.venv/bin/python -m pytest -m "faults or services" tests/faults -n 2 --dist worksteal $(ARGS)

pictures: ## write docs/pictures/ anew: every design, light, dark and on a phone (needs Chromium)
	@sh .ci/setup $(RUN_LOCK)
	@.venv/bin/python docs/pictures.py

lock: ## write the lock files anew from pyproject.toml (ARGS=--upgrade takes the newest versions)
	@sh .ci/setup $(DEV_LOCK)
	@sh .ci/lock $(ARGS)

clean: ## remove .venv, caches and built packages; keeps the database, the feeds and the mailbox
	@rm -rf .venv .venv-setup .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist
	@find pipeline tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

help: ## show this
	@sed -n 's/^\([a-z]*\): ## /  make \1	/p' Makefile
