"""For teachers: writes the student edition of the notebooks and marks submissions.

python -m exercises.classroom student          writes build/student (editions.py)
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
from rich.box import SIMPLE
from rich.console import Console
from rich.progress import track
from rich.table import Table
from rich.text import Text

from exercises import editions, submission
from helpers import UserError, versions
from helpers.files import ROOT

COLUMNS = ("student", "notebook", "exercise", "verdict", "sentence", "file")
START = 300  # seconds for a process to start, on a busy machine
UNTOUCHED = "The cell is as it was handed out."
GUARDS = (  # the only place that says it; `mark --help` prints it
    "Marking guards against accidents. An answer that hangs, crashes, exits, fills the memory "
    "or breaks other cells affects only its own mark, and one that replaces a check or a library "
    "function, or prints its own verdict, earns nothing. Marking does not guard against attacks: "
    "the code runs with your permissions, so mark strangers' work in a container."
)


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
    """What marking needs to know about an exercise, from its cell as it was handed out.

    A check's other arguments come from here, never from a submission.
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
    from exercises.checks import CHECKS  # starts TensorFlow, which takes seconds

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
        raise UserError(f"This file is not a complete notebook ({reason}).") from None


def find_answer(cells, exercise, others):
    """The position of the code cell with the exercise's answer, or None.

    It follows the exercise's heading or has the id of the exercise's cell. Of several cells that
    call the check, the last changed one counts. others: the ids of the other exercises.
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
    while todo:  # if an answer stops its process, a new one runs the rest
        verdicts = list(run_answers(todo, given, own, seconds))
        for exercise, verdict in zip(todo, verdicts, strict=False):
            found[exercise["number"]] = verdict
        todo = todo[len(verdicts) :]
    return found


def stop(process):
    """Kills a process and, if the system can, the processes that it has started."""
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
    quiet["NOTEBOOK_DATA"] = "sample"  # marking downloads no photographs
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
    """The next message of the process, a dict; empty if it has ended."""
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
    """(status, sentence) from the process's message about an answer."""
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
        return "wrong", "The answer wrote to the channel reserved for marking."
    code = process.wait()
    how = f"exit code {code}" if code >= 0 else signal.Signals(-code).name
    return "wrong", f"The answer ended its process ({how}) before it could be checked."


def dots(value):
    """The value with "..." replaced by the stub's dots."""
    if isinstance(value, list):
        return [dots(item) for item in value]
    return ... if value == "..." else value


def submissions(folder, stems):
    """[(student, notebook, path)] of the files in a folder, and notebooks of unknown names."""
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
    """The student's name: the sub-folder of the file, else its name without `stem`.

    inside: the parts of its path below the folder of submissions.
    """
    if len(inside) > 1:  # Moodle: "Ada Lovelace_1234_assignsubmission_file"
        return re.sub(r"_\d+_assignsubmission_.*", "", inside[0])
    name = Path(inside[0]).stem
    start = name.lower().index(stem)
    rest = [part.strip(" _-.()") for part in (name[:start], name[start + len(stem) :])]
    return " ".join(part for part in rest if part) or "(no name)"


def clean(text):
    """Text as one line that neither a terminal nor a spreadsheet interprets as a command."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return f"'{line}" if line.startswith(("=", "+", "-", "@")) else line


def mark(folder, seconds=60, jobs=None):
    """The table for a folder of submissions: a list of rows, one per exercise. Raises UserError."""
    if not folder.is_dir():
        raise UserError(f"There is no folder {folder}: name the folder with the submissions.")
    series = {path.stem.lower(): exercises(path) for path in editions.NOTEBOOKS}
    found, left_out = submissions(folder, series)
    console = Console(stderr=True)
    for path in left_out:
        console.print(clean(f"Skipped, since its name fits no notebook: {path}"), markup=False)
    if not found:
        name = f"{next(iter(series))}_ada.ipynb"
        raise UserError(
            f"{folder} has no submissions: name a file like its notebook, as in {name}."
        )

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
    """Prints the table; exercises with the same verdict and sentence share a line."""
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
    about = "write the student edition, without solutions, to build/student or build/nbgrader"
    handing_out = commands.add_parser("student", help=about, description=about)
    handing_out.error = parser.error
    handing_out.add_argument(
        "--format",
        choices=editions.WRITERS,
        default="folder",
        help="folder: to hand out as it is; nbgrader: assignments for nbgrader (%(default)s)",
    )
    marking = commands.add_parser(
        "mark",
        help="mark a folder of submitted notebooks",
        description="Marks the notebooks in FOLDER and writes one table. A file's name must "
        "contain that of its notebook, as in 01_identity_block_ada.ipynb. The student's name is "
        "that of the sub-folder, or else the rest of the file's name. Each submission has its own "
        "process, which runs each answer after the definitions it uses; then the checks judge it.",
        epilog=GUARDS,
    )
    marking.error = parser.error
    marking.add_argument("folder", nargs="?", type=Path, metavar="FOLDER")
    marking.add_argument(
        "--csv", type=Path, default=Path("build/marks.csv"), help="file for the table (%(default)s)"
    )
    marking.add_argument("--seconds", type=float, default=60, help="per answer (%(default)s)")
    marking.add_argument("--jobs", type=int, help="submissions at a time (half of the cores)")
    args = parser.parse_args(arguments)
    if args.command == "mark" and (args.folder is None or str(args.folder) == "."):
        parser.error("name the folder with the submissions, as in: make mark FOLDER=handed-in")
    return args


def main(arguments=None):
    args = parse_arguments(arguments)
    try:
        if args.command == "student":
            folder = editions.WRITERS[args.format]().relative_to(ROOT)
            print(f"Written: {folder}. How to hand it out: exercises/TEACHING.md")
            return
        versions.check()
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
