"""Checks of functions about the identity in a block and its gradient."""

import contextlib
import io

import keras
import numpy as np
from keras import ops

from exercises.checks import mistakes
from exercises.checks.blocks import same
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
            "last: what follows it is the addition."
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


@check("the shortcut adds the identity matrix to dF/dx.")
def residual_jacobian(jacobian):
    """The learner's function(f, x) -> Jacobian (c, c) of x + f(x); f and x are of shape (c,)."""
    require_function(jacobian, "residual_jacobian(f, x)", None, None)
    matrix = np.asarray(mistakes.weight("beta", (3, 3)))

    def f(x):
        return ops.tanh(ops.matmul(matrix, ops.reshape(x, (3, 1))))[:, 0]

    x = ops.convert_to_tensor(np.array([0.5, -0.3, 0.8], "float32"))
    answer = call(jacobian, f, x)
    if answer is None or answer is ...:
        if untouched(jacobian) or answer is ...:
            raise NotDone(FUNCTION_TODO)
        return "The function returns None. Does it return the matrix, and does the tape watch x?"
    try:
        answer = np.asarray(answer, "float32")
    except (TypeError, ValueError):
        return f"The function should return a matrix; it returns a {type(answer).__name__}."
    branch = (1 - np.asarray(f(x)) ** 2)[:, None] * matrix  # dF/dx of tanh(matrix @ x)
    one = np.eye(3, dtype="float32")
    common_mistakes = {
        "That is dF/dx of the branch alone. Differentiate x + f(x).": branch,
        "That is the identity alone: the branch f is left out.": one,
        "Rows and columns are swapped: a row for each output.": (one + branch).T,
        "That is dF/dx alone, and transposed. Differentiate x + f(x).": branch.T,
        "1 was added to every entry; the identity matrix has ones on the diagonal.": 1 + branch,
        "f(x) was subtracted; a residual block adds it.": one - branch,
        "f was applied twice; the block is x + f(x).": one + branch @ branch,
        "tape.gradient sums the outputs up. tape.jacobian keeps them apart.": (
            (one + branch).sum(0)
        ),
        "tape.gradient sums the outputs up, and x is not added. tape.jacobian keeps them apart.": (
            branch.sum(0)
        ),
        "That is the diagonal; every output depends on every input.": np.diag(one + branch),
        "That is the value of x + f(x); its derivative is asked for.": np.asarray(x + f(x)),
    }
    if same(one + branch, answer):
        return None
    for sentence, wrong in common_mistakes.items():
        if same(wrong, answer):
            return sentence
    if answer.shape != (3, 3):
        return f"For x of shape (3,) the matrix is (3, 3). Received: shape {answer.shape}"
    return "The matrix is not I + dF/dx: compare it with small differences in x, one by one."
