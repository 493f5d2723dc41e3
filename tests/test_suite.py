"""The suite itself: its skips, its order, and the record of what it ran with."""

import os
import re
import subprocess
import sys

import conftest
import pytest
import skips
import tested_with

ROOT = skips.ROOT


# --- skips

EXPECTED = [("test_a.py", "no network", 2, True), ("test_a.py", "no screen", 1, False)]


def test_skips_as_expected_are_no_difference():
    skipped = {"tests/test_a.py::test_x[1]": "no network", "tests/test_a.py::test_y": "no network"}
    assert skips.differences({"test_a.py"}, skipped, expected=EXPECTED) == []


@pytest.mark.parametrize(
    ("skipped", "line"),
    [
        ({"tests/test_b.py::test_x": ""}, "test_b.py: 1 skipped, 0 expected: no reason"),
        ({"tests/test_a.py::test_z": "no screen"}, "1 skipped, 0 expected: no screen"),
        (dict.fromkeys("abc", "no network"), "a: 1 skipped, 0 expected"),
        (
            {f"tests/test_a.py::test_x[{n}]": "no network" for n in range(3)},
            "test_a.py: 3 skipped, 2 expected: no network",
        ),
        ({"tests/test_a.py::test_x": "no network"}, "1 skipped, 2 expected: no network"),
    ],
)
def test_other_skips_are_named(skipped, line):
    assert any(line in found for found in skips.differences({"test_a.py"}, skipped, True, EXPECTED))


def test_a_part_of_a_file_need_not_skip_all():
    skipped = {"tests/test_a.py::test_x": "no network"}
    assert skips.differences({"test_a.py"}, skipped, False, EXPECTED) == []
    assert skips.differences({"test_c.py"}, {}, True, EXPECTED) == []


SKIPPING = """
import pytest
def test_runs():
    pass
def test_does_not():
    pytest.skip("because")
"""


@pytest.mark.parametrize("processes", ["0", "1"])
def test_a_session_with_an_unexpected_skip_fails(tmp_path, processes):
    hooks = "pytest_collectreport, pytest_runtest_logreport, pytest_sessionfinish"
    (tmp_path / "conftest.py").write_text(
        f"import sys\nsys.path.insert(0, {str(ROOT / 'tests')!r})\n"
        f"from skips import {hooks}, pytest_terminal_summary\n"
    )
    (tmp_path / "test_one.py").write_text(SKIPPING)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-n",
        processes,
        "-p",
        "no:nbval",
        "test_one.py",
    ]
    outside = {name: value for name, value in os.environ.items() if "PYTEST" not in name}
    done = subprocess.run(command, cwd=tmp_path, env=outside, capture_output=True, text=True)
    assert "1 passed, 1 skipped" in done.stdout
    assert "test_one.py: 1 skipped, 0 expected: because" in done.stdout
    assert done.returncode == 1


# --- the order


def test_the_long_files_are_there():
    for name in conftest.LONG_FIRST:
        assert (ROOT / "tests" / name).exists() or (ROOT / "notebooks" / name).exists(), name


# --- what it was tested with

REPORT = """<?xml version="1.0" encoding="utf-8"?><testsuites name="pytest tests"><testsuite
name="pytest" errors="0" failures="{failures}" skipped="9" tests="1209" time="1.0" /></testsuites>
"""


@pytest.fixture
def readme(tmp_path):
    path = tmp_path / "README.md"
    path.write_text((ROOT / "README.md").read_text("utf-8"), "utf-8")
    (tmp_path / "tests.xml").write_text(REPORT.format(failures=0))
    return path


def rows(readme):
    table = tested_with.TABLE.search(readme.read_text("utf-8"))[2]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()]


def test_a_green_run_writes_the_row_of_its_versions(readme, tmp_path):
    before = readme.read_text("utf-8")
    for chosen in ("colab", "newest", "pinned", "newest"):
        tested_with.main(chosen, tmp_path / "tests.xml", readme)
    head, line, *found = rows(readme)
    assert [row[0] for row in found] == list(tested_with.SETS.values())
    for row in found:
        assert len(row) == len(head) == len(line)
        assert row[1] == sys.version.split()[0]
        assert re.fullmatch(r"\d+\.\d+\.\d+", row[2]) and re.fullmatch(r"\d{4}-\d\d-\d\d", row[6])
        assert row[7] == "1,200 passed, 9 skipped"
    outside = [tested_with.TABLE.sub("", text) for text in (before, readme.read_text("utf-8"))]
    assert outside[0] == outside[1] and "tested-with" not in outside[0]


def test_a_row_of_other_versions_stays(readme, tmp_path):
    tested_with.main("pinned", tmp_path / "tests.xml", readme)
    kept = rows(readme)[2]
    (tmp_path / "tests.xml").write_text(REPORT.format(failures=0).replace("1209", "99"))
    tested_with.main("newest", tmp_path / "tests.xml", readme)
    assert rows(readme)[2] == kept and rows(readme)[3][7] == "90 passed, 9 skipped"


def test_a_run_with_a_failure_is_not_recorded(readme, tmp_path):
    before = readme.read_bytes()
    (tmp_path / "tests.xml").write_text(REPORT.format(failures=1))
    with pytest.raises(ValueError, match="not a run in which every test passed"):
        tested_with.main("pinned", tmp_path / "tests.xml", readme)
    assert readme.read_bytes() == before
