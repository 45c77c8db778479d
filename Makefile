# make app    set everything up and open the dashboard
# make test   set everything up, the browser for the page tests included, and run all tests
# make check  style, types and documentation
# Longer runs: make fuzz, make crash, make bench
# PYTHON=/path/to/python3 chooses the interpreter; otherwise 3.13 or 3.12 is preferred, 3.11 is enough.

VENV := .venv
RUN := $(VENV)/bin
STAMP := $(VENV)/.installed
PIP_FLAGS := --quiet --disable-pip-version-check
export PYTHONDONTWRITEBYTECODE ?=

.PHONY: app test test-only check install browser bench fuzz crash docs clean

app: install
	$(RUN)/sparc-fuse app $(APP_FLAGS)

test: install browser
	$(RUN)/python -m pytest -n 2 --dist worksteal $(TEST_FLAGS)

check: install
	$(RUN)/ruff format --check .
	$(RUN)/ruff check .
	$(RUN)/mypy
	$(RUN)/python -m pytest tests/test_docs.py tests/test_shape.py

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@python=$$(sh scripts/find-python.sh "$(PYTHON)") || exit 1; \
	echo "Setting up $(VENV) with $$python (a few minutes the first time)"; \
	$$python -m venv --clear $(VENV)
	$(RUN)/python -m pip install $(PIP_FLAGS) --constraint constraints.txt --editable '.[test]'
	@touch $(STAMP)

browser:
	@sh scripts/find-browser.sh

bench: install
	$(RUN)/python -m pip install $(PIP_FLAGS) --constraint constraints.txt --editable '.[bench]'
	$(RUN)/python -m benchmarks

fuzz: install
	FUSE_MUTANTS=$${FUSE_MUTANTS:-2000} $(RUN)/python -m pytest tests/test_fuzz.py -n 2

crash: install
	FUSE_KILLS=$${FUSE_KILLS:-200} $(RUN)/python -m pytest tests/test_crash.py -n 2

docs: install
	$(RUN)/python scripts/write_formats_page.py
	$(RUN)/python -m benchmarks.beside_neo

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
