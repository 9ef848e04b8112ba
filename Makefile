# make demo | make street | make test | make test-long | make lint: each makes the environment that it needs, in .venv.
PYTHON ?= python3
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.PHONY: demo street test test-long lint clean again

PY := .venv/bin/python
CONFIG := configs/quickstart/lpsnet_streetscenes.yml
DATA := data/streetscenes
OUT := output/demo
BEST := $(OUT)/best_model/model.pdparams

demo: .venv/cpu
	$(PY) tools/make_streetscenes.py --save_dir $(DATA)
	rm -rf $(OUT)
	$(PY) tools/train.py --config $(CONFIG) --save_dir $(OUT) --do_eval --save_interval 400 --num_workers 1
	$(PY) tools/val.py --config $(CONFIG) --model_path $(BEST) | tee $(OUT)/val.txt
	$(PY) tools/val.py --config $(CONFIG) --model_path $(BEST) --aug_eval --flip_horizontal | tee $(OUT)/val_flip.txt
	$(PY) tools/predict.py --config $(CONFIG) --model_path $(BEST) --image_path $(DATA)/leftImg8bit/val --save_dir $(OUT)/result
	$(PY) tools/contact_sheet.py --config $(CONFIG) --prediction_dir $(OUT)/result --save_path $(OUT)/contact_sheet.png
	@echo
	@echo "plain:     $$(grep -m1 mIoU $(OUT)/val.txt)"
	@echo "with flip: $$(grep -m1 mIoU $(OUT)/val_flip.txt)"
	@echo "pictures:  $(OUT)/contact_sheet.png"

# Weights that come with the package, on a photo and a video of one's own (make street PHOTO=mine.jpg VIDEO=mine.mp4),
# or on drawn ones.
STREET := output/street
PHOTO := $(STREET)/drawn/photo.png
VIDEO := $(STREET)/drawn/drive.mp4
SEGMENT := $(PY) tools/predict.py --model_path zoo:lpsnet_s_camvid --save overlay --legend --save_dir $(STREET)

street: .venv/cpu
	$(if $(filter $(STREET)/drawn/%,$(PHOTO) $(VIDEO)),$(PY) -m demo.streetscenes.drive --save_dir $(STREET)/drawn)
	$(SEGMENT) --image_path "$(PHOTO)"
	$(SEGMENT) --image_path "$(VIDEO)"
	@echo
	@echo "overlays:  $(STREET)/added_prediction"

# Files are shared out among the cores; a file's tests stay together, with what they share.
PYTEST := $(PY) -m pytest --numprocesses auto --dist loadfile

test: .venv/dev
	$(PYTEST) -m "not slow"

test-long: .venv/dev
	$(PYTEST) -m slow

lint: .venv/dev
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

# The stamps are files in .venv, so that a second make installs nothing. --no-compile: compiling the byte code of
# all dependencies takes half a minute, and what is needed of it is compiled when first used.
.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 9))' || \
	  { echo "error: $$($(PYTHON) --version 2>&1) is too old; give 3.9 or newer: make PYTHON=python3.11"; exit 2; }
	$(PYTHON) -m venv .venv || \
	  { rm -rf .venv; echo "error: $(PYTHON) cannot make an environment; on Debian: apt-get install python3-venv"; exit 2; }

# `pip install .` puts a copy into .venv, and edits have no effect from then on: see whose package Python finds.
FIND := import importlib.util as u, os, sys; s = u.find_spec("paddleseg_lite"); \
  sys.exit(s is None or os.path.dirname(os.path.dirname(s.origin)) != os.getcwd())
IS_COPY := $(shell [ ! -e .venv/cpu ] || $(PY) -I -c '$(FIND)' || echo yes)
ifdef IS_COPY
.venv/cpu .venv/dev: again
endif
again:
	@echo "the package in .venv is not this checkout, as after 'pip install' without -e: installing it again"

.venv/cpu: setup.py | .venv/bin/python
	$(PY) -m pip install --quiet --no-compile --editable '.[cpu]'
	touch $@

.venv/dev: setup.py | .venv/bin/python
	$(PY) -m pip install --quiet --no-compile --editable '.[cpu,dev]'
	touch $@ .venv/cpu

clean:
	rm -rf .venv build output/demo
