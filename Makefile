# Every target makes what it needs; `make test` works in a fresh checkout with nothing but Python.

PYTHON ?= python3
N ?= 20000
SECONDS ?= 3600
BIN := .venv/bin
STAMP := .venv/.installed
FRAMEWORKS := tests/export tests/learn tests/test_docs.py -k "lens or nnsight"

.DEFAULT_GOAL := help
.PHONY: help env demo lint test test-quick test-frameworks bench bench-decompile bench-peers peers agreement gallery fuzz mutants compress-figures dist clean

help:  ## List the targets.
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | while IFS="$$(printf '\t')" read -r name text; do \
		printf '  make %-15s %s\n' "$$name" "$$text"; done

env: $(STAMP)  ## Create .venv with the package and its development tools.

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@

demo: env  ## Compile a few programs, run them and look inside.
	$(BIN)/python -m tracrlab.cli.demo

lint: env  ## Check style and types.
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

test: lint  ## Check style and types, run all tests.
	$(BIN)/pytest -n 2

test-quick: env  ## Run the tests that take little time and need no frameworks and no browser.
	$(BIN)/pytest -n 2 -m "not slow and not browser and not frameworks"

test-frameworks: .venv-lens3/.installed .venv-lens4/.installed  ## Test both generations of TransformerLens, and nnsight.
	.venv-lens3/bin/pytest -n 2 $(FRAMEWORKS)
	.venv-lens4/bin/pytest -n 2 $(FRAMEWORKS)

.venv-lens3/.installed: LENS := "transformer-lens<4" tracr-pypi
.venv-lens4/.installed: LENS := "transformer-lens>=4"
.venv-lens%/.installed: pyproject.toml constraints.txt
	test -x .venv-lens$*/bin/python || $(PYTHON) -m venv .venv-lens$*
	.venv-lens$*/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev,nnsight]" $(LENS)
	touch $@

bench: env  ## Measure compile time, model size and speed.
	$(BIN)/python -m benchmarks.bench

bench-decompile: env  ## Measure the decompiler on random programs and on the library.
	$(BIN)/python -m benchmarks.decompile random
	$(BIN)/python -m benchmarks.decompile library

bench-peers: .venv-lens3/.installed  ## Measure speed beside TransformerLens (before version 4) and Tracr.
	.venv-lens3/bin/python -m benchmarks.bench speed torch compat

agreement: env .venv-lens3/.installed .venv-lens4/.installed  ## Compare all exports, write docs/agreement.md.
	$(BIN)/python -m benchmarks.export_agreement measure build/agreement/exports.json
	.venv-lens3/bin/python -m benchmarks.export_agreement measure build/agreement/lens3.json --only TransformerLens
	.venv-lens4/bin/python -m benchmarks.export_agreement measure build/agreement/lens4.json --only TransformerLens
	$(BIN)/python -m benchmarks.export_agreement write docs/agreement.md build/agreement/*.json

peers: .venv-peers/.installed  ## Run Tracr's own tests on the compatible API (TRACR=the folder of its source).
	.venv-peers/bin/python -m benchmarks.peers "$(TRACR)" --write docs/tracr.md

.venv-peers/.installed: pyproject.toml constraints.txt
	test -x .venv-peers/bin/python || $(PYTHON) -m venv .venv-peers
	.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]" absl-py dm-haiku
	touch $@

gallery: env  ## Draw the figures of docs/gallery.md and write the page.
	$(BIN)/python examples/gallery.py

fuzz: env  ## Compare the compiler with the interpreter on N random programs (N=20000).
	$(BIN)/python -m benchmarks.fuzz --programs $(N)

mutants: env  ## Plant faults in the source, see whether the tests notice (MODULES="uniqueness sums", SECONDS=3600).
	$(BIN)/python -m benchmarks.mutants --seconds $(SECONDS) $(MODULES)

compress-figures: env  ## Repeat the paper's studies of compression; writes docs/compression.
	$(MAKE) -j2 build/compression/frac_prevs.done build/compression/sort_unique.done
	$(BIN)/python -m benchmarks.compression report

build/compression/%.done: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.compression $*
	touch $@

dist: env  ## Build the package into dist/ and check it, as a release does.
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt build check-wheel-contents twine
	rm -rf dist
	$(BIN)/python -m build --outdir dist
	$(BIN)/twine check --strict dist/*
	$(BIN)/check-wheel-contents dist/*.whl

clean:  ## Remove the environment, caches and build outputs.
	rm -rf .venv .venv-lens3 .venv-lens4 .venv-peers .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
