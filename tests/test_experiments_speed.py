"""The scripts that measure speed and memory, without the measuring."""

import re
import subprocess
import sys

from experiments import memory, speed
from helpers.files import ROOT


def test_every_row_of_the_tables_has_a_function():
    torch = (ROOT / "experiments" / "speed_torch.py").read_text()
    for _, rows, _, _ in speed.TABLES:
        for name in rows:
            assert hasattr(speed, name) or re.search(rf"^def {name}\(", torch, re.MULTILINE)


# Answers each line that comes in with the next of three rates.
WORKER = "import sys\nfor rate in {rates}:\n input()\n print(rate, flush=True)"


def test_a_rate_is_the_median_of_the_rounds():
    pipe = subprocess.PIPE
    workers = {
        name: subprocess.Popen(
            [sys.executable, "-c", WORKER.format(rates=rates)], stdin=pipe, stdout=pipe, text=True
        )
        for name, rates in {"ours": [3.0, 1.0, 2.0], "theirs": [5.0, 5.0, 0.0]}.items()
    }
    assert speed.rates(workers, rounds=3) == {"ours": 2.0, "theirs": 5.0}
    assert [worker.poll() for worker in workers.values()] == [0, 0]


def test_a_table_shows_rate_share_of_the_peak_and_ratio(capsys):
    rows = {"train_fused": ("ours", "fastest"), "train_library": ("theirs", "float32")}
    found = {"train_fused": 100.0, "train_library": 40.0}
    # At 64 px an image costs 0.63 GFLOP forward and three times as much in training.
    peaks = {"fastest": 416.0, "float32": 190.0}
    speed.table("Training", rows, {(64, 32): found}, 3, peaks)
    _, heading, ours, theirs = capsys.readouterr().out.splitlines()
    assert heading.split() == ["Training", "64", "px,", "batch", "32"]
    assert ours.split() == ["ours", "100.0", "45%", "1.00"]
    assert theirs.split() == ["theirs", "40.0", "40%", "2.50"]


def test_a_data_set_is_repeated_by_links(folder, tmp_path):
    repeated = memory.repeat(folder, tmp_path / "repeated", copies=3)
    assert len(list(repeated.glob("*/*.jpg"))) == 3 * len(list(folder.glob("*/*.jpg")))
    assert {file.parent.name for file in repeated.glob("*/*")} == {"blue", "green"}
