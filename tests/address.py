"""Writes the repository's address into every badge, set-up cell and page that names it.

The address stands in pyproject.toml; all else is copied from there. `make address` takes that of
the `origin` remote, `make address REPOSITORY=https://github.com/OWNER/NAME` the one named.
"""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FILES = ("pyproject.toml", "README.md", "INSTALL.md", "CONTRIBUTING.md", "CITATION.cff")
FILES += ("notebooks/fetch.py",)
WRITTEN = re.compile(
    r"(colab\.research\.google\.com/github/|git clone https://github\.com/"
    r'|(?:address|repository) = \\?"https://github\.com/|repository-code: https://github\.com/)'
    r"[\w.-]+/[\w.-]+"
)
OF_GITHUB = re.compile(r"(https://github\.com/)[\w.-]+/[\w.-]+(?=/(?:actions|issues/new)/)")
SITE = re.compile(r"https://[\w-]+\.github\.io/[\w.-]+/(?=\))")


def address():
    """https://github.com/OWNER/NAME, from the one place where it stands."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return settings["tool"]["resnet50-tutorial"]["repository"]


def owner_and_name(remote):
    """OWNER/NAME of a remote, in any of the forms that git takes. Raises ValueError."""
    prefix = r"(?:(?:https?://|ssh://)?(?:[^@/]*@)?github\.com[:/])"
    match = re.fullmatch(prefix + r"([\w.-]+/[\w.-]+?)(?:\.git)?/?", remote.strip())
    if not match:
        raise ValueError(
            f"{remote.strip() or 'no origin remote'}: Colab opens notebooks from GitHub only. "
            "Name the address: make address REPOSITORY=https://github.com/OWNER/NAME"
        )
    return match[1]


def write(new, root=ROOT):
    """Puts OWNER/NAME into every file under root that names the address; returns those changed."""
    changed = []
    owner, name = new.split("/")
    for path in [*(root / file for file in FILES), *root.glob("notebooks/*.ipynb")]:
        old = path.read_bytes()
        text = WRITTEN.sub(lambda found: found[1] + new, old.decode())
        if path.suffix != ".ipynb":  # a notebook may cite others' pages on GitHub
            text = OF_GITHUB.sub(lambda found: found[1] + new, text)
            text = SITE.sub(f"https://{owner.lower()}.github.io/{name}/", text)
        text = text.encode()
        if text != old:
            path.write_bytes(text)
            changed.append(path.name)
    return changed


def main(arguments):
    remote = " ".join(arguments)
    if not remote:
        command = ["git", "-C", str(ROOT), "remote", "get-url", "origin"]
        remote = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    try:
        changed = write(owner_and_name(remote))
    except ValueError as problem:
        print(problem, file=sys.stderr)
        return 2
    print(f"{address()} is written into {', '.join(changed) or 'every file already'}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
