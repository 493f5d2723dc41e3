# make run    set up, train on the drawn sample, classify images/test.jpg (no internet needed after)
# make test   set up, run every test and every notebook
# make lab    set up, open the notebooks in JupyterLab
#
# make student           writes build/student: the notebooks without solutions, to hand out
# make mark FOLDER=...   checks the notebooks that were handed in (notebooks/TEACHING.md)
#
# make test VERSIONS=newest   the same with the newest releases of all packages
# make test VERSIONS=colab    the same with Colab's, the oldest that we support
# make colab-check            runs the notebooks as Colab opens them, on Colab's versions
# make address                writes the address of the repository (origin's) wherever it stands

PYTHON ?= python3.11
VERSIONS := $(if $(filter colab-check,$(MAKECMDGOALS)),colab,pinned)
VENV := $(if $(filter pinned,$(VERSIONS)),.venv,build/venv-$(VERSIONS))
BIN := $(VENV)/bin

.PHONY: run test lab notebooks images bench signs clean colab-check address student mark

run: $(VENV)/ready
	$(BIN)/python train.py --data sample
	$(BIN)/python predict.py --model my-sample images/test.jpg
	@echo
	@echo "Next: 'make lab' opens the notebooks; '$(BIN)/python train.py' trains on Caltech 101;"
	@echo "'$(BIN)/python predict.py PICTURE' names one of its 101 categories."

test: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m pytest -q tests
	$(BIN)/python -m pytest -q $(NBVAL) notebooks

NBVAL := --nbval --nbval-current-env --nbval-cell-timeout=300

lab: $(VENV)/ready
	$(BIN)/jupyter lab --notebook-dir=. notebooks/01_identity_block.ipynb

student: $(VENV)/ready
	$(BIN)/python -m helpers.classroom student

mark: $(VENV)/ready
	$(BIN)/python -m helpers.classroom mark "$(FOLDER)"

# Runs every notebook from top to bottom and stores what it printed. Without that variable the
# kernel would store TensorFlow's log lines, which nbval does not see when it compares.
notebooks: $(VENV)/ready
	PYTEST_CURRENT_TEST=notebooks $(BIN)/jupyter nbconvert --to notebook --execute --inplace \
	  --ExecutePreprocessor.record_timing=False notebooks/*.ipynb

images: $(VENV)/ready
	$(BIN)/python -m helpers.pictures

bench: $(VENV)/ready
	$(BIN)/python tests/bench.py

# Digits in sign language, three ways and five seeds: about an hour on two cores. What is done
# already is kept in build/signs.
signs: $(VENV)/ready
	$(BIN)/python tests/compare_signs.py

colab-check: $(VENV)/ready
	COLAB_CHECK=1 $(BIN)/python -m pytest -q tests/test_colab.py

address:
	$(PYTHON) tests/address.py $(REPOSITORY)

NAMES = $(shell sed 's/[=\#].*//' requirements.txt)
PACKAGES-pinned = -r requirements.txt
PACKAGES-newest = $(NAMES)
PACKAGES-colab = -c tests/versions-colab.txt $(NAMES)
$(if $(PACKAGES-$(VERSIONS)),,$(error VERSIONS is pinned, newest or colab))

# Done once, and again when requirements.txt changes.
$(VENV)/ready: requirements.txt $(wildcard tests/versions-$(VERSIONS).txt)
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11, 4) <= sys.version_info < (3, 14))' 2>/dev/null \
	  || { echo "Python 3.11.4 to 3.13 is needed: make PYTHON=/path/to/python3.11"; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	  || { echo "Python's venv module is missing: on Debian, apt install python3-venv"; exit 2; }
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(PACKAGES-$(VERSIONS))
	touch $@

clean:
	rm -rf .venv build data
