# make install | demo | test | check | lock. Needs git, make, Python 3.11 (or 3.12) and pip; nothing else.
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3)
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
PORT ?= 8000
BASE := $(VENV)/.base-installed
TEST := $(VENV)/.test-installed

.PHONY: help install demo up test check format bench fuzz lock
help:
	@echo "make demo [VIDEOS=/path/to/folder] [PORT=8000]   start vsearch with a library to try it on"
	@echo "make up [PORT=8000]                              start vsearch"
	@echo "make install                                     only build the environment in $(VENV)"
	@echo "make test                                        install what tests need and run everything"
	@echo "make check                                       ruff, mypy, import-linter, migrations"
	@echo "make fuzz [N=10000] [FOLDER=DIR]                 try damaged videos; with a folder it continues where it stopped"
	@echo "make bench [FULL=1 [CLIPS=DIR] ...]              measure speed and quality beside baselines; FULL=1 lists the rest"

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))' 2>/dev/null || \
	  { echo "vsearch needs Python 3.11 or 3.12 (found: $(PYTHON)). Name one: make PYTHON=/path/to/python3.11"; exit 1; }
	@echo "Making the environment in $(VENV)"
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null && $(PYTHON) -m venv $(VENV) || { \
	  rm -rf $(VENV); $(PYTHON) -m venv --without-pip $(VENV) && \
	  $(PYTHON) -m pip --python $(BIN)/python install --quiet pip; } || { rm -rf $(VENV); \
	  echo "Python has no venv here. On Debian or Ubuntu: apt install python3.11-venv python3-pip"; exit 1; }

# The stamp holds the seconds that the installation took, which make demo reports.
$(BASE): requirements/base.txt | $(BIN)/python
	@echo "Installing what vsearch needs (a few minutes the first time)"
	@began=$$(date +%s); $(PIP) install --quiet --requirement requirements/base.txt && \
	  echo $$(( $$(date +%s) - began )) > $@

$(TEST): requirements/test.txt $(BASE)
	@echo "Installing what tests need"
	@$(PIP) install --quiet --requirement requirements/test.txt && touch $@

install: $(BASE)

demo: $(BASE)
	@$(BIN)/python manage.py demo --port $(PORT) --install-seconds $$(cat $(BASE)) $(if $(VIDEOS),--videos "$(VIDEOS)")

up: $(BASE)
	@$(BIN)/python manage.py up --port $(PORT)

check: $(TEST)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python manage.py makemigrations --check --dry-run

format: $(TEST)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test: check
	$(BIN)/python -m pytest

bench: $(BASE)
	@$(BIN)/python -m benchmarks $(if $(FULL),--full) $(if $(ONLY),--only $(ONLY)) \
	  $(foreach name,clips flickr pack peers runs,$(if $($(shell echo $(name) | tr a-z A-Z)),--$(name) "$($(shell echo $(name) | tr a-z A-Z))"))

fuzz: $(TEST)
	@$(BIN)/python -m tests.fuzz $(or $(N),10000) $(if $(FOLDER),--folder "$(FOLDER)")

lock: $(TEST)
	$(BIN)/python requirements/lock.py
