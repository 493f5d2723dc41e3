"""Gives models/caltech101 its temperature and the threshold below which predict.py is not sure.

    python experiments/calibrate.py

Both were chosen on photographs that were in no training: run RUN of experiments/search.py trained
the same recipe on 20 of the 30 photographs per class and measured them on the other 10. Then run
experiments/records.py again.
"""

import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from experiments import search
from experiments.command_line import user_errors
from helpers import UserError, models

RUN = "64 to 128 px, 400 epochs"


def calibrate(folder, results=search.RESULTS, run=RUN):
    """Writes a run's temperature and threshold to the card in `folder`; returns the two.

    Raises UserError if the run is missing or its recipe is not the card's.
    """
    found = pd.read_csv(results).query("run == @run")
    if found.empty:
        raise UserError(f'{results} lacks the run: experiments/search.py --runs "{run}"')
    card = models.read_card(folder)
    for name, value in search.describe(replace(search.RECIPE, **search.RUNS[run])).items():
        if value != card["settings"].get(name):
            raise UserError(f"{folder} was trained with another {name} than the run ({value}).")
    chosen = {name: float(found.iloc[0][name]) for name in ("temperature", "threshold")}
    models.write_card(folder, {**card, **chosen})
    return chosen


def main():
    with user_errors():
        chosen = calibrate(models.MODELS / "caltech101")
        print(", ".join(f"{name} {value}" for name, value in chosen.items()))


if __name__ == "__main__":
    main()
