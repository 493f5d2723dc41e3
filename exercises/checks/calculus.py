"""The check of a function that switches a block off."""

import contextlib
import io

import keras
import numpy as np
from keras import ops

from exercises.checks import mistakes
from exercises.checks.verdict import (
    FUNCTION_TODO,
    NotDone,
    Stopped,
    call,
    check,
    require_function,
    untouched,
)
from helpers.resnet import identity_block

PLACES = {"1": "first", "2": "middle", "3": "last"}


@check("with the last gamma at 0 the branch adds nothing, so the block is relu(x).")
def zero_last_gamma(change):
    """The learner's function(block) sets the last BatchNormalization's gamma to 0, in place.

    block: a keras.Model of one identity block. Source: Goyal et al. 2017, section 5.1.
    """
    require_function(change, "zero_last_gamma(block)", None)
    block, places = changes(change, betas=("1_bn/beta", "2_bn/beta"))
    if places in ([], ["3_bn/gamma"]) and not untouched(change):
        # A last beta of 0 does not show that it was set to 0.
        with contextlib.suppress(Stopped), contextlib.redirect_stdout(io.StringIO()):
            _, shown = changes(change, betas=("1_bn/beta", "2_bn/beta", "3_bn/beta"))
            places += [place for place in shown if place == "3_bn/beta"]
    if not places:
        if untouched(change):
            raise NotDone(FUNCTION_TODO)
        return (
            "Nothing in the block has changed. Change the variable itself, with gamma.assign(...) "
            "or layer.set_weights(...)."
        )
    if places == ["3_bn/gamma"]:
        x = np.random.default_rng(0).normal(size=(2, 8, 6, 5)).astype("float32")
        if np.array_equal(block(x), ops.relu(x)):
            return None
        return "3_bn/gamma changed, but not to 0 everywhere. Gamma should be 0."
    if places == ["3_bn/beta"]:
        return "beta has changed, gamma has not: gamma scales the branch, beta only shifts it."
    if places in (["1_bn/gamma"], ["2_bn/gamma"]):
        return (
            f"That is the {PLACES[places[0][0]]} BatchNormalization. The one that counts is the "
            "last: the addition follows it."
        )
    if places == ["1_bn/gamma", "2_bn/gamma", "3_bn/gamma"]:
        return (
            "Every gamma is 0 now. The last one is enough, and with the others at 0 as well no "
            "gradient could wake the branch."
        )
    if any(place.endswith("kernel") for place in places):
        return (
            "A convolution's kernel has changed. Its bias and BatchNormalization would still add "
            "something once they are trained; set the last gamma instead."
        )
    if "3_bn/gamma" not in places:
        return f"Changed: {', '.join(places)}. The last BatchNormalization's gamma should be."
    extra = [place for place in places if place != "3_bn/gamma"]
    return f"The last gamma has changed, and {', '.join(extra)} too: leave the rest as it is."


def changes(change, betas):
    """(block, the names of the weights that the learner's function has changed: ["3_bn/gamma"]).

    betas: those that are not 0, as after some training.
    """
    x = keras.Input((8, 6, 5))
    block = keras.Model(x, identity_block(x, (3, 4, 5), name="some"))
    places = {v.path.removeprefix("some_"): v for v in block.variables}
    for place in betas:
        places[place].assign(mistakes.weight("beta", tuple(places[place].shape)))
    before = {place: variable.numpy() for place, variable in places.items()}
    call(change, block)
    return block, [p for p, v in places.items() if not np.array_equal(before[p], v.numpy())]
