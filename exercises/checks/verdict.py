"""What a check says: right, wrong or not done; and calling a learner's function safely."""

import contextlib
import functools
import inspect
import random
import traceback

import keras
from keras import layers


class Wrong(Exception):
    """The answer is wrong; the message says why."""


class Stopped(Wrong):
    """The learner's function raised an error."""


class NotDone(Exception):
    """The exercise is still as it was handed out; the message says what to do."""


PRINTED = {"right": "Right", "wrong": "Wrong", "not done": "Not done yet"}
FUNCTION_TODO = "write the body of your function, then run this cell again."
VALUE_TODO = "put your answer in place of the dots, then run this cell again."


CHECKS = {}  # every check by its name; @check puts it here


def check(right):
    """Makes a check of `judge(answer, ...)`, which returns None, or a sentence if it is wrong.

    The check prints one line. Its `.verdict(answer, ...)` returns (status, sentence) instead,
    with status "right", "wrong" or "not done". Neither raises an error.
    """

    def decorate(judge):
        def verdict(answer, *rest, **about):
            policy, state = keras.config.dtype_policy(), random.getstate()
            keras.config.set_dtype_policy("float32")
            try:
                sentence = judge(answer, *rest, **about)
                return ("wrong", sentence) if sentence else ("right", right)
            except NotDone as todo:
                return "not done", str(todo)
            except Wrong as mistake:
                return "wrong", str(mistake)
            except Exception as error:
                return "wrong", f"This answer could not be checked: {describe_error(error)}"
            finally:  # so that later cells do not depend on this exercise
                keras.config.set_dtype_policy(policy)
                random.setstate(state)

        @functools.wraps(judge)
        def checked(answer, *rest, **about):
            status, sentence = verdict(answer, *rest, **about)
            print(f"{PRINTED[status]}: {sentence}")

        checked.verdict = verdict
        CHECKS[judge.__name__] = checked
        return checked

    return decorate


def describe_error(error):
    """One line about an error: its type and the start of its message."""
    message = " ".join(str(error).split())
    message = message if len(message) <= 160 else message[:157] + "..."
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def call(function, *args, **kwargs):
    """function(...), with every error turned into Stopped, which names the learner's line."""
    try:
        return function(*args, **kwargs)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        code = getattr(inspect.unwrap(function), "__code__", None)
        file = code and code.co_filename
        steps = traceback.extract_tb(error.__traceback__)
        own = [step for step in steps if step.filename == file]
        if isinstance(error, NotImplementedError) and own and own[-1] is steps[-1]:
            raise NotDone(FUNCTION_TODO) from None
        if "ellipsis" in str(error).lower():
            raise NotDone("there are still dots in your function; replace them all.") from None
        where = ""
        if own and not isinstance(error, RecursionError):
            text = f": {own[-1].line}" if own[-1].line else ""
            where = f" (line {own[-1].lineno}{text})"
        raise Stopped(f"Your function stopped with {describe_error(error)}{where}") from None


def returned(function, *args, **kwargs):
    """What the learner's function returns. Raises NotDone if that is nothing, Stopped on errors."""
    found = call(function, *args, **kwargs)
    if found is None or found is ...:
        raise NotDone(FUNCTION_TODO)
    return found


def require_function(answer, example, *args, **kwargs):
    """Raises NotDone or Wrong unless `answer` is a function that can be called like this."""
    if answer is None or answer is ...:
        raise NotDone(FUNCTION_TODO)
    if not callable(answer) or isinstance(answer, (keras.Model, layers.Layer)):
        raise Wrong("Pass the function itself: its name, without brackets or arguments.")
    with contextlib.suppress(ValueError):  # some built-in functions have no signature
        signature = inspect.signature(answer)
        try:
            signature.bind(*args, **kwargs)
            signature.bind(*args)
        except TypeError as error:
            name = getattr(answer, "__name__", "it")
            raise Wrong(
                f"The signature does not fit: the check calls {example}, "
                f"yours is {name}{signature} ({error})."
            ) from None


def untouched(function):
    """Whether the body of the function is only `...`, `pass` or a docstring."""
    code = getattr(function, "__code__", None)
    return code is not None and not code.co_names and not code.co_freevars
