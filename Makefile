# Everything a person types. `make ingest` and `make test` need Python 3.11 or newer and nothing else.

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PYTHON ?= $(or $(shell command -v python3.11 2>/dev/null),$(shell command -v python3 2>/dev/null),python3)

SOURCE ?=
root ?=
EXPERIMENT ?= demo
PORT ?= 5000
BENCH ?= crawl
ARGS ?=

# Double quotes inside single ones: Hydra then takes a path with spaces or '=' as one value.
INGEST = $(BIN)/python jobs/ingest.py $(if $(SOURCE),source=$(SOURCE)) $(if $(root),'source.root="$(root)"') $(if $(DRY_RUN),dry_run=true) $(ARGS)

# Only what stands on the command line counts: some shells export HOST.
given = $(if $(filter command,$(origin $(1))),kind=$(2) 'value="$($(1))"')
TAKEDOWN = $(call given,URL,url) $(call given,HOST,host) $(call given,RECORDING,recording) \
  $(call given,CANDIDATE,candidate) $(call given,SHA256,sha256) $(call given,SAMPLE,sample)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory
.PHONY: help doctor plan browser screenshots submit node-death two-hosts setup ingest explain retry-failed recrawl verify takedown train evaluate study export transcribe report explore filters ui bench format check test faults kill-test train-kill tracking-away train-hosts lock clean

# What follows a semicolon in a description goes to a line of its own.
help: ## Show this list
	@awk -F ':.*## ' '/^##@ / { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z0-9-]+:.*## / { n = split($$2, part, "; "); printf "  make %-13s %s\n", $$1, part[1]; \
	    for (i = 2; i <= n; i++) if (part[i] != "ARGS=") printf "%21s%s\n", "", part[i] }' $(firstword $(MAKEFILE_LIST))
	@printf '\nARGS takes any setting of conf/: ARGS="decide.test_share=0.05". python jobs/NAME.py ends with 0 (done), 1 (the\n'
	@printf 'data), 2 (the settings), 3 (units failed, run again for these) or 130 (interrupted); make turns all into 2.\n'

##@ This machine

setup: $(STAMP) ## Make .venv and install Sotto into it (every other target does it when needed)

doctor: $(STAMP) ## Say what is in the way of an ingest or a training here, and what to do; changes nothing; ARGS="data_root=s3://..."
	@PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python jobs/doctor.py $(ARGS)

plan: $(STAMP) ## Time, storage and money of a corpus and a training on it; ARGS="hours=10000 ingest.num=4 hosts.num=300"
	@$(BIN)/python jobs/plan.py $(ARGS)

browser: $(STAMP) ## Install Debian's Chromium for the browser tests and the pictures (needs root)
	@command -v chromium >/dev/null || { apt-get update -qq && apt-get install -y -qq chromium; }

##@ A corpus
ingest: $(STAMP) ## Audio and captions to shards and a report; SOURCE=folder root=PATH, ARGS=; RAY_ADDRESS=head:6379 on a cluster
	@$(INGEST)

# The code travels with the job; .git, .venv and what .gitignore names stay here. The cluster's own python runs it.
submit: $(STAMP) ## The same as a job of a Ray cluster; RAY_ADDRESS=http://head:8265, same variables as ingest, ARGS="data_root=s3://..."
	@test -n "$(RAY_ADDRESS)" || { echo "submit: RAY_ADDRESS is not given; expected a dashboard; run: make submit RAY_ADDRESS=http://HEAD:8265" >&2; exit 2; }
	@RAY_AUTH_MODE=$${RAY_AUTH_MODE:-token} $(BIN)/ray job submit --address "$(RAY_ADDRESS)" --working-dir . \
	  -- python $(wordlist 2,99,$(INGEST)) log=plain

explain: $(STAMP) ## Say what ingest would do and why, and do nothing; same variables as ingest
	@$(INGEST) explain=true

retry-failed: $(STAMP) ## Ask again for what failed and may pass, and only for that; same variables as ingest
	@$(INGEST) again=failed

recrawl: $(STAMP) ## Ask again for everything; what did not change costs a request and no bytes; same variables as ingest
	@$(INGEST) again=all

verify: $(STAMP) ## Check every invariant of the last ingest's corpus, file by file and request by request; ARGS=
	@$(BIN)/python jobs/verify.py $(ARGS)

takedown: $(STAMP) ## Take down URL=, HOST=, RECORDING=, CANDIDATE=, SHA256= or SAMPLE=, with REASON=; PURGE=1 removes bytes
	@$(BIN)/python jobs/takedown.py $(TAKEDOWN) $(if $(PURGE),purge=true) $(ARGS)

##@ A model
train: $(STAMP) ## Train a model on the shards; EXPERIMENT=demo, ARGS=
	@$(BIN)/python jobs/train.py $(if $(EXPERIMENT),+experiment=$(EXPERIMENT)) $(ARGS)

evaluate: $(STAMP) ## Measure a checkpoint on the evaluation sets; ARGS=
	@$(BIN)/python jobs/evaluate.py $(ARGS)

study: $(STAMP) ## Train and measure filters on against off, or any grid of corpora, sizes, shares and seeds; ARGS=
	@$(BIN)/python jobs/study.py $(ARGS)

export: $(STAMP) ## A checkpoint for other programs; ARGS="checkpoint=PATH format=huggingface out=FOLDER"
	@$(BIN)/python jobs/export.py $(ARGS)

transcribe: $(STAMP) ## Audio files to text and subtitles; ARGS="checkpoint=PATH 'inputs=[talk.mp3]' out=FOLDER"
	@$(BIN)/python jobs/transcribe.py $(ARGS)

##@ Looking
report: $(STAMP) ## Print the last ingest's summary and where its report lies; ARGS=
	@$(BIN)/python jobs/report.py $(ARGS)

explore: $(STAMP) ## Hours kept for each threshold of the last ingest; ARGS='view=languages', ARGS='reason=noisy keep.min=10'
	@$(BIN)/python jobs/explore.py $(ARGS)

filters: $(STAMP) ## Score all filters on a labelled set: every defect, three strengths, every language; ARGS='real=FOLDER'
	@$(BIN)/python jobs/filters.py $(ARGS)

ui: $(STAMP) ## Browse runs, datasets and reports in MLflow at 127.0.0.1; PORT=5000
	@$(BIN)/mlflow ui --host 127.0.0.1 --port $(PORT) --backend-store-uri sqlite:///mlflow.db

screenshots: $(STAMP) ## Take the README's pictures of the last report and of MLflow; ARGS=
	@$(BIN)/python jobs/screenshots.py $(ARGS)

##@ Working on Sotto
bench: $(STAMP) ## Measure a part of Sotto on this machine; BENCH=crawl, ARGS=
	@$(BIN)/python jobs/bench.py bench=$(BENCH) $(ARGS)

format: $(STAMP) ## Format the code and mend what ruff can mend
	@$(BIN)/ruff check --quiet --fix --exit-zero
	@$(BIN)/ruff format --quiet

check: $(STAMP) ## The gate without the tests of behaviour: format, lint, types, contracts
	@$(BIN)/ruff format --quiet --check || { echo "check: the files named above are not formatted; run: make format" >&2; exit 1; }
	@$(BIN)/ruff check --quiet
	@$(BIN)/pyright
	@$(BIN)/pytest tests/contract

test: $(STAMP) ## Run the tests (no network, no GPU)
	@$(BIN)/pytest -n auto --maxprocesses 4 --dist loadfile $(ARGS)

faults: $(STAMP) ## Crawl a web of faults on the loopback, and print the fault matrix
	@$(BIN)/python -m pytest -p tests.faults.matrix tests/crawl \
	  tests/pipeline/test_decoder.py tests/pipeline/test_audio.py tests/pipeline/segment/test_captions.py $(ARGS)

kill-test: $(STAMP) ## Kill jobs at random moments, run again, compare bytes (long)
	@$(BIN)/pytest -m slow $(ARGS)

train-kill: $(STAMP) ## Kill trainings and ranks at random, hang ranks, change their number; compare weights and samples (long)
	@$(BIN)/pytest -s -m slow -o faulthandler_timeout=3600 tests/model/training $(ARGS)

tracking-away: $(STAMP) ## Stop and kill a real MLflow server under a training for a minute, compare every number (minutes)
	@$(BIN)/pytest -s -m slow -o faulthandler_timeout=3600 tests/jobs/test_tracking_away.py $(ARGS)

train-hosts: $(STAMP) ## Start a training as torchrun, SLURM and Ray do, and on two network namespaces; as root (minutes)
	@$(BIN)/pytest -m slow tests/jobs/test_train_launch.py $(ARGS)

node-death: $(STAMP) ## Kill a machine of a Ray cluster in the middle of three ingests, compare all rows and shards (minutes)
	@$(BIN)/pytest -s -m slow -o faulthandler_timeout=3600 tests/jobs/test_cluster_death.py $(ARGS)

two-hosts: $(STAMP) ## Ingest on two hosts, which are network namespaces of this machine; as root (minutes)
	@PATH="$(abspath $(BIN)):$$PATH" bash tests/jobs/two_hosts.sh

lock: ## Resolve constraints.txt again from pyproject.toml (needs uv)
	@command -v uv >/dev/null || { echo "lock: uv is not installed; it is only needed to change the pins; run: pip install uv" >&2; exit 1; }
	@uv pip compile --quiet --universal --python-version 3.11 --all-extras --no-header --no-annotate pyproject.toml -o constraints.txt

clean: ## Remove caches and build leftovers; data, runs and .venv stay
	@rm -rf build .pytest_cache .ruff_cache *.egg-info
	@find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +

# The stamp comes last, so an installation that was cut off is done again.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "setup: '$(PYTHON)' is not Python 3.11 or newer; install Python 3.11, or run: make setup PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(BIN)/python -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || $(PYTHON) -m venv --clear $(VENV) || { \
	  rm -rf $(VENV); echo "setup: '$(PYTHON)' cannot make a virtual environment; on Debian or Ubuntu install python3-venv" >&2; exit 1; }
	@echo "setup: installing into $(VENV) (about two minutes and 4 GB the first time)" >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]" || { \
	  echo "setup: pip could not install the packages above; check the network or the package index, then run the same command again" >&2; exit 1; }
	@touch $@
