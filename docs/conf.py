"""Settings of the web book; docs/build.py calls Sphinx with them."""

import tomllib
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
# The package brings MathJax's files, so that formulas need no network.
MATHJAX = Path(find_spec("sphinx-mathjax-offline").submodule_search_locations[0], "static/mathjax")

project = "ResNet-50, built by you"
author = "the authors of resnet50-tutorial"
project_copyright = f"2026, {author}. MIT licence"
language = "en"

extensions = ["myst_nb"]
exclude_patterns = ["README.md"]  # index.md includes its parts
nb_execution_mode = "off"
nb_merge_streams = True
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 3
myst_footnote_transition = False

html_theme = "sphinx_book_theme"
html_title = project
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = True
html_sourcelink_suffix = ""
html_show_search_summary = False  # it fetches pages, which a browser refuses for file://
html_context = {"default_mode": "auto"}  # light or dark, as the reader's system
mathjax_path = "mathjax/tex-chtml.js"
mathjax3_config = {"options": {"enableMenu": False}}  # parts of its menu come from a network
html_theme_options = {
    "repository_url": SETTINGS["tool"]["resnet50-tutorial"]["repository"],
    "repository_branch": "main",
    "path_to_docs": "",
    "use_repository_button": True,
    "use_issues_button": True,
    "launch_buttons": {"colab_url": "https://colab.research.google.com"},
    "home_page_in_toc": True,
    "show_toc_level": 2,
}
