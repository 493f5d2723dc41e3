"""Checks of answers in words: whether they name what matters, beside a model answer to compare."""

import re
from typing import NamedTuple

from exercises.checks.verdict import VALUE_TODO, NotDone, Wrong, check


class Explanation(NamedTuple):
    """What is asked, what an answer must mention, and a model answer."""

    about: str
    points: dict  # a regular expression that a good answer matches: what to say if none does
    model: str


EXPLANATIONS = {}


def explanation_check(name, explanation):
    """The check of one answer in words."""

    def judge(answer):
        if answer is None or answer is ... or str(answer).strip() in ("", "..."):
            raise NotDone(VALUE_TODO)
        if not isinstance(answer, str):
            raise Wrong(f"Write text in quotation marks. Received: {type(answer).__name__}")
        if len(answer.split()) < 15:
            raise Wrong(f"{len(answer.split())} words are too few: explain it in full sentences.")
        for pattern, advice in explanation.points.items():
            if not re.search(pattern, answer, re.IGNORECASE):
                return f"{advice} Add it in your own words."
        return None

    judge.__name__, judge.__doc__ = name, explanation.about
    model = f"it names what matters. Compare it with a model answer: {explanation.model}"
    return check(model)(judge)


for name, explanation in EXPLANATIONS.items():
    explanation_check(name, explanation)
