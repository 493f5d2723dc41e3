"""The notebooks without solutions: a folder to hand out, or assignments for nbgrader.

`exercises.classroom` calls the functions in WRITERS.
"""

import re
import shutil

import nbformat
from nbconvert.preprocessors import ClearOutputPreprocessor, TagRemovePreprocessor
from nbformat.v4 import new_code_cell

from helpers.files import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SCRIPTS = sorted((ROOT / "notebooks").glob("*.py"))  # what the set-up cell imports
STUDENT, NBGRADER = ROOT / "build" / "student", ROOT / "build" / "nbgrader"
ROOMS = ("exercises", "helpers", "images", "experiments/results")
UNNEEDED = shutil.ignore_patterns("__pycache__", "my-*", "TEACHING.md")
BADGE = re.compile(r"^\[!\[Open in Colab\].*\n\n?", re.MULTILINE)
READ_ME = """# ResNet-50, built by you: exercises

Set up once, with Python 3.11.4 to 3.13 (Windows: `.venv\\Scripts` in place of `.venv/bin`):

    python3 -m venv .venv
    .venv/bin/pip install -r requirements.txt

Then open the notebooks, and start with 01:

    .venv/bin/jupyter lab notebooks/01_identity_block.ipynb

Write your answers in the exercises' own cells. Each ends with a check that says what is right or
wrong. Save, and hand in the notebook.
"""
# The stub is a cell's own text, so solutions are replaced by nothing. Execute.timeout is in seconds
# per cell; nbgrader's default of 30 is too short for a training run.
CONFIG = """import os

os.environ.setdefault("NOTEBOOK_DATA", "sample")  # autograding downloads no photographs
c = get_config()  # noqa: F821
c.CourseDirectory.course_id = "resnet50"
c.CourseDirectory.ignore = [".ipynb_checkpoints", "__pycache__", "*.pyc", "feedback", "my-*"]
c.ClearSolutions.code_stub = {"python": ""}
c.Execute.timeout = 900
"""
TEST = """from exercises import checks

status, sentence = {call}
assert status == "right", sentence
print("Right:", sentence)"""


def student_edition(notebook):
    """The notebook without solutions, outputs, and the badge, which would open the solved one."""
    notebook, _ = TagRemovePreprocessor(remove_cell_tags={"solution"}).preprocess(notebook, {})
    notebook, _ = ClearOutputPreprocessor().preprocess(notebook, {})
    notebook.cells[0].source = BADGE.sub("", notebook.cells[0].source)
    return notebook


def write_student_edition(folder=STUDENT):
    """Writes a folder to hand out: the notebooks without solutions, and all that they need."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "notebooks").mkdir(parents=True)
    for path in NOTEBOOKS:
        edition = student_edition(nbformat.read(path, as_version=4))
        nbformat.write(edition, folder / "notebooks" / path.name)
    for path in SCRIPTS:
        shutil.copy(path, folder / "notebooks")
    for name in (*ROOMS, "models"):
        shutil.copytree(ROOT / name, folder / name, ignore=UNNEEDED)
    for name in ("requirements.txt", "environment.yml", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    (folder / "README.md").write_text(READ_ME, encoding="utf-8")
    return folder


# ---------------------------------------------------------------- for nbgrader


def write_nbgrader_edition(folder=NBGRADER):
    """Writes a course for nbgrader: in source/ one assignment per notebook, with what it needs.

    The set-up cell finds `helpers` beside the notebook, for teacher and student.
    """
    shutil.rmtree(folder / "source", ignore_errors=True)
    for path in NOTEBOOKS:
        notebook = nbformat.read(path, as_version=4)
        assignment = folder / "source" / path.stem
        for name in ROOMS:
            shutil.copytree(ROOT / name, assignment / name, ignore=UNNEEDED)
        for script in (ROOT / "requirements.txt", *SCRIPTS):
            shutil.copy(script, assignment)
        for model in (ROOT / "models").iterdir():
            if any(f'"{model.name}"' in cell.source for cell in notebook.cells):
                shutil.copytree(model, assignment / "models" / model.name)
        nbformat.write(nbgrader_source(notebook), assignment / path.name)
    (folder / "nbgrader_config.py").write_text(CONFIG, encoding="utf-8")
    return folder


def nbgrader_source(notebook):
    """The notebook as nbgrader's source: solutions between its markers, and graded tests."""
    solutions = [c.source for c in notebook.cells if "solution" in c.metadata.get("tags", [])]
    edition, cells = student_edition(notebook), []
    for cell in edition.cells:
        if "exercise" in cell.metadata.get("tags", []):
            cells += exercise_cells(cell, solutions.pop(0))
            continue
        if cell.cell_type == "markdown":  # each notebook has a folder of its own
            cell.source = re.sub(r"\]\((\w+)\.ipynb", r"](../\1/\1.ipynb", cell.source)
        elif cell.id == "setup":
            mark(cell, "setup", locked=True)
        cells.append(cell)
    edition.cells = cells
    return edition


def exercise_cells(stub, solution):
    """The cell for the answer, and a test of one point for each call of a check.

    The stub names the answer; the solution, which nbgrader removes, follows it.
    """
    above, *calls = re.split(r"(?m)^checks\.", stub.source)
    solution = solution.removeprefix("# @title Solution\n").partition("\nchecks.")[0].rstrip()
    stub.source = f"{above.rstrip()}\n### BEGIN SOLUTION\n{solution}\n### END SOLUTION"
    name = stub.id.removesuffix("-stub")
    cells = [mark(stub, name, solution=True)]
    for call in calls:
        check, bracket, rest = call.strip().partition("(")
        source = TEST.format(call=f"checks.{check}.verdict{bracket}{rest}")
        test = new_code_cell(source, id=f"{name}-{check}")
        cells.append(mark(test, f"{name}-{check}", grade=True, locked=True, points=1))
    return cells


def mark(cell, name, **about):
    """Gives a cell nbgrader's metadata (schema 3); `about` overrides its defaults."""
    plain = {"grade": False, "solution": False, "locked": False, "task": False}
    cell.metadata["nbgrader"] = plain | {"schema_version": 3, "grade_id": name} | about
    return cell


WRITERS = {"folder": write_student_edition, "nbgrader": write_nbgrader_edition}
