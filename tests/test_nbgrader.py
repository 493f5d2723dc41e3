"""The edition for nbgrader, and nbgrader itself with a right and a wrong submission of notebook 02.

    make nbgrader-check

installs nbgrader into a folder of its own below build/, which sees the packages of this Python.
"""

import csv
import html
import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import nbformat
import pytest
from test_notebooks import PATHS, code, tags

from exercises import editions
from helpers.files import ROOT

NBGRADER = "nbgrader==0.9.6"
VENV = ROOT / "build" / "venv-nbgrader-{}.{}".format(*sys.version_info)
NAME = "02_convolutional_block"
real = pytest.mark.skipif(
    "NBGRADER_CHECK" not in os.environ, reason="takes minutes: make nbgrader-check"
)


def read(path):
    return nbformat.read(path, as_version=4)


def about(cell):
    return cell.metadata.get("nbgrader", {})


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    return editions.write_nbgrader_edition(tmp_path_factory.mktemp("course"))


def source(course, path):
    return read(course / "source" / path.stem / path.name)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_each_exercise_has_its_solution_between_marks_and_a_locked_test_for_each_check(
    path, course
):
    ours, marked = read(path), [cell for cell in source(course, path).cells if about(cell)]
    setup, *marked = marked
    assert setup.id == "setup" and about(setup).locked and not about(setup).grade
    for stub, solution in zip(
        [cell for cell in ours.cells if "exercise" in tags(cell)],
        [cell for cell in ours.cells if "solution" in tags(cell)],
        strict=True,
    ):
        answer = marked.pop(0)
        assert about(answer).solution and not about(answer).locked and not about(answer).grade
        handed_out, _, rest = answer.source.partition("### BEGIN SOLUTION\n")
        assert handed_out.strip() == stub.source.partition("checks.")[0].strip()
        assert rest.removesuffix("\n### END SOLUTION") in solution.source
        for name, arguments in re.findall(r"(?m)^checks\.(\w+)(.*)", stub.source):
            test = marked.pop(0)
            assert about(test).grade and about(test).locked and about(test).points == 1
            assert f"checks.{name}.verdict{arguments}\n" in test.source
    assert not marked


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_an_exercise_left_undone_fails_with_the_sentence_of_its_check(path, course):
    space = {}
    for cell in source(course, path).cells:
        if about(cell).get("solution"):
            space = {}
            exec(cell.source.partition("### BEGIN SOLUTION")[0], space)
        elif about(cell).get("grade"):
            with pytest.raises(AssertionError, match=r"your|dots|word"):
                exec(cell.source, space)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_an_assignment_holds_what_its_notebook_needs(path, course):
    folder = course / "source" / path.stem
    notebook = source(course, path)
    nbformat.validate(notebook)
    names = [about(cell).grade_id for cell in notebook.cells if about(cell)]
    assert len(set(names)) == len(names) and all(re.fullmatch(r"[\w-]+", n) for n in names)
    for cell in notebook.cells:
        for target in re.findall(r"\]\(([\w./-]+\.\w+)\)", cell.source):
            assert (folder / target).exists(), target
        for name in re.findall(r'load_model\("(\w+)"', cell.source):
            assert (folder / "models" / name / "card.json").exists(), name
    needed = ("exercises/checks/__init__.py", "helpers/setup.py", "images/__init__.py")
    for name in (*needed, "requirements.txt"):
        assert (folder / name).exists()
    assert not list(folder.rglob("TEACHING.md"))
    assert not any(cell.outputs for cell in code(notebook.cells))


def test_a_course_is_written_anew_without_what_a_teacher_keeps_beside_it(tmp_path, monkeypatch):
    """Submissions and nbgrader's database stay."""
    monkeypatch.setattr(editions, "NOTEBOOKS", [])
    (tmp_path / "source" / "old").mkdir(parents=True)
    (tmp_path / "gradebook.db").touch()
    editions.write_nbgrader_edition(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "gradebook.db",
        "nbgrader_config.py",
    ]


# ---------------------------------------------------------------- nbgrader itself

NO_LAST_RELU = """
def my_convolutional_block(x, filters, kernel_size=3, strides=2, name="my_block"):
    f1, f2, f3 = filters
    y = layers.ReLU()(conv_bn(x, f1, 1, strides, name=f"{name}_1"))
    y = layers.ReLU()(conv_bn(y, f2, kernel_size, name=f"{name}_2"))
    shortcut = conv_bn(x, f3, 1, strides, name=f"{name}_0")
    return layers.Add()([shortcut, conv_bn(y, f3, 1, name=f"{name}_3")])
"""
WRONG = {  # an answer, and how the sentence about it begins
    "ex1": (NO_LAST_RELU, "There is no ReLU after the addition"),
    "ex3": ("my_width = 86", "That is the first width at which the projection takes less"),
    "ex5": ('my_explanation = """\n...\n"""', "put your answer in place of the dots"),
    "ex6": ("my_share = 0.5", "That is one axis only; strides skip rows and columns."),
}


@pytest.fixture(scope="module")
def nbgrader(course):
    """Calls nbgrader in the course's folder; gives what it says. Installs it if need be."""
    if not (VENV / "bin/python").exists():
        subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
    packages = sysconfig.get_path("purelib", vars={"base": VENV, "platbase": VENV})
    Path(packages, "project.pth").write_text(sysconfig.get_path("purelib"))
    pip = [VENV / "bin/python", "-m", "pip", "install", "--quiet", NBGRADER]
    subprocess.run(pip, check=True)  # does nothing where it is there
    # nbgrader looks for a program of its own, alembic, on the path.
    own = {"PATH": f"{VENV / 'bin'}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": ""}
    own |= {"JUPYTER_PATH": f"{sys.prefix}/share/jupyter"}  # nbconvert's templates

    def call(*arguments):
        command = [VENV / "bin/python", "-m", "nbgrader", *arguments]
        done = subprocess.run(
            command, cwd=course, env=os.environ | own, capture_output=True, text=True, check=False
        )
        print(f"$ nbgrader {' '.join(arguments)}\n{done.stdout}{done.stderr}")
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout + done.stderr

    return call


@pytest.fixture(scope="module")
def released(nbgrader, course):
    for path in PATHS:
        nbgrader("generate_assignment", path.stem)
    return course / "release"


@real
@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_nbgrader_releases_the_notebook_without_its_solutions(path, released):
    ours, theirs = read(path).cells, read(released / path.stem / path.name).cells
    stubs = [cell.source for cell in ours if "exercise" in tags(cell)]
    handed_out = [cell.source for cell in theirs if about(cell).get("solution")]
    above = [stub.partition("checks.")[0].strip() for stub in stubs]
    assert [source.strip() for source in handed_out] == above
    assert not any("SOLUTION" in cell.source for cell in theirs)
    assert (released / path.stem / "helpers/setup.py").exists()


def submit(course, student, answers, change=None):
    """Writes a submission: the released notebook with these answers, {grade_id: source}."""
    folder = course / "submitted" / student / NAME
    folder.mkdir(parents=True)
    notebook = read(course / "release" / NAME / f"{NAME}.ipynb")
    for cell in notebook.cells:
        if about(cell).get("solution"):
            cell.source = answers[about(cell).grade_id]
        if change:
            change(cell, folder)
    nbformat.write(notebook, folder / f"{NAME}.ipynb")


def upset(cell, folder):
    """A student who makes a test say nothing, and a check always right."""
    if about(cell).get("grade_id") == "ex3-width_of_even_split":
        cell.source = "pass"
    (folder / "exercises").mkdir(exist_ok=True)
    (folder / "exercises/__init__.py").write_text("raise SystemExit")


@real
def test_nbgrader_marks_a_right_and_a_wrong_submission_and_feeds_the_sentences_back(
    course, released, nbgrader
):
    path = next(path for path in PATHS if path.stem == NAME)
    cells = [cell for cell in source(course, path).cells if about(cell).get("solution")]
    right = {about(cell).grade_id: cell.source for cell in cells}
    submit(course, "ada", right)
    submit(course, "bob", right | {name: answer for name, (answer, _) in WRONG.items()}, upset)
    nbgrader("autograde", NAME, "--create")
    nbgrader("generate_feedback", NAME)
    nbgrader("export", "--to", "grades.csv")
    with (course / "grades.csv").open(newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if row["assignment"] == NAME]
    full = sum(about(cell).get("points", 0) for cell in source(course, path).cells)
    assert {float(row["max_score"]) for row in rows} == {full}
    scores = {row["student_id"]: float(row["score"]) for row in rows}
    assert scores == {"ada": full, "bob": full - len(WRONG)}

    ada, bob = (feedback(course, student) for student in ("ada", "bob"))
    assert "AssertionError" not in ada
    for name, (_, sentence) in WRONG.items():
        assert f"AssertionError: {sentence}" in bob, name


def feedback(course, student):
    """What nbgrader wrote for a student, as text."""
    page = (course / "feedback" / student / NAME / f"{NAME}.html").read_text("utf-8")
    return html.unescape(re.sub(r"<[^>]+>", "", page))
