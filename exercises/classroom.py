"""For teachers: the student edition of the notebooks, and marks for those handed in.

python -m exercises.classroom student          writes build/student
python -m exercises.classroom mark FOLDER      checks the submissions in FOLDER
"""

import argparse
import contextlib
import csv
import functools
import itertools
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest.mock import MagicMock

import nbformat
from nbconvert.preprocessors import ClearOutputPreprocessor, TagRemovePreprocessor
from rich.box import SIMPLE
from rich.console import Console
from rich.progress import track
from rich.table import Table
from rich.text import Text

from exercises import submission
from helpers import UserError, setup
from helpers.files import ROOT

NOTEBOOKS = ROOT / "notebooks"
STUDENT = ROOT / "build" / "student"
COLUMNS = ("student", "notebook", "exercise", "verdict", "sentence", "file")
START = 300  # seconds that a process may take to start, on a busy machine
UNTOUCHED = "The cell is as it was handed out."
GUARDS = (  # the only place that says it; `mark --help` prints it
    "What marking guards against: accidents. An answer that hangs, crashes, exits, fills "
    "the memory or spoils other cells costs only itself, and one that replaces a check or a "
    "function of a library, or prints a verdict of its own, earns nothing. It does not guard "
    "against attacks: the code runs with your rights, so mark strangers' work in a container."
)
BADGE = re.compile(r"^\[!\[Open in Colab\].*\n\n?", re.MULTILINE)
READ_ME = """# ResNet-50, built by you: exercises

Set up once, with Python 3.11 to 3.13 (Windows: `.venv\\Scripts` in place of `.venv/bin`):

    python3 -m venv .venv
    .venv/bin/pip install -r requirements.txt

Then open the notebooks, and start with 01:

    .venv/bin/jupyter lab notebooks/01_identity_block.ipynb

Write your answers in the exercises' own cells. Each ends with a check that says what is right or
wrong. Save, and hand in the notebook.
"""


# ---------------------------------------------------------------- the student edition


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
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        edition = student_edition(nbformat.read(path, as_version=4))
        nbformat.write(edition, folder / "notebooks" / path.name)
    unneeded = shutil.ignore_patterns("__pycache__", "my-*", "TEACHING.md")
    for name in ("exercises", "helpers", "images", "models", "experiments/results"):
        shutil.copytree(ROOT / name, folder / name, ignore=unneeded)
    for name in ("requirements.txt", "environment.yml", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    (folder / "README.md").write_text(READ_ME, encoding="utf-8")
    return folder


# ---------------------------------------------------------------- what is asked, what is answered


def exercises(path):
    """The exercises of one of the series' notebooks, and its other code cells: (list, sources)."""
    found, given = [], []
    for heading, cell in itertools.pairwise(nbformat.read(path, as_version=4).cells):
        tags = cell.metadata.get("tags", [])
        if "exercise" in tags:
            found.append(read_exercise(cell, heading) | {"given": len(given)})
        elif cell.cell_type == "code" and "solution" not in tags:
            given.append(cell.source)
    return found, given


def read_exercise(cell, heading):
    """What marking has to know of one exercise, from its cell as it was handed out.

    What a check is told besides the answer comes from here, never from a submission.
    """
    space = {"checks": MagicMock()}
    exec(cell.source, space)
    calls = submission.check_calls(cell.source)
    judges = []
    for name, (_, *rest), keywords in calls:
        rest = [eval(code, space) for code in rest]
        keywords = {word: eval(code, space) for word, code in keywords.items()}
        judges.append(functools.partial(judge, name, rest, keywords))
    return {
        "number": int(re.match(r"### Exercise (\d+)\.", heading.source)[1]),
        "id": cell.id,
        "stub": cell.source,
        "calls": [(name, answer) for name, (answer, *_), _ in calls],
        "function": callable(eval(calls[0][1][0], space)),
        "judges": judges,
    }


def judge(name, rest, keywords, answer):
    """(status, sentence) of one call of a check."""
    from exercises.checks import CHECKS  # it starts TensorFlow, for some seconds

    return CHECKS[name].verdict(answer, *rest, **keywords)


def together(verdicts):
    """One verdict for an exercise with several checks: the first that is not right."""
    for status in ("wrong", "not done", "right"):
        for found in verdicts:
            if found[0] == status:
                return tuple(found)


def read_cells(path):
    """The cells of a submission: [(id, whether it is code, source)]. Raises UserError."""
    try:
        cells = json.loads(path.read_text(encoding="utf-8-sig"))["cells"]
        found = []
        for cell in cells:
            source, about = "".join(cell["source"]), cell.get("metadata", {})
            solved = "solution" in about.get("tags", []) or source.startswith("# @title Solution")
            if not solved:
                name = cell.get("id") or about.get("id")  # Colab keeps it in the metadata
                found.append((name, cell["cell_type"] == "code", source))
        return found
    except RecursionError:
        raise UserError("This file is not a notebook.") from None
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise UserError(f"This file is not a whole notebook ({reason}).") from None


def find_answer(cells, exercise, others):
    """Where the exercise's answer is in a submission: the place of a code cell, or None.

    It lies behind the exercise's heading or has the id of the exercise's cell; of several cells
    that call the check, the last one that was changed. others: the ids of the other exercises.
    """
    heading = re.compile(r"^### Exercise (\d+)\.")
    number, found = None, []
    for place, (name, is_code, source) in enumerate(cells):
        if not is_code and (match := heading.match(source)):
            number = int(match[1])
        elif name == exercise["id"]:
            number = exercise["number"]
        elif name in others:
            number = None
        if is_code and number == exercise["number"]:
            calls = any(f"checks.{check}(" in source for check, _ in exercise["calls"])
            if calls or name == exercise["id"]:
                found.append(place)
    changed = [place for place in found if cells[place][2].strip() != exercise["stub"].strip()]
    return (changed or found or [None])[-1]


# ---------------------------------------------------------------- marking


def mark_submission(cells, asked, given, seconds):
    """{exercise number: (status, sentence)} of one submission."""
    found, todo = {}, []
    own = [source if is_code else "" for _, is_code, source in cells]
    for exercise in asked:
        others = {other["id"] for other in asked} - {exercise["id"]}
        place = find_answer(cells, exercise, others)
        if place is None:
            found[exercise["number"]] = "not done", "This exercise's cell is missing."
        elif own[place].strip() == exercise["stub"].strip():
            found[exercise["number"]] = "not done", UNTOUCHED
        else:
            todo.append(exercise | {"cell": place})
    while todo:  # a process that an answer has stopped is followed by one for the rest
        verdicts = list(run_answers(todo, given, own, seconds))
        for exercise, verdict in zip(todo, verdicts, strict=False):
            found[exercise["number"]] = verdict
        todo = todo[len(verdicts) :]
    return found


def stop(process):
    """Ends a process, with those that it has started where the system can tell."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()


def run_answers(todo, given, own, seconds):
    """Yields the verdicts of a submission's answers, from one process, until one stops it."""
    token = secrets.token_hex()
    parts = ("number", "given", "cell", "calls", "function")
    job = {
        "token": token,
        "given": given,
        "own": own,
        "seconds": int(START + seconds * len(todo)),
        "exercises": [{part: exercise[part] for part in parts} for exercise in todo],
    }
    with started_process() as process:
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(json.dumps(job).encode())
            process.stdin.close()
        if "ready" not in next_line(process, [token, 0], START):
            yield from [("not done", "Could not be checked: Python did not start.")] * len(todo)
            return
        for exercise in todo:
            line = next_line(process, [token, exercise["number"]], seconds)
            yield verdict_of(line, exercise, process, seconds)
            if not line or line.keys() & {"late", "nonsense"}:
                return


@contextlib.contextmanager
def started_process():
    """A process that runs submission.py in an empty folder, ended on the way out."""
    quiet = {"MPLBACKEND": "agg", "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        process = subprocess.Popen(
            [sys.executable, "-P", submission.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            env=os.environ | quiet,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            stop(process)
            process.wait()
            process.stdout.close()


def next_line(process, signed, seconds):
    """What the process says next, as a dictionary; empty if it has ended."""
    late = threading.Event()

    def give_up():
        late.set()
        stop(process)

    timer = threading.Timer(seconds, give_up)
    timer.start()
    line = process.stdout.readline(10**6)
    timer.cancel()
    if late.is_set():
        return {"late": True}
    with contextlib.suppress(ValueError, AttributeError, KeyError, TypeError, RecursionError):
        message = json.loads(line)
        if message["signed"] == signed:
            return message
    return {"nonsense": True} if line else {}


def verdict_of(line, exercise, process, seconds):
    """(status, sentence) from what the process said about an answer."""
    if "stopped" in line:
        return "wrong", line["stopped"]
    if "verdicts" in line:
        return together(line["verdicts"])
    if "values" in line:
        values = map(dots, line["values"])
        pairs = zip(exercise["judges"], values, strict=True)
        return together([verdict_on(value) for verdict_on, value in pairs])
    if "late" in line:
        return "wrong", f"The answer was stopped: it took more than {seconds:g} seconds."
    if "nonsense" in line:
        return "wrong", "The answer wrote where only the marking may write."
    code = process.wait()
    how = f"exit code {code}" if code >= 0 else signal.Signals(-code).name
    return "wrong", f"The answer ended its process ({how}) before it could be checked."


def dots(value):
    """The value with the stub's dots in place of "..."."""
    if isinstance(value, list):
        return [dots(item) for item in value]
    return ... if value == "..." else value


def submissions(folder, stems):
    """[(student, notebook, path)] of the files in a folder, and those whose name tells nothing."""
    found, left_out = [], []
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder).parts
        if any(part.startswith((".", "__")) for part in inside) or not path.is_file():
            continue
        stem = next((stem for stem in stems if stem in path.name.lower()), None)
        if stem:
            found.append((student_name(inside, stem), stem, path))
        elif path.suffix == ".ipynb":
            left_out.append(path)
    return sorted(found), left_out


def student_name(inside, stem):
    """The student whose file this is: the folder it lies in, else what its name has besides stem.

    inside: the parts of its path, from the folder of submissions on.
    """
    if len(inside) > 1:  # Moodle: "Ada Lovelace_1234_assignsubmission_file"
        return re.sub(r"_\d+_assignsubmission_.*", "", inside[0])
    name = Path(inside[0]).stem
    start = name.lower().index(stem)
    rest = [part.strip(" _-.()") for part in (name[:start], name[start + len(stem) :])]
    return " ".join(part for part in rest if part) or "(no name)"


def clean(text):
    """Text as one line that neither a terminal nor a spreadsheet takes for a command."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return f"'{line}" if line.startswith(("=", "+", "-", "@")) else line


def mark(folder, seconds=60, jobs=None):
    """The table of a folder of submissions: a list of rows, one an exercise. Raises UserError."""
    if not folder.is_dir():
        raise UserError(f"There is no folder {folder}: give the one with the submissions.")
    series = {path.stem.lower(): exercises(path) for path in sorted(NOTEBOOKS.glob("*.ipynb"))}
    found, left_out = submissions(folder, series)
    console = Console(stderr=True)
    for path in left_out:
        console.print(clean(f"Left out, named like no notebook: {path}"), markup=False)
    if not found:
        names = f"a file is named like its notebook, such as {next(iter(series))}_ada.ipynb"
        raise UserError(f"{folder} holds no submissions: {names}.")

    def rows_of(one):
        student, notebook, path = one
        verdicts = verdicts_of(path, *series[notebook], seconds)
        file = str(path.relative_to(folder))
        return [row(student, notebook, *verdict, file) for verdict in verdicts]

    table = []
    with ThreadPoolExecutor(jobs or max(1, (os.cpu_count() or 1) // 2)) as pool:
        done = pool.map(rows_of, found)
        for rows in track(done, "Checking", len(found), console=console, transient=True):
            table += rows
    return table


def verdicts_of(path, asked, given, seconds):
    """[(exercise, status, sentence)] of one submission; one for all if it cannot be read."""
    try:
        cells = read_cells(path)
    except UserError as error:
        return [("all", "not done", str(error))]
    verdicts = mark_submission(cells, asked, given, seconds)
    return [(str(number), *verdicts[number]) for number in sorted(verdicts)]


def row(*values):
    """One line of the table: {column: text}."""
    return dict(zip(COLUMNS, map(clean, values), strict=True))


def show(table):
    """The table on the screen: exercises of which the same is to be said share a line."""
    colours = {"right": "green", "wrong": "red", "not done": "yellow"}
    lines = {}
    for row in table:
        plain = row["verdict"] == "right" or row["sentence"] == UNTOUCHED
        sentence = "" if plain else row["sentence"]
        line = (row["file"], row["student"], row["notebook"], row["verdict"], sentence)
        lines.setdefault(line, []).append(row["exercise"])
    screen = Table(box=SIMPLE, pad_edge=False)
    for column in ("student", "notebook", "verdict", "exercise", "what the check says"):
        screen.add_column(column, overflow="fold")
    before = None
    for (file, student, notebook, status, sentence), numbers in lines.items():
        who, which = (student, notebook[:2]) if file != before else ("", "")
        status = Text(status, colours[status])
        screen.add_row(Text(who), Text(which), status, ", ".join(numbers), Text(sentence))
        before = file
    Console().print(screen)
    count = Counter(row["verdict"] for row in table)
    print(", ".join(f"{count[status]} {status}" for status in colours) + ".")


# ---------------------------------------------------------------- the commands


def parse_arguments(arguments=None):
    parser = argparse.ArgumentParser(prog="classroom", description=__doc__.splitlines()[0])
    parser.error = lambda message: parser.exit(2, f"classroom: {message} (see --help)\n")
    commands = parser.add_subparsers(dest="command", required=True)
    about = f"write the student edition, without solutions, to {STUDENT.relative_to(ROOT)}"
    commands.add_parser("student", help=about, description=about)
    marking = commands.add_parser(
        "mark",
        help="check a folder of notebooks that were handed in",
        description="Checks the notebooks in FOLDER and writes one table. A file belongs to the "
        "notebook whose name its own name contains, such as 01_identity_block_ada.ipynb. The "
        "student is the sub-folder that it lies in, or else the rest of its name. Each answer is "
        "run after the notebook's own definitions that it uses, in a process of the submission's "
        "own, and judged by this project's checks.",
        epilog=GUARDS,
    )
    marking.error = parser.error
    marking.add_argument("folder", nargs="?", type=Path, metavar="FOLDER")
    marking.add_argument(
        "--csv", type=Path, default=Path("build/marks.csv"), help="the table's file (%(default)s)"
    )
    marking.add_argument("--seconds", type=float, default=60, help="for one answer (%(default)s)")
    marking.add_argument("--jobs", type=int, help="submissions at a time (half of the processors)")
    args = parser.parse_args(arguments)
    if args.command == "mark" and (args.folder is None or str(args.folder) == "."):
        parser.error("give the folder with the submissions, as in: make mark FOLDER=handed-in")
    return args


def main(arguments=None):
    args = parse_arguments(arguments)
    try:
        if args.command == "student":
            print(f"Written: {write_student_edition().relative_to(ROOT)}. Hand out that folder.")
            return
        setup.check()
        table = mark(args.folder, args.seconds, args.jobs)
        args.csv.parent.mkdir(parents=True, exist_ok=True)
        with args.csv.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(table)
    except UserError as error:
        refuse(str(error))
    except OSError as error:
        refuse(f"{error.filename}: {error.strerror}")
    show(table)
    print(f"Table: {args.csv}")


def refuse(reason):
    """Ends the command with one line that says why."""
    print(f"classroom: {reason}", file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    main()
