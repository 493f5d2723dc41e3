"""The student edition, and marks that bad submissions cannot upset and do not earn."""

import copy
import csv
import json
import os
import re
import subprocess
import sys

import blocks_catalogue as catalogue
import nbformat
import pytest
from keras import layers
from scipy.stats import binom
from test_checks import network
from test_checks_depth import ADD, chain, net
from test_checks_fair_tests import REPAIRED, SPLIT, made, mixed
from test_checks_predictions import search
from test_notebooks import PATHS, code, is_exercise, tags

from exercises import checks, classroom, editions, submission
from exercises.grad_cam import channel_weights
from helpers.files import ROOT
from helpers.models import temper
from helpers.resnet import conv_bn
from images import synthetic

ONE, FOUR = PATHS[0], PATHS[3]
NUMBERS = {path.stem: [e["number"] for e in classroom.exercises(path)[0]] for path in PATHS}


def read(path):
    return nbformat.read(path, as_version=4)


# ---------------------------------------------------------------- the student edition


@pytest.fixture(scope="module")
def student(tmp_path_factory):
    return editions.write_student_edition(tmp_path_factory.mktemp("made") / "student")


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_the_student_edition_is_the_notebook_without_solutions(path, student):
    ours, theirs = read(path).cells, read(student / "notebooks" / path.name).cells
    kept = [cell for cell in ours if "solution" not in tags(cell)]
    assert [cell.id for cell in theirs] == [cell.id for cell in kept]
    assert len(kept) <= len(ours) - 3
    assert [cell.source for cell in theirs[1:]] == [cell.source for cell in kept[1:]]
    badge = re.search(r"(?m)^\[!\[Open in Colab.*\n\n", kept[0].source)[0]
    assert theirs[0].source == kept[0].source.replace(badge, "")
    for cell in code(theirs):
        assert cell.outputs == [] and cell.execution_count is None
        assert "@title Solution" not in cell.source
    for cell in theirs:
        for target in re.findall(r"\]\(([\w./-]+\.\w+)\)", cell.source):
            assert (student / "notebooks" / target).exists(), target


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_each_check_of_the_student_edition_says_not_done_yet(path, student, capsys):
    """The stubs need no other cell, and (test_notebooks.py) no other cell needs them: what is left
    is a notebook whose other cells nbval has run, in the same order."""
    for cell in read(student / "notebooks" / path.name).cells:
        if "exercise" in tags(cell):
            exec(cell.source, {"checks": checks})
            printed = capsys.readouterr().out.splitlines()
            calls = cell.source.count("checks.")
            assert [line[:14] for line in printed] == ["Not done yet: "] * calls, printed


START = """
import nbformat, pathlib, re, sys
sys.path.append(str(pathlib.Path.cwd().parent))
from exercises import classroom
try:
    classroom.main(["mark", "nowhere"])
except SystemExit:
    pass
import exercises.checks
for path in sorted(pathlib.Path().glob("*.ipynb")):
    space = {}
    for cell in nbformat.read(path, as_version=4).cells:
        if re.search("(?m)^(import|from) |^    import notebook_setup", cell.source):
            exec(cell.source, space)
    print(path.name)
import helpers
print(exercises.__file__)
print(helpers.__file__)
"""


def test_every_student_notebook_starts_in_the_folder_that_is_handed_out(student):
    """Its set-up and its imports, in one process that knows no other copy of the project."""
    elsewhere = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    run = subprocess.run(
        [sys.executable, "-c", START],
        cwd=student / "notebooks",
        env=elsewhere | {"MPLBACKEND": "agg"},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    logged = re.search(r"(?m)^[IWE]\d{4} |: [IWE] tensorflow", run.stderr)
    assert not logged, "TensorFlow's log lines are shown"
    assert run.stderr.startswith("classroom: There is no folder nowhere")
    *lines, our_exercises, our_helpers = run.stdout.splitlines()
    assert [line for line in lines if line.endswith(".ipynb")] == [path.name for path in PATHS]
    assert our_exercises == str(student / "exercises" / "__init__.py")
    assert our_helpers == str(student / "helpers" / "__init__.py")


def test_the_student_edition_holds_no_answers(student):
    """Neither the teacher's sheet nor a solution is handed out."""
    assert not list(student.rglob("TEACHING.md"))
    for path in student.rglob("*.ipynb"):
        assert "@title Solution" not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_with_the_solutions_put_back_each_check_passes(path, monkeypatch, tmp_path):
    """Each solution, run after just those cells that its names come from, as a submission's is."""
    monkeypatch.chdir(ROOT)
    draw = synthetic.write_pictures  # no solution depends on how many pictures there are
    monkeypatch.setattr(synthetic, "write_pictures", lambda folder: draw(folder, per_category=2))
    monkeypatch.setenv("RESNET50_DATA", str(tmp_path))
    asked, given = classroom.exercises(path)
    solutions = [cell.source for cell in read(path).cells if "solution" in tags(cell)]
    for place, (exercise, _) in enumerate(zip(asked, solutions, strict=True)):
        answers = submission.values(exercise | {"cell": place}, given, solutions)
        pairs = zip(exercise["judges"], answers, strict=True)
        verdicts = [judge(answer) for judge, answer in pairs]
        assert {status for status, _ in verdicts} == {"right"}, (exercise["number"], verdicts)


# ---------------------------------------------------------------- marks


def submitted(path, answers, change=None):
    """A submission made from a notebook of the series: its text.

    answers: {exercise number: what stands in its cell, in place of all above the check's call}
    """
    notebook = editions.student_edition(read(path))
    stubs = [cell for cell in notebook.cells if "exercise" in tags(cell)]
    for number, answer in answers.items():
        cell = stubs[number - 1]
        cell.source = answer + "\n" + cell.source[cell.source.rindex("\nchecks.") :]
    if change:
        change(notebook)
    return json.dumps(notebook)


NO_LAST_RELU = """
def my_identity_block(x, filters, kernel_size=3, name="mine"):
    f1, f2, f3 = filters
    y = layers.ReLU()(conv_bn(x, f1, 1, name=f"{name}_1"))
    y = layers.ReLU()(conv_bn(y, f2, kernel_size, name=f"{name}_2"))
    y = conv_bn(y, f3, 1, name=f"{name}_3")
    return layers.Add()([x, y])
"""
WIDER = """
def my_wider_block(x):
    y = x
    for number, (width, size) in enumerate([(48, 1), (48, 3), (48, 3)]):
        y = layers.ReLU()(conv_bn(y, width, size, name=f"wider_{number}"))
    return layers.ReLU()(layers.Add()([x, conv_bn(y, 256, 1, name="wider_4")]))
"""
WORDS = """my_explanation = (
    "BatchNorm keeps gradients from vanishing. They grow towards the image, and so one "
    "learning rate cannot fit all layers."
)"""
FOREVER = """
def my_identity_block(x, filters, kernel_size=3):
    while True:
        pass
"""
FAKE_CHECKS = """
import exercises, numpy as np
import exercises.checks.blocks as blocks
from exercises import checks
blocks.same = blocks.agrees = lambda *a, **k: True
blocks.find_mistake = lambda *a, **k: None
np.allclose = lambda *a, **k: True
layers.Activation.call = lambda self, x: x
checks.identity_block.verdict = lambda *a, **k: ("right", "")
checks.identity_block = exercises.checks.identity_block = lambda *a: print("Right: of course")
"""
FAKE_LATE = """
def my_zero_last_gamma(block):
    import numpy
    numpy.array_equal = lambda a, b: "gamma" not in repr(a)
"""
SAYS_RIGHT = """
import json, os
my_answer = "a"
print('Right: of course')
line = json.dumps({"token": "", "verdicts": [["right", ""]], "values": ["c"]}) + "\\n"
for number in range(1, 20):
    try:
        os.write(number, line.encode())
    except OSError:
        pass
"""
ALWAYS_EQUAL = """
class Anything(str):
    __eq__ = lambda self, other: True
    __hash__ = str.__hash__
    strip = lower = lambda self, *a: self
my_answer = Anything("z")
"""


def without(ids):
    def change(notebook):
        notebook.cells = [cell for cell in notebook.cells if cell.id not in ids]

    return change


def spoiled(notebook):
    """All cells but the exercises' changed for the worse."""
    for cell in code(notebook.cells):
        if not is_exercise(cell):
            cell.source = "conv_bn = layers = None\nraise SystemExit('no')"


def as_colab(notebook):
    """Colab's files are of format 4.0: names of cells are in their metadata, if anywhere."""
    notebook.nbformat_minor = 0
    for number, cell in enumerate(notebook.cells):
        del cell["id"]
        cell.metadata = {"id": f"x{number}"}


def own_cell(notebook):
    """A helper function in a cell of its own, and the answer in a second cell."""
    (place,) = [n for n, cell in enumerate(notebook.cells) if cell.id == "ex2-stub"]
    helper = copy.deepcopy(notebook.cells[place])
    helper.id, helper.source = "mine", "!pip list\ndef pair_of(a):\n    return a, 4 * a"
    answer = copy.deepcopy(helper)
    answer.id, answer.source = "my2", "checks.rate_of_deep_plain(pair_of(0.1))"
    notebook.cells[place:place] = [helper]
    notebook.cells[place + 2 : place + 2] = [answer]


def with_solutions(notebook):
    notebook.cells = read(ONE).cells


NO_MEMORY = "The cell stopped with MemoryError" if sys.platform.startswith("linux") else ""
STOPPED = "The answer was stopped: it took more than"
ENDED = "The answer ended its process"
RIGHT = {3: ("right", "")}
HANGING = {  # submissions of notebook 01: (text, {exercise: (verdict, start of the sentence)})
    "hangs": (
        submitted(ONE, {2: "while True:\n    pass", 3: WORDS}),
        {2: ("wrong", STOPPED)} | RIGHT,
    ),
    "hangs in a function": (
        submitted(ONE, {4: FOREVER, 3: WORDS}),
        {4: ("wrong", STOPPED)} | RIGHT,
    ),
}
BAD = {
    "exits": (
        submitted(ONE, {1: "import sys\nsys.exit(0)", 2: "import os\nos._exit(0)", 3: WORDS}),
        {1: ("wrong", "The cell stopped with SystemExit: 0"), 2: ("wrong", ENDED)} | RIGHT,
    ),
    "takes all memory": (
        submitted(ONE, {2: "my_best = bytearray(6 * 2**30)", 3: WORDS}),
        {2: ("wrong", NO_MEMORY)} | RIGHT,
    ),
    "crashes": (
        submitted(ONE, {2: "import ctypes\nctypes.string_at(0)", 3: WORDS}),
        {2: ("wrong", ENDED)} | RIGHT,
    ),
    "deletes variables": (
        submitted(
            ONE,
            {
                1: 'my_answer = "c"\ndel checks',
                2: "my_best = (0.1, 0.4)",
                3: WORDS + "\ndel my_explanation",
            },
        ),
        {
            1: ("wrong", "The cell stopped with NameError: name 'checks' is not defined"),
            2: ("right", ""),
            3: ("wrong", "The cell stopped with NameError: name 'my_explanation' is not"),
        },
    ),
    "redefines print": (
        submitted(
            ONE,
            {
                1: 'import builtins\nmy_answer = "a"\nprint = builtins.print = exit = None',
                3: WORDS,
            },
        ),
        {1: ("wrong", "Weights that fit exist, but training has to find them.")} | RIGHT,
    ),
    "says right": (
        submitted(ONE, {1: SAYS_RIGHT, 3: WORDS}),
        {1: ("wrong", "The answer wrote to the channel reserved for marking")} | RIGHT,
    ),
    "forks": (
        submitted(ONE, {1: 'import os\nos.fork()\nmy_answer = "c"', 2: "my_best = 1"}),
        {1: ("right", ""), 2: ("wrong", "")},
    ),
    "always equal": (
        submitted(ONE, {1: ALWAYS_EQUAL}),
        {1: ("wrong", "Choose one of a, b, c, d. Received: 'z'")},
    ),
    "changes all it can": (  # and has one right answer
        submitted(
            ONE,
            {4: FAKE_CHECKS + NO_LAST_RELU, 5: FAKE_LATE, 7: WIDER, 3: WORDS},
            spoiled,
        ),
        {
            4: ("wrong", "There is no ReLU after the addition"),
            5: ("wrong", "While it is checked, the answer replaces numpy.array_equal."),
            7: ("right", ""),
        }
        | RIGHT,
    ),
    "no Python": (
        submitted(ONE, {1: "(" * 10_000, 2: "my_best = = 1"}),
        {
            1: ("wrong", "The cell stopped with"),
            2: ("wrong", "The cell stopped with SyntaxError: invalid syntax (line 1: my_bes"),
        },
    ),
    "cells deleted": (
        submitted(ONE, {3: WORDS}, without(["ex2", "ex2-stub", "setup", "imports", "checks"])),
        {2: ("not done", "This exercise's cell is missing.")} | RIGHT,
    ),
    "cells of their own": (submitted(ONE, {3: WORDS}, own_cell), {2: ("right", "")} | RIGHT),
    "from Colab": (submitted(ONE, {2: "my_best = (0.1, 0.4)"}, as_colab), {2: ("right", "")}),
    "solutions still there": (submitted(ONE, {}, with_solutions), {}),
    "=1+[bold]1": (
        submitted(ONE, {2: 'raise ValueError("[/] \\x1b[2J\\ud800\\n[red]")'}),
        {2: ("wrong", "The cell stopped with ValueError: [/] [2J [red] (line 1: raise")},
    ),
    "half a file": (
        submitted(ONE, {3: WORDS})[:5000],
        "This file is not a complete notebook (J",
    ),
    "a list": ('[{"cells": []}]', "This file is not a complete notebook (TypeError"),
    "deep": ("[" * 100_000, "This file is not a"),
    "a picture": ("\x89PNG\r\n\x1a\n\0", "This file is not a complete notebook ("),
}


def write(folder, made):
    for name, (text, _) in made.items():
        (folder / name).mkdir(parents=True)  # the student's name
        (folder / name / ONE.name).write_text(text, encoding="latin-1")


def compare(table, made):
    """Each submission has the rows that are expected, one an exercise, and no others."""
    assert {row["student"].lstrip("'") for row in table} == set(made)
    for name, (_, expected) in made.items():
        rows = {row["exercise"]: row for row in table if row["student"].lstrip("'") == name}
        if isinstance(expected, str):
            assert list(rows) == ["all"], name
            assert rows["all"]["verdict"] == "not done"
            assert rows["all"]["sentence"].startswith(expected), rows
            continue
        assert list(rows) == [str(number) for number in NUMBERS[ONE.stem]], name
        for number in NUMBERS[ONE.stem]:
            row = rows[str(number)]
            verdict, start = expected.get(number, ("not done", "The cell is as it was"))
            assert row["verdict"] == verdict, (name, row)
            assert row["sentence"].startswith(start), (name, row)


def test_a_submission_that_hangs_costs_only_itself(tmp_path):
    write(tmp_path, HANGING)
    compare(classroom.mark(tmp_path, seconds=2, jobs=2), HANGING)


def test_bad_submissions_cost_only_themselves_and_earn_nothing(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    write(tmp_path / "in", BAD)
    file = tmp_path / "made" / "marks.csv"
    classroom.main(["mark", str(tmp_path / "in"), "--csv", str(file)])
    with file.open(encoding="utf-8", newline="") as lines:
        table = list(csv.DictReader(lines))
    compare(table, BAD)
    screen = capsys.readouterr().out
    assert all(name in screen for name in BAD)
    counts = [sum(row["verdict"] == v for row in table) for v in ("right", "wrong", "not done")]
    assert "{} right, {} wrong, {} not done.".format(*counts) in screen


def test_a_submission_cannot_change_the_question(tmp_path):
    """What a check is told besides the answer comes from the notebook of the series."""
    notebook = json.loads(submitted(FOUR, {}))
    changed = {
        "ex2-stub": "my_share = 0.75\nchecks.share_with_a_sibling(my_share, copies=2)",
        "ex4-stub": "my_curve = [(1, 0.1), (2, 0.5), (36, 1)]\nchecks.learning_curve(my_curve, 99)",
    }
    for cell in notebook["cells"]:
        cell["source"] = changed.get(cell["id"], cell["source"])
    (tmp_path / f"ada_{FOUR.name}").write_text(json.dumps(notebook))
    _, second, _, fourth, *_ = classroom.mark(tmp_path)
    assert (second["verdict"], second["sentence"][:17]) == ("wrong", "That is the share")
    assert (fourth["verdict"], fourth["sentence"][:17]) == ("wrong", "Pictures per clas")


def test_students_are_told_by_folder_or_file_name(tmp_path):
    for name in (
        "Ada Lovelace_1234_assignsubmission_file/01_identity_block.ipynb",
        "grace/hw/Copy of 02_Convolutional_Block (1).ipynb",
        "emmy_77_01_identity_block.ipynb",
        "01_identity_block-noether.ipynb",
        "01_identity_block.ipynb",
        "something.ipynb",
        "__MACOSX/ada/01_identity_block.ipynb",
        ".ipynb_checkpoints/01_identity_block.ipynb",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found, left_out = classroom.submissions(tmp_path, [path.stem for path in PATHS])
    assert [(student, notebook[:2]) for student, notebook, _ in found] == [
        ("(no name)", "01"),
        ("Ada Lovelace", "01"),
        ("emmy_77", "01"),
        ("grace", "02"),
        ("noether", "01"),
    ]
    assert [path.name for path in left_out] == ["something.ipynb"]


@pytest.mark.parametrize("arguments", [[], [""], ["nowhere"], ["empty"], ["empty", "--jobs", "x"]])
def test_bad_commands_are_refused_in_one_line(arguments, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(SystemExit) as stop:
        classroom.main(["mark", *arguments])
    printed = capsys.readouterr().err
    assert stop.value.code == 2
    assert printed.startswith("classroom: ") and printed.count("\n") == 1, printed


# ---------------------------------------------------------------- the teacher's sheet


def batch_norm_left_free(model):
    for layer in model.layers[:-1]:
        layer.trainable = isinstance(layer, layers.BatchNormalization)


FUNCTIONS = {  # wrong answers that the sheet describes in words
    "ReLU before the addition": catalogue.mutated(
        catalogue.IDENTITY, catalogue.WRONG_IDENTITY["relu before the addition"][1:]
    ),
    "only `Average` replaced": net(*ADD),
    "a dilated 3x3 convolution": chain((64, 1), (64, 3), dilation=2),
    "the shortcut without `strides`": catalogue.mutated(
        catalogue.CONVOLUTIONAL, catalogue.WRONG_CONVOLUTIONAL["shortcut ignores strides"][1:]
    ),
    "only the ReLU removed": catalogue.mutated(
        catalogue.CONVOLUTIONAL, ["layers.Conv2D(f3, 1, strides)", "layers.Conv2D(1, 1, strides)"]
    ),
    "a 3x3 convolution with stride 2": lambda x, filters: conv_bn(x, filters, 3, strides=2),
    "pixels not scaled": network(scale=None),
    "mean and standard deviation of all pixels": made(
        REPAIRED, "train.mean(), train.std()", "pixels.mean(), pixels.std()"
    ),
    "`lam` with the partner": lambda images, targets, lam: mixed(images, targets, 1 - lam),
    "a random quarter of the photographs": made(
        SPLIT, "np.isin(people, drawn)", "rng.random(len(people)) < 0.25"
    ),
    "the sum over the places, not the mean": lambda maps, top, labels: (
        maps.shape[1] * maps.shape[2] * channel_weights(maps, top, labels)
    ),
    "probabilities divided by T, then normalised": lambda probabilities, temperature: temper(
        probabilities / temperature, 1
    ),
    "only the lengths repaired": search(own=True),
    "BatchNorm left free": batch_norm_left_free,
    "one tail of the coin tosses": lambda first, second: binom.cdf(
        min(sum(first > second), sum(second > first)), sum(first != second), 0.5
    ),
}


def verdict_on(exercise, answer):
    """(status, sentence) of an answer as it stands in the sheet."""
    code = re.fullmatch("`([^`]+)`", answer)
    return exercise["judges"][0](eval(code[1]) if code else FUNCTIONS[answer])


SHEET = (ROOT / "exercises" / "TEACHING.md").read_text(encoding="utf-8")
SECTIONS = re.findall(r"(?ms)^## (\d\d) .*?(?=^## |\Z)", SHEET)


@pytest.mark.parametrize("number", SECTIONS)
def test_the_sheet_quotes_the_checks(number):
    (path,) = [path for path in PATHS if path.name.startswith(number)]
    asked, _ = classroom.exercises(path)
    section = re.search(rf"(?ms)^## {number} .*?(?=^## |\Z)", SHEET)[0]
    rows = re.findall(r"(?m)^\| (\d+) \| (.+) \| (.+) \|$", section)
    assert len(rows) == 5
    for exercise, answer, sentence in rows:
        assert verdict_on(asked[int(exercise) - 1], answer) == ("wrong", sentence)
    assert f", {minutes(path)} minutes" in section.splitlines()[0]
    assert "**Goals.**" in section
    assert section.partition("**Discuss.**")[2].count("?*") == 2


def minutes(path):
    return re.search(r"\*\*Time\*\* about (\d+) minutes", read(path).cells[0].source)[1]
