"""Checks of answers in words: whether they name what matters, beside a model answer to compare."""

import re
from typing import NamedTuple

from exercises.checks.verdict import VALUE_TODO, NotDone, Wrong, check


class Explanation(NamedTuple):
    """What is asked, what an answer must mention, and a model answer."""

    about: str
    points: dict  # a regular expression that a good answer matches: what to say if none does
    model: str


EXPLANATIONS = {
    "why_not_vanishing": Explanation(
        "Why the paper rules out vanishing gradients, and what the measurements add.",
        {
            r"batch[\s_-]*norm|normali[sz]|\bBN\b": "Say what keeps gradients from vanishing in "
            "the plain networks of the paper.",
            r"explo|gr[oe]w|larger|bigger|increase|increasing|huge|rise": "Say what your table "
            "shows instead: the gradients of the plain network with BatchNorm, from loss to image.",
            r"learning rate|\bsteps?\b|\brates?\b": "Say what that means for training: all layers "
            "share one number.",
        },
        "Every convolution of the paper's plain networks is followed by BatchNorm, which keeps "
        "signals and gradients from vanishing. My table shows that gradients explode instead: with "
        "50 plain layers, the first kernel's is about a thousand times the last one's. At the "
        "start, no learning rate suits both: where the last layers move by a hundredth of their "
        "length, the first ones move by many times theirs.",
    ),
    "why_weights_fit": Explanation(
        "Why weights of v1.5 load into v1, what goes wrong, and how to notice.",
        {
            r"shape|size|parameter|kernels": "Say what loading compares, and why it is the same.",
            r"strid": "Name what differs between the two networks.",
            r"output|predict|result|accura|comput|function|position": "Say what goes wrong after "
            "loading.",
            r"test|compar|check|known|stored?|example|reference": "Say how you would notice it.",
        },
        "Loading compares the shapes of weights, and a stride changes none of them. But the stride "
        "decides at which positions a kernel is used, so the same weights compute a different "
        "function, and the predictions get worse without an error. Store one input with its output "
        "beside the weights, and compare after loading.",
    ),
    "why_evaluation_fails": Explanation(
        "Why a network that has learned its batch fails on it at evaluation, after ten steps.",
        {
            r"(moving|running|stored|recorded)[\s_-]+(average|mean|stat|variance|value)": (
                "Say what BatchNorm normalises with at evaluation."
            ),
            r"batch(?! ?norm)(?!_norm)": "Say what BatchNorm normalises with in training mode.",
            r"momentum|0\.99|hundredth|slow|few steps|ten steps|10 steps|lag|behind|catch|start": (
                "Say why the two still differ after ten steps."
            ),
        },
        "In training mode BatchNorm normalises with the mean and variance of the batch, at "
        "evaluation with moving averages. These start at 0 and 1, and with momentum 0.99 each step "
        "takes them only a hundredth of the way to the batch's values, so after ten steps they are "
        "still far from them. The weights have learned to work with the batch's values, so they "
        "fail with the averages, on the same pictures.",
    ),
    "what_she_may_report": Explanation(
        "What follows from 136 right against 130 of 160, the best of twenty settings on the test.",
        {
            r"chance|luck|interval|noise|standard error|significance|significant|random": (
                "Say how six images compare with what chance alone does on 160."
            ),
            r"twenty|20|best of|choose|chose|choosing|choice|select|pick|tun(e|ing)|tried|peek": (
                "Say what keeping the best of twenty does to its number."
            ),
            r"validation|new|fresh|other|more|another|seed|again|McNemar|untouched|held": "Say how "
            "to find out whether the network is better.",
        },
        "Six images are 3.75 points, less than one 95 % interval reaches to either side, so chance "
        "can make that difference. And the best of twenty tries is partly the luckiest: choosing "
        "by the test makes it a validation set, and the number is too high. She should choose on "
        "validation images, repeat both with several seeds, and compare once on new test images.",
    ),
    "why_a_map_is_no_proof": Explanation(
        "Why heat on the object does not show that the network uses the object.",
        {
            r"edge|outline|contrast|stand|salien|strik|middle|cent(er|re)|position|whatever|anyway|"
            r"by chance": "Say what else, besides the object, could put the heat there.",
            r"hid|mask|cover|occlu|remov|delete|deleting|blur|chang|grey|gray": (
                "Say what you would do to the picture to test the map."
            ),
            r"random|control|baseline|untrained|shuffl|compar|another": "Say with what you would "
            "compare the result.",
        },
        "The object is in the middle and stands out from its background, so a map that marks "
        "edges, or just the middle, would lie on it too, whatever the network uses. Hide the "
        "hottest pixels and see how far the probability of the class falls. Compare that with "
        "hiding as many pixels at random and in the middle, and with the map of a network with "
        "random weights.",
    ),
    "why_the_frozen_network_changed": Explanation(
        "Why a network whose weights were all kept got worse on its old task, and the remedy.",
        {
            r"batch[\s_-]*norm|normali[sz]|\bBN\b": "Say which layers can change what they "
            "compute although no optimizer touches them.",
            r"(moving|running|stored|recorded)[\s_-]+(average|mean|stat|variance|value)|averages|"
            r"statistics": "Say what it is in those layers that has changed.",
            r"training mode|training\s*=\s*True|each batch|every batch|new (pictures|images|photo|"
            r"data)|forward|digits|hands": "Say what changed them.",
            r"trainable|inference|training\s*=\s*False|freeze|freezing|restore|restoring|"
            r"restoration|copy": "Say how to prevent it.",
        },
        "BatchNorm keeps moving averages of mean and variance. They are not trained by the "
        "optimizer: each batch in training mode moves them, here towards the new pictures. At "
        "inference the old kernels then meet activations that are normalised by averages that do "
        "not fit the old task. Set trainable = False on the BatchNorm layers too, which in Keras "
        "makes them run in inference mode.",
    ),
}


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
