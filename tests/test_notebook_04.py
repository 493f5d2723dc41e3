"""Notebook 04: its data, its checkpoints and its form."""

import re

import notebook_setup as setup
import pytest
from conftest import serving
from test_notebooks import PATHS, code, is_exercise, named, printed, read, tags

from helpers import training
from helpers.recipe import Recipe

CELLS = read(PATHS[3]).cells
KINDS = {"Predict, then run", "Explore", "Explain", "Build", "Debug", "Design", "Read a figure"}


# --- the data


@pytest.fixture
def outside(monkeypatch, tmp_path):
    """As on a reader's machine, with an empty data folder."""
    monkeypatch.delenv("NOTEBOOK_DATA", raising=False)
    monkeypatch.setenv("RESNET50_DATA", str(tmp_path))
    monkeypatch.setenv("CALTECH101_URL", "http://127.0.0.1:1/c.zip")
    return tmp_path


def choose(monkeypatch):
    """default_data() where no test runs; pytest sets the variable anew for each test."""
    monkeypatch.delenv("PYTEST_CURRENT_TEST")
    return setup.default_data()


def test_without_network_the_pictures_are_drawn(outside, monkeypatch, capsys):
    assert choose(monkeypatch) == "sample"
    assert "no network" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("status", "name"), [(200, "caltech101-8"), (405, "caltech101-8"), (503, "sample")]
)
def test_photographs_are_the_default_where_their_server_answers(
    outside, monkeypatch, capsys, status, name
):
    """405: it refuses a request for headers alone; 503: it is out of order."""
    with serving(b"") as handler:
        handler.do_HEAD = lambda self: (self.send_response(status), self.end_headers())
        monkeypatch.setenv("CALTECH101_URL", f"{handler.address}/c.zip")
        assert choose(monkeypatch) == name
    assert ("137 MB" in capsys.readouterr().out) == (name != "sample")
    assert not list(outside.iterdir()), "nothing is downloaded yet"


def test_photographs_that_are_there_need_no_network(outside, monkeypatch, capsys):
    (outside / "caltech-101").mkdir()
    assert choose(monkeypatch) == "caltech101-8"
    assert "in the data folder" in capsys.readouterr().out


def test_a_variable_chooses(outside, monkeypatch):
    (outside / "caltech-101").mkdir()
    monkeypatch.setenv("NOTEBOOK_DATA", "sample")
    assert choose(monkeypatch) == "sample"


def test_stored_outputs_do_not_depend_on_photographs(monkeypatch, tmp_path):
    (tmp_path / "caltech-101").mkdir()
    monkeypatch.setenv("RESNET50_DATA", str(tmp_path))
    assert setup.default_data() == "sample"
    assert printed([named(CELLS, "data")]).startswith("sample ")


# --- the network that it leaves


def test_the_network_is_saved_where_git_ignores_it_and_notebook_05_looks():
    assert 'OUT = Path(models.MODELS, "my-network")' in named(CELLS, "out").source
    assert "models/my-*/" in (PATHS[3].parent.parent / ".gitignore").read_text().splitlines()


def interrupted_run():
    space = {"training": training}
    exec(named(CELLS, "resume").source.split("\n\n\n")[0], space)
    return space["interrupted_run"]


def test_only_a_stopped_run_with_the_same_settings_is_resumed(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "read_progress", lambda folder: ({"data": "sample"}, [1, 2]))
    resume = interrupted_run()
    assert resume(tmp_path, {"data": "sample"}) == []
    (tmp_path / training.CHECKPOINT).touch()
    assert resume(tmp_path, {"data": "sample"}) == [1, 2]
    assert resume(tmp_path, {"data": "caltech101"}) == []


def test_settings_come_back_from_a_checkpoint_as_they_were(small, tmp_path):
    import numpy as np

    recipe = Recipe(image_size=32, epochs=1, precision="float32")
    settings = {"data": "sample", "seed": recipe.seed, "crop": recipe.min_crop_scale, "none": None}
    pixels, labels = np.zeros((4, 40, 40, 3), "uint8"), np.array([0, 1, 0, 1])
    model = training.build_model(recipe, 2)
    checkpoint = training.Checkpoint(tmp_path, settings)
    history = training.fit(model, (pixels, labels), recipe, checkpoint=checkpoint, verbose=0)
    assert interrupted_run()(tmp_path, settings) == history


# --- form


def test_numbers_are_printed_in_place_of_true_and_false():
    every = [c for c in code(CELLS) if not is_exercise(c)]
    shown = "\n".join(o.get("text", "") for c in every for o in c.outputs)
    assert len(re.findall(r"\b(?:True|False)$", shown, re.MULTILINE)) <= 3


def test_every_kind_of_exercise_is_there_with_minutes_difficulty_and_two_hints():
    texts = [c.source for c in CELLS if c.source.startswith("### Exercise")]
    assert 5 <= len(texts) <= 7
    line = r"^\*(.+) · \d+ minutes.* · (easy|medium|hard)\*$"
    lines = [re.search(line, text, re.MULTILINE) for text in texts]
    assert all(lines) and {found[1] for found in lines} == KINDS
    assert all(text.count("<details>") == text.count("</details>") == 2 for text in texts)


def test_cells_are_short():
    lengths = sorted(len(c.source.splitlines()) for c in code(CELLS)[1:])
    assert lengths[-1] <= 19 and lengths[9 * len(lengths) // 10] <= 12
    words = sorted(len(c.source.split()) for c in CELLS if c.cell_type == "markdown")
    assert words[len(words) // 2] <= 40


def test_what_training_gives_is_not_compared_to_the_last_digit():
    for name in ("fit", "curves-numbers", "score", "val-test", "baselines", "matrix", "save"):
        assert "nbval-ignore-output" in tags(named(CELLS, name)), name
