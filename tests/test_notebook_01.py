"""Notebook 01: what it says of deep plain networks, its numbers and its form."""

import re

from test_notebooks import PATHS, code, is_exercise, printed, prose, read

CELLS = read(PATHS[0]).cells
KINDS = ("Predict, then run", "Explore", "Explain", "Build", "Debug", "Design")


def test_what_a_deep_plain_network_suffers_from_is_named_and_cited():
    text = prose(CELLS)
    for word in ("explo", "arxiv.org/abs/1902.08129", "1512.03385", "SGD only", "400 epochs"):
        assert word in text, word


def test_singular_values_are_those_of_the_initialisation_of_the_notebooks_networks():
    (cell,) = [cell for cell in CELLS if cell.id == "singular"]
    assert "initialiser == 'Glorot'" in cell.source
    assert any('initializer="glorot_uniform"' in cell.source for cell in code(CELLS))


def test_numbers_are_printed_in_place_of_true_and_false():
    shown = printed(cell for cell in CELLS if not is_exercise(cell))
    assert len(re.findall(r"\b(?:True|False)$", shown, re.MULTILINE)) <= 2


def test_every_kind_of_exercise_is_there_with_minutes_difficulty_and_two_hints():
    texts = [cell.source for cell in CELLS if cell.source.startswith("### Exercise")]
    assert 5 <= len(texts) <= 7
    lines = [re.search(r"^\*(.+) · \d+ minutes · (easy|medium|hard)\*$", t, re.M) for t in texts]
    assert all(lines) and {line[1] for line in lines} == set(KINDS)
    assert all(text.count("<details>") == text.count("</details>") == 2 for text in texts)


def test_cells_are_short_enough_to_read_in_one_go():
    lengths = sorted(len(cell.source.splitlines()) for cell in code(CELLS)[1:])
    assert lengths[-1] <= 19 and lengths[9 * len(lengths) // 10] <= 12
