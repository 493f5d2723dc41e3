"""The documents: local links, descriptions of pictures, and files that they name."""

import re
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parent.parent
SKIPPED = {"build", "data", "node_modules"}
LINK = re.compile(r"(!?)\[((?:!\[[^\]]*\]\([^)]*\)|[^\]])*)\]\(<?([^)\s>]+)>?(?: \"[^\"]*\")?\)")
PATHS = sorted(
    path
    for suffix in ("*.md", "*.ipynb")
    for path in ROOT.rglob(suffix)
    if not any(part in SKIPPED or part[0] == "." for part in path.relative_to(ROOT).parts[:-1])
)


def text_of(path):
    """A document without its code: the whole of a page, the text cells of a notebook."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        cells = nbformat.reads(text, as_version=4).cells
        text = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    return re.sub(r"^```.*?^```|`[^`\n]*`", "", text, flags=re.DOTALL | re.MULTILINE)


def headings(path):
    """The anchors that GitHub and JupyterLab give to the headings of a document."""
    found = re.findall(r"^#+ (.+)$", text_of(path), flags=re.MULTILINE)
    lower = {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in found}
    return lower | {title.strip().replace(" ", "-") for title in found}


def broken(path):
    """The local links of a document that lead nowhere, and pictures without a description."""
    problems = []
    for bang, words, target in LINK.findall(text_of(path)):
        file, _, anchor = target.partition("#")
        leads_to = path.parent / file if file else path
        if re.match(r"[a-z]+:", target) or "![" in words:
            continue
        if not leads_to.exists():
            problems.append(f"{target}: there is no such file")
        elif anchor and leads_to.suffix in (".md", ".ipynb") and anchor not in headings(leads_to):
            problems.append(f"{target}: there is no such heading")
        elif bang and len(words) <= 30:
            problems.append(f"{target}: the picture needs a description")
    return problems


@pytest.mark.parametrize("path", PATHS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_local_link_leads_somewhere(path):
    assert broken(path) == []


def test_a_broken_link_is_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "# One title\n[a](page.md#one-title) [b](#one-title) [c](https://x.org/a) `[d](no.md)`\n"
        "[e](no.md) [f](#two) ![g](page.md) [![h](http://x.org/h.svg)](https://x.org)\n"
    )
    assert [problem.split(":")[0] for problem in broken(page)] == ["no.md", "#two", "page.md"]


def test_the_documents_are_found():
    names = {str(path.relative_to(ROOT)) for path in PATHS}
    assert {"README.md", "INSTALL.md", "CONTRIBUTING.md", "models/signs/README.md"} <= names
    assert sum(name.endswith(".ipynb") for name in names) == 6


def test_the_readme_is_short_and_names_every_notebook():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.encode()) <= 9000
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        assert f"](notebooks/{path.name})" in text


def test_contributing_names_files_that_exist():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    table = text.partition("## Where a change belongs")[2].partition("\n## ")[0]
    named = re.findall(r"`([\w./]+(?:/|\.py|\.md|\.txt|\.yml))`", table)
    assert len(named) > 20
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_contributing_names_functions_that_exist():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    pairs = re.findall(r"`([\w/]+\.py)`: `(\w+)`", text)
    pairs += [(file, name) for name, file in re.findall(r"`(\w+)` in `([\w/]+\.py)`", text)]
    assert len(pairs) >= 6
    for file, name in pairs:
        source = (ROOT / file).read_text(encoding="utf-8")
        assert re.search(rf"^(def|class) {name}\b|^{name} = ", source, re.MULTILINE), name
