"""Writes into the README with what all tests and notebooks ran: `make test RECORD=1` calls it.

python tests/tested_with.py SET REPORT    SET: pinned, newest or colab; REPORT: pytest's XML
"""

import datetime
import platform
import re
import sys
import xml.etree.ElementTree as ElementTree
from importlib.metadata import version
from pathlib import Path

README = Path(__file__).resolve().parent.parent / "README.md"
HEAD = (
    "| versions | Python | TensorFlow | Keras | NumPy | platform | day | tests |\n"
    "|---|---|---|---|---|---|---|---|\n"
)
SETS = {
    "pinned": "pinned (`requirements.txt`)",
    "newest": "newest releases",
    "colab": "Colab's (`tests/versions-colab.txt`)",
}
TABLE = re.compile(r"(<!-- tested-with -->\n)(.*?)(<!-- /tested-with -->)", re.DOTALL)


def counts(report):
    """(passed, skipped) from pytest's report in JUnit's XML. Raises ValueError if a test failed."""
    suites = ElementTree.parse(report).getroot().iter("testsuite")
    totals = dict.fromkeys(("tests", "failures", "errors", "skipped"), 0)
    for suite in suites:
        for name in totals:
            totals[name] += int(suite.get(name))
    if totals["failures"] or totals["errors"] or not totals["tests"]:
        raise ValueError(f"{report}: not a run in which every test passed")
    return totals["tests"] - totals["skipped"], totals["skipped"]


def row(chosen, passed, skipped):
    """The line of the table for the set `chosen`, run here and today."""
    versions = [version(name) for name in ("tensorflow", "keras", "numpy")]
    where = f"{platform.system()} {platform.machine()}"
    tests = f"{passed:,} passed, {skipped} skipped"
    today = datetime.date.today().isoformat()
    cells = [SETS[chosen], platform.python_version(), *versions, where, today, tests]
    return f"| {' | '.join(cells)} |\n"


def with_row(text, chosen, line):
    """The README's text with `line` as the row of the set `chosen`; the other rows stay."""
    table = TABLE.search(text)[2]
    rows = {name: line for name in SETS for line in table.splitlines(True) if SETS[name] in line}
    rows[chosen] = line
    table = HEAD + "".join(rows[name] for name in SETS if name in rows)
    return TABLE.sub(lambda found: found[1] + table + found[3], text)


def main(chosen, report, readme=README):
    line = row(chosen, *counts(report))
    readme.write_text(with_row(readme.read_text("utf-8"), chosen, line), "utf-8")
    print(f"{readme.name}: {line}", end="")


if __name__ == "__main__":
    main(*sys.argv[1:])
