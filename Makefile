# Needs python3 (3.10 to 3.12) with venv, a C compiler and make; everything else is installed into $(VENV).

SHELL := /bin/bash
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
ROS_STAMP := $(VENV)/.installed-ros
OUT ?= demo_out
SECONDS_AT_MOST ?= 780
INTERFACES := ros_ws/src/rover_energy_interfaces

.DEFAULT_GOAL := help
.PHONY: help venv ros demo test lint bench clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-6s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

venv: $(STAMP) ## create the virtual environment and install the package with all extras

# The test of each candidate runs it: a name on the PATH may be a shim without a Python behind it.
$(STAMP): setup.py pyproject.toml
	@set -e; found=""; \
	for candidate in $(PYTHON) python3 python3.12 python3.11 python3.10; do \
	  if "$$candidate" -c 'import sys, venv, ensurepip; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null; \
	  then found="$$candidate"; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
	  echo "no Python 3.10 to 3.12 with venv found; on Debian and Ubuntu: apt install python3-venv, or give PYTHON=/path/to/python" >&2; \
	  exit 2; fi; \
	if [ ! -x $(BIN)/python ]; then "$$found" -m venv $(VENV); fi
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[all,test]'
	@touch $@

ros: $(ROS_STAMP) ## add ROS 2 and the message package from wheels (Linux x86_64)

$(ROS_STAMP): $(STAMP) $(shell find $(INTERFACES) -type f 2>/dev/null)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[ros]' ./$(INTERFACES)
	@touch $@

# ROS 2 comes as wheels on this platform only; elsewhere the demo drives where ROS 2 is installed already.
DEMO_NEEDS := $(if $(filter Linux-x86_64,$(shell uname -s)-$(shell uname -m)),$(ROS_STAMP),$(STAMP))

demo: $(DEMO_NEEDS) ## plan, certify, drive in MuJoCo through the ROS nodes and audit a traverse on generated terrain, into demo_out (OUT=)
	$(BIN)/rover-energy demo --out $(OUT)

test: $(STAMP) ## run all tests; stops itself after 13 minutes
	$(BIN)/python -m pytest --timeout-method=thread --session-timeout=$(SECONDS_AT_MOST)

lint: $(STAMP) ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(STAMP) ## install the peers and run every benchmark
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[bench]'
	@set -e; for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python "$$script"; done

clean: ## remove the virtual environment, builds, caches and demo output
	rm -rf $(VENV) build dist $(OUT) .pytest_cache .mypy_cache .ruff_cache .hypothesis src/*.egg-info
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
