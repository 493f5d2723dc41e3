"""The checks name each mistake in a sentence of its own, and accept right code in any form."""

import blocks_catalogue as catalogue
import pytest

from helpers import checks
from helpers.checks import mistakes

RIGHT = [
    *((checks.identity_block, block) for block in catalogue.RIGHT_IDENTITY),
    *((checks.convolutional_block, block) for block in catalogue.RIGHT_CONVOLUTIONAL),
]
WRONG = {
    **{
        f"identity: {name}": (checks.identity_block, catalogue.IDENTITY, mistake)
        for name, mistake in catalogue.WRONG_IDENTITY.items()
    },
    **{
        f"convolutional: {name}": (checks.convolutional_block, catalogue.CONVOLUTIONAL, mistake)
        for name, mistake in catalogue.WRONG_CONVOLUTIONAL.items()
    },
}


def name_of(value):
    return getattr(value, "__name__", None)


@pytest.mark.parametrize(("check", "block"), RIGHT, ids=name_of)
@pytest.mark.filterwarnings("ignore:a warning of the learner")
def test_right_blocks_are_accepted(check, block):
    assert check.verdict(block)[0] == "right", check.verdict(block)[1]


@pytest.fixture(scope="module")
def said():
    """The sentences so far: {(check, sentence): name of the block}."""
    return {}


@pytest.mark.parametrize("name", WRONG)
def test_each_wrong_block_has_its_own_sentence(name, said):
    check, source, (word, *edits) = WRONG[name]
    status, sentence = check.verdict(catalogue.mutated(source, edits))
    assert status == "wrong"
    assert word in sentence
    assert said.setdefault((check, sentence), name) == name


def test_every_known_mistake_is_in_the_catalogue(said):
    if len(said) < len(WRONG):
        pytest.skip("needs all wrong blocks to have been checked")
    for check, line, table in (
        (checks.identity_block, mistakes.IDENTITY, mistakes.IDENTITY_MISTAKES),
        (checks.convolutional_block, mistakes.CONVOLUTIONAL, mistakes.CONVOLUTIONAL_MISTAKES),
    ):
        possible = {sentence for edits, sentence in table.items() if mistakes.edited(line, edits)}
        assert possible <= {sentence for of, sentence in said if of is check}
