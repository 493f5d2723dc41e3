"""The checks of notebook 06: McNemar's test, a learning rate, changed and own photographs."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom, binomtest, chi2, fisher_exact

from exercises import checks

# ---------------------------------------------------------------- McNemar's test

RIGHT = """
def my_mcnemar(first, second):
    one, other = np.sum(first & ~second), np.sum(second & ~first)
    return binomtest(one, one + other).pvalue if one + other else 1.0
"""
BY_HAND = """
def my_mcnemar(first, second):
    differ = first != second
    heads = min(first[differ].sum(), second[differ].sum())
    return min(1.0, 2 * binom.cdf(heads, differ.sum(), 0.5))
"""


def made(source, *edits):
    for old, new in zip(edits[::2], edits[1::2], strict=True):
        assert old in source
        source = source.replace(old, new)
    space = {"np": np, "binom": binom, "binomtest": binomtest, "chi2": chi2}
    exec(source, space | {"fisher_exact": fisher_exact}, space)
    space["my_mcnemar"].__globals__.update(space, fisher_exact=fisher_exact)
    return space["my_mcnemar"]


@pytest.mark.parametrize("source", [RIGHT, BY_HAND, RIGHT.replace(".pvalue", "")])
def test_mcnemar_is_right_in_any_form(source):
    status, sentence = checks.mcnemar.verdict(made(source))
    assert status == "right", sentence


EXACT = "binomtest(one, one + other).pvalue if one + other else 1.0"


@pytest.mark.parametrize(
    ("source", "edits", "word"),
    [
        (RIGHT, ("other).pvalue", "other, alternative='less').pvalue"), "one tail"),
        (RIGHT, ("other).pvalue", "other, alternative='greater').pvalue"), "one tail"),
        (BY_HAND, ("2 * ", ""), "one tail"),
        (
            BY_HAND,
            (
                "min(1.0, 2 * binom.cdf(heads, differ.sum(), 0.5))",
                "2 * binom.cdf(heads, differ.sum(), 0.5)",
            ),
            "above 1",
        ),
        (RIGHT, (EXACT, "binomtest(one, len(first)).pvalue"), "say nothing about which"),
        (RIGHT, (EXACT, "binomtest(first.sum(), len(first)).pvalue"), "say nothing about which"),
        (RIGHT, (EXACT, "chi2.sf((one - other) ** 2 / max(one + other, 1), 1)"), "approximation"),
        (
            RIGHT,
            (EXACT, "chi2.sf((abs(one - other) - 1) ** 2 / max(one + other, 1), 1)"),
            "approximation",
        ),
        (
            RIGHT,
            (
                EXACT,
                "fisher_exact([[first.sum(), (~first).sum()], [second.sum(), (~second).sum()]])[1]",
            ),
            "pair the answers",
        ),
        (RIGHT, (EXACT, "one - other"), "a count"),
        (RIGHT, (EXACT, "0.3"), "p = 0.065, yours is 0.3"),
        (RIGHT, (EXACT, "'small'"), "Return one number"),
        (RIGHT, ("else 1.0", "else 0.0"), "the same mistakes"),
    ],
)
def test_a_wrong_p_value_is_named(source, edits, word):
    status, sentence = checks.mcnemar.verdict(made(source, *edits))
    assert (status, word in sentence) == ("wrong", True), sentence


# ---------------------------------------------------------------- a learning rate


@pytest.mark.parametrize(
    "answer",
    [
        [(3e-4, 0.8), (1e-3, 0.9), (3e-3, 0.7)],
        {0.01: 0.2, 0.001: 0.9, 0.0001: 0.3},
        [(1e-4, 0.5), (3e-4, 0.9), (1e-3, 0.9), (3e-3, 0.8)],
    ],
)
def test_a_best_rate_with_worse_ones_on_both_sides_is_right(answer):
    assert checks.fine_tuning_rates.verdict(answer)[0] == "right"


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        ([(1e-3, 0.9), (3e-3, 0.8)], "three or more"),
        ([(0.9, 1e-3), (0.8, 3e-3), (30, 0.1)], "first of each pair"),
        ([(1e-3, 90), (3e-3, 80), (1e-2, 70)], "shares between 0 and 1"),
        ([(1e-3, 0.8), (2e-3, 0.9), (4e-3, 0.8)], "too small a range"),
        ([(3e-4, 0.7), (1e-3, 0.8), (3e-3, 0.9)], "largest, 0.003: a still larger one"),
        ([(3e-4, 0.9), (1e-3, 0.8), (3e-3, 0.7)], "smallest, 0.0003: a still smaller one"),
        ([(3e-4, 0.9), (1e-3, 0.9), (3e-3, 0.9)], "a still smaller one"),
        ([1e-3, 3e-3, 1e-2], "list of pairs"),
    ],
)
def test_rates_that_do_not_enclose_the_best_are_named(answer, word):
    status, sentence = checks.fine_tuning_rates.verdict(answer)
    assert (status, word in sentence) == ("wrong", True), sentence


def test_rates_without_accuracies_are_not_done():
    assert checks.fine_tuning_rates.verdict([(3e-4, ...), (1e-3, 0.5)])[0] == "not done"


# ---------------------------------------------------------------- changed photographs

SHIFTS = {  # accuracy frozen, fine-tuned
    "as they are": (0.9, 0.98),
    "other background": (0.3, 0.6),
    "smaller": (0.5, 0.95),
    "colder": (0.85, 0.97),
}


@pytest.fixture
def table(tmp_path):
    rows = [
        {"way": way, "photos": photos, "shift": shift, "accuracy": accuracy}
        for shift, both in SHIFTS.items()
        for way, accuracy in zip(("frozen", "fine-tuned"), both, strict=True)
        for photos in ("all",)
    ]
    rows.append({"way": "fine-tuned", "photos": 5, "shift": "as they are", "accuracy": 0.1})
    pd.DataFrame(rows).to_csv(tmp_path / "results.csv", index=False)
    return tmp_path


@pytest.mark.parametrize(
    ("answer", "status", "word"),
    [
        ("smaller", "right", ""),
        (" Smaller ", "right", ""),
        ("other background", "wrong", "the fine-tuned one falls too, to 60%"),
        ("as they are", "wrong", "without a change"),
        ("colder", "wrong", "12 points ahead; in another row it is 45"),
        ("warmer", "wrong", "name of a row"),
    ],
)
def test_the_row_with_the_largest_gap_is_asked_for(answer, status, word, table):
    found, sentence = checks.shift_that_needs_fine_tuning.verdict(answer, folder=table)
    assert (found, word in sentence) == (status, True), sentence


def test_the_recorded_table_has_one_answer():
    table = pd.read_csv(checks.CHECKS and "models/signs/results.csv").query("photos == 'all'")
    verdicts = [
        checks.shift_that_needs_fine_tuning.verdict(name)[0] for name in set(table["shift"])
    ]
    assert verdicts.count("right") == 1


# ---------------------------------------------------------------- photographs of one's own


def test_enough_hands_are_right_whatever_was_read():
    some = [(digit, said) for digit in (0, 2, 5) for said in (0, 1, 2, 5)]
    assert checks.own_hands.verdict(some)[0] == "right"
    assert checks.own_hands.verdict([(str(a), b) for a, b in some])[0] == "right"


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        ([(0, 0), (1, 1), (2, 2)], "3 of 3 right leaves a 95 % interval from 44% to 100%"),
        ([], "0 of 0"),
        ([(3, 3)] * 12, "1 of the six digits"),
        ([(0, 7)] * 12, "0 to 5 and no others"),
        ([0, 1, 2], "list of pairs"),
    ],
)
def test_too_few_hands_are_named(answer, word):
    status, sentence = checks.own_hands.verdict(answer)
    assert (status, word in sentence) == ("wrong", True), sentence


def test_hands_not_yet_read_are_not_done():
    assert checks.own_hands.verdict([(0, ...), (1, 1)])[0] == "not done"
