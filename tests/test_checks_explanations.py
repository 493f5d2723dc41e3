"""Answers in words: a good one is accepted, and each point that one lacks is named."""

import pytest

from exercises import checks
from exercises.checks.explanations import EXPLANATIONS

VANISHING = """With batch normalisation nothing vanishes. The gradients explode towards the image
instead, so no learning rate fits the first and the last layer."""
WEIGHTS = """Both have the same number of parameters, so nothing complains. The strides sit
elsewhere and the results change; I would compare with a known output."""
EVALUATION = """In training BatchNorm uses the statistics of the batch, later the moving averages.
With momentum 0.99 they have hardly moved after ten steps."""
EVALUATION_TOO = """The running mean and variance start at 0 and 1 and are updated slowly. The
weights were fitted to the current batch. That is why the outputs are wrong when it predicts."""
REPORT = """Six images of 160 may be luck. She kept the best of twenty, so her number is too high;
she should compare both once on new images."""
MAP = """The dog stands out from the lawn, so a map of strong edges would be there as well. I would
hide the hottest pixels and compare the fall with hiding a random quarter of them."""
FROZEN = """The running averages of the batch norm layers moved towards the digits in each forward
pass. They should run in inference mode, with trainable set to False."""

GOOD = [  # check, a good answer, words of the model answer that is then shown
    ("why_not_vanishing", VANISHING, "model answer: Every convolution"),
    ("why_weights_fit", WEIGHTS, "Store one input with its output"),
    ("why_evaluation_fails", EVALUATION, "model answer"),
    ("why_evaluation_fails", EVALUATION_TOO, "model answer"),
    ("what_she_may_report", REPORT, "model answer: Six images"),
    ("why_a_map_is_no_proof", MAP, "random weights"),
    ("why_the_frozen_network_changed", FROZEN, "model answer: BatchNorm keeps"),
]
LACKING = [  # check, an answer, words of the sentence that it gets
    ("why_not_vanishing", "They do not vanish.", "words are too few"),
    (
        "why_not_vanishing",
        VANISHING.replace("batch normalisation", "these layers"),
        "what keeps gradients from",
    ),
    (
        "why_not_vanishing",
        VANISHING.replace("explode towards", "are other near"),
        "what your table shows",
    ),
    (
        "why_not_vanishing",
        VANISHING.replace("learning rate", "setting"),
        "all layers share one number",
    ),
    ("why_not_vanishing", 0.5, "quotation marks"),
    ("why_weights_fit", "They are the same.", "words are too few"),
    ("why_weights_fit", WEIGHTS.replace("parameters", "layers"), "what loading compares"),
    ("why_weights_fit", WEIGHTS.replace("strides", "layers"), "what differs between"),
    (
        "why_weights_fit",
        WEIGHTS.replace("results change", "rest is odd").replace("output", "one"),
        "what goes wrong",
    ),
    (
        "why_weights_fit",
        WEIGHTS.replace("compare with a known output", "print its output"),
        "notice it",
    ),
    ("why_weights_fit", 5, "quotation marks"),
    (
        "why_evaluation_fails",
        "The network overfits: it has learned its 16 pictures by heart and so it cannot do "
        "well when it is evaluated on pictures.",
        "normalises with at evaluation",
    ),
    (
        "why_evaluation_fails",
        "At evaluation BatchNorm uses moving averages, and those are still close to where "
        "they began, so that nothing fits any more.",
        "normalises with in training mode",
    ),
    (
        "why_evaluation_fails",
        "BatchNorm has moving averages for evaluation and uses those of the batch when it is "
        "being trained, and the two are not equal.",
        "after ten steps",
    ),
    ("why_evaluation_fails", "Because of the moving averages.", "too few"),
    ("why_evaluation_fails", 3, "quotation marks"),
    ("what_she_may_report", "It is better.", "words are too few"),
    (
        "what_she_may_report",
        REPORT.replace("may be luck", "is a difference"),
        "what chance alone does",
    ),
    (
        "what_she_may_report",
        REPORT.replace("kept the best of twenty", "reported it"),
        "best of twenty does",
    ),
    (
        "what_she_may_report",
        REPORT.replace("compare both once on new images", "think about it"),
        "how to find out",
    ),
    (
        "why_a_map_is_no_proof",
        MAP.replace("stands out", "is").replace("strong edges", "fur"),
        "besides the object",
    ),
    (
        "why_a_map_is_no_proof",
        MAP.replace("hide", "look at").replace("hiding", "looking at"),
        "to the picture",
    ),
    (
        "why_a_map_is_no_proof",
        MAP.replace("compare", "see").replace("random", "cold"),
        "compare the result",
    ),
    ("why_a_map_is_no_proof", "It is no proof.", "words are too few"),
    (
        "why_the_frozen_network_changed",
        FROZEN.replace("batch norm layers", "layers"),
        "which layers can change",
    ),
    (
        "why_the_frozen_network_changed",
        FROZEN.replace("running averages", "insides"),
        "what it is in those layers",
    ),
    (
        "why_the_frozen_network_changed",
        FROZEN.replace("towards the digits in each forward\npass", "a good deal while she worked"),
        "what changed them",
    ),
    (
        "why_the_frozen_network_changed",
        FROZEN.replace(
            "inference mode, with trainable set to False", "some other way from then on"
        ),
        "how to prevent it",
    ),
    ("why_the_frozen_network_changed", "The averages moved.", "words are too few"),
]


def test_every_explanation_has_its_cases():
    for cases in (GOOD, LACKING):
        assert {name for name, *_ in cases} == set(EXPLANATIONS)


@pytest.mark.parametrize(("name", "answer", "words"), GOOD)
def test_a_good_explanation_is_accepted_and_a_model_answer_shown(name, answer, words):
    status, sentence = checks.CHECKS[name].verdict(answer)
    assert (status, words in sentence) == ("right", True), sentence
    assert "model answer" in sentence


@pytest.mark.parametrize(("name", "answer", "words"), LACKING)
def test_a_point_that_is_missing_is_named(name, answer, words):
    status, sentence = checks.CHECKS[name].verdict(answer)
    assert (status, words in sentence) == ("wrong", True), sentence
