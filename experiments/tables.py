"""The experiments' tables: CSV files that grow by a row per training run, so that runs resume."""

import pandas as pd

from helpers import files


def missing(file, runs):
    """Those of `runs`, dicts of settings, that have no row with them in the CSV `file`."""
    if not file.exists():
        return list(runs)
    rows = pd.read_csv(file).to_dict("records")
    return [run for run in runs if not any(run.items() <= row.items() for row in rows)]


def add_rows(file, rows):
    """Appends rows, a list of dicts, to the CSV `file`."""
    old = pd.read_csv(file).to_dict("records") if file.exists() else []
    files.write_csv(file, pd.DataFrame([*old, *rows]))
