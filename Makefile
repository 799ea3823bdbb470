# Two commands on a fresh machine with git, make, Python 3.11 and pip:
#   make demo   installs into .venv and exports a ViT for the SM8350, verified on the emulator
#   make test   installs into .venv and runs all that CI runs
#   make fuzz   ten minutes of mutated files of every kind that is read
#   make signals  40 signals at random moments of whole exports
#   make sweep  tries every functional form on three configs, and writes docs/sweep.md
#   make upstream    runs ExecuTorch's own test suite with either quantizer, and writes docs/upstream.md
#   make search  compares mixed-precision tools on trained networks, and writes docs/mixed-precision.md
#   make bench   measures speed and memory beside ExecuTorch's quantizer, and writes benchmarks/RESULTS.md
#   make boundaries  compiles and runs what has two precisions in it, and writes docs/boundaries.md
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
# Every day other problems. Make prints the command, so that a day can be had again: make fast SEED=20261125
SEED ?= $(shell date -u +%Y%m%d)
DEPENDENCIES := pyproject.toml constraints.txt

.PHONY: demo test fuzz signals sweep upstream boundaries lint types fast coverage slow docs clean search bench

demo: $(VENV)/.installed-examples
	$(BIN)/qnnsolve export examples.models:vit --soc SM8350 --precision 16a8w --out vit.pte

test: lint types fast slow

# Hours: all functional forms on three configs. What is in sweep.jsonl is not run again; a sample of it is in `make slow`.
sweep: $(VENV)/.installed-dev
	$(BIN)/python -m benchmarks.sweep --out sweep.jsonl --table docs/sweep.md

# An hour each on one core. What is in upstream.jsonl is not run again.
upstream: $(VENV)/upstream/.installed
	PYTHONPATH=$(VENV)/upstream $(BIN)/python -m benchmarks.upstream --out upstream.jsonl --page docs/upstream.md

# Hours on one core. What is in search.json is not measured again. AIMET gets an environment of its own.
search: $(VENV)/.installed-dev
	$(BIN)/python -m benchmarks.search --install
	$(BIN)/python -m benchmarks.search --verify --out search.json --page docs/mixed-precision.md

boundaries: $(VENV)/.installed-dev
	$(BIN)/python -m benchmarks.boundaries --out boundaries.jsonl --page docs/boundaries.md

# On one core that does nothing else.
bench: $(VENV)/.installed-dev
	$(BIN)/python -m benchmarks.speed

fuzz: $(VENV)/.installed-dev
	$(BIN)/python -m tests.hostile.fuzz --minutes 10

signals: $(VENV)/.installed-dev
	$(BIN)/python -m tests.hostile.signals --count 40

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed-dev
	$(BIN)/mypy --strict

fast: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -q -n 2 --hypothesis-seed=$(SEED)

# Branches that the fast tests do not take, by module.
coverage: $(VENV)/.installed-dev
	$(BIN)/python -m coverage run -m pytest -q --hypothesis-seed=$(SEED)
	$(BIN)/python -m coverage report

slow: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -q -m slow -n 2 --dist load

docs: $(VENV)/.installed-dev
	$(BIN)/python -m qnnsolve.report docs

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "qnnsolve needs Python 3.11 or newer; try make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)

# Touched only once pip is done, so that an install that was cut short is done again.
$(VENV)/.installed-examples: $(DEPENDENCIES) | $(BIN)/python
	$(INSTALL) -e '.[examples]'
	touch $@

$(VENV)/.installed-dev: $(DEPENDENCIES) | $(BIN)/python
	$(INSTALL) -e '.[dev]'
	touch $@

# What ExecuTorch's tests import beside ExecuTorch, out of the way of everything else.
$(VENV)/upstream/.installed: $(VENV)/.installed-dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --upgrade --target $(VENV)/upstream graphviz expecttest parameterized pydot pyparsing tabulate
	touch $@
