# Everything here works on a machine with python3 (3.11 or newer) and make.
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
SPRING := examples/spring

.PHONY: demo test check docs screenshots bench soak fuzz clean

demo: $(VENV)/demo.made
	@$(BIN)/python -m campaignkit report $(SPRING)/messages.csv --carrier twilio \
		--audience $(SPRING)/audience.csv --clicks $(SPRING)/clicks.csv

# A worker for each processor; one test is quicker without: python -m pytest tests/test_rows.py
test: $(VENV)/test.made
	$(BIN)/python -m pytest --numprocesses=logical --dist=worksteal --cov --cov-report=term

check: $(VENV)/test.made $(VENV)/check.made
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports

docs: $(VENV)/docs.made
	$(BIN)/mkdocs build --strict --site-dir $(VENV)/site

screenshots: $(VENV)/test.made
	$(BIN)/python docs/screenshots.py

bench: $(VENV)/test.made $(VENV)/bench.made
	$(BIN)/python -m benchmarks.run

# What `make test` does a little of, twenty times over. It takes long.
soak: $(VENV)/test.made
	CAMPAIGNKIT_SOAK=20 $(BIN)/python -m pytest --capture=no --override-ini=faulthandler_timeout=0 tests/survival

fuzz: $(VENV)/test.made $(VENV)/fuzz.made
	$(BIN)/python tests/carriers/fuzz.py

clean:
	rm -rf $(VENV)

$(BIN)/python:
	@echo "building an environment in $(VENV)" >&2
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) pip

# One stamp for each set of packages; pins are in constraints.txt.
$(VENV)/demo.made: $(BIN)/python pyproject.toml constraints.txt
	@$(PIP) --editable ".[cli]"
	@touch $@

$(VENV)/%.made: $(VENV)/demo.made
	@echo "installing what $* needs" >&2
	@$(PIP) --group $*
	@touch $@
