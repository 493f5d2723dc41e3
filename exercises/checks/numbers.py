"""Checks of numbers and shapes: each common mistake leads to its own sentence."""

import numpy as np

from exercises.checks.verdict import VALUE_TODO, NotDone, Wrong, check


def as_number(answer):
    """The learner's number as a float; "71,552" and arrays of one number are accepted."""
    if answer is None or answer is ...:
        raise NotDone(VALUE_TODO)
    try:
        if isinstance(answer, str):
            answer = answer.replace(",", "").replace("_", "").replace(" ", "")
        value = float(np.asarray(answer, dtype="float64").reshape(()))
    except (TypeError, ValueError):
        raise Wrong(f"The answer should be one number. Received: {short(answer)}") from None
    if not np.isfinite(value):
        raise Wrong(f"The answer should be a finite number. Received: {short(answer)}")
    return value


def two_numbers(answer, what):
    """The learner's pair of numbers; `what` is asked for. Raises Wrong or NotDone."""
    if answer is None or answer is ...:
        raise NotDone(VALUE_TODO)
    if not isinstance(answer, list | tuple) or len(answer) != 2:
        raise Wrong(f"Give {what}. Received: {short(answer)}")
    if any(part is None or part is ... for part in answer):
        raise NotDone(VALUE_TODO)
    return [as_number(part) for part in answer]


def short(answer):
    """The answer as code, cut to 60 characters."""
    text = " ".join(repr(answer).split())
    return text if len(text) <= 60 else text[:57] + "..."


def compare(answer, expected, common_mistakes, hint, tolerance=0):
    """None if the number is right, else the sentence of the mistake that gives it, or a hint.

    common_mistakes: {sentence: the wrong number or numbers that this mistake gives}. tolerance is
    relative.
    """
    value = as_number(answer)

    def near(numbers):
        numbers = np.array(numbers, "float64")
        return np.any(abs(value - numbers) <= max(tolerance, 1e-9) * abs(numbers))

    if near(expected):
        return None
    found = [sentence for sentence, numbers in common_mistakes.items() if near(numbers)]
    if found:
        return " Or else: ".join(found[:2])
    return f"{value:,.10g} is too {'small' if value < expected else 'large'}. {hint}"


@check("2,048 weights and one bias for each class.")
def parameters_of_head(answer, classes=6):
    """The parameters of the last, dense layer."""
    common_mistakes = {
        "The bias is missing: one number per class.": 2048 * classes,
        "That is the bias alone.": classes,
        "The bias has one number per class, not one in all.": 2048 * classes + 1,
        "That is a head on the flattened 2x2 map; averaging over the map leaves 2,048 numbers.": (
            4 * 2048 * classes + classes
        ),
        "The bias was counted once per input; it has one number per class.": 2048 * classes + 2048,
    }
    hint = "2,048 inputs, one output per class, and a bias."
    return compare(answer, 2049 * classes, common_mistakes, hint)
