# Short by intent: the logic of `setup`, `lock` and `test` stands in scripts/.
PYTHON ?= python3
SETUP = $(PYTHON) scripts/setup.py $(if $(filter file,$(origin PYTHON)),,--this-python) $(addprefix --,$(EXTRAS))
VENV = .venv/bin

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev run test test-fast test-browser test-image test-kfp screenshots lint chaos image image-root lock clean

help: ## List the targets
	@sed -nE 's/^([a-z%-]+):.*## (.*)/make \1	\2/p' Makefile | expand -t 18

setup: ## Install into .venv what the lock says (EXTRAS=devices: tools of device profiles; they stay)
	@$(SETUP)

setup-dev: ## The same with the tools for tests and checks
	@$(SETUP) --dev

run: setup ## Train, compress, gate and push the digits model
	@$(VENV)/python -m pipeline data fetch digits
	@$(VENV)/python -m pipeline run configs/digits.yaml

test: setup-dev ## All tests: unit, golden, methods, integration
	@$(VENV)/python scripts/tiers.py unit golden methods integration

test-fast: setup-dev ## Unit and golden tests, without trainings and real pipelines
	@$(VENV)/python scripts/tiers.py unit golden

test-browser: ## The pages in Chromium (installed when root), with axe-core
	@$(SETUP) --dev --browser
	@$(VENV)/python scripts/chromium.py
	@$(VENV)/python scripts/tiers.py browser

lint: setup-dev ## Format, style, types and import layers
	$(VENV)/ruff format --check .
	$(VENV)/ruff check .
	$(VENV)/mypy
	$(VENV)/lint-imports

bench-%: setup ## A benchmark: compression, gate, predictor, scale or statistics (QUICK=1 for the short form)
	$(VENV)/python -m benchmarks.$*

screenshots: ## The pictures in docs/images, anew
	@$(SETUP) --dev --browser
	@$(VENV)/python scripts/chromium.py
	@$(VENV)/python scripts/screenshots.py

test-kfp: setup ## Feed compiled pipelines to KFP's own Go code (needs Go; CONFIGS="a.yaml b.yaml")
	@$(VENV)/python scripts/kfp_acceptance.py

chaos: setup ## Kill cycles at random moments and look what is left (KILLS=60 SEED=1)
	$(VENV)/python -m benchmarks.chaos

image: ## The image of Kubeflow's tasks, by Docker, Podman or Buildah (TAG=tfx-edge:latest)
	@$(PYTHON) scripts/image.py build $(if $(TAG),--tag $(TAG))

image-root: ## Its file system in .image/root, by debootstrap and Buildah, without a container engine
	@$(PYTHON) scripts/image.py root

test-image: setup-dev ## The compiled pipeline on the emulated cluster, its tasks in the image's file system
	@test -f .image/config.json || $(MAKE) image-root
	@EDGE_IMAGE=.image $(VENV)/python -m pytest -q tests/integration/test_kubeflow.py

lock: setup-dev ## Compile every lock anew (UPGRADE=1 takes newer releases)
	@$(VENV)/python scripts/lock.py $(if $(UPGRADE),--upgrade)

clean: ## Remove what runs, tests and benchmarks left (data and .venv stay)
	rm -rf .edge .bench .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
