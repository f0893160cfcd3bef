# Every path is relative, so the folder may have any name: spaces and umlauts too.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
INSTALLED := $(VENV)/.installed
INSTALLED_DEV := $(VENV)/.installed-dev
INSTALLED_DOCS := $(VENV)/.installed-docs

.DEFAULT_GOAL := help

.PHONY: help
help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' Makefile

.PHONY: setup
setup: $(INSTALLED_DEV) ## make .venv with mlx and everything to develop it

.PHONY: demo
demo: $(INSTALLED) ## make a project in demo/ and take a model through its whole life
	@examples/demo.sh

.PHONY: test
test: $(INSTALLED_DEV) ## run the tests; ARGS="tests/pipeline -k lock" picks some
	$(BIN)/python -m pytest $(ARGS)

.PHONY: torch
torch: $(INSTALLED_DEV) ## add PyTorch for its tests, several GB where pip takes the build with CUDA
	$(PIP) install --constraint constraints.txt --group torch

.PHONY: check
check: $(INSTALLED_DEV) ## run the pre-commit hooks, the type checker and the import contracts
	$(BIN)/python -m pre_commit run --all-files --show-diff-on-failure
	$(BIN)/python -m mypy
	$(BIN)/lint-imports

.PHONY: reference
reference: $(INSTALLED_DEV) ## write the generated pages of docs/ anew
	$(BIN)/python scripts/write_reference.py

.PHONY: docs
docs: $(INSTALLED_DOCS) ## build the documentation in site/; a broken link is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

.PHONY: docs-serve
docs-serve: $(INSTALLED_DOCS) ## serve the documentation on http://127.0.0.1:8000 while you write it
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs serve --dev-addr 127.0.0.1:8000

.PHONY: sessions
sessions: $(INSTALLED_DOCS) ## run every command that the documentation shows, and write what it printed
	$(BIN)/python scripts/write_sessions.py $(ARGS)

.PHONY: pictures
pictures: $(INSTALLED_DOCS) ## draw the README's pictures from a real terminal
	$(BIN)/python scripts/write_pictures.py

.PHONY: constraints
constraints: ## renew constraints.txt from the newest versions that resolve together
	rm -rf build/constraints
	$(PYTHON) -m venv build/constraints/venv
	build/constraints/venv/bin/python -m pip install --quiet --upgrade pip
	build/constraints/venv/bin/python -m pip install --quiet --editable . --group dev --group docs --group torch
	sed -n '/^#/p' constraints.txt > build/constraints/new.txt
	build/constraints/venv/bin/python -m pip freeze --all --exclude mlxkit --exclude setuptools \
	  | sed 's/+cpu$$//' | grep -v '^nvidia-\|^cuda-\|^triton=' \
	  | grep -E '^[A-Za-z0-9._-]+==[A-Za-z0-9.!_-]+$$' | LC_ALL=C sort -f >> build/constraints/new.txt
	mv build/constraints/new.txt constraints.txt
	rm -rf build/constraints
	@echo "constraints.txt is renewed; bring the versions in .pre-commit-config.yaml in step with it"

.PHONY: clean
clean: ## remove the environment, the demo, caches and build output
	examples/demo.sh --remove
	rm -rf $(VENV) build dist site .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find src tests -type d -name __pycache__ -prune -exec rm -rf {} +

# The stamp holds the folder's path. A half-made environment has none and a moved one holds another: both start afresh,
# because scripts and the editable install carry absolute paths.
ifneq ($(shell cat $(INSTALLED) 2>/dev/null),$(CURDIR))
$(INSTALLED): new-environment
endif

.PHONY: new-environment
new-environment:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "mlx needs Python 3.11 or newer: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv --clear $(VENV)

$(INSTALLED): pyproject.toml constraints.txt
	@echo "installing mlx and its dependencies into $(VENV), a minute or two the first time"
	$(PIP) install --constraint constraints.txt pip
	$(PIP) install --constraint constraints.txt --editable .
	@pwd -P > $@

$(INSTALLED_DEV): $(INSTALLED)
	$(PIP) install --constraint constraints.txt --group dev
	@touch $@

$(INSTALLED_DOCS): $(INSTALLED_DEV)
	$(PIP) install --constraint constraints.txt --group docs
	@touch $@
