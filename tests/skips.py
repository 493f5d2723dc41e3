"""Tests may be skipped only where it is expected: a session that skips others fails.

conftest.py takes the hooks from here. The process that hands out the tests runs them, so they see
the tests of all of pytest-xdist's processes. Imports nothing heavy.
"""

import os
import shutil
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = len(list((ROOT / "notebooks").glob("*.ipynb")))
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
TORCH = find_spec("torch") is not None
PLAYWRIGHT = find_spec("playwright") is not None

# (file, reason, number of tests, whether it holds here)
EXPECTED = [
    ("test_data.py", "$REAL_CALTECH101 names no file", 1, "REAL_CALTECH101" not in os.environ),
    ("test_inference.py", "$REAL_CALTECH101 names no file", 1, "REAL_CALTECH101" not in os.environ),
    ("test_signs.py", "$REAL_SIGNS names no file", 1, "REAL_SIGNS" not in os.environ),
    (
        "test_colab.py",
        "takes minutes: make colab-check",
        NOTEBOOKS,
        "COLAB_CHECK" not in os.environ,
    ),
    (
        "test_nbgrader.py",
        "takes minutes: make nbgrader-check",
        NOTEBOOKS + 1,
        "NBGRADER_CHECK" not in os.environ,
    ),
    ("test_commands.py", "make is not installed", 8, not shutil.which("make")),
    ("test_jupyterlab.py", "Chromium is not installed", 7 * NOTEBOOKS, not CHROMIUM),
    *(
        (
            "test_jupyterlab.py",
            f"make lab-check {does}",
            NOTEBOOKS - 1,
            CHROMIUM and "LAB_CHECK" not in os.environ,
        )
        for does in ("follows them", "runs it")
    ),
    ("test_train_on_gpu.py", "torch is not installed", 6, not TORCH),
    (
        "test_site.py",
        "the web book's packages are missing: see the top of tests/test_site.py",
        1,
        not PLAYWRIGHT,
    ),
]

files, skipped, problems = set(), {}, []


def differences(files, skipped, whole=True, expected=EXPECTED):
    """What is skipped otherwise than expected, one line each.

    files: the names of the files whose tests ran. skipped: {node id: reason}. whole: whether all
    tests of these files ran, so that skips can also be missing.
    """
    wanted = Counter({(file, reason): n for file, reason, n, here in expected if here})
    found = Counter((file_of(node), reason) for node, reason in skipped.items())
    lines = [
        f"{file}: {count} skipped, {wanted[file, reason]} expected: {reason or 'no reason'}"
        for (file, reason), count in sorted(found.items())
        if count > wanted[file, reason]
    ]
    for (file, reason), count in sorted(wanted.items()):
        if whole and file in files and found[file, reason] < count:
            lines.append(f"{file}: {found[file, reason]} skipped, {count} expected: {reason}")
    return lines


def file_of(node):
    return node.partition("::")[0].rpartition("/")[2]


def take_note(report):
    files.add(file_of(report.nodeid))
    if report.skipped:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        skipped[report.nodeid] = reason.removeprefix("Skipped").removeprefix(": ")


# --- pytest's hooks


def pytest_runtest_logreport(report):
    take_note(report)


def pytest_collectreport(report):
    if report.skipped:  # a whole file
        take_note(report)


def pytest_sessionfinish(session, exitstatus):
    if exitstatus or hasattr(session.config, "workerinput"):
        return
    option = session.config.option
    chosen = option.keyword or option.markexpr or option.deselect or getattr(option, "lf", False)
    whole = not chosen and not any("::" in argument for argument in session.config.args)
    problems.extend(differences(files, skipped, whole))
    if problems:
        session.exitstatus = 1


def pytest_terminal_summary(terminalreporter):
    for problem in problems:
        terminalreporter.write_line(f"Not as tests/skips.py expects: {problem}", red=True)
