"""Checks of notebook 06: freezing, McNemar's test, a learning rate, changed and own photographs."""

import keras
import numpy as np
import pandas as pd
from keras import layers
from scipy.stats import binom, binomtest, chi2, chi2_contingency, fisher_exact

from exercises.checks.fair_tests import is_pair, left_out
from exercises.checks.numbers import as_number, short
from exercises.checks.verdict import (
    FUNCTION_TODO,
    VALUE_TODO,
    NotDone,
    Wrong,
    call,
    check,
    require_function,
    returned,
    untouched,
)
from helpers.models import MODELS

# ---------------------------------------------------------------- freezing


def small_network():
    """A network with all kinds of layers of a frozen one, and a head."""
    x = inputs = keras.Input((8, 8, 3))
    for number in (1, 2):
        x = layers.Conv2D(4, 3, name=f"conv{number}")(x)
        x = layers.BatchNormalization(name=f"bn{number}")(x)
        x = layers.Activation("relu", name=f"relu{number}")(x)
    x = layers.GlobalAveragePooling2D(name="avg_pool")(x)
    outputs = layers.Dense(6, "softmax", name="predictions")(x)
    return keras.Model(inputs, outputs)


@check("only the last layer is free, and BatchNorm will stay as it is.")
def freeze_all_but_head(freeze):
    """The learner's function(model) freezes all layers but the last, in place."""
    require_function(freeze, "freeze_all_but_head(model)", None)
    model = small_network()
    before = [weights.copy() for weights in model.get_weights()]
    call(freeze, model)
    if not all(map(np.array_equal, before, model.get_weights())):
        return "The weights have changed. Freezing leaves them as they are: set `trainable` only."
    head, body = model.layers[-1], [layer for layer in model.layers[:-1] if layer.weights]
    free = [layer.name for layer in body if layer.trainable]
    if len(free) == len(body):
        if untouched(freeze):
            raise NotDone(FUNCTION_TODO)
        if not head.trainable:
            return "The wrong way round: the last layer is frozen, and all others are free."
        return "No layer is frozen: set `trainable = False` on each layer but the last."
    if not head.trainable:
        return "The last layer is frozen too: nothing could learn."
    if not model.trainable:
        return (
            "The model as a whole is frozen, which hides the free last layer: model.trainable is "
            "False. Go through model.layers[:-1] instead."
        )
    if all(name.startswith("bn") for name in free) and free:
        return (
            "The BatchNormalization layers are still free: gamma and beta would be trained, and "
            "the moving averages would drift away from those that fit the kernels."
        )
    if all(name.startswith("conv") for name in free) and free:
        return "The convolutions are still free; only BatchNormalization is frozen."
    if free:
        return f"Still free: {', '.join(free)}. Every layer but the last should be frozen."
    return None


# ---------------------------------------------------------------- two networks, one test


@check("only the photographs that one network alone gets right decide, and the tails are exact.")
def mcnemar(function):
    """The learner's my_mcnemar(first, second): bool (n,) each, right or wrong -> p-value."""
    require_function(function, "my_mcnemar(first, second)", None, None)
    for counts in ((25, 9, 2, 4), (60, 3, 8, 29), (40, 5, 5, 0), (30, 0, 0, 6)):
        first, second = answers_of(*counts)
        found = returned(function, first.copy(), second.copy())
        try:
            value = float(np.asarray(getattr(found, "pvalue", found), "float64").reshape(()))
        except (TypeError, ValueError):
            raise Wrong(f"Return one number, the p-value. Received: {short(found)}") from None
        if sentence := wrong_p_value(value, *counts):
            return sentence
    return None


def answers_of(both, one, other, neither):
    """Right or wrong for two networks: bool (n,) each, in mixed order."""
    first = np.repeat([True, True, False, False], [both, one, other, neither])
    second = np.repeat([True, False, True, False], [both, one, other, neither])
    order = np.random.default_rng(0).permutation(len(first))
    return first[order], second[order]


def wrong_p_value(value, both, one, other, neither):
    """A sentence unless `value` is the p-value of the exact test for these counts."""
    differ, images = one + other, both + one + other + neither
    if differ == 0:
        if value == 1:
            return None
        return (
            f"Where both networks make the same mistakes, nothing speaks against luck: p = 1, "
            f"yours is {value:g}."
        )
    tail = binom.cdf(min(one, other), differ, 0.5)
    if np.isclose(value, min(1, 2 * tail), rtol=1e-6):
        return None
    squares = {False: (one - other) ** 2, True: max(abs(one - other) - 1, 0) ** 2}
    approximate = [chi2.sf(square / differ, 1) for square in squares.values()]
    table = [[both + one, other + neither], [both + other, one + neither]]
    mistakes = {
        "That is one tail: either network could have been ahead by luck. Double it.": [
            tail,
            binom.sf(max(one, other), differ, 0.5),
            binom.sf(min(one, other) - 1, differ, 0.5),
            binom.cdf(max(one, other), differ, 0.5),
        ],
        "A probability above 1: with as many for one as for the other, both tails overlap. Take 1 "
        "at most.": [2 * tail],
        "The photographs that both networks get right, or both wrong, say nothing about which is "
        "better: leave them out of the coin tosses.": [
            binomtest(one, images).pvalue,
            binomtest(other, images).pvalue,
            binomtest(both + one, images).pvalue,
            binomtest(both + other, images).pvalue,
        ],
        "That is the chi-square approximation; with so few photographs count the coin tosses "
        "exactly.": approximate,
        "That treats the two results as two tests on different photographs. It was one test: pair "
        "the answers.": [fisher_exact(table)[1], chi2_contingency(table).pvalue],
        "That is a count, not a probability.": [one, other, one - other, other - one, differ],
    }
    for sentence, numbers in mistakes.items():
        if np.isclose(value, numbers, rtol=1e-4).any():
            return sentence
    return (
        f"{one} photographs are right for the first network alone and {other} for the second "
        f"alone; p = {min(1, 2 * tail):.3f}, yours is {value:.3g}."
    )


# ---------------------------------------------------------------- a learning rate


@check("the best rate has worse ones on both sides, so you know that it is the best of its kind.")
def fine_tuning_rates(answer):
    """[(learning rate, accuracy), ...]: three or more, the best not at an end."""
    if left_out(answer):
        raise NotDone(VALUE_TODO)
    pairs = list(answer.items()) if isinstance(answer, dict) else answer
    if not isinstance(pairs, list | tuple) or not all(is_pair(pair) for pair in pairs):
        raise Wrong(f"Give a list of pairs (learning rate, accuracy). Received: {short(answer)}")
    if any(left_out(part) for pair in pairs for part in pair):
        raise NotDone("train with at least three learning rates, and enter your accuracies.")
    tried = sorted((as_number(rate), as_number(share)) for rate, share in pairs)
    if len(tried) < 3:
        return f"{len(tried)} learning rates do not enclose a best one: try three or more."
    rates, shares = (np.array(part) for part in zip(*tried, strict=True))
    if rates.min() <= 0 or rates.max() > 1:
        return "A learning rate is a number between 0 and 1; is it the first of each pair?"
    if shares.max() > 1 or shares.min() < 0:
        return "Give accuracies as shares between 0 and 1."
    if rates.max() / rates.min() < 8.9:
        return (
            f"From {rates.min():g} to {rates.max():g} is too small a range to tell: go on in "
            "steps of about 3 until the accuracy falls on both sides."
        )
    best = np.flatnonzero(shares == shares.max())
    for end, where, word in ((0, "smallest", "smaller"), (len(rates) - 1, "largest", "larger")):
        if end in best:
            return (
                f"The best of your rates is the {where}, {rates[end]:g}: a still {word} one may be "
                f"better. Try {rates[end] * (3 if end else 1 / 3):.1g}."
            )
    return None


# ---------------------------------------------------------------- changed photographs


@check(
    "there the two ways to transfer differ most: what the frozen layers ignore, a head can't add."
)
def shift_that_needs_fine_tuning(answer, folder=None):
    """The change of the photographs at which "fine-tuned" is furthest ahead of "frozen"."""
    if left_out(answer):
        raise NotDone(VALUE_TODO)
    table = pd.read_csv((folder or MODELS / "signs") / "results.csv").query("photos == 'all'")
    table = table.pivot_table("accuracy", "shift", "way")
    name = str(answer).strip().lower()
    if name not in table.index:
        raise Wrong(f"Give the name of a row, as in the figure. Received: {short(answer)}")
    gap = table["fine-tuned"] - table["frozen"]
    if gap[name] == gap.max():
        return None
    fall = table.loc["as they are"] - table
    if name == "as they are":
        return "These are the photographs without a change; look for the row where one matters."
    if fall["frozen"][name] == fall["frozen"].max():
        return (
            f"The frozen network falls furthest there, to {table['frozen'][name]:.0%}, but the "
            f"fine-tuned one falls too, to {table['fine-tuned'][name]:.0%}. Compare row by row."
        )
    return (
        f"There the fine-tuned network is {100 * gap[name]:.0f} points ahead; in another row it is "
        f"{100 * gap.max():.0f}."
    )


# ---------------------------------------------------------------- photographs of one's own


@check("enough photographs of enough digits. Say beside the number whose hand it was, and where.")
def own_hands(answer, least=12, digits=3):
    """[(digit shown, digit read), ...] of one's own photographs."""
    if left_out(answer):
        raise NotDone(VALUE_TODO)
    if not isinstance(answer, list | tuple) or not all(is_pair(pair) for pair in answer):
        raise Wrong(f"Give a list of pairs (digit shown, digit read). Received: {short(answer)}")
    if any(left_out(part) for pair in answer for part in pair):
        raise NotDone("photograph your hand, and enter what the network read.")
    pairs = [tuple(as_number(part) for part in pair) for pair in answer]
    if any(part not in range(6) for pair in pairs for part in pair):
        return "This network reads the digits 0 to 5 and no others."
    right = sum(shown == read for shown, read in pairs)
    if len(pairs) < least:
        low, high = binomtest(right, max(len(pairs), 1)).proportion_ci(method="wilson")
        return (
            f"{right} of {len(pairs)} right leaves a 95 % interval from {low:.0%} to {high:.0%}: "
            f"take {least} photographs or more."
        )
    shown = {digit for digit, _ in pairs}
    if len(shown) < digits:
        return (
            f"{len(shown)} of the six digits say nothing about the others: show {digits} or more."
        )
    return None
