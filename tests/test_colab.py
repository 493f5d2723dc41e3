"""The notebooks as Colab opens them: alone, in an empty folder, with `google.colab` loaded.

The set-up cell runs as it is, but for two things: Colab's folder /content is a folder of the test,
and git is told to find the repository's address here.
"""

import ast
import os
import re
import subprocess
import sys

import nbformat
import pytest
import tensorflow as tf
from address import FILES, address, owner_and_name, write
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook
from test_notebooks import PATHS, ROOT, code, read, tags

import helpers
from helpers import setup

WHOLE = "COLAB_CHECK" in os.environ
CELL = read(PATHS[0]).cells[1].source
STAND_IN = 'import sys, types\nsys.modules["google.colab"] = types.ModuleType("google.colab")\n'
TINY = {"helpers/__init__.py": "", "helpers/setup.py": "def start():\n    print('started')\n"}


def publish(tree, repository, *paths):
    """A repository of what lies in the folder tree now, committed or not; two commits long."""
    git = ["git", "-c", "user.name=test", "-c", "user.email=test@localhost"]
    git += ["--git-dir", str(repository), "--work-tree", str(tree)]
    commit = ["commit", "--allow-empty", "-m", "test"]
    for step in (["init"], ["add", *paths], commit, commit):
        subprocess.run([*git, *step], check=True, capture_output=True, cwd=tree)
    return repository


@pytest.fixture(scope="session")
def project(tmp_path_factory):
    """The project: whole, or as much of it as the set-up and import cells need."""
    paths = ["."] if WHOLE else ["exercises", "helpers", "images", "train.py"]
    return publish(ROOT, tmp_path_factory.mktemp("project") / "git", *paths)


@pytest.fixture
def tiny(tmp_path):
    """Stands in for the project where a test is about fetching it."""
    tree = tmp_path / "tree"
    for name, text in (TINY | {"train.py": ""}).items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(text)
    return publish(tree, tmp_path / "git", ".")


@pytest.fixture
def content(tmp_path):
    """Colab's folder /content."""
    (tmp_path / "content").mkdir()
    return tmp_path / "content"


def run(sources, content, repository, in_colab=True, path=None):
    """Runs cells in a kernel of their own; returns the cells with their outputs."""
    stand_in = content.parent / "stand-in"
    stand_in.mkdir(exist_ok=True)
    (stand_in / "sitecustomize.py").write_text(STAND_IN if in_colab else "")
    environment = os.environ | {
        "PYTHONPATH": str(stand_in),
        "PATH": os.pathsep.join([*([path] if path else []), os.environ["PATH"]]),
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{repository}.insteadOf",
        "GIT_CONFIG_VALUE_0": address(),
        "RESNET50_DATA": "",
        "no_proxy": "*",
    }
    cells = [new_code_cell(source.replace('"/content/', f'"{content}/')) for source in sources]
    notebook = new_notebook(cells=cells)
    client = NotebookClient(
        notebook,
        timeout=900,
        kernel_name="python3",
        allow_errors=True,
        resources={"metadata": {"path": str(content)}},
    )
    client.execute(env=environment)
    return notebook.cells


def text(cell):
    return "".join(output.get("text", "") for output in cell.outputs)


def data(cell):
    return [output.get("data", {}) for output in cell.get("outputs", ())]


def errors(cells):
    return [output for cell in cells for output in cell.outputs if output.output_type == "error"]


def one_line(cell):
    """The only thing that a cell shows, which must be one line."""
    (output,) = cell.outputs
    shown = "\n".join(output.traceback)
    assert shown.count("\n") == 0 and "Traceback" not in shown, shown
    return shown


def imports(path):
    """The cells of a notebook that import and do nothing else."""
    for cell in code(read(path).cells):
        statements = ast.parse(cell.source).body
        if all(isinstance(node, ast.Import | ast.ImportFrom) for node in statements[:-1]) and (
            cell.source.startswith(("import ", "from "))
        ):
            yield cell.source


# --- the set-up cell


def test_every_notebook_finds_what_it_imports(project, content):
    sources = [s for path in PATHS for s in (read(path).cells[1].source, *imports(path))]
    assert len(sources) > 2 * len(PATHS)
    end = "import helpers; print(helpers.__file__)"
    cells = run([*sources, end], content, project.as_uri())
    assert not errors(cells)
    assert text(cells[-1]).strip() == str(content / "resnet50-tutorial/helpers/__init__.py")
    for cell in cells:
        if cell.source.startswith("# @title"):
            line, *hint = text(cell).splitlines()
            assert re.fullmatch(r"Python 3\.\S+, TensorFlow 2\.\S+, Keras 3\.\S+, .+", line)
            assert bool(hint) == line.endswith("no GPU")
            assert not hint or "Runtime > Change runtime type > T4 GPU" in hint[0]


def test_the_project_is_fetched_once_and_shallow(tiny, content):
    colab = content / "resnet50-tutorial"
    cells = run([CELL], content, tiny.as_uri())
    assert text(cells[0]) == "started\n"
    assert (colab / ".git/shallow").exists()
    cells = run([CELL, CELL], content, "file:///nowhere")
    assert [text(cell) for cell in cells] == ["started\n"] * 2
    assert [path.name for path in content.iterdir()] == ["resnet50-tutorial"]


def test_half_a_project_is_put_aside(tiny, content):
    (content / "resnet50-tutorial/.git").mkdir(parents=True)
    (content / "resnet50-tutorial/mine.txt").write_text("kept")
    (content / "resnet50-tutorial/helpers").mkdir()
    cells = run([CELL], content, tiny.as_uri())
    assert text(cells[0]) == "started\n"
    assert (content / "resnet50-tutorial/helpers/setup.py").exists()
    assert [path.read_text() for path in content.glob("*-old/mine.txt")] == ["kept"]


def test_a_fetch_that_is_cut_short_leaves_nothing_behind(tiny, content):
    git = content.parent / "bin/git"
    git.parent.mkdir()
    git.write_text('#!/bin/sh\nfor last; do :; done\nmkdir -p "$last/helpers"\nkill -9 $$\n')
    git.chmod(0o755)
    cells = run([CELL], content, tiny.as_uri(), path=str(git.parent))
    assert "run this cell again" in one_line(cells[0])
    assert not list(content.iterdir())
    assert text(run([CELL], content, tiny.as_uri())[0]) == "started\n"


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "file:///nowhere"])
def test_no_network_is_said_in_one_line(content, url):
    line = one_line(run([CELL], content, url)[0])
    assert "run this cell again" in line and "fatal: " in line and address() in line
    assert not list(content.iterdir())


def test_elsewhere_nothing_is_fetched_and_one_line_says_where_helpers_is(tiny, content):
    line = one_line(run([CELL], content, tiny.as_uri(), in_colab=False)[0])
    assert address() in line and "pip does not have it" in line
    assert not list(content.iterdir())


def test_the_project_is_found_from_a_folder_inside_it(tiny, content):
    tree = content.parent / "tree"
    (tree / "build/mine").mkdir(parents=True)
    notebook = tree / "build/mine"
    cells = run([CELL], notebook, tiny.as_uri(), in_colab=False)
    assert text(cells[0]) == "started\n"


def test_pictures_show_where_only_the_notebook_is_opened():
    """They are stored in it, or have an address that leads to them from everywhere."""
    for path in PATHS:
        cells = read(path).cells
        for cell in cells:
            html = [cell.source, *(part.get("text/html") or "" for part in data(cell))]
            found = re.findall(r"!\[[^\]]*\]\(([^)\s]+)", cell.source)
            found += re.findall(r"<img[^>]*\bsrc=[\"']([^\"']+)", "\n".join(html))
            assert all(re.match("https://|attachment:|data:", target) for target in found), found
        assert any("image/png" in part for cell in cells for part in data(cell)), path.stem


# --- missing packages


@pytest.fixture
def without(monkeypatch):
    """Makes modules look as if they were not installed; records what pip is called with."""
    called = []

    def pretend(*modules, returncode=0, stderr=""):
        monkeypatch.setattr(setup, "find_spec", lambda name: None if name in modules else name)
        monkeypatch.setattr(setup, "import_tensorflow_quietly", lambda: None)

        def pip(command, **how):
            called.append(command)
            return subprocess.CompletedProcess(command, returncode, "", stderr)

        monkeypatch.setattr(subprocess, "run", pip)
        return called

    return pretend


def test_colab_gets_what_it_lacks_and_nothing_else(without, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "google.colab", helpers)
    assert without() == []
    setup.start()
    called = without("sklearn", "tqdm")
    setup.start()
    (command,) = called
    assert command[-2:] == ["scikit-learn", "tqdm"] and command[2:4] == ["pip", "install"]
    assert not {"--upgrade", "-U", "--force-reinstall"} & set(command)
    assert capsys.readouterr().out.count("Python 3") == 2


@pytest.mark.parametrize(
    "details, name", [({"device_name": "Tesla T4"}, "Tesla T4"), ({}, "a GPU")]
)
def test_a_gpu_is_named_and_the_hint_left_out(monkeypatch, capsys, details, name):
    monkeypatch.setitem(sys.modules, "google.colab", helpers)
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [kind])
    monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda gpu: details)
    setup.start()
    printed = capsys.readouterr().out
    assert printed.endswith(f", {name}\n") and printed.count("\n") == 1


def test_float32_products_keep_their_digits():
    tf.config.experimental.enable_tensor_float_32_execution(True)
    setup.start()
    assert not tf.config.experimental.tensor_float_32_execution_enabled()


def test_pip_that_fails_is_said_in_one_line(without, monkeypatch):
    monkeypatch.setitem(sys.modules, "google.colab", helpers)
    without("tqdm", returncode=1, stderr="a\nERROR: No matching distribution")
    with pytest.raises(helpers.UserError, match=r"tqdm \(ERROR: No .*Run this cell again"):
        setup.start()


def test_elsewhere_missing_packages_are_named_and_nothing_is_installed(without):
    called = without("PIL", "seaborn")
    with pytest.raises(helpers.UserError, match="pillow, seaborn") as stop:
        setup.start()
    assert not called
    assert stop.value._render_traceback_() == [str(stop.value)]


def test_helpers_can_be_imported_where_tensorflow_is_missing(tmp_path):
    """So that start can say what is missing."""
    program = (
        "import sys, importlib.util as util; find = util.find_spec; "
        "util.find_spec = lambda name: None if name == 'tensorflow' else find(name); "
        "import helpers.setup; print('tensorflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "False\n", done.stderr


def test_start_knows_every_package_that_is_imported():
    pins = (ROOT / "requirements.txt").read_text()
    found = set()
    rooms = [path for room in ("exercises", "helpers") for path in ROOT.glob(f"{room}/**/*.py")]
    for path in [*rooms, *ROOT.glob("*.py"), *PATHS]:
        source = path.read_text(encoding="utf-8")
        if path in PATHS:
            source = "\n".join(cell.source for cell in code(read(path).cells))
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                found.add(node.module.partition(".")[0])
    ours = {"exercises", "helpers", "images", *(path.stem for path in ROOT.glob("*.py"))}
    jupyter = {"google", "IPython", "nbclient", "nbconvert", "nbformat"}
    assert found - ours - jupyter - sys.stdlib_module_names <= set(setup.NEEDED)
    assert all(f"\n{package}==" in pins for package in setup.NEEDED.values())


# --- the address


def test_the_address_is_the_same_everywhere():
    name = owner_and_name(address())
    badge = re.compile(r"colab\.research\.google\.com/github/([\w.-]+/[\w.-]+)/blob/main/([^)\s]+)")
    for path in PATHS:
        first, cell = (cell.source for cell in read(path).cells[:2])
        assert badge.findall(first) == [(name, f"notebooks/{path.name}")]
        assert f'address = "{address()}"\n' in cell
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"git clone {address()}\n" in readme
    assert badge.findall(readme)
    assert f"https://{name.split('/')[0]}.github.io/{name.split('/')[1]}/" in readme
    for named, file in badge.findall(readme):
        assert named == name and (ROOT / file).exists()


def test_one_command_writes_the_address_everywhere(tmp_path):
    (tmp_path / "notebooks").mkdir()
    names = [*FILES, *(f"notebooks/{path.name}" for path in PATHS)]
    for name in names:
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    assert len(write("some-one/fork.2", tmp_path)) == len(names)
    old = owner_and_name(address())
    for name in names:
        text = (tmp_path / name).read_text(encoding="utf-8")
        assert f"github.com/{old}" not in text and f"github/{old}" not in text
        assert f"{old.split('/')[0]}.github.io" not in text
        assert "some-one/fork.2" in text
    assert write(old, tmp_path)
    assert all((tmp_path / name).read_bytes() == (ROOT / name).read_bytes() for name in names)


@pytest.mark.parametrize(
    "remote",
    [
        "https://github.com/a/b-c.git\n",
        "https://user:secret@github.com/a/b-c",
        "git@github.com:a/b-c.git",
        "ssh://git@github.com/a/b-c.git",
        "https://github.com/a/b-c/",
    ],
)
def test_remotes_in_all_their_forms(remote):
    assert owner_and_name(remote) == "a/b-c"


@pytest.mark.parametrize("remote", ["", "../project", "https://example.org/a/b", "a/b"])
def test_an_address_that_colab_cannot_open_is_refused(remote):
    with pytest.raises(ValueError, match="make address REPOSITORY="):
        owner_and_name(remote)


# --- whole notebooks, on Colab's versions


@pytest.mark.skipif(not WHOLE, reason="takes minutes: make colab-check")
@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_the_whole_notebook_runs(path, project, content, capsys):
    stored = code(read(path).cells)
    cells = run([cell.source for cell in stored], content, project.as_uri())
    kept = ROOT / "build/colab" / path.name  # to be looked at
    kept.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(new_notebook(cells=cells), kept)
    pairs = list(zip(stored, cells, strict=True))
    compared = [(old, new) for old, new in pairs if "nbval-ignore-output" not in tags(old)]
    differ = [old.id for old, new in compared if shown(old) != shown(new)]
    failed = errors(new for old, new in pairs if "raises-exception" not in tags(old))
    with capsys.disabled():
        print(f"\n{path.stem}: {text(cells[0]).splitlines()[0]}")
        print(f"  {len(cells)} code cells, {len(failed)} failed; ", end="")
        print(f"other output than stored: {', '.join(differ) or 'none'}")
    assert not failed, "\n".join(failed[0].traceback)


def shown(cell):
    """What a cell prints and shows as text, however many messages it came in."""
    parts = [part for part in data(cell) if part]
    return text(cell), [(part.get("text/html"), part.get("text/plain")) for part in parts]
