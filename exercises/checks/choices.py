"""Checks of questions with several answers to choose from: one table, one check for each row."""

from typing import NamedTuple

from exercises.checks.numbers import short
from exercises.checks.verdict import VALUE_TODO, NotDone, Wrong, check


class Question(NamedTuple):
    """A question, its right answer, and the check's sentence for each answer."""

    about: str
    right: str
    sentences: dict


QUESTIONS = {
    "which_networks_fit": Question(
        "Which plain and residual networks fit their training images: a, b, c or d.",
        "c",
        {
            "a": "Weights that fit exist, but training has to find them. Look at the plain network "
            "of 56 layers.",
            "b": "The residual network of 56 layers has as many parameters as the plain one, and "
            "it fits every photograph.",
            "c": "with as many parameters, 56 residual layers fit every photograph and 56 plain "
            "ones do not.",
            "d": "Overfitting means a low training error and a high one on new images. Look at the "
            "training error.",
        },
    ),
    "stage_with_most_parameters": Question(
        "The stage of ResNet-50 with the most parameters.",
        "conv5",
        {
            "conv1": "conv1 is one convolution on three channels: it has the fewest parameters.",
            "conv2": "conv2 has the largest maps but the fewest channels: large maps cost "
            "multiply-adds, not parameters.",
            "conv3": "conv3 has four blocks, but few channels: twice the channels make four "
            "times the parameters.",
            "conv4": "conv4 has the most blocks, six. But conv5 is twice as wide, so each of its "
            "three blocks has four times as many parameters.",
            "conv5": "conv5 has the most channels, and kernels grow with their square.",
        },
    ),
    "stage_with_most_multiply_adds": Question(
        "The stage of ResNet-50 with the most multiply-adds.",
        "conv4",
        {
            "conv1": "conv1 has the largest map, but it is one convolution on three channels.",
            "conv2": "conv2 has the largest maps, but few channels. Half the side and twice the "
            "channels cost the same, so the number of blocks decides.",
            "conv3": "conv3 has four blocks; a block costs about the same everywhere, and another "
            "stage has more of them.",
            "conv4": "a block costs about the same in every stage, and conv4 has the most blocks.",
            "conv5": "conv5 has the most parameters, but uses each at few positions, and it has "
            "only three blocks.",
        },
    ),
}


def letter(answer):
    """The letter meant by "b", " B)" or "(b)"."""
    return str(answer).strip().strip(").(").lower()


def stage(answer):
    """The stage meant by "conv5", "stage 5", "conv5_x" or 5. Raises Wrong."""
    digits = "".join(filter(str.isdigit, str(answer)))
    if digits not in tuple("12345"):
        raise Wrong(f"Give the name of a stage, such as conv2. Received: {short(answer)}")
    return f"conv{digits}"


def choice_check(name, question):
    """The check of one question."""

    def judge(answer):
        if answer is None or answer is ...:
            raise NotDone(VALUE_TODO)
        chosen = stage(answer) if question.right.startswith("conv") else letter(answer)
        if chosen == question.right:
            return None
        if chosen in question.sentences:
            return question.sentences[chosen]
        return f"Choose one of {', '.join(question.sentences)}. Received: {short(answer)}"

    judge.__name__, judge.__doc__ = name, question.about
    return check(question.sentences[question.right])(judge)


for name, question in QUESTIONS.items():
    choice_check(name, question)
