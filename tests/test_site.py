"""The web book in a Chromium without a screen, from its folder and without a network.

    make site && build/venv-site/bin/python -m pytest --noconftest tests/test_site.py

It needs docs/requirements.txt (without TensorFlow), which `make site` installs.
"""

import re
import shutil
from pathlib import Path

import pytest

playwright = pytest.importorskip(
    "playwright.sync_api",
    reason="the web book's packages are missing: see the top of tests/test_site.py",
)

ROOT = Path(__file__).resolve().parent.parent
SITE = ROOT / "build/site"
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
PAGES = [
    "index.html",
    *(f"notebooks/{path.stem}.html" for path in sorted((ROOT / "notebooks").glob("*.ipynb"))),
    "models/caltech101/README.html",
    "models/signs/README.html",
    "INSTALL.html",
    "docs/several-machines.html",
    "exercises/TEACHING.html",
    "CONTRIBUTING.html",
    "search.html",
]
NOTEBOOKS = [page for page in PAGES if page.startswith("notebooks/")]
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
FLAGS += ["--disable-background-networking", "--disable-component-update"]
LARGEST = 3_000_000  # bytes of a page with its pictures

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
    pytest.mark.skipif(not SITE.is_dir(), reason="build/site is not there: make site"),
]


@pytest.fixture(scope="module")
def chromium():
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium):
    """Opens a page; `visit.problems` collects errors of the console and requests beyond file://."""
    contexts = []

    def visit(page, width=1280, scheme="light"):
        size = {"width": width, "height": 900}
        contexts.append(chromium.new_context(viewport=size, color_scheme=scheme))
        tab = contexts[-1].new_page()
        tab.on("console", lambda line: line.type == "error" and visit.problems.append(line.text))
        tab.on("pageerror", lambda error: visit.problems.append(str(error)))
        tab.on("request", lambda sent: visit.requests.append(sent.url))
        tab.on("requestfailed", lambda sent: visit.problems.append(f"not there: {sent.url}"))
        tab.goto(f"{SITE.as_uri()}/{page}")
        return tab

    visit.problems, visit.requests = [], []
    yield visit
    for context in contexts:
        context.close()


def load_figures(tab):
    """Loads every figure, those too that a reader would only meet further down."""
    tab.eval_on_selector_all(".bd-article img", "images => images.map(i => i.loading = 'eager')")
    tab.wait_for_function(
        "[...document.querySelectorAll('.bd-article img')].every(i => i.complete)"
    )


def typeset(tab):
    """Waits until MathJax has set the last formula of a page."""
    tab.wait_for_function("!document.querySelector('.bd-article .math:not(:has(mjx-container))')")


@pytest.mark.parametrize("page", PAGES)
def test_every_page_opens_offline_without_an_error(visit, page):
    tab = visit(page)
    load_figures(tab)
    assert visit.problems == []
    assert [url for url in visit.requests if not url.startswith(("file:", "data:"))] == []
    broken = "images => images.filter(i => i.complete && !i.naturalWidth).map(i => i.src)"
    assert tab.eval_on_selector_all(".bd-article img", broken) == []


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("width", [390, 1280])
def test_no_page_scrolls_sideways(visit, page, width):
    tab = visit(page, width)
    load_figures(tab)
    typeset(tab)
    assert tab.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("page", NOTEBOOKS)
def test_formulas_are_typeset(visit, page):
    tab = visit(page)
    assert tab.locator(".bd-article .math").count() > 0
    typeset(tab)
    assert tab.locator("mjx-merror").count() == 0
    assert tab.locator("mjx-container").first.bounding_box()["width"] > 1
    loaded = "[...document.fonts].some(font => font.family.startsWith('MJX') && "
    assert tab.evaluate(loaded + "font.status == 'loaded')")


@pytest.mark.parametrize("page", NOTEBOOKS)
def test_solutions_and_the_set_up_are_folded_and_open(visit, page):
    tab = visit(page)
    folded = tab.locator("details.hide")
    titles = folded.locator("summary").all_inner_texts()
    assert any(title.startswith("Set-up") for title in titles)
    assert sum(title.startswith("Solution") for title in titles) >= 3
    solution = folded.filter(has_text="Solution").last
    code = solution.locator(".cell_input")
    assert not code.is_visible()
    solution.locator("summary").click()
    assert code.is_visible()
    assert visit.problems == []


def test_the_search_finds_projection(visit):
    tab = visit("search.html?q=projection")
    found = tab.locator("#search-results a, ul.search a")
    found.first.wait_for()
    addresses = [link.get_attribute("href") for link in found.all()]
    assert any("02_convolutional_block" in address for address in addresses), addresses
    found.first.click()
    tab.locator("article h1").first.wait_for()
    assert visit.problems == []


@pytest.mark.parametrize("page", NOTEBOOKS)
def test_a_notebook_can_be_opened_in_colab_and_downloaded(visit, page):
    tab = visit(page)
    name = page.removeprefix("notebooks/").replace(".html", ".ipynb")
    colab = tab.locator("a[href^='https://colab.research.google.com/github/']")
    ends = [address.split("/blob/")[1] for address in hrefs(colab)]
    assert len(ends) >= 2 and set(ends) == {f"main/notebooks/{name}"}
    [download] = {link for link in hrefs(tab.locator("a[href$='.ipynb']")) if "_sources" in link}
    given = (SITE / "notebooks" / download).resolve()
    assert given.read_bytes() == (ROOT / "notebooks" / name).read_bytes()


def hrefs(links):
    return links.evaluate_all("links => links.map(link => link.getAttribute('href'))")


@pytest.mark.parametrize("page", PAGES)
def test_figures_have_a_text_alternative(visit, page):
    alternatives = visit(page).locator(".bd-article img")
    for text in alternatives.evaluate_all("images => images.map(i => i.getAttribute('alt'))"):
        assert text and len(text) > 30 and not text.startswith("../"), text


def test_notebooks_have_as_many_figures_as_outputs(visit):
    for page in NOTEBOOKS:
        stored = (ROOT / page.replace(".html", ".ipynb")).read_text(encoding="utf-8")
        assert visit(page).locator(".bd-article img").count() == stored.count('"image/png": "')


def test_the_landing_page_says_what_the_series_was_tested_with(visit):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    lines = readme.split("<!-- tested-with -->\n")[1].split("<!-- /")[0].splitlines()
    written = [[cell.strip(" `") for cell in line.split("|")[1:-1]] for line in lines]
    table = visit("index.html").locator("section#last-tested-with tr")
    shown = [row.locator("th, td").all_inner_texts() for row in table.all()]
    shown = [[cell.replace("’", "'") for cell in row] for row in shown]
    plain = [[cell.replace("`", "") for cell in row] for row in (written[0], *written[2:])]
    assert shown == plain


def test_figures_are_readable_in_the_dark(visit):
    tab = visit(NOTEBOOKS[0], scheme="dark")
    assert tab.evaluate("document.documentElement.dataset.theme") == "dark"
    figure = tab.locator(".cell_output img").first
    colour = "image => getComputedStyle(image).backgroundColor"
    assert figure.evaluate(colour) == "rgb(255, 255, 255)"
    ground = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    assert max(map(int, re.findall(r"\d+", ground)[:3])) < 60


@pytest.mark.parametrize("page", PAGES)
def test_a_page_with_its_pictures_is_small(page):
    text = (SITE / page).read_text(encoding="utf-8")
    pictures = set(re.findall(r'src="([^"]*_images/[^"]*)"', text))
    size = len(text.encode()) + sum(((SITE / page).parent / p).stat().st_size for p in pictures)
    assert size < LARGEST


def test_no_page_names_a_content_network():
    loaded = re.compile(
        r"<(?:script|link|img|iframe|source)\b[^>]*(?:src|href)=\"(?:https?:)?//[^>]*>"
    )
    for path in SITE.rglob("*.html"):
        assert loaded.findall(path.read_text(encoding="utf-8")) == [], path.name
