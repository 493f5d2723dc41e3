"""The exercises' checks: each prints whether an answer is right, or what is wrong with it.

checks.identity_block(my_identity_block)            prints one line
checks.identity_block.verdict(my_identity_block)    returns (status, sentence)

verdict     what a check says, and how a learner's function is called
mistakes    blocks and the mistakes in them, as lines of text
blocks      checks of blocks, by looking for the line that computes the same
network     the check of the whole ResNet-50
calculus    checks of functions about the identity and its gradient
numbers     checks of numbers, shapes and choices
results     checks of what a split, a score and a prediction are worth
transfer    checks of functions that prepare a trained network for other classes
"""

from exercises.checks.blocks import block_v15, convolutional_block, identity_block
from exercises.checks.calculus import residual_jacobian, zero_last_gamma
from exercises.checks.network import resnet50
from exercises.checks.numbers import (
    choice,
    gradient_through_blocks,
    multiply_adds_of_block,
    multiply_adds_of_convolution,
    non_trainable_parameters,
    number,
    output_shape,
    parameters_of_head,
    parameters_of_identity_block,
    parameters_of_resnet50,
    parameters_of_shortcut,
    receptive_field,
    stage_with_most_multiply_adds,
    stage_with_most_parameters,
    unread_pixels,
    weighted_layers,
    why_deeper_is_worse,
)
from exercises.checks.results import (
    better_or_luck,
    calibration_error,
    channel_weight_constant,
    mean_per_class_accuracy,
    never_lost_for_an_answer,
    steps_per_epoch,
    ways_left,
    which_split_leaks,
)
from exercises.checks.transfer import freeze_all_but_head, frozen_but_worse, split_of_moles

__all__ = [
    "better_or_luck",
    "block_v15",
    "calibration_error",
    "channel_weight_constant",
    "choice",
    "convolutional_block",
    "freeze_all_but_head",
    "frozen_but_worse",
    "gradient_through_blocks",
    "identity_block",
    "mean_per_class_accuracy",
    "multiply_adds_of_block",
    "multiply_adds_of_convolution",
    "never_lost_for_an_answer",
    "non_trainable_parameters",
    "number",
    "output_shape",
    "parameters_of_head",
    "parameters_of_identity_block",
    "parameters_of_resnet50",
    "parameters_of_shortcut",
    "receptive_field",
    "residual_jacobian",
    "resnet50",
    "split_of_moles",
    "stage_with_most_multiply_adds",
    "stage_with_most_parameters",
    "steps_per_epoch",
    "unread_pixels",
    "ways_left",
    "weighted_layers",
    "which_split_leaks",
    "why_deeper_is_worse",
    "zero_last_gamma",
]
