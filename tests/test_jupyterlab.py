"""The notebooks as a reader meets them in JupyterLab, in a real browser without a screen.

Each is opened and looked over with its stored outputs. The first half of one is run as well and its
links followed, or all of all of them where LAB_CHECK is set (`make lab-check`): that takes minutes,
and nbval runs them anyway.
"""

import os
import re
import shutil
from types import SimpleNamespace

import lab
import pytest
from lab import javascript
from test_notebooks import PATHS, ROOT, code, prose, read, tags

pytestmark = pytest.mark.skipif(not lab.CHROMIUM, reason="Chromium is not installed")
WHOLE = "LAB_CHECK" in os.environ
RUN = PATHS if WHOLE else PATHS[1:2]

START = """
await until(() => window.jupyterapp, "JupyterLab", 120);
await jupyterapp.restored;
"""
OPEN = """
window.panel = await jupyterapp.commands.execute("docmanager:open", {path});
await panel.revealed;
await panel.sessionContext.ready;
const cells = panel.content.widgets;
await until(() => cells.every(cell => !cell.isPlaceholder()), "the cells");
await until(() => [...panel.node.querySelectorAll("img")].every(img => img.complete), "pictures");
const typeset = () => panel.node.querySelectorAll("mjx-container").length >= formulas;
await until(typeset, "formulas", 20).catch(() => {});  // a test of its own says which are not
"""
# What there is to see, cell by cell.
LOOK = """
return panel.content.widgets.map(cell => {
  const all = query => [...cell.node.querySelectorAll(query)];
  const boxes = all(".jp-OutputArea-output, .jp-RenderedMarkdown, .cm-scroller, .jp-OutputArea");
  return {
    id: cell.model.id,
    outputs: (cell.model.toJSON().outputs ?? []).map(
      ({data, ...output}) => ({...output, kinds: Object.keys(data ?? {})})),
    count: cell.model.executionCount ?? null,
    formulas: all("mjx-container").length,
    mistakes: all("mjx-merror, [data-mjx-error]").map(error => error.textContent),
    text: all(".jp-RenderedMarkdown").map(text => text.innerText).join(),
    wide: boxes.filter(box => box.scrollWidth > box.clientWidth + 1).map(box => box.className),
    pictures: all("img[src^='data:image/png']").map(img => [img.naturalWidth, img.clientWidth]),
    folded: all(".jp-InputPlaceholder").map(line => line.innerText),
    foldedOutput: all(".jp-OutputPlaceholder").length,
  };
});
"""
UNFOLD = """
const cell = panel.content.widgets.find(cell => cell.model.id === id);
cell.node.querySelector(".jp-InputPlaceholder .jp-Placeholder-content, .jp-Placeholder").click();
cell.node.querySelector(".jp-OutputPlaceholder, .jp-Placeholder").click();
return await until(() => {
  const shown = cell.node.querySelector(".jp-InputArea-editor")?.innerText;
  return shown && !cell.node.querySelector(".jp-Placeholder") && shown;
}, "the solution", 10);
"""
CONTENTS = """
await jupyterapp.commands.execute("toc:show-panel");
jupyterapp.shell.activateById(panel.id);
const entries = () => [...document.querySelectorAll(".jp-TableOfContents .jp-tocItem-content")];
await until(() => entries()[0]?.innerText === first, "the table of contents");
return entries().map(entry => entry.innerText);
"""
FOLLOW = """
const links = [...panel.node.querySelectorAll(".jp-RenderedMarkdown a")];
links.findLast(a => a.textContent === label).click();
const other = await until(() => {
  const now = jupyterapp.shell.currentWidget;
  return now !== panel && now?.content?.widgets?.length && now.context.isReady && now;
}, label);
const opened = other.context.path;
other.dispose();
jupyterapp.shell.activateById(panel.id);
return opened;
"""
RUN_ABOVE = """
panel.content.activeCellIndex = end;
await jupyterapp.commands.execute("notebook:run-all-above");
await until(() => panel.sessionContext.session.kernel.status === "idle", "the kernel");
await until(() => [...panel.node.querySelectorAll("img")].every(img => img.complete), "pictures");
"""
CLOSE = """
await panel.sessionContext.shutdown();
panel.dispose();
"""


@pytest.fixture(scope="module")
def call(tmp_path_factory):
    """Chromium, showing a JupyterLab that serves a copy of the project."""
    work = tmp_path_factory.mktemp("lab")
    for name in ("exercises", "helpers", "notebooks", "models", "images"):
        leave = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints", "my-*")
        shutil.copytree(ROOT / name, work / "project" / name, ignore=leave)
    server = lab.jupyterlab(work / "project", work / "server")
    with server as address, lab.chromium(work / "browser") as call:
        call("Page.navigate", url=address)
        javascript(call, START)
        yield call


@pytest.fixture(scope="module", params=PATHS, ids=lambda path: path.stem)
def notebook(request, call):
    """A notebook that is open, with what there is to see of it."""
    path, cells = request.param, read(request.param).cells
    javascript(call, OPEN, path=f"notebooks/{path.name}", formulas=formulas(cells))
    yield SimpleNamespace(path=path, cells=cells, seen=javascript(call, LOOK))
    javascript(call, CLOSE)


def formulas(cells):
    text = re.sub(r"`[^`\n]*`", "", prose(cells))
    return len(re.findall(r"\$\$.+?\$\$|\$[^$]+\$", text, flags=re.DOTALL))


def assert_pictures_show_and_nothing_is_cut_off(seen):
    for cell in seen:
        drawn = sum("image/png" in output["kinds"] for output in cell["outputs"])
        assert len(cell["pictures"]) == drawn, cell["id"]
        assert all(pixels > 0 and width > 0 for pixels, width in cell["pictures"]), cell["id"]
        assert not cell["wide"], f"{cell['id']} is wider than the page"


def test_pictures_show_and_nothing_is_cut_off(notebook):
    assert len(notebook.seen) == len(notebook.cells)
    assert sum(len(cell["pictures"]) for cell in notebook.seen) >= 2
    assert_pictures_show_and_nothing_is_cut_off(notebook.seen)


def test_formulas_are_typeset_without_a_mistake(notebook):
    assert sum(cell["formulas"] for cell in notebook.seen) == formulas(notebook.cells) > 0
    for cell in notebook.seen:
        assert not cell["mistakes"], cell["id"]
        assert "$" not in cell["text"], f"{cell['id']}: a formula is shown as it was typed"


def test_pictures_are_read_out(notebook, call):
    shown = call("Runtime.evaluate", expression="panel.node")["result"]["objectId"]
    images = call("Accessibility.queryAXTree", objectId=shown, role="image")["nodes"]
    names = [node.get("name", {}).get("value") for node in images]
    outputs = [output for cell in code(notebook.cells) for output in cell.outputs]
    texts = [output.get("metadata", {}).get("image/png", {}).get("alt") for output in outputs]
    assert [text for text in texts if text] == [name for name in names if name in texts]


def test_contents_list_the_headings(notebook, call):
    headings = re.findall(r"^#+ (.+)$", prose(notebook.cells), flags=re.MULTILINE)
    headings = [re.sub(r"[`$*]", "", heading) for heading in headings]
    assert javascript(call, CONTENTS, first=headings[0]) == headings


def test_what_is_folded_away_says_what_it_is_and_opens(notebook, call):
    setup, *rest = [cell for cell in notebook.seen if cell["folded"]]
    assert setup["folded"][0].startswith("# @title Set-up: ")
    solutions = [cell.id for cell in notebook.cells if "solution" in tags(cell)]
    assertions = [cell for cell in rest if cell["folded"] == ["# @title Assertions"]]
    assert all(cell["foldedOutput"] == 0 for cell in assertions)  # they print nothing
    folded = [cell for cell in rest if cell not in assertions]
    assert [cell["id"] for cell in folded] == solutions
    for cell in folded:
        assert cell["folded"] == ["# @title Solution"] and cell["foldedOutput"] == 1
    shown = javascript(call, UNFOLD, id=solutions[0])
    assert "checks." in shown


def test_links_open_the_other_notebooks(notebook, call):
    if notebook.path not in RUN:
        pytest.skip("make lab-check follows them")
    links = re.findall(r"\[([^\]]+)\]\((\w+\.ipynb)\)", notebook.cells[-1].source)
    assert links
    for label, name in links:
        assert javascript(call, FOLLOW, label=label) == f"notebooks/{name}"


def test_runs_from_the_top(notebook, call):
    if notebook.path not in RUN:
        pytest.skip("make lab-check runs it")
    end = len(notebook.cells) // (1 if WHOLE else 2)
    javascript(call, RUN_ABOVE, end=end)
    seen = javascript(call, LOOK)[:end]
    for cell, old in zip(seen, notebook.cells, strict=False):
        for output in cell["outputs"]:
            assert output.get("name") != "stderr", output
            assert output["output_type"] != "error" or "raises-exception" in tags(old), output
    counts = [cell["count"] for cell in seen if cell["count"]]
    assert counts == list(range(1, len(code(notebook.cells[:end])) + 1))
    assert_pictures_show_and_nothing_is_cut_off(seen)
