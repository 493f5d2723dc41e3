"""Notebook 06: its data and its form."""

import re

import notebook_setup as setup
import pytest
from test_notebooks import PATHS, code, is_exercise, named, printed, read, tags

CELLS = read(PATHS[5]).cells
KINDS = ["Predict, then run", "Debug", "Explain", "Build", "Explore", "Read a figure"]


# --- the data


@pytest.fixture
def outside(monkeypatch, tmp_path):
    """As on a reader's machine without network, with an empty data folder."""
    monkeypatch.delenv("NOTEBOOK_DATA", raising=False)
    monkeypatch.setenv("RESNET50_DATA", str(tmp_path))
    monkeypatch.setenv("SIGNS_URL", "http://127.0.0.1:1/s.zip")
    return tmp_path


def choose(monkeypatch):
    """default_data() where no test runs; pytest sets the variable anew for each test."""
    monkeypatch.delenv("PYTEST_CURRENT_TEST", raising=False)
    return setup.default_data("signs")


def test_photographs_of_hands_are_the_default_where_they_are(outside, monkeypatch, capsys):
    assert choose(monkeypatch) == "sample"
    assert "no network" in capsys.readouterr().out
    (outside / "sign-language-digits").mkdir()
    assert choose(monkeypatch) == "signs"


def test_the_variable_of_another_data_set_does_not_count(outside, monkeypatch):
    monkeypatch.setenv("NOTEBOOK_DATA", "caltech101-8")
    assert choose(monkeypatch) == "sample"
    monkeypatch.setenv("NOTEBOOK_DATA", "signs")
    assert choose(monkeypatch) == "signs"


def test_photographs_that_can_be_downloaded_are_announced(outside, monkeypatch, capsys):
    monkeypatch.setattr(setup, "answers", lambda url: url.endswith("s.zip"))
    assert choose(monkeypatch) == "signs"
    assert "17 MB" in capsys.readouterr().out


def test_the_stored_outputs_are_those_of_drawn_pictures():
    assert printed([named(CELLS, "data")]).startswith("sample ")
    assert "23,600,006" in printed([named(CELLS, "parameters")])


# --- form


def test_numbers_are_printed_in_place_of_true_and_false():
    every = [c for c in code(CELLS) if not is_exercise(c)]
    shown = "\n".join(o.get("text", "") for c in every for o in c.outputs)
    assert not re.findall(r"\b(?:True|False)\b", shown)


def test_every_kind_of_exercise_is_there_with_minutes_difficulty_and_two_hints():
    texts = [c.source for c in CELLS if c.source.startswith("### Exercise")]
    line = r"^\*(.+) · \d+ minutes.* · (easy|medium|hard)\*$"
    found = [re.search(line, text, re.MULTILINE)[1] for text in texts]
    assert sorted(found) == sorted([*KINDS, "Bring your own data"])
    assert all(text.count("<details>") == text.count("</details>") == 2 for text in texts)


def test_cells_are_short():
    lengths = sorted(len(c.source.splitlines()) for c in code(CELLS)[1:])
    assert lengths[-1] <= 19 and lengths[9 * len(lengths) // 10] <= 12
    words = sorted(len(c.source.split()) for c in CELLS if c.cell_type == "markdown")
    assert words[len(words) // 2] <= 40


def test_what_training_gives_is_not_compared_to_the_last_digit():
    for name in ("head-score", "norm-cost-print", "own-ways-print", "own-mcnemar", "few-print"):
        assert "nbval-ignore-output" in tags(named(CELLS, name)), name


def test_folded_cells_assert_and_print_nothing():
    for one in CELLS:
        if "hide-input" in tags(one):
            assert one.source.startswith("# @title Assertions") and not one.outputs
            assert "assert " in one.source and not is_exercise(one)
