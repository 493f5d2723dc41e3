"""The craft of the notebooks, and that their functions are those of helpers, line for line.

Whether the stored outputs are what a run gives is nbval's part (`make test`).
"""

import ast
import base64
import html
import io
import itertools
import re
from pathlib import Path

import nbformat
import numpy as np
import pytest
from address import address
from PIL import Image

from exercises.submission import names

ROOT = Path(__file__).resolve().parent.parent
PATHS = sorted((ROOT / "notebooks").glob("*.ipynb"))
DEFINED = ("conv_bn", "identity_block", "convolutional_block", "stem", "stage", "ResNet50")
BLOB = address().replace("github.com", "colab.research.google.com/github") + "/blob/main"

# Numbers in the text that no cell computes, because they are quoted: {notebook: {number: source}}.
QUOTED = {
    "02_convolutional_block": {
        "25.03": "He et al. 2015, Table 3",
        "24.52": "He et al. 2015, Table 3",
        "24.19": "He et al. 2015, Table 3",
        "1,001": "He et al. 2016, Table 3: layers",
        "7.61": "He et al. 2016, Table 3: ReLU after the addition",
        "4.92": "He et al. 2016, Table 3: pre-activation",
        "0.5": "NVIDIA, ResNet50 v1.5 model card: top-1",
        "5%": "NVIDIA, ResNet50 v1.5 model card: speed",
    },
    "03_resnet50": {
        "15.3%": "Krizhevsky et al. 2012, abstract",
        "6.67%": "Szegedy et al. 2014, section 7",
        "3.57%": "He et al. 2015, abstract",
        "80.4%": "Wightman et al. 2021, abstract",
        "75.3%": "the authors' repository: 24.7 % top-1 error of ResNet-50",
        "82.1%": "Liu et al. 2022, Table 1: ConvNeXt-T",
    },
    "06_sign_digits": {
        "90.7%": "first results, before batches.copy_paste did all that it does now"
    },
}


@pytest.fixture(params=PATHS, ids=lambda path: path.stem)
def path(request):
    return request.param


@pytest.fixture
def cells(path):
    return read(path).cells


def read(path):
    return nbformat.read(path, as_version=4)


def named(cells, name):
    """The cell with this id."""
    return next(cell for cell in cells if cell.id == name)


def code(cells):
    return [cell for cell in cells if cell.cell_type == "code"]


def tags(cell):
    return cell.metadata.get("tags", [])


def is_exercise(cell):
    return "exercise" in tags(cell) or "solution" in tags(cell)


def prose(cells):
    """The text of the markdown cells, without code blocks."""
    text = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    return re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)


def printed(cells):
    """What the cells print and show as text; without those whose output may change."""
    found = []
    for cell in code(cells):
        for output in cell.outputs if "nbval-ignore-output" not in tags(cell) else ():
            data = output.get("data", {})
            found += [output.get("text", ""), data.get("text/plain", "")]
            found.append(html.unescape(re.sub(r"<[^>]+>", " ", data.get("text/html", ""))))
    return "\n".join(found)


def test_the_series_is_there():
    assert len(PATHS) >= 4
    assert [path.name[:3] for path in PATHS] == [f"{n:02}_" for n in range(1, len(PATHS) + 1)]


# --- one run, from top to bottom


def test_every_code_cell_was_run_in_order(cells):
    counts = [cell.execution_count for cell in code(cells)]
    assert counts == list(range(1, len(counts) + 1))


def test_no_noise_and_no_error_is_stored(cells):
    for cell in code(cells):
        for output in cell.outputs:
            assert output.get("name") != "stderr", cell.id
            if output.output_type == "error":
                assert "raises-exception" in tags(cell), cell.id


def test_metadata_are_stable(path):
    notebook = read(path)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    assert notebook.metadata.kernelspec.display_name == "Python 3"
    for cell in notebook.cells:
        assert "execution" not in cell.metadata, f"{cell.id} stores when it ran"
        assert not re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f-]+)?", cell.id), f"{cell.id}: a random id"


def test_no_path_of_a_machine(path):
    text = path.read_text(encoding="utf-8").replace("\\n", "\n")
    assert str(ROOT) not in text
    assert str(Path.home()) not in text
    assert not re.search(r"(?<![\w.])/(?:work|root|home|farm|Users|tmp|private)/\w", text)


# --- form


def test_cells_are_short(cells):
    for cell in code(cells):
        assert len(cell.source.splitlines()) <= 30, cell.id
        assert max(map(len, cell.source.splitlines())) <= 100, cell.id


def test_text_stands_between_the_code(cells):
    kinds = [cell.cell_type for cell in cells]
    for first in range(len(cells) - 2):
        assert set(kinds[first : first + 3]) != {"code"}, f"three in a row from {cells[first].id}"


def test_headings_go_down_one_level_at_a_time(cells):
    levels = [len(marks) for marks in re.findall(r"^(#+) ", prose(cells), flags=re.MULTILINE)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    for before, after in itertools.pairwise(levels):
        assert after <= before + 1


def test_opens_and_ends_as_the_others_do(path, cells):
    first, setup, last = cells[0].source, cells[1], cells[-1].source
    for part in ("**After this notebook you can**", "**Time**", "**You need**"):
        assert part in first
    assert f"({BLOB}/notebooks/{path.name})" in first
    assert first.count("colab.research.google.com/github") == 1
    assert setup.source == read(PATHS[0]).cells[1].source, "another set-up cell than notebook 01"
    assert setup.metadata.jupyter.source_hidden is True
    assert "git clone" not in "".join(cell.source for cell in cells[2:])
    assert "## What to take away" in last
    here = PATHS.index(path)
    for neighbour in PATHS[max(0, here - 1) : here] + PATHS[here + 1 : here + 2]:
        assert f"({neighbour.name})" in last


def test_links_lead_somewhere(path, cells):
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(cells)):
        if not re.match(r"https?://|#", target):
            assert (path.parent / target.partition("#")[0]).exists(), target


def test_pictures_have_a_text(cells):
    for alt in re.findall(r"!\[([^\]]*)\]\(", prose(cells)):
        assert alt.strip()
    for cell in cells:
        for tag in re.findall(r"<img[^>]*>", cell.source):
            assert re.search(r'alt="[^"]+"', tag), cell.id
    for cell in code(cells):
        for output in cell.outputs:
            if "image/png" in output.get("data", {}):
                assert output.metadata.get("image/png", {}).get("alt"), f"{cell.id}: no alt text"
            for tag in re.findall(r"<img[^>]*>", output.get("data", {}).get("text/html", "")):
                assert re.search(r'alt="[^"]+"', tag), cell.id


def test_figures_can_be_read_on_a_dark_page(cells):
    """A transparent ground would show black letters on JupyterLab's dark one."""
    for cell in code(cells):
        for output in cell.outputs:
            if "image/png" in output.get("data", {}):
                stored = base64.b64decode(output.data["image/png"])
                pixels = np.asarray(Image.open(io.BytesIO(stored)).convert("RGBA"))
                assert (pixels[..., 3] == 255).all(), cell.id
                assert (pixels[[0, 0, -1, -1], [0, -1, 0, -1]] > 250).all(), cell.id


def test_no_address_of_an_object_is_shown(cells):
    assert not re.search(r"(at|object) 0x[0-9a-f]+", printed(cells))


def test_no_training_repeats_one_order_of_its_arrays(cells):
    """After `set_random_seed`, fit shuffles arrays into the same order in every epoch."""
    for cell in code(cells):
        for node in ast.walk(ast.parse(cell.source)):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(".fit"):
                given = {word.arg: ast.unparse(word.value) for word in node.keywords}
                assert "batch_size" not in given or given.get("shuffle") == "False", cell.id


# --- exercises


def test_exercises_have_a_stub_and_a_collapsed_solution(cells):
    stubs = [number for number, cell in enumerate(cells) if "exercise" in tags(cell)]
    solutions = [number for number, cell in enumerate(cells) if "solution" in tags(cell)]
    assert len(stubs) >= 3
    assert solutions == [number + 1 for number in stubs]
    for number, stub in enumerate(stubs, start=1):
        text, stub, solution = cells[stub - 1 : stub + 2]
        assert text.source.startswith(f"### Exercise {number}. ")
        assert solution.metadata.jupyter == {"source_hidden": True, "outputs_hidden": True}
        assert solution.metadata.cellView == "form"
        assert solution.source.startswith("# @title Solution\n")
        calls = re.findall(r"checks\.(\w+)\(", stub.source)
        assert calls, stub.id
        assert calls == re.findall(r"checks\.(\w+)\(", solution.source), "another check"
        assert printed([stub]).count("Not done yet: ") == len(calls)
        assert printed([solution]).count("Right: ") == len(calls)


def test_nothing_depends_on_what_the_reader_wrote(cells):
    """A name that a stub or a solution sets is not read later, unless it is set anew."""
    theirs = set()
    for cell in code(cells):
        reads, sets = names(cell.source)
        if is_exercise(cell):
            theirs |= sets
        else:
            assert not reads & theirs - sets, cell.id
            theirs -= sets


# --- one source


def functions(source):
    """{name: its exact text} of the functions that a piece of code defines at its top level."""
    found = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]
    return {node.name: ast.get_source_segment(source, node) for node in found}


@pytest.mark.parametrize(
    "file", ["helpers/resnet.py", "images/layer_table.py", "images/gradients.py"]
)
def test_functions_are_those_of_the_project_line_for_line(file, cells):
    ours = functions((ROOT / file).read_text(encoding="utf-8"))
    for cell in code(cells):
        for name, text in functions(cell.source).items():
            if name in ours:
                assert text == ours[name], f"{cell.id}: not the {name} of {file}"


@pytest.mark.parametrize("name", DEFINED)
def test_each_part_of_the_network_is_built_in_a_notebook(name):
    sources = [cell.source for path in PATHS for cell in code(read(path).cells)]
    assert sum(name in functions(source) for source in sources) == 1


# --- numbers in the text

NUMBER = re.compile(
    r"(?<![\w.,/])(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+\.\d+)(?:\s?%)?(?![\w,]*\d)|\b\d+\s?%"
)


def numbers(text):
    """The numbers that claim something: with a thousands separator, a decimal point or a %."""
    text = re.sub(r"https?://\S+|`[^`]*`", " ", text)
    text = re.sub(
        r"(?i)\b(section|table|figure|equation|python|keras|tensorflow) [\d.]+", " ", text
    )
    return {re.sub(r"\s", "", number) for number in NUMBER.findall(text)}


def test_numbers_in_the_text_are_those_that_the_cells_print(path, cells):
    output = re.sub(r"(\d) %", r"\1%", printed(cells))
    settings = "\n".join(cell.source for cell in code(cells) if not is_exercise(cell))
    quoted = QUOTED.get(path.stem, {})
    used = set()
    for number in sorted(numbers(prose(cells))):
        if stands_in(number, output) or stands_in(number, settings):
            continue
        found = {number, number.rstrip("%")} & set(quoted)
        assert found, f"{number} is in the text of {path.name}, and no cell prints it"
        used |= found
    assert used == set(quoted), "quoted numbers that the text no longer has"


def stands_in(number, text):
    return re.search(rf"(?<![\d.,]){re.escape(number)}(?![\d%]|[.,]\d)", text) is not None
