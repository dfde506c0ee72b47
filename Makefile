# Everything here works on a machine with python3 (3.11 or newer) and make.
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
SPRING := examples/spring

.PHONY: demo test check docs bench clean

demo: $(VENV)/demo.made
	@$(BIN)/python -m campaignkit report $(SPRING)/messages.csv --carrier twilio \
		--audience $(SPRING)/audience.csv --clicks $(SPRING)/clicks.csv

test: $(VENV)/test.made
	$(BIN)/python -m pytest --cov --cov-report=term

check: $(VENV)/test.made $(VENV)/check.made
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/pyright
	$(BIN)/lint-imports

docs: $(VENV)/docs.made
	$(BIN)/mkdocs build --strict --site-dir $(VENV)/site

bench: $(VENV)/test.made
	$(BIN)/python -m benchmarks.run

clean:
	rm -rf $(VENV)

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt pip

# One stamp for each set of packages; pins are in constraints.txt.
$(VENV)/demo.made: $(BIN)/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[cli]"
	@touch $@

$(VENV)/%.made: $(VENV)/demo.made
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --group $*
	@touch $@
