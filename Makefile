# make run    train on synthetic pictures, then classify images/test.jpg
# make lab    open the notebooks in JupyterLab
# make test   run every test and every notebook
# make check  run the linters and quick tests, in under a minute
# make site   build the web book: build/site/index.html
#
# All of these first install the packages, once.
#
# make student                   write build/student: the notebooks without solutions, to hand out
# make student FORMAT=nbgrader   write build/nbgrader: the same as assignments for nbgrader
# make mark FOLDER=...           mark the submissions in a folder (exercises/TEACHING.md)
#
# make test RECORD=1          run all tests; if they pass, update the README's table "tested with"
# make test VERSIONS=newest   run all tests with the newest releases of all packages
# make test VERSIONS=colab    run all tests with Colab's releases, the oldest supported
# make colab-check            run the notebooks as Colab opens them, on Colab's versions
# make nbgrader-check         mark a right and a wrong submission with nbgrader itself
# make lab-check              run the notebooks in JupyterLab, in headless Chromium
# make notebooks              run every notebook and store its outputs
# make images                 draw the README's pictures
# make bench                  measure the speed of training and prediction
# make ablation, make signs   run the studies behind the model cards
# make address                replace the repository's address everywhere by that of origin
# make clean                  delete .venv and build; the downloads in data/ stay

PYTHONS := python3.11 python3.12 python3.13 python3
PYTHON ?= $(firstword $(foreach name,$(PYTHONS),$(shell command -v $(name) 2>/dev/null)) python3.11)
VERSIONS := $(if $(filter colab-check,$(MAKECMDGOALS)),colab,pinned)
VENV := $(if $(filter pinned,$(VERSIONS)),.venv,build/venv-$(VERSIONS))
BIN := $(VENV)/bin

.PHONY: run test lab lab-check nbgrader-check notebooks images bench signs ablation clean colab-check \
  address student mark check site again

run: $(VENV)/ready
	$(BIN)/python train.py --data sample
	$(BIN)/python predict.py --model my-sample images/test.jpg
	@echo
	@echo "Next: 'make lab' opens the notebooks; '$(BIN)/python train.py' trains on Caltech 101;"
	@echo "'$(BIN)/python predict.py PICTURE' names one of its 101 categories."

# This many processes share the tests and notebooks, one file at a time, the longest first
# (tests/conftest.py).
JOBS := 2
PARALLEL := -n $(JOBS) --dist loadscope --no-loadscope-reorder
REPORT := build/tests.xml

test: $(VENV)/ready
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m pytest -q $(PARALLEL) $(NBVAL) $(if $(RECORD),--junitxml=$(REPORT)) \
	  tests notebooks
	$(if $(RECORD),$(BIN)/python tests/tested_with.py $(VERSIONS) $(REPORT))

CHECKED := $(foreach name,links notebooks data layer_table resnet,tests/test_$(name).py)

check: $(VENV)/ready
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/codespell
	$(BIN)/python -m pytest -q $(PARALLEL) $(CHECKED) -k "not imagenet and not 224 and not large"

NBVAL := --nbval --nbval-current-env --nbval-cell-timeout=900

lab: $(VENV)/ready
	$(BIN)/python -m jupyterlab --notebook-dir=. --LabApp.news_url=None \
	  --LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate notebooks/01_identity_block.ipynb

lab-check: $(VENV)/ready
	LAB_CHECK=1 $(BIN)/python -m pytest -q tests/test_jupyterlab.py

nbgrader-check: $(VENV)/ready
	NBGRADER_CHECK=1 $(BIN)/python -m pytest -q tests/test_nbgrader.py

student: $(VENV)/ready
	$(BIN)/python -m exercises.classroom student $(if $(FORMAT),--format $(FORMAT))

mark: $(VENV)/ready
	$(BIN)/python -m exercises.classroom mark "$(FOLDER)"

SITE := build/venv-site

site: $(SITE)/ready
	$(SITE)/bin/python docs/build.py

$(SITE)/ready: docs/requirements.txt
	$(PYTHON) -m venv --clear $(SITE)
	$(SITE)/bin/python -m pip install --quiet --disable-pip-version-check -r docs/requirements.txt
	@touch $@

# Runs every notebook from top to bottom and stores its outputs. Without the variable the kernel
# would store TensorFlow's log lines, and nbval would not find them when it compares.
notebooks: $(VENV)/ready
	PYTEST_CURRENT_TEST=notebooks $(BIN)/python -m nbconvert --to notebook --execute --inplace \
	  --ExecutePreprocessor.record_timing=False notebooks/*.ipynb

images: $(VENV)/ready
	$(BIN)/python -m images.gradients
	$(BIN)/python -m images.diagrams

bench: $(VENV)/ready
	$(BIN)/python experiments/speed.py

# Compares ways to train on the digits in sign language, with five seeds: two hours on two cores.
# Finished runs are kept in build/signs.
signs: $(VENV)/ready
	$(BIN)/python experiments/transfer_study.py

# Measures what each part of Caltech 101's recipe is worth: half an hour. Runs that are in
# models/caltech101/ablation.csv are skipped.
ablation: $(VENV)/ready
	$(BIN)/python experiments/ablation.py

colab-check: $(VENV)/ready
	COLAB_CHECK=1 $(BIN)/python -m pytest -q tests/test_colab.py

address:
	$(PYTHON) tests/address.py $(REPOSITORY)

NAMES = $(shell sed 's/[=\#].*//' requirements.txt)
PACKAGES-pinned = -r requirements.txt
PACKAGES-newest = $(NAMES)
PACKAGES-colab = -c tests/versions-colab.txt $(NAMES)
$(if $(PACKAGES-$(VERSIONS)),,$(error VERSIONS is pinned, newest or colab))

# Runs once, and again if requirements.txt changes or the Python behind .venv is gone.
$(VENV)/ready: requirements.txt $(wildcard tests/versions-$(VERSIONS).txt) \
  $(if $(realpath $(BIN)/python),,again)
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11, 4) <= sys.version_info < (3, 14))' 2>/dev/null \
	  || { echo "Python 3.11.4 to 3.13 is needed: make PYTHON=/path/to/python3.11"; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	  || { echo "Python's venv module is missing: on Debian, apt install python3-venv"; exit 2; }
	@test ! -L $(VENV) \
	  || { echo "$(VENV) is a link, and its target would be emptied: rm $(VENV)"; exit 2; }
	@echo "Installing the packages into $(VENV): once, a few minutes, 3 GB of disk"
	@$(PYTHON) -m venv --clear $(VENV) && \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check $(PACKAGES-$(VERSIONS)) \
	  || { echo "Not installed; see the reason above. No network? Behind a proxy, first type:" \
	  "export HTTPS_PROXY=http://its-name:its-port. Disk full? 3 GB are needed. Then make again."; \
	  exit 2; }
	@touch $@

again:

clean:
	rm -rf .venv build
