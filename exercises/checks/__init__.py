"""The exercises' checks: each prints that an answer is right, or what is wrong with it.

checks.identity_block(my_identity_block)            prints one line
checks.identity_block.verdict(my_identity_block)    returns (status, sentence)

verdict     what a check says, and how it calls a learner's function
mistakes    blocks and the mistakes in them, as lines of text
blocks      checks of blocks: they search for the line with the same output
network     the check of the whole ResNet-50
architecture  checks of exercises about whole networks: two faults, a budget
moving_averages  the check of an experiment with BatchNorm's moving averages
calculus    the check of a function that switches a block off
depth       checks about deep networks: a learning rate, two faults, a wider span
shortcuts   checks of what a convolutional block reads and costs (notebook 02)
numbers     checks of numbers and shapes
choices     checks of questions with several answers to choose from
explanations  checks of answers in words
fair_tests  leaks, mixup, learning curve, confusion matrix, split by person (notebook 04)
predictions  checks about heat maps, probabilities and neighbours (notebook 05)
transfer    freezing, McNemar's test, a learning rate, own photographs (notebook 06)

A function with the decorator `@check(...)` in one of these files is a check.
"""

# Importing these files registers their checks.
from exercises.checks import (  # noqa: F401
    architecture,
    blocks,
    calculus,
    choices,
    depth,
    explanations,
    fair_tests,
    moving_averages,
    network,
    numbers,
    predictions,
    shortcuts,
    transfer,
)
from exercises.checks.verdict import CHECKS

globals().update(CHECKS)  # so that checks.identity_block is the check of that name
__all__ = sorted(CHECKS)
