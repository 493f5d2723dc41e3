"""Builds the web book in build/site: the notebooks and documents as they are, nothing executed.

The pages are first copied to build/site-source, where links to files that are no pages are made to
lead to the repository, solutions are marked to be folded and figures get their text alternatives.
"""

import re
import shutil
import sys
from pathlib import Path

import nbformat
from bs4 import BeautifulSoup
from conf import MATHJAX, ROOT, SETTINGS
from PIL import Image
from sphinx.cmd.build import main as sphinx_build

SOURCE, SITE = ROOT / "build/site-source", ROOT / "build/site"
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
DOCUMENTS = [
    ROOT / name
    for name in (
        "README.md",
        "INSTALL.md",
        "CONTRIBUTING.md",
        "docs/several-machines.md",
        "exercises/TEACHING.md",
        "models/caltech101/README.md",
        "models/signs/README.md",
    )
]
REPOSITORY = SETTINGS["tool"]["resnet50-tutorial"]["repository"] + "/blob/main/"
BADGE = re.compile(r"!\[Open in Colab\](?:\[colab\]|\([^)]*\))")


def main():
    for folder in (SOURCE, SITE):
        shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "images", SOURCE / "images")
    shutil.copy(ROOT / "docs/index.md", SOURCE)
    for path in DOCUMENTS:
        write(path, site_text(path.read_text(encoding="utf-8"), path))
    for path in NOTEBOOKS:
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            prepare(cell, path)
        write(path, nbformat.writes(notebook))
    options = ["-q", "-W", "--keep-going", "-j", "2", "-c", str(ROOT / "docs"), "-b", "html"]
    code = sphinx_build([*options, "-d", str(ROOT / "build/site-doctrees"), str(SOURCE), str(SITE)])
    if code:
        return code
    copy_mathjax()
    smaller_pictures()
    for path in NOTEBOOKS:  # what the download button gives is the notebook itself
        shutil.copy(path, SITE / "_sources/notebooks")
    print(f"The web book is built: {SITE / 'index.html'}")
    return 0


def write(path, text):
    target = SOURCE / path.relative_to(ROOT)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")


def site_text(text, path):
    """The Markdown of a page: badges become words, links to other files lead to the repository."""

    def link(found):
        file, _, anchor = found[2].partition("#")
        target = (path.parent / file).resolve()
        known = [*NOTEBOOKS, *DOCUMENTS[1:]]
        if not file or re.match("[a-z]+:", file) or target in known or "images" in target.parts:
            return found[0]
        return f"{found[1]}{REPOSITORY}{target.relative_to(ROOT)}{'#' * bool(anchor)}{anchor})"

    return re.sub(r"(\]\()([^)\s]+)\)", link, BADGE.sub("Open in Colab", text))


def prepare(cell, path):
    """Marks what is folded and gives each figure its text alternative."""
    if cell.cell_type == "markdown":
        cell.source = site_text(cell.source, path)
        return
    hidden = cell.metadata.get("jupyter", {})
    title = re.match(r"# @title (.*)", cell.source)
    if hidden.get("source_hidden"):
        tag = "hide-cell" if hidden.get("outputs_hidden") else "hide-input"
        cell.metadata.setdefault("tags", []).append(tag)
        words = title[1] if title else "Code"
        cell.metadata["mystnb"] = {"code_prompt_show": words, "code_prompt_hide": words}
    # For screen readers in JupyterLab, `show` puts an empty image with the alternative before each
    # figure. Here the figure itself can have it.
    cell.outputs = [output for output in cell.get("outputs", []) if not is_alternative(output)]
    for output in cell.outputs:
        alternative = output.get("metadata", {}).get("image/png", {}).get("alt")
        if alternative:
            cell.metadata.setdefault("mystnb", {})["image"] = {"alt": alternative}


def is_alternative(output):
    return "data:image/gif;base64" in output.get("data", {}).get("text/html", "")


def copy_mathjax():
    """MathJax and its fonts, as much as the pages load."""
    target = SITE / "_static/mathjax"
    shutil.copytree(MATHJAX / "output/chtml/fonts", target / "output/chtml/fonts")
    shutil.copy(MATHJAX / "tex-chtml.js", target)


def smaller_pictures():
    """Stores every picture as WebP, and lets pages load it when it comes into view."""
    for path in (SITE / "_images").iterdir():
        with Image.open(path) as picture:
            photograph = len(picture.convert("RGB").getcolors(1 << 24)) > 20_000
            how = {"quality": 85} if photograph else {"lossless": True, "quality": 80}
            picture.convert("RGB").save(path.with_suffix(".webp"), **how)
        path.unlink()
    for page in SITE.rglob("*.html"):
        soup = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")
        for tag in soup.select("img[src*='_images/']"):
            tag["src"] = str(Path(tag["src"]).with_suffix(".webp"))
            tag["loading"] = "lazy"
            with Image.open(page.parent / tag["src"]) as picture:
                shape = f"aspect-ratio: {picture.width} / {picture.height};"
            tag["style"] = f"{tag.get('style', '')} {shape}".strip()
        page.write_text(str(soup), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
