"""The check of an experiment with BatchNorm's moving averages."""

import math

from exercises.checks.numbers import two_numbers
from exercises.checks.verdict import check

RATIO = math.log(0.99) / math.log(0.9)  # steps with momentum 0.9 for one with 0.99: 0.095


@check("the smaller momentum forgets the starting values in about a tenth of the steps.")
def steps_to_catch_up(answer):
    """Steps until 12 of 16 pictures are right at evaluation: (momentum 0.99, momentum 0.9).

    After k steps, momentum ** k of the starting values is left; machines differ a little in how
    much of them still does harm.
    """
    slow, fast = two_numbers(answer, "two numbers of steps, (for 0.99, for 0.9)")
    if min(slow, fast) < 1:
        return "Give numbers of steps, not the share of the starting value that is left."
    if slow == fast:
        return "The two differ: pass on the momentum as well, right_after(steps, momentum)."
    if slow < fast:
        return "The other way round: a momentum of 0.99 moves the averages by less in each step."
    if not 0.7 < fast / slow / RATIO < 1.4:
        return (
            f"{slow:g} steps leave {0.99**slow:.2g} of the start with momentum 0.99, {fast:g} "
            f"steps {0.9**fast:.2g} with 0.9. It takes about the same share in both: measure again."
        )
    if slow < 80:
        return "That is too early for 12 of 16. Try more steps, for both."
    if slow > 1000:
        return "It takes fewer steps than that: look for the smallest number."
    return None
