"""The notebooks as Colab and Kaggle open them: alone, in an empty folder.

The set-up cell and notebooks/fetch.py run as they are, but for this: their folders /content and
/kaggle/working are one of the test, GitHub's copy of fetch.py is a file of the test, and git is
told to find the repository's address here.
"""

import ast
import os
import re
import subprocess
import sys
from types import SimpleNamespace

import keras
import nbformat
import notebook_setup as setup
import pytest
import tensorflow as tf
from address import FILES, address, owner_and_name, write
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook
from test_notebooks import PATHS, ROOT, code, read, tags

import helpers
from helpers import versions

WHOLE = "COLAB_CHECK" in os.environ
CELL = read(PATHS[0]).cells[1].source
STAND_IN = 'import sys, types\nsys.modules["google.colab"] = types.ModuleType("google.colab")\n'
STARTS = "def start():\n    print('started')\n"
TINY = {"helpers/__init__.py": "", "train.py": "", "notebooks/notebook_setup.py": STARTS}
FETCH = (ROOT / "notebooks/fetch.py").read_text(encoding="utf-8")


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
    paths = ["."] if WHOLE else ["exercises", "helpers", "images", "notebooks/*.py", "train.py"]
    return publish(ROOT, tmp_path_factory.mktemp("project") / "git", *paths)


@pytest.fixture
def tiny(tmp_path):
    """Stands in for the project where a test is about fetching it."""
    tree = tmp_path / "tree"
    for name, text in TINY.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(text)
    return publish(tree, tmp_path / "git", ".")


@pytest.fixture
def content(tmp_path):
    """Colab's folder /content, or Kaggle's /kaggle/working."""
    (tmp_path / "content").mkdir()
    return tmp_path / "content"


def run(sources, content, repository, host="colab", path=None, raw=None):
    """Runs cells in a kernel of their own; returns the cells with their outputs.

    host: "colab", "kaggle" or None, a machine of the reader's own; raw: what stands for the address
    of fetch.py.
    """
    stand_in = content.parent / "stand-in"
    stand_in.mkdir(exist_ok=True)
    (stand_in / "sitecustomize.py").write_text(STAND_IN if host == "colab" else "")
    fetch = stand_in / "fetch.py"
    fetch.write_text(re.sub('"(/content|/kaggle/working)"', f'"{content}"', FETCH))
    raw = raw or fetch.as_uri()
    environment = os.environ | ({"KAGGLE_KERNEL_RUN_TYPE": "Batch"} if host == "kaggle" else {})
    environment |= {
        "PYTHONPATH": str(stand_in),
        "PATH": os.pathsep.join([*([path] if path else []), os.environ["PATH"]]),
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{repository}.insteadOf",
        "GIT_CONFIG_VALUE_0": address(),
        "RESNET50_DATA": "",
        "no_proxy": "*",
    }
    sources = [source.replace("{address}/raw/main/notebooks/fetch.py", raw) for source in sources]
    notebook = new_notebook(cells=[new_code_cell(source) for source in sources])
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


def test_one_short_cell_sets_up_every_notebook():
    assert {read(path).cells[1].source for path in PATHS} == {CELL}
    assert len(CELL.splitlines()) <= 10


HOSTS = pytest.mark.parametrize("host", ["colab", "kaggle"])


@HOSTS
def test_the_project_is_fetched_once_and_shallow(tiny, content, host):
    fetched = content / "resnet50-tutorial"
    cells = run([CELL], content, tiny.as_uri(), host)
    assert text(cells[0]) == "started\n"
    assert (fetched / ".git/shallow").exists()
    cells = run([CELL, CELL], content, "file:///nowhere", host)
    assert [text(cell) for cell in cells] == ["started\n"] * 2
    assert [path.name for path in content.iterdir()] == ["resnet50-tutorial"]


def test_half_a_project_is_put_aside(tiny, content):
    (content / "resnet50-tutorial/.git").mkdir(parents=True)
    (content / "resnet50-tutorial/mine.txt").write_text("kept")
    (content / "resnet50-tutorial/helpers").mkdir()
    cells = run([CELL], content, tiny.as_uri())
    assert text(cells[0]) == "started\n"
    assert (content / "resnet50-tutorial/notebooks/notebook_setup.py").exists()
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


NOWHERE = ("file:///nowhere", "http://127.0.0.1:9")
SET = "import os; os.environ[{!r}] = {!r}"


@pytest.fixture(scope="module", params=["colab", "kaggle", None])
def failed(request, tmp_path_factory):
    """The lines of a set-up cell that is run again and again in one kernel, and always fails.

    (host, lines without a network at all, lines without a network for git, line without git)
    """
    content = tmp_path_factory.mktemp("failed") / "content"
    content.mkdir()
    cells = [CELL.replace("{address}/raw/main/notebooks/fetch.py", url) for url in NOWHERE]
    cells += [CELL, SET.format("GIT_CONFIG_KEY_0", f"url.{NOWHERE[1]}.insteadOf"), CELL]
    cells += [SET.format("PATH", ""), CELL]
    cells = run(cells, content, NOWHERE[0], request.param)
    assert not list(content.iterdir())
    lines = [one_line(cell) for cell in cells if "os.environ[" not in cell.source]
    assert all(address() in line for line in lines)
    return request.param, lines[:2], lines[2:4], lines[4]


def test_no_network_at_all_is_said_in_one_line(failed):
    for line in failed[1]:
        assert "turn internet on" in line and "<urlopen error" in line


def test_no_network_for_git_is_said_in_one_line_and_elsewhere_where_helpers_is(failed):
    host, _, lines, _ = failed
    for line in lines:
        if host:
            assert "run this cell again" in line and "fatal: " in line
        else:
            assert "There is no project around" in line and "pip does not have it" in line
            assert "open the notebook in its folder `notebooks`" in line
        assert ("Settings > Turn on internet" in line) == (host == "kaggle")


def test_no_git_is_said_in_one_line(failed):
    host, _, _, line = failed
    assert ("No such file or directory: 'git'" in line) == bool(host)


def test_in_a_download_without_git_and_network_the_cell_runs(tiny, content, monkeypatch):
    tree = content.parent / "tree"
    (content.parent / "bin").mkdir()
    monkeypatch.setenv("PATH", str(content.parent / "bin"))
    cells = run([CELL], tree / "notebooks", "file:///nowhere", host=None, raw="file:///nowhere")
    assert text(cells[0]) == "started\n" and not (tree / ".git").exists()


def test_the_project_is_found_from_a_folder_inside_it(tiny, content):
    notebook = content.parent / "tree/build/mine"
    notebook.mkdir(parents=True)
    cells = run([CELL], notebook, tiny.as_uri(), host=None)
    assert text(cells[0]) == "started\n"


def test_a_notebooks_folder_without_the_project_is_no_project(tiny, content):
    """As when only that folder was downloaded: `helpers` is missing, or another package of pip."""
    (content / "helpers.py").write_text("")
    (content / "notebook_setup.py").write_bytes((ROOT / "notebooks/notebook_setup.py").read_bytes())
    assert address() in one_line(run([CELL], content, tiny.as_uri(), host=None)[0])
    (content / "helpers.py").unlink()
    assert address() in one_line(run([CELL], content, tiny.as_uri(), host=None)[0])
    cells = run([CELL], content, tiny.as_uri(), host="colab")
    assert text(cells[0]) == "started\n"


def test_what_is_fetched_shows_other_errors_as_usual(tiny, content):
    later = "from urllib.request import urlopen; urlopen('file:///nowhere')"
    cells = run([CELL, later], content, tiny.as_uri())
    assert len(errors(cells)[0].traceback) > 1


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


# --- missing packages, versions, devices

HOSTED = pytest.mark.parametrize("host", ["COLAB", "KAGGLE"])


@pytest.fixture
def without(monkeypatch):
    """Makes modules look as if they were not installed; records what pip is called with."""
    called = []

    def pretend(*modules, returncode=0, stderr=""):
        monkeypatch.setattr(versions, "find_spec", lambda name: None if name in modules else name)
        monkeypatch.setattr(versions, "import_tensorflow_quietly", lambda: None)

        def pip(command, **how):
            called.append(command)
            return subprocess.CompletedProcess(command, returncode, "", stderr)

        monkeypatch.setattr(subprocess, "run", pip)
        return called

    return pretend


@HOSTED
def test_colab_and_kaggle_get_what_they_lack_and_nothing_else(without, monkeypatch, capsys, host):
    monkeypatch.setattr(setup, host, True)
    assert without() == []
    setup.start()
    called = without("sklearn", "seaborn")
    setup.start()
    (command,) = called
    assert command[-2:] == ["seaborn", "scikit-learn"] and command[2:4] == ["pip", "install"]
    assert not {"--upgrade", "-U", "--force-reinstall"} & set(command)
    assert capsys.readouterr().out.count("Python 3") == 2


@pytest.mark.parametrize(
    "details, name", [({"device_name": "Tesla T4"}, "Tesla T4"), ({}, "a GPU")]
)
@HOSTED
def test_a_gpu_is_named_and_the_hint_left_out(monkeypatch, capsys, details, name, host):
    monkeypatch.setattr(setup, host, True)
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [kind])
    monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda gpu: details)
    setup.start()
    printed = capsys.readouterr().out
    assert printed.endswith(f", {name}\n") and printed.count("\n") == 1


@pytest.mark.parametrize(
    ("host", "hint"), [("COLAB", "Runtime > Change"), ("KAGGLE", "Settings > Accelerator")]
)
def test_without_a_gpu_a_hint_says_where_to_get_one(monkeypatch, capsys, host, hint):
    monkeypatch.setattr(setup, host, True)
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    setup.start()
    first, second = capsys.readouterr().out.splitlines()
    assert first.endswith("no GPU") and hint in second


@pytest.mark.parametrize(
    ("host", "remedy"), [("COLAB", "requirements.txt"), ("KAGGLE", "Always use latest")]
)
def test_an_old_keras_is_said_in_one_line(monkeypatch, host, remedy):
    monkeypatch.setattr(setup, host, True)
    monkeypatch.setattr(keras, "__version__", "2.15.0")
    with pytest.raises(helpers.UserError, match=rf"Keras 3 .* 2\.15\.0\. .*{remedy}") as stop:
        setup.start()
    assert stop.value._render_traceback_() == [str(stop.value)]


@HOSTED
def test_an_old_python_is_said_in_one_line(monkeypatch, host):
    monkeypatch.setattr(setup, host, True)
    old = SimpleNamespace(version_info=(3, 10, 12), executable="python3")
    monkeypatch.setattr(versions, "sys", old)
    with pytest.raises(helpers.UserError, match=r"Python 3\.11\.4 to 3\.13 is needed"):
        setup.start()


def test_float32_products_keep_their_digits():
    tf.config.experimental.enable_tensor_float_32_execution(True)
    setup.start()
    assert not tf.config.experimental.tensor_float_32_execution_enabled()


def test_pip_that_fails_is_said_in_one_line(without, monkeypatch):
    monkeypatch.setattr(setup, "COLAB", True)
    without("seaborn", returncode=1, stderr="a\nERROR: No matching distribution")
    with pytest.raises(helpers.UserError, match=r"seaborn \(ERROR: No .*Run this cell again"):
        setup.start()


def test_elsewhere_missing_packages_are_named_and_nothing_is_installed(without):
    called = without("PIL", "seaborn")
    with pytest.raises(helpers.UserError, match="pillow, seaborn") as stop:
        setup.start()
    assert not called
    assert stop.value._render_traceback_() == [str(stop.value)]


def test_the_set_up_can_be_imported_where_tensorflow_is_missing():
    """So that start can say what is missing."""
    program = (
        "import sys, importlib.util as util; find = util.find_spec; "
        "util.find_spec = lambda name: None if name == 'tensorflow' else find(name); "
        "import notebook_setup; print('tensorflow' in sys.modules)"
    )
    there = ROOT / "notebooks"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=there, capture_output=True, text=True
    )
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
    ours = {"exercises", "helpers", "images", "notebook_setup"}
    ours |= {path.stem for path in ROOT.glob("*.py")}
    jupyter = {"google", "IPython", "nbclient", "nbconvert", "nbformat"}
    assert found - ours - jupyter - sys.stdlib_module_names <= set(versions.MODULES)
    packages = [versions.PACKAGES.get(module, module) for module in versions.MODULES]
    assert all(f"\n{package}==" in pins for package in packages)


# --- the address


def test_the_address_is_the_same_everywhere():
    name = owner_and_name(address())
    badge = re.compile(r"colab\.research\.google\.com/github/([\w.-]+/[\w.-]+)/blob/main/([^)\s]+)")
    for path in PATHS:
        first, cell = (cell.source for cell in read(path).cells[:2])
        assert badge.findall(first) == [(name, f"notebooks/{path.name}")]
        assert f'address = "{address()}"\n' in cell
    assert f'address = "{address()}"\n' in FETCH
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"git clone {address()}\n" in readme
    assert badge.findall(readme)
    assert f"https://{name.split('/')[0]}.github.io/{name.split('/')[1]}/" in readme
    for named, file in badge.findall(readme):
        assert named == name and (ROOT / file).exists()


def test_one_command_writes_the_address_everywhere(tmp_path):
    (tmp_path / "notebooks").mkdir()
    names = [*FILES, *(f"notebooks/{path.name}" for path in PATHS)]
    assert "notebooks/fetch.py" in names
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
