# make run    set up, train on synthetic pictures, classify images/test.jpg (no internet needed after)
# make test   set up, run every test and every notebook
# make lab    set up, open the notebooks in JupyterLab
#
# make check  what tells in under a minute that the tree is sound
# make site   the notebooks as a web book: build/site/index.html
#
# make student           writes build/student: the notebooks without solutions, to hand out
# make student FORMAT=nbgrader   writes build/nbgrader: the same as assignments for nbgrader
# make mark FOLDER=...   checks the notebooks that were handed in (exercises/TEACHING.md)
#
# make test RECORD=1          the same; if all pass, writes the README's row "tested with"
# make test VERSIONS=newest   the same with the newest releases of all packages
# make test VERSIONS=colab    the same with Colab's, the oldest that we support
# make colab-check            runs the notebooks as Colab opens them, on Colab's versions
# make nbgrader-check         marks a right and a wrong submission with nbgrader itself
# make lab-check              runs the notebooks in JupyterLab, in a Chromium without a screen
# make address                writes the address of the repository (origin's) wherever it stands
# make clean                  removes .venv and build; the downloads in data/ stay

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

# So many processes share the tests and notebooks, a whole file at a time, the long ones first
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

CHECKED := $(foreach name,links notebooks data measure resnet,tests/test_$(name).py)

check: $(VENV)/ready
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/codespell
	$(BIN)/python -m pytest -q $(CHECKED) -k "not imagenet and not 224 and not large"

NBVAL := --nbval --nbval-current-env --nbval-cell-timeout=300

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

# Runs every notebook from top to bottom and stores what it printed. Without that variable the
# kernel would store TensorFlow's log lines, which nbval does not see when it compares.
notebooks: $(VENV)/ready
	PYTEST_CURRENT_TEST=notebooks $(BIN)/python -m nbconvert --to notebook --execute --inplace \
	  --ExecutePreprocessor.record_timing=False notebooks/*.ipynb

images: $(VENV)/ready
	$(BIN)/python -m images.diagrams

bench: $(VENV)/ready
	$(BIN)/python experiments/speed.py

# Digits in sign language, in several ways with five seeds: two hours on two cores. What is done
# already is kept in build/signs.
signs: $(VENV)/ready
	$(BIN)/python experiments/transfer_study.py

# What each part of Caltech 101's recipe is worth: half an hour. What is in
# models/caltech101/ablation.csv is not done again.
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

# Done once; again when requirements.txt changes, or when the Python behind it has gone.
$(VENV)/ready: requirements.txt $(wildcard tests/versions-$(VERSIONS).txt) \
  $(if $(realpath $(BIN)/python),,again)
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11, 4) <= sys.version_info < (3, 14))' 2>/dev/null \
	  || { echo "Python 3.11.4 to 3.13 is needed: make PYTHON=/path/to/python3.11"; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	  || { echo "Python's venv module is missing: on Debian, apt install python3-venv"; exit 2; }
	@test ! -L $(VENV) \
	  || { echo "$(VENV) is a link, and what it leads to would be emptied: rm $(VENV)"; exit 2; }
	@echo "Installing the packages into $(VENV): once, some minutes, 3 GB of disk"
	@$(PYTHON) -m venv --clear $(VENV) && \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check $(PACKAGES-$(VERSIONS)) \
	  || { echo "Not installed; the reason stands above. No network? Behind a proxy, first type:" \
	  "export HTTPS_PROXY=http://its-name:its-port. Disk full? 3 GB are needed. Then make again."; \
	  exit 2; }
	@touch $@

again:

clean:
	rm -rf .venv build
