"""Runs the answers of one submission, in a process that `exercises.classroom` starts.

It runs as a script, so that TensorFlow starts only if an answer needs it. It reads a job from stdin
and writes one line of JSON per answer to stdout; the submission's own output is discarded. GUARDS
in `exercises.classroom` says what this guards against.
"""

import ast
import contextlib
import dis
import functools
import json
import linecache
import os
import re
import sys
import traceback
from pathlib import Path
from types import ModuleType
from unittest.mock import MagicMock

ROOT = Path(__file__).resolve().parent.parent
MEMORY_LIMIT = 4 * 2**30  # bytes per process; TensorFlow and the checks need less than one GiB
FILE_LIMIT = 100 * 2**20  # bytes per file that it writes


# ---------------------------------------------------------------- which cells an answer needs


@functools.lru_cache(maxsize=1000)
def names(source):
    """(needed, made): the names that a cell needs from other cells, and those that it defines."""
    whole = compile(source, "cell", "exec")
    needed, made = set(), set()
    for step in dis.get_instructions(whole):
        if step.opname == "STORE_NAME":
            made.add(step.argval)
        elif step.opname == "LOAD_NAME" and step.argval not in made:
            needed.add(step.argval)
    todo = [constant for constant in whole.co_consts if hasattr(constant, "co_code")]
    while todo:  # its functions, at any depth, which run after the cell has set its names
        part = todo.pop()
        todo += [constant for constant in part.co_consts if hasattr(constant, "co_code")]
        for step in dis.get_instructions(part):
            if re.match("LOAD_(NAME|GLOBAL|FROM_DICT_OR_GLOBALS)", step.opname):
                needed |= {step.argval} - made
    return needed, made


def safe_names(source):
    """As names(source); a cell that is not Python needs and defines nothing."""
    try:
        return names(source)
    except Exception:
        return set(), set()


def cells_before(source, cells, notebook):
    """The positions of the cells that `source` needs, in order.

    cells: those before it, first `notebook` cells of the notebook, then the submission's. The
    notebook's definitions take precedence, so that a changed cell does not break an answer.
    """
    todo, chosen = [(source, len(cells))], set()
    while todo:
        source, end = todo.pop()
        for name in safe_names(source)[0] - {"checks"}:
            makers = [n for n in range(end) if name in safe_names(cells[n])[1]]
            makers = [n for n in makers if n < notebook] or makers
            if makers and makers[-1] not in chosen:
                chosen.add(makers[-1])
                todo.append((cells[makers[-1]], makers[-1]))
    return sorted(chosen)


def check_calls(source):
    """[(check, [arguments], {keyword: value})] of the calls checks.NAME(...), as code."""
    found = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="checks")), args=[_, *_]):
                arguments = [ast.unparse(argument) for argument in node.args]
                about = {word.arg: ast.unparse(word.value) for word in node.keywords}
                found.append((node.func.attr, arguments, about))
    return found


# ---------------------------------------------------------------- running them


def python(source):
    """The cell without IPython's lines that start with % or !, if it is not Python."""
    try:
        ast.parse(source)
    except Exception:
        source = re.sub(r"(?m)^([ \t]*)[%!].*", r"\1pass", source)
    return source


def run(source, label, space):
    """Runs a cell; `label` is its file name in error messages."""
    linecache.cache[label] = (len(source), None, source.splitlines(keepends=True), label)
    exec(compile(source, label, "exec"), space)


def describe_error(error, label):
    """One line about an error in the cell with this label."""
    steps = [step for step in traceback.extract_tb(error.__traceback__) if step.filename == label]
    line, text = (steps[-1].lineno, steps[-1].line) if steps else (None, None)
    if isinstance(error, SyntaxError) and not steps:
        line, text = error.lineno, (error.text or "").strip()
        error = type(error)(error.msg)
    try:
        message = " ".join(str(error).split())[:160]
    except Exception:
        message = ""
    found = f"The cell stopped with {type(error).__name__}"
    if message:
        found += f": {message}"
    if line and text:
        found += f" (line {line}: {text[:80]})"
    elif line:
        found += f" (line {line})"
    return found


def values(exercise, given, own):
    """The answers that the exercise's cell passes to its checks, call by call.

    given, own: the sources of the cells of the notebook and of the submission.
    """
    space = {"__name__": "__main__"}
    stand_ins = dict.fromkeys(("checks", "display", "get_ipython"), MagicMock())
    given, own = given[: exercise["given"]], [python(cell) for cell in own[: exercise["cell"] + 1]]
    source = own.pop()
    for place in cells_before(source, given + own, len(given)):
        if place < len(given):
            with contextlib.chdir(ROOT / "notebooks"):  # where notebooks run
                run(given[place], f"<notebook {place}>", space)
        else:
            space |= stand_ins
            with contextlib.suppress(BaseException):
                run(own[place - len(given)], f"<submission {place}>", space)
    space |= stand_ins
    run(source, "<answer>", space)
    calls, found = check_calls(source), []
    for name, code in exercise["calls"]:
        call = next((call for call in calls if call[0] == name), None)
        if call:
            calls.remove(call)
        found.append(eval(call[1][0] if call else code, space))
    return found


def plain(value):
    """The answer as JSON values; the stub's dots become "..."."""
    if value is ...:
        return "..."
    if value is None:
        return None
    if hasattr(value, "numpy"):
        value = value.numpy()
    if hasattr(value, "tolist"):
        value = value.tolist()
    for kind in (bool, int, float):
        if isinstance(value, kind):
            return kind(value)
    if isinstance(value, list | tuple) or hasattr(value, "as_list"):
        return [plain(item) for item in value[:20]]
    return str(value if isinstance(value, str) else repr(value))[:2000]  # some sentences


# ---------------------------------------------------------------- judging functions


def library():
    """[(owner, name, value)]: each function of the loaded modules and of their classes."""
    modules = [m for m in list(sys.modules.values()) if isinstance(m, ModuleType)]
    classes = {id(c): c for m in modules for c in list(vars(m).values()) if isinstance(c, type)}
    return [
        (owner, name, value)
        for owner in [*modules, *classes.values()]
        for name, value in list(vars(owner).items())
        if callable(value) or isinstance(value, property)
    ]


def exchanged(parts):
    """The parts that have been replaced."""
    return [part for part in parts if vars(part[0]).get(part[1]) is not part[2]]


def judge(answers, exercise, verdicts, parts):
    """[(status, sentence)] of the answers, by checks that the submission cannot replace."""
    for owner, name, value in exchanged(parts):
        setattr(owner, name, value)
    asked = zip(exercise["calls"], answers, strict=True)
    found = [verdicts[check](answer) for (check, _), answer in asked]
    gone = exchanged(parts)
    if gone:
        owner, name, _ = gone[0]
        sentence = f"While it is checked, the answer replaces {owner.__name__}.{name}."
        return [("wrong", sentence)]
    return found


# ---------------------------------------------------------------- the process


def limit(seconds):
    """Limits memory, file size and CPU time, if the system can."""
    with contextlib.suppress(ImportError):  # Windows has no such module
        import resource

        for what, most in (
            (resource.RLIMIT_DATA, MEMORY_LIMIT),
            (resource.RLIMIT_FSIZE, FILE_LIMIT),
            (resource.RLIMIT_CPU, seconds * (os.cpu_count() or 1)),
        ):
            with contextlib.suppress(ValueError, OSError):
                resource.setrlimit(what, (most, most))


def main():
    job = json.load(sys.stdin)
    channel = os.fdopen(os.dup(1), "w", encoding="ascii")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    limit(job["seconds"])
    sys.path[:0] = [str(ROOT), str(ROOT / "notebooks")]  # there the set-up cell finds the project
    verdicts, parts = {}, []
    if any(exercise["function"] for exercise in job["exercises"]):
        from exercises.checks import CHECKS

        verdicts = {name: check.verdict for name, check in CHECKS.items()}
        parts = library()

    def say(number, **message):
        channel.write(json.dumps({"signed": [job["token"], number]} | message) + "\n")
        channel.flush()

    say(0, ready=True)
    for exercise in job["exercises"]:
        number = exercise["number"]
        try:
            answers = values(exercise, job["given"], job["own"])
            if exercise["function"]:
                say(number, verdicts=judge(answers, exercise, verdicts, parts))
            else:
                say(number, values=[plain(answer) for answer in answers])
        except BaseException as error:
            say(number, stopped=describe_error(error, "<answer>"))
    os._exit(0)  # despite threads that the submission left behind


if __name__ == "__main__":
    main()
