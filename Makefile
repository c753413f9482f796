.PHONY: demo test serve bench storm session-storm check lock setup
PYTHON := .venv/bin/python

demo: setup
	$(PYTHON) -m simulator.demo

test: check
	$(PYTHON) -m pytest -n 2 --dist loadgroup $(or $(ARGS),--ignore=tests/infra)

serve: setup
	$(PYTHON) -m devhost.serve $(ARGS)

bench: setup
	$(PYTHON) -m bench $(ARGS)

# 100,000 messages with every fault on, checked against the truth; ARGS="--messages 20000 --seed 7" for another one.
storm: setup
	$(PYTHON) -m tests.streams.storm $(ARGS)

# 10,000 sessions at 200 chargers with every fault on, held against the truth; ARGS="--sessions 500 --chargers 20 --seed 7".
session-storm: setup
	$(PYTHON) -m tests.sessions.storm $(ARGS)

check: setup
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	$(PYTHON) -m pytest -q -n 2 tests/infra

setup: .venv/.ready

.venv/.ready: tools/setup requirements-dev.txt requirements-checkov.txt package-lock.json
	bash tools/setup
	touch $@

# Writes the exact, hashed pins of requirements.txt (deployed) and requirements-dev.txt from pyproject.toml.
lock: setup
	.venv/bin/uv pip compile pyproject.toml --universal --python-version 3.13 --generate-hashes --no-header -qo requirements.txt
	.venv/bin/uv pip compile pyproject.toml --group dev --universal --python-version 3.13 --generate-hashes --no-header -c requirements.txt -qo requirements-dev.txt
	.venv/bin/uv pip compile --group checkov --universal --python-version 3.13 --generate-hashes --no-header -qo requirements-checkov.txt
