"""train.py and predict.py as typed: answers, and one clear line with exit code 2 for bad input."""

import ast
import errno
import importlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
from types import SimpleNamespace

import pytest
import yaml
from conftest import archive_of, picture, small_network, write_folder

import predict
import train
from helpers import UserError, files, inference, models, resnet, training, versions
from helpers.files import ROOT


@pytest.fixture
def model(tmp_path, small):
    """A folder with a small model of two classes."""
    folder = tmp_path / "model"
    folder.mkdir()
    models.save_float16(small_network((32, 32, 3), 2), folder / models.WEIGHTS)
    card = {"class_names": ["blue", "green"], "image_size": 32, "scaling": "-1..1"}
    models.save_card(folder, card)
    return folder


def refused(capsys, main, arguments):
    """Runs a command that must fail; returns its one line."""
    with pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    errors = capsys.readouterr().err
    assert stop.value.code == 2
    assert errors.count("\n") == 1 and "Traceback" not in errors, errors
    assert errors.startswith(("train.py: ", "predict.py: "))
    return errors


# --- predict.py


def run_predict(capsys, *arguments):
    with pytest.raises(SystemExit) as stop:
        predict.main([str(argument) for argument in arguments])
    assert stop.value.code == 0
    return capsys.readouterr().out


def test_predict_prints_aligned_lines(capsys, model, tmp_path):
    names = ["a name with spaces.png", "ünïcode 图.jpg"]
    for name in names:
        picture().save(tmp_path / name)
    output = run_predict(capsys, *(tmp_path / n for n in names), "--model", model).splitlines()
    assert [output[0], output[3]] == [str(tmp_path / name) for name in names]
    assert len(output) == 6 and len({line.index("%") for line in output if "%" in line}) == 1


# Fails, then predicts. After each prints which packages have been imported that take long and are
# of no use here.
COLD_START = """
import sys
import predict
for picture, model in (("nowhere.jpg", "nowhere"), ("images/test.jpg", "caltech101")):
    try:
        predict.main([picture, "--model", model, "--json"])
    except SystemExit as stop:
        slow = {*predict.UNUSED, "seaborn", "images.plots"} & set(sys.modules)
        print("code", stop.code, "imported", sorted(slow))
import scipy  # can be imported again
"""


@pytest.fixture(scope="module")
def cold_start():
    return run("-c", COLD_START)


def test_predict_starts_without_the_packages_that_it_does_not_use(cold_start):
    first, *_, last = cold_start.stdout.splitlines()
    assert first == "code 2 imported []" and cold_start.returncode == 0, cold_start.stderr
    assert last == "code 0 imported []"


def test_packages_are_hidden_unless_they_are_imported_already():
    with versions.hidden(["json", "zipapp"]):
        assert importlib.import_module("json") is json
        with pytest.raises(ImportError):
            importlib.import_module("zipapp")
    assert importlib.import_module("zipapp").__name__ == "zipapp"


def test_predict_uses_the_temperature_and_says_when_it_is_not_sure(
    capsys, model, folder, monkeypatch
):
    card = models.read_card(model)
    picture_file = folder / "blue" / "image_0000.jpg"

    def answer(**changes):
        with monkeypatch.context() as patch:
            patch.setattr(models, "read_card", lambda folder: card | changes)
            text = run_predict(capsys, picture_file, "--model", model)
            (row,) = json.loads(run_predict(capsys, picture_file, "--model", model, "--json"))
        return text, row["sure"], row["predictions"][0]["probability"]

    text, sure, plain = answer()
    assert sure and "Not sure" not in text and 0.5 < plain < 0.999
    odds = plain / (1 - plain)
    _, _, sharper = answer(temperature=0.5)  # two classes: the odds are squared
    assert sharper == pytest.approx(odds**2 / (1 + odds**2), abs=1e-4)
    text, sure, _ = answer(threshold=(plain + 1) / 2)
    assert not sure and "Not sure: below" in text
    assert answer(threshold=(plain + 0.5) / 2)[1]


def test_predict_takes_folders_and_prints_json(capsys, model, folder):
    output = json.loads(run_predict(capsys, folder / "blue", "--model", model, "--json"))
    assert [os.path.basename(row["file"]) for row in output] == [
        f"image_{i:04}.jpg" for i in range(6)
    ]
    for row in output:
        probabilities = [guess["probability"] for guess in row["predictions"]]
        assert probabilities == sorted(probabilities, reverse=True)
        assert sum(probabilities) == pytest.approx(1, abs=1e-5)
    one = json.loads(run_predict(capsys, folder / "blue", "--model", model, "--json", "--top", 1))
    assert all(len(row["predictions"]) == 1 for row in one)


def test_many_pictures_get_the_answers_that_few_get(capsys, model, folder, monkeypatch):
    few = json.loads(run_predict(capsys, folder / "blue", "--model", model, "--json"))
    folded = []
    fold = inference.fold_batch_norm
    monkeypatch.setattr(inference, "fold_batch_norm", lambda *a: folded.append(a) or fold(*a))
    monkeypatch.setattr(predict, "MANY", 6)
    many = json.loads(run_predict(capsys, folder / "blue", "--model", model, "--json"))
    assert len(folded) == 1
    for one, other in zip(few, many, strict=True):
        for row in one["predictions"]:
            (same,) = [found for found in other["predictions"] if found["class"] == row["class"]]
            assert same["probability"] == pytest.approx(row["probability"], abs=0.01)


def test_a_bad_picture_among_good_ones_costs_only_itself(capsys, model, folder):
    (folder / "blue" / "zz.txt").write_text("no picture")
    with pytest.raises(SystemExit) as stop:
        predict.main([str(folder / "blue"), "--model", str(model)])
    captured = capsys.readouterr()
    assert stop.value.code == 2
    assert captured.out.count("image_") == 6 and captured.err.count("\n") == 1


def jpeg(path, cut=None):
    content = io.BytesIO()
    picture(size=(200, 200)).save(content, "jpeg")
    path.write_bytes(content.getvalue()[:cut])


def cut_weights(model):
    path = model / models.WEIGHTS
    path.write_bytes(path.read_bytes()[:900])


# name: (what is done first with the picture's path and the model's folder, flags, message).
# Other damage to a model: test_training.py.
BAD_FOR_PREDICT = {
    "missing file": (lambda p, m: None, [], "no such file"),
    "empty file": (lambda p, m: p.write_bytes(b""), [], "not a picture"),
    "empty folder": (lambda p, m: p.mkdir(), [], "the folder is empty"),
    "text named .jpg": (lambda p, m: p.write_text("hello"), [], "not a picture"),
    "truncated JPEG": (lambda p, m: jpeg(p, 2000), [], "damaged"),
    "no such model": (lambda p, m: jpeg(p), ["--model", "nowhere"], "No trained model"),
    "corrupt weights": (lambda p, m: cut_weights(m), [], "does not match the checksum"),
    "--top 0": (lambda p, m: jpeg(p), ["--top", "0"], "must be 1 or more"),
    "--top many": (lambda p, m: jpeg(p), ["--top", "many"], "invalid int value"),
    "unknown flag": (lambda p, m: jpeg(p), ["--colour"], "unrecognized arguments"),
}


@pytest.mark.parametrize("case", BAD_FOR_PREDICT)
def test_bad_input_of_predict(capsys, model, tmp_path, case):
    prepare, flags, message = BAD_FOR_PREDICT[case]
    path = tmp_path / "picture.jpg"
    prepare(path, model)
    assert message in refused(capsys, predict.main, [path, "--model", model, *flags])


def test_no_picture_at_all(capsys):
    assert "required: PICTURE" in refused(capsys, predict.main, [])


# --- train.py

FLAGS = ["--image-size", "32", "--epochs", "1", "--batch-size", "4", "--precision", "float32"]


def one_class(folder):
    for file in (folder / "green").iterdir():
        file.unlink()
    (folder / "green").rmdir()


def only_text(folder):
    for file in (folder / "green").iterdir():
        file.write_text("no picture")


BAD_FOR_TRAIN = {
    "--epochs 0": (None, ["--epochs", "0"], "'0' is not a number of 1 or more"),
    "--epochs many": (None, ["--epochs", "many"], "'many' is not a number of 1 or more"),
    "--batch-size 1": (None, ["--batch-size", "1"], "not a number of 2 or more"),
    "--image-size 8": (None, ["--image-size", "8"], "not a number of 32 or more"),
    "--learning-rate nan": (None, ["--learning-rate", "nan"], "not a number"),
    "--learning-rate -1": (None, ["--learning-rate=-1"], "not a number of 0 or more"),
    "--label-smoothing 2": (None, ["--label-smoothing", "2"], "must be below 1"),
    "--cutmix 2": (None, ["--cutmix", "2"], "must be 1 or less"),
    "--min-crop-scale 2": (None, ["--min-crop-scale", "2"], "must be 1 or less"),
    "--start-size 96": (None, ["--start-size", "96"], "must not exceed --image-size"),
    "--precision half": (None, ["--precision", "half"], "invalid choice"),
    "unknown flag": (None, ["--gpu"], "unrecognized arguments"),
    "unknown data": (None, ["--data", "imagenet"], "no such folder"),
    "one class": (one_class, [], "two or more are needed"),
    "a class of no pictures": (only_text, [], "no readable picture"),
    "too few pictures": (None, ["--per-class", "6"], "Class 'blue' has 6 pictures, too few"),
    "all for validation": (None, ["--per-class", "3", "--val-per-class", "3"], "too few"),
}


@pytest.mark.parametrize("case", BAD_FOR_TRAIN)
def test_bad_input_of_train(capsys, small, folder, tmp_path, case):
    prepare, flags, message = BAD_FOR_TRAIN[case]
    if prepare:
        prepare(folder)
    arguments = ["--data", folder, "--out", tmp_path / "out", *FLAGS, *flags]
    assert message in refused(capsys, train.main, arguments)
    assert not (tmp_path / "out" / models.CARD).exists()


@pytest.mark.parametrize(("old", "new"), train.RENAMED.items())
def test_a_renamed_flag_is_refused_and_names_the_new_one(capsys, old, new):
    assert f"{old} is now called {new}" in refused(capsys, train.main, [old])


def test_an_empty_data_folder(capsys, tmp_path):
    (tmp_path / "empty").mkdir()
    arguments = ["--data", tmp_path / "empty", "--out", tmp_path / "out"]
    assert "0 class folders" in refused(capsys, train.main, arguments)


def test_out_that_is_a_file(capsys, folder, tmp_path):
    (tmp_path / "out").write_text("kept")
    arguments = ["--data", folder, "--out", tmp_path / "out"]
    assert "Cannot make the folder" in refused(capsys, train.main, arguments)
    assert (tmp_path / "out").read_text() == "kept"


def test_no_network(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("CALTECH101_URL", "http://127.0.0.1:1/caltech-101.zip")
    arguments = ["--data-dir", tmp_path / "data", "--out", tmp_path / "out"]
    line = refused(capsys, train.main, arguments)
    assert str(tmp_path / "data" / "caltech-101.zip") in line and "--data sample" in line


def test_no_imagenet_weights(capsys, small, folder, tmp_path, monkeypatch):
    def unreachable(**options):
        raise Exception("URL fetch failure\non somewhere")  # as keras.utils.get_file raises

    monkeypatch.setattr(resnet.keras.applications, "ResNet50", unreachable)
    arguments = ["--data", folder, "--out", tmp_path / "out", *FLAGS, "--imagenet"]
    assert "leave out --imagenet" in refused(capsys, train.main, arguments)


def test_a_file_that_is_not_caltech101(capsys, tmp_path):
    (tmp_path / "caltech-101.zip").write_bytes(b"something")
    arguments = ["--data-dir", tmp_path, "--out", tmp_path / "out"]
    assert "is not the official" in refused(capsys, train.main, arguments)
    assert (tmp_path / "caltech-101.zip").read_bytes() == b"something"


def test_an_archive_that_leads_outside(capsys, tmp_path, monkeypatch):
    archive = archive_of(tmp_path / "caltech-101.zip", {"../outside.txt": b"x"})
    monkeypatch.setenv("CALTECH101_SHA256", files.sha256(archive))
    arguments = ["--data-dir", tmp_path, "--out", tmp_path / "out"]
    assert "not safe to extract" in refused(capsys, train.main, arguments)
    assert not (tmp_path.parent / "outside.txt").exists()


@pytest.mark.parametrize("when", [2, 3])
def test_a_full_disk_loses_nothing(capsys, small, folder, tmp_path, monkeypatch, when):
    writes = []

    def fsync(file):
        writes.append(file)
        if len(writes) >= when:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", fsync)
    arguments = ["--data", folder, "--out", tmp_path / "out", *FLAGS]
    assert "No space left on device" in refused(capsys, train.main, arguments)
    assert not list((tmp_path / "out").glob("part-*"))
    monkeypatch.undo()
    monkeypatch.setitem(resnet.ARCHITECTURES, "resnet50", small_network)
    train.main([str(argument) for argument in arguments])  # with room again, it goes on
    assert (tmp_path / "out" / models.CARD).exists()
    assert ("Resuming after epoch 1" in capsys.readouterr().out) == (when == 3)


def test_a_corrupt_checkpoint(capsys, small, folder, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / training.CHECKPOINT).write_bytes(b"half a file")
    arguments = ["--data", folder, "--out", tmp_path / "out", *FLAGS]
    assert "--overwrite" in refused(capsys, train.main, arguments)
    train.main([str(argument) for argument in [*arguments, "--overwrite"]])


def test_skipped_files_are_counted_and_named_and_streaming_works(capsys, small, folder, tmp_path):
    (folder / "blue" / "broken.jpg").write_bytes(b"")
    out = tmp_path / "out"
    train.main(["--data", str(folder), "--out", str(out), *FLAGS, "--no-cache"])
    output = capsys.readouterr().out
    assert "Skipped 1 files" in output and "broken.jpg" in output
    assert "Test: accuracy" in output


# --- as processes, and the files around them


def run(*command):
    return subprocess.run(
        [sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_no_log_noise_and_no_traceback(cold_start):
    """One line for the model that is missing; the prediction adds none."""
    assert cold_start.stderr.startswith("predict.py: No trained model"), cold_start.stderr
    assert cold_start.stderr.count("\n") == 1, cold_start.stderr


def test_help_does_not_wait_for_tensorflow():
    done = run("-X", "importtime", "train.py", "--help")
    assert done.returncode == 0 and "--data sample" in done.stdout
    assert "tensorflow" not in done.stderr


@pytest.mark.parametrize("command", ["train.py", "predict.py"])
def test_missing_packages_are_named_in_one_line(command):
    done = run("-S", command, "images/test.jpg" if command == "predict.py" else "--data=sample")
    assert done.returncode == 2 and done.stdout == ""  # -S: Python without its packages
    assert done.stderr.count("\n") == 1 and "make run" in done.stderr, done.stderr
    assert done.stderr.startswith(f"{command}: Not installed for {sys.executable}: tensorflow")


@pytest.mark.parametrize("version", ["3.8.10", "3.11.3", "3.14.0"])
def test_a_python_that_does_not_fit_is_told_so(version, monkeypatch):
    numbers = (*map(int, version.split(".")), "final", 0)
    other = SimpleNamespace(version_info=numbers, executable="/usr/bin/python3")
    monkeypatch.setattr(versions, "sys", other)
    told = f"Python 3.11.4 to 3.13 is needed; /usr/bin/python3 is {version}."
    with pytest.raises(UserError, match=re.escape(told)):
        versions.check()


@pytest.mark.parametrize(
    ("system", "python"), [("nt", r".venv\Scripts\python"), ("posix", ".venv/bin/python")]
)
def test_missing_packages_lead_to_the_python_of_this_system(system, python, monkeypatch):
    monkeypatch.setattr(versions, "missing_packages", lambda: ["keras"])
    monkeypatch.setattr(versions, "os", SimpleNamespace(name=system))
    with pytest.raises(UserError, match=re.escape(f"Then type {python} for python")):
        versions.check()


@pytest.mark.parametrize(
    "name",
    [
        "train.py",
        "predict.py",
        "helpers/__init__.py",
        "helpers/versions.py",
        "helpers/recipe.py",
        "notebooks/notebook_setup.py",
        "notebooks/fetch.py",
    ],
)
def test_an_old_python_can_read_what_tells_it_so(name):
    ast.parse((ROOT / name).read_text(encoding="utf-8"), feature_version=(3, 8))


def test_environment_and_requirements_agree():
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    assert environment["dependencies"][-1] == {"pip": pins}
    assert "python=3.11" in environment["dependencies"]
    assert all(pin.count("==") == 1 for pin in pins)
    named = {pin.split("==")[0] for pin in pins}
    assert {"jupyterlab", "tensorflow", "numpy", "matplotlib", "seaborn", "nbval"} <= named


def test_the_dev_container_installs_with_make_and_opens_the_first_notebook():
    container = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text(encoding="utf-8"))
    (target,) = re.findall(r"make (\S+)", container["postCreateCommand"])
    # Nothing else from outside: the make that runs this test hands down its own variables.
    path = {"PATH": os.environ["PATH"]}
    done = subprocess.run(
        ["make", "-n", target], cwd=ROOT, env=path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    python = container["customizations"]["vscode"]["settings"]["python.defaultInterpreterPath"]
    assert python == "${containerWorkspaceFolder}/.venv/bin/python"
    for name in container["customizations"]["codespaces"]["openFiles"]:
        assert (ROOT / name).exists()
    assert container["image"].rpartition(":")[2] in ("3.11", "3.12", "3.13")


def test_the_recipes_name_flags_that_exist():
    for name, recipe in train.RECIPES.items():
        assert train.parse_arguments(["--data", name])[1] == recipe


@pytest.mark.parametrize("name", ["caltech101", "signs"])
def test_the_defaults_are_those_that_the_shipped_networks_were_trained_with(name):
    settings = models.read_card(models.MODELS / name)["settings"]
    recipe = vars(train.RECIPES[name])
    assert {key: settings[key] for key in recipe} == recipe


def test_a_small_image_size_needs_no_other_start_size():
    assert train.parse_arguments(["--image-size", "48"])[1].start_size is None
    assert train.parse_arguments(["--image-size", "96"])[1].start_size == 64


def test_per_class_defaults_follow_the_data(tmp_path):
    assert train.parse_arguments([])[1].per_class == 30
    mine = ["--data", str(write_folder(tmp_path / "x"))]
    assert train.parse_arguments(mine)[1].per_class is None


# --- make: the first minutes

# Stands in for a Python: makes a "virtual environment" whose pip ends with the exit code PIP.
FAKE_PYTHON = """#!/bin/sh
echo "$@" >> calls.txt
case "$*" in
  "-m venv "*) mkdir -p .venv/bin; rm -f .venv/bin/python; cp "$0" .venv/bin/python;;
  "-m pip "*) exit ${PIP:-0};;
esac
"""


@pytest.fixture
def make(tmp_path):
    """Runs `make` in a copy with a stand-in for Python: (exit code, its lines, calls of Python)."""
    if not shutil.which("make"):
        pytest.skip("make is not installed")
    for name in ("Makefile", "requirements.txt"):
        shutil.copy(ROOT / name, tmp_path)
    python = tmp_path / "bin/python3.12"
    python.parent.mkdir()
    python.write_text(FAKE_PYTHON)
    python.chmod(0o755)

    def make(*arguments, **environment):
        (tmp_path / "calls.txt").write_text("")
        # Nothing else from outside: the make that runs this test hands down its own variables.
        environment = {"PATH": f"{python.parent}:{os.environ['PATH']}"} | environment
        done = subprocess.run(
            ["make", "--silent", *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            env=environment,
        )
        calls = (tmp_path / "calls.txt").read_text().splitlines()
        return done.returncode, done.stdout.splitlines(), calls

    return make


@pytest.mark.parametrize("python", ["false", "no-such-python"])
def test_an_unsupported_python_is_refused_in_one_line(make, tmp_path, python):
    code, lines, _ = make("run", f"PYTHON={python}")
    assert code == 2 and len(lines) == 1 and "Python 3.11.4 to 3.13 is needed" in lines[0]
    assert not (tmp_path / ".venv").exists()


def test_make_finds_the_python_that_is_there(make, tmp_path, monkeypatch):
    # As if the tests were started by `make test PYTHON=... VERSIONS=...`, which hands these down.
    outside = {"PYTHON": "false", "VERSIONS": "newest", "MAKEFLAGS": " -- PYTHON=false"}
    for name, value in outside.items():
        monkeypatch.setenv(name, value)
    for tool in ("sh", "make", "cp", "mkdir", "rm", "touch", "sed"):
        (tmp_path / "bin" / tool).symlink_to(shutil.which(tool))
    code, _, calls = make("lab", PATH=str(tmp_path / "bin"))  # python3.12 alone
    assert code == 0 and calls[-1].startswith("-m jupyterlab ")
    assert any(call.startswith("-m venv") for call in calls)


def test_the_set_up_is_made_once_and_again_when_its_python_has_gone(make, tmp_path):
    python = f"PYTHON={tmp_path / 'bin/python3.12'}"
    assert "-m venv --clear .venv" in make("lab", python)[2]
    assert [call.split()[1] for call in make("lab", python)[2]] == ["jupyterlab"]
    (tmp_path / ".venv/bin/python").unlink()
    (tmp_path / ".venv/bin/python").symlink_to(tmp_path / "python-of-last-year")
    assert "-m venv --clear .venv" in make("lab", python)[2]


def test_packages_that_cannot_be_installed(make, tmp_path):
    python = f"PYTHON={tmp_path / 'bin/python3.12'}"
    code, lines, _ = make("run", python, PIP="1")
    assert code == 2 and "HTTPS_PROXY=" in lines[-1] and "3 GB" in lines[-1]
    assert not (tmp_path / ".venv/ready").exists()
    code, _, calls = make("run", python)  # with a network, it begins anew
    assert code == 0 and "-m venv --clear .venv" in calls


@pytest.mark.parametrize("record", [(), ("RECORD=1",)])
def test_a_run_of_all_tests_is_recorded_only_when_asked(make, tmp_path, record):
    code, _, calls = make("test", f"PYTHON={tmp_path / 'bin/python3.12'}", *record)
    assert code == 0
    (tests,) = [call for call in calls if call.startswith("-m pytest")]
    assert tests.endswith(" tests notebooks") and " --nbval " in tests
    assert calls[-1] == ("tests/tested_with.py pinned build/tests.xml" if record else tests)
    assert ("--junitxml=build/tests.xml" in tests) == bool(record)


def test_a_linked_environment_is_not_emptied(make, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / ".venv").symlink_to(tmp_path / "mine")
    code, lines, calls = make("run", f"PYTHON={tmp_path / 'bin/python3.12'}")
    assert code == 2 and len(lines) == 1 and "rm .venv" in lines[0]
    assert not any("venv --clear" in call for call in calls)
