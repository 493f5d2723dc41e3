"""Sentences that measurements refuted do not come back into the notebooks."""

import pytest
from test_notebooks import PATHS, prose, read

# {number of the notebook: {a sentence's words: what is known}}
REFUTED = {
    1: {
        "hardly learn": "kernels next to the image have gradients as large as the last ones",
        "cures the vanishing": "with BatchNorm the gradients of plain networks explode",
        "a sixteenth": "the basic block of the paper is 64 wide, and costs as much as a bottleneck",
        "sixteen bottlenecks": "the basic block of the paper is 64 wide",
        "weights towards zero is easy": "BatchNorm undoes the scale of a kernel",
        "makes it possible to squeeze": "networks without shortcuts have squeezed their channels",
        "last digit": "what comes from training differs by more",
        "can never win back": "no shortcut changes the rank of a branch",
        "never shrinks": "the ReLU after the addition stops gradients",
        "so that no learning rate suits": "at 30 layers, the steps are alike after five updates",
    },
    4: {
        "which matter a lot": "the ablation shows nothing for the momentum",
        "small in the picture": "the objects of Caltech 101 are mostly large and in the middle",
        "for the first and only time": "the recorded network's test was looked at more than once",
        "could as well be anywhere": "Wilson's interval is about the true accuracy",
        "training already improves": "in the first epochs the training loss rises",
    },
    6: {
        "flatters by a point": "the difference is smaller than its standard error",
        "freeze, train the head, unfreeze:": "plain fine-tuning was not beaten by it",
        "nearly nine in ten": "no record says so",
        "learnt": "the series writes learned",
    },
}


@pytest.mark.parametrize("number, words", [(n, words) for n in REFUTED for words in REFUTED[n]])
def test_what_was_refuted_is_not_said(number, words):
    said = " ".join(prose(read(PATHS[number - 1]).cells).split()).lower()
    assert words.lower() not in said
